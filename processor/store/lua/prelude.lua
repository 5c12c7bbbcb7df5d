-- Shared by every script: KEYS[1] is the prefix, ARGV[1] a JSON object of named arguments, further ARGVs are blobs.
-- A script is one state change; it is idempotent by a fence or a seen-key, because a client re-sends what it does
-- not know the outcome of. Times are milliseconds of the server's own clock.
local P, A, c = KEYS[1], cjson.decode(ARGV[1]), redis.call
local t = A.now
local DAY = 86400

-- The server's clock may be set back, or a server with another clock may take its place: then every wait that is stored
-- would be longer by as much. So time goes on from where it was, and by a tenth slower until the clock has caught up.
-- Where it was is written down once a second.
if not t then
  local time, was = c('TIME'), c('HMGET', P .. 'clock', 'last', 'ahead')
  local ahead = tonumber(was[2] or 0)
  t = time[1] * 1000 + math.floor(time[2] / 1000) + ahead
  local passed = t - tonumber(was[1] or 0)
  if passed < 0 then
    t, ahead = t - passed, ahead - passed
  elseif passed > 1000 then
    local less = math.min(ahead, math.floor(passed / 10))
    t, ahead = t - less, ahead - less
  end
  if passed < 0 or passed > 1000 then
    c('HSET', P .. 'clock', 'last', t, 'ahead', ahead)
    c('EXPIRE', P .. 'clock', DAY)
  end
end

