-- CLAIM: take one lane of R. A = {R, budget, cap, batch (0 = all), lease (ms), windows, share, joins, by (who
-- asks), hand (of the task that asks; without one nothing is given back)}. Of a delivery lane it takes the head, and what follows if both may be
-- told together; a repeat takes what the first try took, so that it is the same message. Returns {wait} when there is
-- nothing to do (wait in ms until the budget allows what is due, 0: ask again; or -1, then the hand is free), or
-- {0, L, fence, att, lost, err, facts, item, detail, body, item, detail, body, ...}.
-- detail is JSON: for refreshing the notification, for delivering how the row stands; `age` is for how many ms the item
-- has been due, nothing of it while a grant was lost. body is the event's document.
if A.hand then
  c('ZADD', P .. 'hands:' .. A.R, 'XX', t + A.lease, A.hand)  -- it is at work now, and kept from here on
  holds(A.by, {{A.R, A.hand}}, A.lease)
end
return draw(A)
