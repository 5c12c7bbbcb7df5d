#!lua flags=allow-oom
-- BURY: what waits for an R that nobody claims from any more. A = {R, age (ms for which what dies has been due), reason,
-- detail, most (items), so_far (died just before), keep}. A lane in hand is left alone while its lease lasts; then this is
-- its janitor, since no claim is. Returns how many items died.
local before = t - A.age
local run, due = P .. 'run:' .. A.R, P .. 'due:' .. A.R
for _, L in ipairs(c('ZRANGEBYSCORE', run, '-inf', t, 'LIMIT', 0, A.most)) do
  c('ZREM', run, L)
  land_lane(L)
  c('ZADD', due, t, L)
end

local refreshing = A.R:sub(1, 2) == 'r:'
local function since(item)
  return tonumber(refreshing and c('HGET', P .. 'n:' .. item, 'at') or row_of(A.R, item).due or 0)
end

local buried = 0
for _, L in ipairs(c('ZRANGEBYSCORE', due, '-inf', before, 'LIMIT', 0, A.most)) do
  local attempts = tonumber(c('HGET', P .. 'lane:' .. L, 'att') or 0)
  local n, left = 0, 0
  c('ZREM', due, L)
  for _, item in ipairs(c('LRANGE', P .. 'q:' .. L, 0, A.most - buried)) do
    left = since(item)
    if left > before or buried == A.most then break end
    n, buried = n + 1, buried + 1
    kill(A.R, L, item, A.so_far + buried, cjson.encode({reason = A.reason, detail = A.detail, attempts = attempts}))
    note(A.R, item, 'dead', {attempts = attempts, detail = A.detail}, A.keep)
  end
  count('dead:' .. A.R, n)
  release(A.R, L, n, left, 0, n > 0)
  if buried == A.most then break end
end
return buried
