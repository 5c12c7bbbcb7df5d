-- ACCEPT: store notifications and arm their lanes, all or none. A = {R, hints = {{seen, id, L, event, api, claim}},
-- dedup, keep (s), cap, budget, windows, hand, lease}. Returns {hired, outcome, id, outcome, id, ...}; outcome is new,
-- duplicate or revived; hired is how many hands were taken, named hand .. ':' .. i, at most one for each that is no
-- duplicate.
local out = {0}
local fresh, counts = 0, {}
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
  counts[out[#out - 1]] = (counts[out[#out - 1]] or 0) + 1
end
for outcome, n in pairs(counts) do count('notifications:' .. A.R .. ':' .. outcome, n) end
local most = room(A.budget, A.cap)
while out[1] < fresh and hire(A.R, most, A.hand .. ':' .. (out[1] + 1), A.lease) == 1 do out[1] = out[1] + 1 end
return out
