#!lua flags=allow-oom
-- SWEEP: forget some of what a list for people has no use for any more. A = {name, before (ms), most, jobs (is it a list of
-- jobs), docs (s that their documents are kept)}. A job goes with its document, and not before. Returns how
-- many were looked at; fewer than `most` is all there was.
local name = P .. A.name
local old = c('ZRANGEBYSCORE', name, '-inf', A.before, 'LIMIT', 0, A.most)
for _, member in ipairs(old) do
  local left = A.jobs and c('TTL', P .. 'doc:' .. member) or -2
  if left > 0 then
    c('ZADD', name, math.max(A.before + 1, t + math.min(0, left - A.docs) * 1000), member)  -- when the document was written
  else
    c('ZREM', name, member)
    if A.jobs then
      local card = c('HGET', P .. 'cards', member)
      for _, word in ipairs(card and cjson.decode(card).words or {}) do c('ZREM', P .. 'words', word .. '\0' .. member) end
      c('HDEL', P .. 'cards', member)
    end
  end
end
if c('EXISTS', name) == 0 then c('SREM', P .. 'index', A.name) end
return #old
