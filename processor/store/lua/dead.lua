#!lua flags=allow-oom
-- DEAD: the first n items cannot succeed. A = {R, L, fence, n, why (JSON), detail, attempts, keep}.
if not mine(A.R, A.L, A.fence) then return 0 end
for i, item in ipairs(c('LRANGE', P .. 'q:' .. A.L, 0, A.n - 1)) do
  kill(A.R, A.L, item, i, A.why)
  if A.tried ~= '' then tried(A.R, item, cjson.decode(A.tried), A.keep) end
  note(A.R, item, 'dead', {attempts = A.attempts, detail = A.detail}, A.keep)
end
if A.answered then answered(A.R) end
count('dead:' .. A.R, A.n)
release(A.R, A.L, A.n, t, 0, true)
return 1
