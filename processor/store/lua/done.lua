#!lua flags=allow-oom
-- DONE: the first n items of a delivery lane were taken by the far end. A = {R, L, fence, n, attempts, ref, keep}.
if not mine(A.R, A.L, A.fence) then return 0 end
for _, item in ipairs(c('LRANGE', P .. 'q:' .. A.L, 0, A.n - 1)) do
  note(A.R, (item:gsub('^~%d+~', '')), 'delivered', {attempts = A.attempts, ref = A.ref}, A.keep)
end
count('deliveries:' .. A.R .. ':delivered', A.n)
release(A.R, A.L, A.n, t, 0, true)
return 1
