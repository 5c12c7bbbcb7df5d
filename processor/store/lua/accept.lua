-- ACCEPT: store notifications and arm their lanes, all or none. A = {R, hints = {{seen, id, L, event, api, claim}},
-- dedup, keep (s), cap, hand, lease}. Returns {hired, outcome, id, outcome, id, ...}; outcome is new|duplicate|revived.
local out = {0}
local fresh = 0
for _, h in ipairs(A.hints) do
  local old = c('GET', P .. 'seen:' .. h.seen)
  local dead = old and c('HEXISTS', P .. 'dead', h.L .. ' ' .. old) == 1
  if old and not dead then
    out[#out + 1], out[#out + 2] = 'duplicate', old
  else
    local id, outcome = h.id, 'new'
    if dead then
      id, outcome = old, 'revived'
      c('HDEL', P .. 'dead', h.L .. ' ' .. old)
      c('ZREM', P .. 'deadz', h.L .. ' ' .. old)
      c('HDEL', P .. 'lane:' .. h.L, 'att', 't0', 'err')
    end
    c('SET', P .. 'seen:' .. h.seen, id, 'EX', A.dedup)
    c('HSET', P .. 'n:' .. id, 'L', h.L, 'at', t, 'event', h.event, 'api', h.api, 'claim', h.claim, 'state', 'pending')
    c('EXPIRE', P .. 'n:' .. id, A.keep)
    push(A.R, h.L, id, t)
    fresh = fresh + 1
    out[#out + 1], out[#out + 2] = outcome, id
  end
  count('notifications:' .. A.R .. ':' .. out[#out - 1], 1)
end
if fresh > 0 and A.hand then out[1] = hire(A.R, A.cap, A.hand, A.lease) end
return out
