-- REPLAY: events once more to sinks, under the ids they have, each behind what waits in its lane. A = {call, rows =
-- {{R, L, other, event, delay (ms), together}}, dead (only what is dead), hold (s that a document and its row stay at
-- least), caps, hands, lease}; an event may have died in L or in `other`, the lanes of its job and of everything.
-- Returns an outcome for each row, and after them the R that a hand was taken for. Outcomes: again; waits (it does so
-- already, and is not doubled); gone (its document is no longer kept); alive (only the dead were meant).
local call = P .. 'lock:replay:' .. A.call  -- sent again, it must not find what went out meanwhile, and take it anew
local answer = c('GET', call)
if answer then return cjson.decode(answer) end

local function stays(key)
  if c('TTL', key) < A.hold then c('EXPIRE', key, A.hold) end
end

local function dig_out(id)
  c('ZREM', P .. 'deadz', id)
  return c('HDEL', P .. 'dead', id)
end

local function replay(R, L, other, event, delay, together)
  if c('EXISTS', P .. 'ev:' .. event) == 0 then return 'gone' end
  local state = row_of(R, event).state
  if state == 'pending' or state == 'retrying' then return 'waits' end
  local dug = dig_out(L .. ' ' .. event) + dig_out(other .. ' ' .. event)
  if A.dead and dug == 0 then return 'alive' end
  set_row(R, event, {state = 'pending', due = t + delay, together = together ~= '' and together or nil})
  stays(P .. 'dl:' .. event)
  stays(P .. 'ev:' .. event)
  enlist(R, event, 'pending')
  push(R, behind(R, L, other), event, t + delay)
  count('replayed:' .. R, 1)
  return 'again'
end

local out, armed = {}, {}
for i, row in ipairs(A.rows) do
  out[i] = replay(unpack(row))
  if out[i] == 'again' then armed[row[1]] = true end
end
for R, hand in pairs(A.hands) do
  if armed[R] and hire(R, A.caps[R], hand, A.lease) == 1 then out[#out + 1] = R end
end
c('SET', call, cjson.encode(out), 'EX', 60)
return out
