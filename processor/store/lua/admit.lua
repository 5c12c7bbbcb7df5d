#!lua flags=allow-oom
-- ADMIT: may this message go, or has R had its storm limit? A = {R, L, fence, n, limit, window (ms), all (the lane of
-- what goes beyond), together, keep, budget, windows}. Returns 'go' (and counts it, once however often it is tried),
-- 'joined': the items now wait in `all` for the end of the window, 'held': this is `all` itself, and its time has not
-- come, or 'stale'. While anything waits in `all`, whatever comes joins it, so that no event overtakes an older one.
if not mine(A.R, A.L, A.fence) then return 'stale' end
local lane, storm = P .. 'lane:' .. A.L, P .. 'storm:' .. A.R
if c('HEXISTS', lane, 'let') == 1 then return 'go' end
local began = tonumber(c('HGET', storm, 'began') or 0)
if began + A.window <= t then
  began = t
  c('DEL', storm)
end
local told = tonumber(c('HGET', storm, 'told') or 0)
local summary = A.L == A.all
if told < A.limit and (summary or c('LLEN', P .. 'q:' .. A.all) == 0) then
  c('HSET', storm, 'began', began, 'told', told + 1)
  c('PEXPIRE', storm, A.window)
  c('HSET', lane, 'let', 1)
  return 'go'
end
charge(A.budget, -1)  -- nothing was told
local at = told < A.limit and t or began + A.window
if summary then
  c('HDEL', lane, 'took')
  release(A.R, A.L, 0, at, at, false)
  return 'held'
end
for _, item in ipairs(c('LRANGE', P .. 'q:' .. A.L, 0, A.n - 1)) do
  local row = row_of(A.R, item)
  row.state, row.due, row.together = 'pending', at, A.together
  set_row(A.R, item, row, A.keep)
  push(A.R, A.all, item, at)
end
release(A.R, A.L, A.n, t, 0, true)
return 'joined'
