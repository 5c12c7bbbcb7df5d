-- TICK: which R have something to do and room for more tasks? A = {resources = {{R, cap, budget, windows}}, hand,
-- lease}. Takes the hands, at most one for each lane in hand or due, and returns {R, how many, R, how many, ...}; the
-- names of the hands are hand .. ':' .. R .. ':' .. i.
local out = {}
for _, r in ipairs(A.resources) do
  local R, cap = r[1], r[2]
  local due, run = P .. 'due:' .. R, P .. 'run:' .. R
  local work = c('ZCOUNT', due, '-inf', t) + c('ZCOUNT', run, '-inf', t)
  if work == 0 and c('ZCOUNT', P .. 'poll:' .. R, '-inf', t) > 0 then work = 1 end
  if work > 0 and not paused(R, r[3]) then
    A.windows = r[4]
    local taken, most = 0, math.min(room(r[3], cap), work + c('ZCOUNT', run, '(' .. t, '+inf'))
    while taken < work and hire(R, most, A.hand .. ':' .. R .. ':' .. (taken + 1), A.lease) == 1 do
      taken = taken + 1
    end
    if taken > 0 then out[#out + 1], out[#out + 2] = R, taken end
  end
end
return out
