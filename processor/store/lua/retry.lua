#!lua flags=allow-oom
-- RETRY: not now. A = {R, L, fence, delay (ms), err, counts (is it an attempt), pause (ms, 0 = none), n, tried (JSON, '' = no attempt), trips (was it the far end itself), keep, gate (whom it
-- holds off)}. Handing a lane back untouched is a retry with no delay that does not count.
if not mine(A.R, A.L, A.fence) then return 0 end
if A.counts then
  c('HINCRBY', P .. 'lane:' .. A.L, 'att', 1)
  count('retries:' .. A.R, 1)
  for _, item in ipairs(c('LRANGE', P .. 'q:' .. A.L, 0, A.n - 1)) do
    if not c('ZSCORE', P .. 'st:' .. A.R .. '|retrying', item) then enlist(A.R, item, 'retrying') end
  end
end
if A.err ~= '' then c('HSET', P .. 'lane:' .. A.L, 'err', A.err) end
if A.pause > 0 then pause(A.gate, A.pause) end
if A.tried ~= '' then
  for _, item in ipairs(c('LRANGE', P .. 'q:' .. A.L, 0, A.n - 1)) do tried(A.R, item, cjson.decode(A.tried), A.keep) end
end
if A.trips then
  failed(A.R)
  if A.n > 0 then missed(A.R, A.L) end
end
if A.pause > 0 and not A.counts and A.gate == A.R and A.R:sub(1, 2) == 'r:' then  -- a lost grant: nothing grows old
  c('SET', P .. 'gate:' .. A.R .. '~held', t + A.pause, 'EX', 30 * DAY)
end
release(A.R, A.L, 0, t + A.delay, t + A.delay, false)
return 1
