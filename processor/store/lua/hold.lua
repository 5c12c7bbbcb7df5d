#!lua flags=allow-oom
-- HOLD: nobody may be told before `delay` ms are over (quiet hours); then what waits is told together. It is not due
-- before, so it does not grow old either. A = {R, L, fence, delay, most (items that are marked)}.
if not mine(A.R, A.L, A.fence) then return 0 end
for _, item in ipairs(c('LRANGE', P .. 'q:' .. A.L, 0, A.most - 1)) do
  local row = row_of(A.R, item)
  row.due, row.together = math.max(t + A.delay, row.due or 0), row.together or A.together
  set_row(A.R, item, row)
end
c('HDEL', P .. 'lane:' .. A.L, 'took')
release(A.R, A.L, 0, t + A.delay, t + A.delay, false)
return 1
