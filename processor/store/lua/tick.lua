-- TICK: which R have something to do and room for more tasks? A = {resources = {{R, cap, budget}}, hand, lease}. Takes the hands
-- and returns {R, how many, R, how many, ...}; the names of the hands are hand .. ':' .. R .. ':' .. i.
local out = {}
for _, r in ipairs(A.resources) do
  local R, cap = r[1], r[2]
  if not paused(R, r[3]) then
    local work = c('ZCOUNT', P .. 'due:' .. R, '-inf', t) + c('ZCOUNT', P .. 'run:' .. R, '-inf', t)
    if work == 0 and c('ZCOUNT', P .. 'poll:' .. R, '-inf', t) > 0 then work = 1 end
    local taken = 0
    while taken < work and hire(R, cap, A.hand .. ':' .. R .. ':' .. (taken + 1), A.lease) == 1 do taken = taken + 1 end
    if taken > 0 then out[#out + 1], out[#out + 2] = R, taken end
  end
end
return out
