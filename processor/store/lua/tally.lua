#!lua flags=allow-oom
-- TALLY: what a receiver has counted lately. A = {writer, number, counts = {field = n}, heard = {source},
-- unverified = {source = n}, slice, window (ms; 0 = nobody watches)}. Sent again under the same number it counts nothing:
-- a writer numbers in order. Counts of wrong signatures go into slices of time too, as many as the window has.
local writer = P .. 'lock:tally:' .. A.writer
if c('GET', writer) == tostring(A.number) then return 0 end
c('SET', writer, A.number, 'EX', 600)
for field, n in pairs(A.counts) do count(field, n) end
for _, source in ipairs(A.heard) do
  if tonumber(c('HGET', P .. 'heard', source) or 0) < t then c('HSET', P .. 'heard', source, t) end
end
for source, n in pairs(A.window > 0 and A.unverified or {}) do
  local wrong = P .. 'wrong:' .. source
  for _, began in ipairs(c('HKEYS', wrong)) do
    if began + A.slice <= t - A.window then c('HDEL', wrong, began) end
  end
  c('HINCRBY', wrong, string.format('%.0f', t - t % A.slice), n)
  c('PEXPIRE', wrong, A.window + A.slice)
end
return 1
