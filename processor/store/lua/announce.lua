-- ANNOUNCE: an event of our own. A = {id, type, source, job, rows = {{R, L, event, delay, together, the lane of the job}}, keep, caps, hands,
-- lease, alarm = {field, value} (begins if there is none under that name, ends with an empty value), told (members of `untold` that it tells of), of (their source)}; ARGV[2] is the event's document. Returns
-- {1, R, R, ...} as COMMIT does, or {0} when it was announced before.
if A.alarm then
  local field, value = A.alarm[1], A.alarm[2]
  local place, by = field:match('^%S+ %S+') or field, value ~= '' and 1 or -1  -- how many stand, of a kind at a place
  if by == 1 then
    if c('HSETNX', P .. 'alarms', field, value) == 0 then return {0} end
  elseif c('HDEL', P .. 'alarms', field) == 0 then
    return {0}
  end
  if c('HINCRBY', P .. 'alarmed', place, by) <= 0 then c('HDEL', P .. 'alarmed', place) end
end
if not c('SET', P .. 'ev:' .. A.id, ARGV[2], 'EX', A.keep, 'NX') then return {0} end
publish(A)
for _, member in ipairs(A.told) do c('ZREM', P .. 'untold:' .. A.of, member) end
if #A.told > 0 then count('repaired:' .. A.of, #A.told) end
for _, row in ipairs(A.rows) do
  set_row(row[1], row[3], {state = 'pending', due = t + row[4], together = row[5] ~= '' and row[5] or nil}, A.keep)
  enlist(row[1], row[3], 'pending')
  push(row[1], behind(row[1], row[2], row[6]), row[3], t + row[4])
end
local out = {1}
for R, hand in pairs(A.hands) do
  if hire(R, A.caps[R], hand, A.lease) == 1 then out[#out + 1] = R end
end
return out
