-- LEAVE: a task found nothing more. A = {R, budget, hand, cap, windows, final (leave whatever is there)}. Returns 1
-- when something came due in between: stay; else 0 and the hand is free. Without this a notification that arrives between the last look and the leaving waits for a tick.
if not A.final
  and c('ZCOUNT', P .. 'due:' .. A.R, '-inf', t) > 0
  and c('ZCARD', P .. 'run:' .. A.R) < A.cap
  and not paused(A.R, A.budget)
  and wait_for_budget(A.budget, 1) <= 0 then
  return 1
end
c('ZREM', P .. 'hands:' .. A.R, A.hand)
return 0
