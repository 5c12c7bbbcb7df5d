-- ACCEPT: store notifications and arm their lanes, all or none. A = {R, hints = {{seen, id, L, event, api, claim, trace}},
-- dedup, keep (s), cap, budget, windows, hand, lease, heard (did the provider itself tell)}. Returns {hired, outcome, id,
-- outcome, id, ...}; outcome is new, duplicate or revived; hired is how many hands were taken, named hand .. ':' .. i, at
-- most one for each that is no duplicate.
local out, fresh = take_in(A.R, A.hints)
if A.heard then c('HSET', P .. 'heard', A.R:sub(3), t) end
table.insert(out, 1, hire_some(fresh, A.R, A.budget, A.cap, A.hand, A.lease))
return out
