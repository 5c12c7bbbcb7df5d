-- SPEND: a call of our own asking (a page of a list). A = {R, budget, windows, share}. Returns 0 when it may go, and
-- charges it; else in how many ms to ask again.
land(A.budget, 'list:' .. A.R)  -- pages come one by one: the one before is here
if paused(A.R, A.budget) then return 1000 end
local wait = wait_for_own(A.budget)
if wait > 0 then return math.ceil(wait) end
charge(A.budget, 1)
depart(A.budget, 'list:' .. A.R, 60)  -- longer than a call may take
charge(A.budget .. '~own', 1, A.share)
count('spent:' .. A.R, 1)
count('spent:' .. A.R .. ':own', 1)
return 0
