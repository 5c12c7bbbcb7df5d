#!lua flags=allow-oom
-- DONE: the first n items were taken by the far end, without a commit. A = {R, L, fence, n, attempts, ref, keep}.
-- Returns 1, or 0: stale. With A.next what was not stale comes as {1, what CLAIM returns}.
if not mine(A.R, A.L, A.fence) then return 0 end
answered(A.R)
for _, item in ipairs(c('LRANGE', P .. 'q:' .. A.L, 0, A.n - 1)) do
  took(A.R, row_of(A.R, item).born)
  if A.attempts > 1 then tried(A.R, item, {ok = true, said = A.ref, ms = A.ms}, A.keep) end
  note(A.R, item, A.R:sub(1, 2) == 'r:' and 'done' or 'delivered', {attempts = A.attempts, ref = A.ref, ms = A.ms}, A.keep)
end
count('deliveries:' .. A.R .. ':delivered', A.n)
release(A.R, A.L, A.n, t, 0, true)
return onward(1)
