-- REVIVE: a dead item gets its place at the end of its lane again. A = {R, L, item, keep}.
-- Returns 1, or 0 when it is not dead.
local id = A.L .. ' ' .. A.item
if c('HDEL', P .. 'dead', id) == 0 then return 0 end
c('ZREM', P .. 'deadz', id)
c('HDEL', P .. 'lane:' .. A.L, 'att', 'err')
if A.R:sub(1, 2) == 'r:' then
  c('HSET', P .. 'n:' .. A.item, 'state', 'pending', 'at', t)
  c('EXPIRE', P .. 'n:' .. A.item, A.keep)
else
  c('HSET', P .. 'dl:' .. A.item, A.R, cjson.encode({state = 'pending', due = t}))
  c('EXPIRE', P .. 'dl:' .. A.item, A.keep)
end
enlist(A.R, A.item, 'pending')
push(A.R, A.L, A.item, t)
return 1
