#!lua flags=allow-oom
-- ABANDON: a worker is gone without a word. A = {by, resources = {R}}. What it had in hand is nobody's, so its leases end
-- now rather than in time: the next claim finds the lanes as it does those whose lease ran out, the next tick the room.
-- Returns how many lanes that were.
local n, held = 0, P .. 'held:' .. A.by
for _, R in ipairs(A.resources) do
  for _, L in ipairs(c('ZRANGE', P .. 'run:' .. R, 0, -1)) do
    if c('HGET', P .. 'lane:' .. L, 'by') == A.by then n = n + c('ZADD', P .. 'run:' .. R, 'CH', t - 1, L) end
  end
end
for _, task in ipairs(c('SMEMBERS', held)) do
  local R, hand = task:match('^(.*) (.*)$')
  c('ZREM', P .. 'hands:' .. R, hand)
end
c('DEL', held)
c('ZREM', P .. 'workers', A.by)
return n
