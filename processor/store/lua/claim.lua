-- CLAIM: take one lane of R. A = {R, budget, cap, batch (0 = all), lease (ms), windows, share, joins}. Of a delivery lane it takes
-- the head, and what follows if both may be told together; a repeat takes what the first try took, so that it is the
-- same message. Returns {wait} when there is
-- nothing to do (wait in ms until the budget allows what is due, else -1), or
-- {0, L, fence, att, lost, err, facts, item, detail, body, item, detail, body, ...}.
-- detail is JSON: for refreshing the notification, for delivering how the row stands; `age` is for how many ms the item
-- has been due, nothing of it while a grant was lost. body is the event's document.
local R = A.R
local run = P .. 'run:' .. R
for _, L in ipairs(c('ZRANGEBYSCORE', run, '-inf', t, 'LIMIT', 0, 16)) do  -- this is the janitor
  c('ZREM', run, L)
  land_lane(L)
  local lost = c('HINCRBY', P .. 'lane:' .. L, 'lost', 1)
  c('ZADD', P .. 'due:' .. R, t + (lost > 2 and 100 * 2 ^ lost or 0), L)
end
if paused(R, A.budget) then return {-1} end
if c('ZCARD', run) >= (broken(R) and 1 or A.cap) then return {-1} end

-- Nothing overtakes what waits to be told with everything, under this configuration or the one before: as long as there is
-- any, what is due in a job's lane joins it. A few lanes at a time. A.joins says when all of it is due: "now", or "then",
-- as it was; "": ADMIT sees to it.
local function join(L, all)
  local together = row_of(R, c('LINDEX', P .. 'q:' .. all, 0)).together
  local at = A.joins == 'now' and t or tonumber(c('ZSCORE', P .. 'due:' .. R, all) or t)
  local items = c('LRANGE', P .. 'q:' .. L, 0, 99)
  c('ZREM', P .. 'due:' .. R, L)
  for _, item in ipairs(items) do
    local row = row_of(R, item)
    row.together = row.together or together
    set_row(R, item, row)
    push(R, all, item, at)
  end
  release(R, L, #items, t, 0, true)
end

local function first_due(n) return c('ZRANGEBYSCORE', P .. 'due:' .. R, '-inf', t, 'LIMIT', 0, n) end
local all = everything(R)
local left = (A.joins or '') ~= '' and c('EXISTS', P .. 'q:' .. all) == 1
for _, L in ipairs(left and first_due(20) or {}) do
  if L ~= all then join(L, all) end
end
local L = first_due(1)[1]
if left and L and L ~= all then return {-1} end  -- in a moment

if L then
  local wait = wait_for_budget(A.budget, 1)
  if wait > 0 then return {math.ceil(wait)} end
  c('ZREM', P .. 'due:' .. R, L)
else
  L = c('ZRANGEBYSCORE', P .. 'poll:' .. R, '-inf', t, 'LIMIT', 0, 1)[1]
  if not L or wait_for_own(A.budget) > 0 then return {-1} end  -- the rest is kept for what webhooks woke
  charge(A.budget .. '~own', 1, A.share)
  count('spent:' .. R .. ':own', 1)
  c('ZREM', P .. 'poll:' .. R, L)
end

local lane = P .. 'lane:' .. L
c('PERSIST', lane)
local fence = c('HINCRBY', lane, 'fence', 1)
c('HSET', lane, 'begun', t)
c('ZADD', run, t + A.lease, L)
charge(A.budget, 1)
if depart(A.budget, L, 200) then c('HSET', lane, 'gate', A.budget) end  -- no lane is kept in hand for so long

local state = c('HMGET', lane, 'att', 'lost', 'err')
local refreshing = R:sub(1, 2) == 'r:'
if refreshing then count('spent:' .. R, 1) end
local took = tonumber(c('HGET', lane, 'took') or 0)
if A.batch == 1 then took = 0 end  -- a sink that is told singly, whatever another one of its name was told together
local items = c('LRANGE', P .. 'q:' .. L, 0, (took > 0 and took or A.batch) - 1)
local facts = refreshing and c('GET', P .. 'facts:' .. R:sub(3) .. '/' .. L:match('|(.*)$')) or ''
local held = refreshing and tonumber(c('GET', P .. 'gate:' .. R .. '~held') or 0)  -- nothing grew old until then
local out = {0, L, tostring(fence), state[1] or '0', state[2] or '0', state[3] or '', facts or ''}
local first
for i, item in ipairs(items) do
  local row = not refreshing and row_of(R, item)
  first = first or row
  if row and took == 0 and i > 1 and not (first.together and row.together) then break end
  out[#out + 1] = item
  if refreshing then
    local n = c('HMGET', P .. 'n:' .. item, 'at', 'event', 'api', 'claim', 'trace')
    local at = math.max(tonumber(n[1] or t), held)
    local told = {at = at, age = t - at, event = n[2] or '', api = n[3] or '', claim = n[4] or '', trace = n[5] or nil}
    out[#out + 1] = cjson.encode(told)
    out[#out + 1] = ''
  else
    row.age = t - (row.due or t)
    out[#out + 1] = cjson.encode(row)
    out[#out + 1] = c('GET', P .. 'ev:' .. item:gsub('^~%d+~', '')) or ''
  end
end
if first and first.together then c('HSET', lane, 'took', (#out - 7) / 3) end
return out
