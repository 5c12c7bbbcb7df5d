-- KEEP: longer leases for lanes and tasks in hand. A = {lanes = {{R, L, fence}}, hands = {{R, hand}}, lease, by (whose)}.
-- Returns the lanes that are no longer ours.
local lost = {}
for _, l in ipairs(A.lanes) do
  if mine(l[1], l[2], l[3]) then c('ZADD', P .. 'run:' .. l[1], t + A.lease, l[2]) else lost[#lost + 1] = l[2] end
end
for _, h in ipairs(A.hands) do c('ZADD', P .. 'hands:' .. h[1], 'XX', t + A.lease, h[2]) end
c('DEL', P .. 'held:' .. A.by)
holds(A.by, A.hands, A.lease)
return lost