-- Many members of a sorted set at once, all at one score. Lua can hand over some thousands of arguments.
local function add(zset, members, score, ...)
  local args = {...}
  for _, member in ipairs(members) do args[#args + 1], args[#args + 2] = score, member end
  c('ZADD', zset, unpack(args))
end

-- A lane is refreshed no sooner than `pace` after its last refresh began; deliveries have no pace.
local PACE = 1000
local function paced(R, L, at)
  if R:sub(1, 2) ~= 'r:' then return at end
  local begun = tonumber(c('HGET', P .. 'lane:' .. L, 'begun') or 0)
  return math.max(at, begun + PACE)
end

-- The lane has work at `at`. One in hand will see it at its release; a storm must not defeat a back-off.
local function arm(R, L, at)
  c('PERSIST', P .. 'lane:' .. L)
  if c('ZSCORE', P .. 'run:' .. R, L) then return end
  local old = c('ZSCORE', P .. 'due:' .. R, L)
  if old and tonumber(c('HGET', P .. 'lane:' .. L, 'att') or 0) > 0 then return end
  at = paced(R, L, at)
  if not old or tonumber(old) > at then c('ZADD', P .. 'due:' .. R, at, L) end
  c('ZREM', P .. 'poll:' .. R, L)
end

-- Lanes that nobody has had in hand are at most in poll: there is nothing to look up.
local function begin(R, lanes, at)
  add(P .. 'due:' .. R, lanes, at, 'LT')
  c('ZREM', P .. 'poll:' .. R, unpack(lanes))
end

local function is_known(L) return c('EXISTS', P .. 'lane:' .. L) == 1 end

local function push(R, L, item, at)
  c('RPUSH', P .. 'q:' .. L, item)
  if is_known(L) then arm(R, L, at) else begin(R, {L}, at) end
end

-- The lane of what is told with everything, whatever job it is about.
local function everything(R) return R .. '|*' end

-- An event that is to be told with everything stays behind what is left in the lane of its job.
local function behind(R, L, of_job)
  return L == everything(R) and of_job and c('EXISTS', P .. 'q:' .. of_job) == 1 and of_job or L
end

-- Only the holder of the current fence, listed in run, may write.
local function mine(R, L, fence)
  return c('ZSCORE', P .. 'run:' .. R, L) and c('HGET', P .. 'lane:' .. L, 'fence') == fence
end

-- Deliveries: where one stands with the sink R, as JSON: state, due, and with what it may be told (together).
local function row_of(R, item)
  local row = c('HGET', P .. 'dl:' .. item, R)
  return row and cjson.decode(row) or {}
end

local function set_row(R, item, row, ttl)
  local dl = P .. 'dl:' .. item
  c('HSET', dl, R, cjson.encode(row))
  if ttl then c('EXPIRE', dl, ttl) end
end

-- When what is left in a delivery lane is due: one that waits to be told together has a time of its own.
local function head_due(R, L)
  if R:sub(1, 2) ~= 'd:' then return 0 end
  local head = c('LINDEX', P .. 'q:' .. L, 0)
  return head and tonumber(row_of(R, head).due or 0) or 0
end

-- Since when what comes first in a lane has been waiting for it.
local function oldest(R, L)
  local head = R:sub(1, 2) == 'r:' and c('LINDEX', P .. 'q:' .. L, 0)
  return head and tonumber(c('HGET', P .. 'n:' .. head, 'at') or t) or head_due(R, L)
end

-- Under way: a provider counts a request when it arrives, which is at some time until its answer. A gate's `~air` has
-- what was asked and has no answer yet, each with the time at which nobody will tell of one any more; its `~log` has, of
-- what was answered, the latest time that each can have arrived.
local function land(gate, what)
  if c('ZREM', P .. 'gate:' .. gate .. '~air', what) == 1 then c('RPUSH', P .. 'gate:' .. gate .. '~log', t + 1) end
end

local function land_lane(L)
  local gate = c('HGET', P .. 'lane:' .. L, 'gate')
  if not gate then return end
  land(gate, L)
  c('HDEL', P .. 'lane:' .. L, 'gate')
end

-- A look at a job went well after a source's pause was over: whatever it could not be reached for is over too.
local function end_trouble(R)
  if R:sub(1, 2) ~= 'r:' or tonumber(c('HGET', P .. 'gate:' .. R, 'pause') or 0) > t then return end
  c('DEL', P .. 'trouble:' .. R:sub(3))
end

-- Lets go of a lane, the first n items of which are done with. An item leaves q only here.
local function release(R, L, n, at, poll, ok)
  local lane, q = P .. 'lane:' .. L, P .. 'q:' .. L
  c('ZREM', P .. 'run:' .. R, L)
  land_lane(L)
  if n > 0 then c('LTRIM', q, n, -1) end
  if not ok then
    c('HDEL', lane, 'lost')
  else
    c('HDEL', lane, 'lost', 'att', 'err', 'took', 'let')
    c('ZREM', P .. 'far:' .. R, L)
    at = math.max(at, head_due(R, L))
    end_trouble(R)
  end
  if c('LLEN', q) > 0 then
    c('ZADD', P .. 'due:' .. R, paced(R, L, at), L)
  elseif poll > 0 then
    c('ZADD', P .. 'poll:' .. R, paced(R, L, poll), L)
  else
    c('EXPIRE', lane, DAY)
  end
end

-- Lists for people, newest first: whatever has a list is in the set `index`, so that what a configuration does not know
-- any more can be cleaned up too.
local function list_all(name, at, members)
  c('SADD', P .. 'index', name)
  add(P .. name, members, at)
end

local function list(name, at, member) list_all(name, at, {member}) end

-- Which of R's items are in which state, since when: each is in one list.
local STATES = {'pending', 'retrying', 'done', 'delivered', 'dead'}
local function enlist(R, item, state)
  for _, other in ipairs(STATES) do
    if other ~= state then c('ZREM', P .. 'st:' .. R .. '|' .. other, item) end
  end
  list('st:' .. R .. '|' .. state, t, item)
end

-- What happened to a job, for its page: one JSON a line, at most the last thousand.
local function tell(job, what, ttl)
  what.t = t
  local story = P .. 'story:' .. job
  c('RPUSH', story, cjson.encode(what))
  c('LTRIM', story, -1000, -1)
  if c('TTL', story) < ttl then c('EXPIRE', story, ttl) end
end

-- A job as it is listed and searched for: `card` is JSON with its state and the words that it is found by. A job is in
-- the list of its state since it was first seen in it.
local function show(source, job, card)
  local old = c('HGET', P .. 'cards', job)
  if card == '' or card == old then return end
  local was, is = old and cjson.decode(old) or {words = {}}, cjson.decode(card)
  local gone, come = {}, {}
  for i, word in ipairs(was.words) do gone[i] = word .. '\0' .. job end
  for i, word in ipairs(is.words) do come[2 * i - 1], come[2 * i] = 0, word .. '\0' .. job end
  if #gone > 0 then c('ZREM', P .. 'words', unpack(gone)) end
  if #come > 0 then c('ZADD', P .. 'words', unpack(come)) end
  c('HSET', P .. 'cards', job, card)
  if was.state == is.state then return end
  if was.state then c('ZREM', P .. 'jobs:' .. source .. '|' .. was.state, job) end
  list('jobs:' .. source .. '|' .. is.state, t, job)
end

-- An event in the journal, and in the list of its source and type in the same order.
local function publish(e)
  local at = c('XADD', P .. 'journal', '*', 'id', e.id, 'type', e.type, 'source', e.source, 'job', e.job)
  local ms, seq = at:match('(%d+)-(%d+)')
  list('evs:' .. e.source .. '|' .. e.type, ms + math.min(seq, 999) / 1000, e.id)
  c('HINCRBY', P .. 'cnt', 'events:' .. e.type, 1)
end

-- Items of a refresh lane are notifications, those of a delivery lane events; both remember how they ended.
local function note(R, item, state, detail, ttl)
  enlist(R, item, state)
  if R:sub(1, 2) == 'r:' then
    c('HSET', P .. 'n:' .. item, 'state', state, 'ended', t, 'detail', detail.detail or '', 'att', detail.attempts or 0)
    c('EXPIRE', P .. 'n:' .. item, ttl)
  else
    detail.state, detail.at = state, t
    c('HSET', P .. 'dl:' .. item, R, cjson.encode(detail))
    c('EXPIRE', P .. 'dl:' .. item, ttl)
  end
end

-- An item that cannot succeed is kept as dead; `i` is its place among those that die with it.
local function kill(R, L, item, i, why)
  local id = L .. ' ' .. item
  c('HSET', P .. 'dead', id, why)
  c('ZADD', P .. 'deadz', t + i / 1000, id)
  if R:sub(1, 2) == 'r:' then tell(R:sub(3) .. '/' .. L:match('|(.*)$'), {k = 'dead', n = {item}}, A.keep) end
end

-- Every attempt that failed is kept, and the one that ended a row of them: at most the last 50.
local function tried(R, item, how, ttl)
  local key = P .. 'try:' .. R .. ':' .. item
  how.at = t
  c('RPUSH', key, cjson.encode(how))
  c('LTRIM', key, -50, -1)
  c('EXPIRE', key, ttl)
end

-- A gate is that of an R (the source's own trouble) or of a budget (the provider asked everybody to wait).
local function pause(gate, ms)
  local old = tonumber(c('HGET', P .. 'gate:' .. gate, 'pause') or 0)
  c('HSET', P .. 'gate:' .. gate, 'pause', math.max(old, t + ms))
  c('EXPIRE', P .. 'gate:' .. gate, DAY)
end

-- A breaker: after TRIP failures in a row of the far end itself, R is held off for longer and longer, and then one lane
-- at a time tries whether it is back. Whatever it takes, or refuses for good, shows that it is.
local TRIP, LONGEST = 10, 60000
local function failed(R)
  local gate = P .. 'gate:' .. R
  if tonumber(c('HGET', gate, 'pause') or 0) > t then return end  -- it began before the breaker opened
  local fails = c('HINCRBY', gate, 'fails', 1)
  c('HSETNX', gate, 'failing', t)
  c('EXPIRE', gate, DAY)
  if fails >= TRIP then pause(R, math.min(LONGEST, 1000 * 2 ^ math.min(fails - TRIP, 6))) end
end

local function broken(R) return tonumber(c('HGET', P .. 'gate:' .. R, 'fails') or 0) >= TRIP end

-- What was tried in vain has waited longest: when the far end is back it takes the place of its age again. That is little,
-- since one at a time was tried; what is beyond so many comes when its wait is over.
local TAKEN_BACK = 2000
local function missed(R, L)
  c('ZADD', P .. 'far:' .. R, oldest(R, L), L)
  c('EXPIRE', P .. 'far:' .. R, DAY)
end

local function answered(R)
  if broken(R) then
    local lanes = c('ZRANGE', P .. 'far:' .. R, 0, TAKEN_BACK - 1, 'WITHSCORES')
    for i = 1, #lanes, 2 do
      if c('ZSCORE', P .. 'due:' .. R, lanes[i]) then c('ZADD', P .. 'due:' .. R, lanes[i + 1], lanes[i]) end
    end
    c('DEL', P .. 'far:' .. R)
  end
  c('HDEL', P .. 'gate:' .. R, 'fails', 'failing')
end

local function count(what, n) c('HINCRBY', P .. 'cnt', what, n) end

-- How long it took from being told to having told, in the one bucket that it falls into.
local BUCKETS = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
local function took(R, born)
  if not born then return end
  local ms, bucket = math.max(0, t - born), '+Inf'
  for _, most in ipairs(BUCKETS) do
    if ms <= most * 1000 then
      bucket = tostring(most)
      break
    end
  end
  count('late:' .. R .. ':le:' .. bucket, 1)
  count('late:' .. R .. ':ms', ms)
end

-- How many RQ tasks there are for R, queued or running.
local function hands_of(R) return c('ZCOUNT', P .. 'hands:' .. R, '(' .. t, '+inf') end

local function take_hands(R, names, lease)
  local hands = P .. 'hands:' .. R
  c('ZREMRANGEBYSCORE', hands, '-inf', t)
  add(hands, names, t + lease)
  c('EXPIRE', hands, DAY)
end

-- The tasks that a worker has in hand, as {{R, hand}}: should it be gone without a word, ABANDON frees their places.
local function holds(by, tasks, lease)
  local held = P .. 'held:' .. by
  for _, task in ipairs(tasks) do c('SADD', held, task[1] .. ' ' .. task[2]) end
  c('PEXPIRE', held, lease)
end

-- Room for one more RQ task at R? Takes it for `lease` ms and says so.
local function hire(R, cap, hand, lease)
  if hands_of(R) >= cap then return 0 end
  take_hands(R, {hand}, lease)
  return 1
end

-- What a provider gets is counted one by one. A sink's `rate`, and our own share of a provider's, are only paced.
local function counted(gate) return gate:sub(1, 2) ~= 'd:' and gate:sub(-4) ~= '~own' end

-- How long until every window has room for one more, however late arrives what is under way? That a look takes several
-- calls is known from those before it. SLOW: their clock may be a little slower than ours.
local SLOW = 1.001
local function wait_for_room(gate, windows)
  local air, log = P .. 'gate:' .. gate .. '~air', P .. 'gate:' .. gate .. '~log'
  for _, what in ipairs(c('ZRANGEBYSCORE', air, '-inf', t)) do land(gate, what) end
  local flying = c('ZCARD', air)
  local each = 1 + tonumber(c('GET', P .. 'gate:' .. gate .. '~more') or 0)
  local longest = 0
  for _, w in ipairs(windows) do
    local n = w[3] - (flying + 1) * each + 1  -- of what has landed, the n-th last must be out of the window
    if flying == 0 then n = math.max(n, 1) end
    local landed = n > 0 and c('LINDEX', log, -n)
    if landed then longest = math.max(longest, landed + w[4] * SLOW - t) end
    if n <= 0 then longest = math.max(longest, math.min(w[1], 100)) end  -- some of it lands soon
  end
  return longest
end

-- `what` is under way from now on, for so many seconds if nobody tells that it has landed.
local function depart(gate, what, seconds)
  if not counted(gate) or #A.windows == 0 then return false end
  local air, log = P .. 'gate:' .. gate .. '~air', P .. 'gate:' .. gate .. '~log'
  local most, ttl = 0, DAY
  for _, w in ipairs(A.windows) do most, ttl = math.max(most, w[3]), math.max(ttl, math.ceil(w[4] / 500)) end
  c('ZADD', air, t + seconds * 1000, what)
  c('LTRIM', log, -most, -1)
  c('EXPIRE', air, ttl)
  c('EXPIRE', log, ttl)
  return true
end

-- A look took n calls more than the one that its claim counted; so may others, for as long as that matters.
local function further(gate, n)
  if not counted(gate) then return end
  local log, more, ttl = P .. 'gate:' .. gate .. '~log', P .. 'gate:' .. gate .. '~more', 3600
  for _, w in ipairs(A.windows) do ttl = math.max(ttl, math.ceil(w[4] / 1000)) end
  for _ = 1, n do c('RPUSH', log, t + 1) end
  if n >= tonumber(c('GET', more) or 0) then c('SET', more, n, 'EX', ttl) end
end

-- A window is {interval, tolerance, count, length}, times in ms; burst + rate x length does not exceed the count. Where
-- each request is counted that is not needed: then it is the whole rate, and a burst that makes up for time that was
-- lost while work waited.
local BURST = 0.08
local function pace(gate, w)
  if counted(gate) then return w[4] / w[3], w[4] * BURST end
  return w[1], w[2]
end

-- GCRA over every window of A.windows: how long until one more may go? share < 1 keeps a part of each tolerance for
-- others. A budget may be shared by several R.
local function wait_for_budget(budget, share, windows)
  windows = windows or A.windows or {}
  local longest = counted(budget) and #windows > 0 and wait_for_room(budget, windows) or 0
  for i, w in ipairs(windows) do
    local tat = tonumber(c('HGET', P .. 'gate:' .. budget, 'tat' .. i) or 0)
    local _, tolerance = pace(budget, w)
    longest = math.max(longest, tat - tolerance * share - t)
  end
  return longest
end

local function charge(budget, n, windows)
  for i, w in ipairs(windows or A.windows or {}) do
    local tat = tonumber(c('HGET', P .. 'gate:' .. budget, 'tat' .. i) or 0)
    local interval = pace(budget, w)
    c('HSET', P .. 'gate:' .. budget, 'tat' .. i, math.max(tat, t) + n * interval)
    c('EXPIRE', P .. 'gate:' .. budget, DAY)
  end
end

-- A task that finds its budget used up can only wait for it, and one is enough for that.
local function room(budget, cap) return wait_for_budget(budget, 1) > 0 and math.min(cap, 1) or cap end

-- Takes up to n hands at R, as far as there is room for them, named hand .. ':' .. i. Returns how many.
local function hire_some(n, R, budget, cap, hand, lease)
  local busy = n > 0 and hands_of(R) or cap
  if busy >= cap then return 0 end
  local names = {}
  for i = 1, math.min(n, room(budget, cap) - busy) do names[i] = hand .. ':' .. i end
  if #names > 0 then take_hands(R, names, lease) end
  return #names
end

local function paused(R, budget)
  local ends = tonumber(c('HGET', P .. 'gate:' .. R, 'pause') or 0)
  if budget ~= R then ends = math.max(ends, tonumber(c('HGET', P .. 'gate:' .. budget, 'pause') or 0)) end
  return ends > t
end

-- What we ask for ourselves (lists, looking again) has a budget of its own inside the whole one, A.share.
local function wait_for_own(budget)
  return math.max(wait_for_budget(budget, 2 / 3), wait_for_budget(budget .. '~own', 1, A.share))
end

-- Stores notifications, each {seen, id, L, event, api, claim, trace}, and arms their lanes. Returns {outcome, id, outcome,
-- id, ...} and how many are no duplicates.
local function take_in(R, hints)
  local out, counts, ids, lanes = {}, {}, {}, {}
  for _, hint in ipairs(hints) do
    local seen, id, L, event, api, claim, trace = unpack(hint)
    local outcome, old = 'new', c('SET', P .. 'seen:' .. seen, id, 'NX', 'GET', 'EX', A.dedup)
    if old and c('HDEL', P .. 'dead', L .. ' ' .. old) == 1 then
      outcome, id = 'revived', old
      c('ZREM', P .. 'deadz', L .. ' ' .. old)
      c('HDEL', P .. 'lane:' .. L, 'att', 'err')
      c('SET', P .. 'seen:' .. seen, id, 'EX', A.dedup)
      enlist(R, id, 'pending')
    elseif old then
      outcome, id = 'duplicate', old
      if c('EXISTS', P .. 'n:' .. id) == 1 then c('HINCRBY', P .. 'n:' .. id, 'dup', 1) end
    else
      ids[#ids + 1] = id
    end
    if outcome ~= 'duplicate' then
      local n = P .. 'n:' .. id
      c('HSET', n, 'L', L, 'at', t, 'event', event, 'api', api, 'claim', claim, 'trace', trace, 'state', 'pending')
      c('EXPIRE', n, A.keep)
      c('RPUSH', P .. 'q:' .. L, id)
      if is_known(L) then arm(R, L, t) else lanes[#lanes + 1] = L end
    end
    out[#out + 1], out[#out + 2] = outcome, id
    counts[outcome] = (counts[outcome] or 0) + 1
  end
  if #ids > 0 then list_all('st:' .. R .. '|pending', t, ids) end
  if #lanes > 0 then begin(R, lanes, t) end
  for outcome, n in pairs(counts) do count('notifications:' .. R .. ':' .. outcome, n) end
  return out, #hints - (counts.duplicate or 0)
end

-- Nothing overtakes what waits to be told with everything, under this configuration or the one before: as long as there
-- is any, what is due in a job's lane joins it. `joins` says when all of it is due: "now", or "then", as it was; "": ADMIT
-- sees to it.
local function join(R, L, joins)
  local all = everything(R)
  local together = row_of(R, c('LINDEX', P .. 'q:' .. all, 0)).together
  local at = joins == 'now' and t or tonumber(c('ZSCORE', P .. 'due:' .. R, all) or t)
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

-- Which lane of q.R is to be taken, and out of due or poll it is; else nil and how long to wait, see CLAIM.
local function next_lane(q)
  local R, run, due = q.R, P .. 'run:' .. q.R, P .. 'due:' .. q.R
  for _, L in ipairs(c('ZRANGEBYSCORE', run, '-inf', t, 'LIMIT', 0, 16)) do  -- this is the janitor
    c('ZREM', run, L)
    land_lane(L)
    local lost = c('HINCRBY', P .. 'lane:' .. L, 'lost', 1)
    c('ZADD', due, t + (lost > 2 and 100 * 2 ^ lost or 0), L)
  end
  if paused(R, q.budget) then return nil, -1 end
  if c('ZCARD', run) >= (broken(R) and 1 or q.cap) then return nil, -1 end
  local function first_due(n) return c('ZRANGEBYSCORE', due, '-inf', t, 'LIMIT', 0, n) end
  local all = everything(R)
  local left = (q.joins or '') ~= '' and c('EXISTS', P .. 'q:' .. all) == 1
  for _, L in ipairs(left and first_due(20) or {}) do  -- a few lanes at a time
    if L ~= all then join(R, L, q.joins) end
  end
  local L = first_due(1)[1]
  if left and L and L ~= all then return nil, 0 end  -- in a moment
  if L then
    local wait = wait_for_budget(q.budget, 1)
    if wait > 0 then return nil, math.ceil(wait) end
    c('ZREM', due, L)
    return L
  end
  L = c('ZRANGEBYSCORE', P .. 'poll:' .. R, '-inf', t, 'LIMIT', 0, 1)[1]
  if not L or wait_for_own(q.budget) > 0 then return nil, -1 end  -- the rest is kept for what webhooks woke
  charge(q.budget .. '~own', 1, q.share)
  count('spent:' .. R .. ':own', 1)
  c('ZREM', P .. 'poll:' .. R, L)
  return L
end

-- What the claim of a lane tells: see CLAIM.
local function told_of(R, L, fence, batch)
  local lane, refreshing = P .. 'lane:' .. L, R:sub(1, 2) == 'r:'
  local state = c('HMGET', lane, 'att', 'lost', 'err', 'took')
  local took = tonumber(state[4] or 0)
  if batch == 1 then took = 0 end  -- a sink that is told singly, whatever another one of its name was told together
  local items = c('LRANGE', P .. 'q:' .. L, 0, (took > 0 and took or batch) - 1)
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
      out[#out + 1] = c('GET', P .. 'ev:' .. item) or ''
    end
  end
  if first and first.together then c('HSET', lane, 'took', (#out - 7) / 3) end
  return out
end

-- Takes one lane of q.R: see CLAIM.
local function draw(q)
  A.windows, A.share = q.windows, q.share
  local R = q.R
  local L, wait = next_lane(q)
  if not L then
    if wait < 0 and q.hand then c('ZREM', P .. 'hands:' .. R, q.hand) end
    return {wait}
  end
  local lane = P .. 'lane:' .. L
  c('PERSIST', lane)
  local fence = c('HINCRBY', lane, 'fence', 1)
  c('HSET', lane, 'begun', t, 'by', q.by)
  c('ZADD', P .. 'run:' .. R, t + q.lease, L)
  charge(q.budget, 1)
  if depart(q.budget, L, 200) then c('HSET', lane, 'gate', q.budget) end  -- no lane is kept in hand for so long
  if R:sub(1, 2) == 'r:' then count('spent:' .. R, 1) end
  return told_of(R, L, fence, q.batch)
end

-- The end of a lane may bring along the next one in the same call: A.next is what CLAIM is asked with.
local function onward(answer) return A.next and {answer, draw(A.next)} or answer end
