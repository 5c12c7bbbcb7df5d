#!lua flags=allow-oom
-- COMMIT: what one refresh found. A = {R, L, fence, n, poll (ms from now, 0 = none), attempts, job, found, keep, doc_ttl,
-- facts_ttl, card ('' = leave it), look = {st, ps, ms, note}, events = {{id, type, source, job, of (the job's key)}}, rows = {{R, L, event, delay, together, the lane of the job}}, caps = {R = cap}, hands = {R = hand},
-- lease}; ARGV[2] facts, ARGV[3] deflated document ('' = leave it), ARGV[4..] the events' documents.
-- Returns {1, R, R, ...}, the sinks that a hand was taken for, or {0}: stale, nothing was written. With A.next what was
-- not stale comes as {that, what CLAIM returns}.
if not mine(A.R, A.L, A.fence) then return {0} end
c('SET', P .. 'facts:' .. A.job, ARGV[2], 'EX', A.facts_ttl)
if ARGV[3] ~= '' then c('SET', P .. 'doc:' .. A.job, ARGV[3], 'EX', A.doc_ttl) end
show(A.R:sub(3), A.job, A.card)
local items = c('LRANGE', P .. 'q:' .. A.L, 0, A.n - 1)
if #items + #A.events > 0 then
  A.look.k, A.look.n = 'look', #items > 0 and items or nil
  tell(A.job, A.look, A.doc_ttl)
end
for i, e in ipairs(A.events) do
  c('SET', P .. 'ev:' .. e.id, ARGV[3 + i], 'EX', A.keep)
  publish(e)
  tell(e.of, {k = 'event', id = e.id, type = e.type}, A.doc_ttl)
end
local born, trace
for _, item in ipairs(#A.rows > 0 and items or {}) do
  local n = c('HMGET', P .. 'n:' .. item, 'at', 'trace')
  local at = tonumber(n[1] or t)
  if not born or at < born then born, trace = at, n[2] or nil end
end
for _, row in ipairs(A.rows) do
  local due = t + row[4]
  set_row(row[1], row[3], {state = 'pending', due = due, together = row[5] ~= '' and row[5] or nil, born = born, trace = trace}, A.keep)
  enlist(row[1], row[3], 'pending')
  push(row[1], behind(row[1], row[2], row[6]), row[3], due)
end
for _, item in ipairs(items) do note(A.R, item, 'done', {attempts = A.attempts}, A.keep) end
local untold = P .. 'untold:' .. A.R:sub(3)  -- what was found and no webhook has told, so far
if A.found == 'repaired' then c('ZADD', untold, 'NX', t, A.job)
elseif A.found == 'told' then c('ZREM', untold, A.job) end
answered(A.R)
count('refreshed:' .. A.R, 1)
release(A.R, A.L, A.n, t, A.poll > 0 and t + A.poll or 0, true)
local out = {1}
for R, hand in pairs(A.hands) do
  if hire(R, A.caps[R], hand, A.lease) == 1 then out[#out + 1] = R end
end
return onward(out)
