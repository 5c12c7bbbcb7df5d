-- Shared by every script: KEYS[1] is the prefix, ARGV[1] a JSON object of named arguments, further ARGVs are blobs.
-- A script is one state change; it is idempotent by a fence or a seen-key, because a client re-sends what it does
-- not know the outcome of. Times are milliseconds of the server's own clock.
local P, A, c = KEYS[1], cjson.decode(ARGV[1]), redis.call
local t = A.now
if not t then
  local clock = c('TIME')
  t = clock[1] * 1000 + math.floor(clock[2] / 1000)
end
local DAY = 86400

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

-- A lane that nobody had in hand yet is at most in poll: there is little to look up.
local function push(R, L, item, at)
  c('RPUSH', P .. 'q:' .. L, item)
  if c('HINCRBY', P .. 'lane:' .. L, 'in', 1) == 1 and c('HLEN', P .. 'lane:' .. L) == 1 then
    c('ZADD', P .. 'due:' .. R, at, L)
    c('ZREM', P .. 'poll:' .. R, L)
  else
    arm(R, L, at)
  end
end

-- Only the holder of the current fence, listed in run, may write.
local function mine(R, L, fence)
  return c('ZSCORE', P .. 'run:' .. R, L) and c('HGET', P .. 'lane:' .. L, 'fence') == fence
end

-- Deliveries: where one stands with the sink R, as JSON: state, due, and with what it may be told (together).
local function row_of(R, item)
  local row = c('HGET', P .. 'dl:' .. item:gsub('^~%d+~', ''), R)
  return row and cjson.decode(row) or {}
end

local function set_row(R, item, row, ttl)
  local dl = P .. 'dl:' .. item:gsub('^~%d+~', '')
  c('HSET', dl, R, cjson.encode(row))
  if ttl then c('EXPIRE', dl, ttl) end
end

-- When what is left in a delivery lane is due: one that waits to be told together has a time of its own.
local function head_due(R, L)
  if R:sub(1, 2) ~= 'd:' then return 0 end
  local head = c('LINDEX', P .. 'q:' .. L, 0)
  return head and tonumber(row_of(R, head).due or 0) or 0
end

-- Lets go of a lane, the first n items of which are done with. An item leaves q only here.
local function release(R, L, n, at, poll, ok)
  local lane, q = P .. 'lane:' .. L, P .. 'q:' .. L
  c('ZREM', P .. 'run:' .. R, L)
  c('HDEL', lane, 'lost')
  if n > 0 then
    c('LTRIM', q, n, -1)
    c('HINCRBY', lane, 'out', n)
  end
  if ok then
    c('HDEL', lane, 'att', 't0', 'err', 'took', 'let')
    at = math.max(at, head_due(R, L))
  end
  if c('LLEN', q) > 0 then
    c('ZADD', P .. 'due:' .. R, paced(R, L, at), L)
  elseif poll > 0 then
    c('ZADD', P .. 'poll:' .. R, paced(R, L, poll), L)
  else
    c('EXPIRE', lane, DAY)
  end
end

-- Items of a refresh lane are notifications, those of a delivery lane events; both remember how they ended.
local function note(R, item, state, detail, ttl)
  if R:sub(1, 2) == 'r:' then
    c('HSET', P .. 'n:' .. item, 'state', state, 'ended', t, 'detail', detail.detail or '', 'att', detail.attempts or 0)
    c('EXPIRE', P .. 'n:' .. item, ttl)
  else
    detail.state, detail.at = state, t
    c('HSET', P .. 'dl:' .. item, R, cjson.encode(detail))
    c('EXPIRE', P .. 'dl:' .. item, ttl)
  end
end

local function count(what, n) c('HINCRBY', P .. 'cnt', what, n) end

-- Room for one more RQ task at R? Takes it for `lease` ms and says so.
local function hire(R, cap, hand, lease)
  local hands = P .. 'hands:' .. R
  c('ZREMRANGEBYSCORE', hands, '-inf', t)
  if c('ZCARD', hands) >= cap then return 0 end
  c('ZADD', hands, t + lease, hand)
  c('EXPIRE', hands, DAY)
  return 1
end

-- GCRA over every window of A.windows = {{interval, tolerance}, ...} in ms: how long until one more may go?
-- share < 1 keeps a part of each tolerance for others. A budget may be shared by several R.
local function wait_for_budget(budget, share, windows)
  local longest = 0
  for i, w in ipairs(windows or A.windows or {}) do
    local tat = tonumber(c('HGET', P .. 'gate:' .. budget, 'tat' .. i) or 0)
    longest = math.max(longest, tat - w[2] * share - t)
  end
  return longest
end

local function charge(budget, n, windows)
  for i, w in ipairs(windows or A.windows or {}) do
    local tat = tonumber(c('HGET', P .. 'gate:' .. budget, 'tat' .. i) or 0)
    c('HSET', P .. 'gate:' .. budget, 'tat' .. i, math.max(tat, t) + n * w[1])
    c('EXPIRE', P .. 'gate:' .. budget, DAY)
  end
end

-- A gate is that of an R (the source's own trouble) or of a budget (the provider asked everybody to wait).
local function pause(gate, ms)
  local old = tonumber(c('HGET', P .. 'gate:' .. gate, 'pause') or 0)
  c('HSET', P .. 'gate:' .. gate, 'pause', math.max(old, t + ms))
  c('EXPIRE', P .. 'gate:' .. gate, DAY)
end

-- A task that finds its budget used up can only wait for it, and one is enough for that.
local function room(budget, cap) return wait_for_budget(budget, 1) > 0 and math.min(cap, 1) or cap end

local function paused(R, budget)
  local ends = tonumber(c('HGET', P .. 'gate:' .. R, 'pause') or 0)
  if budget ~= R then ends = math.max(ends, tonumber(c('HGET', P .. 'gate:' .. budget, 'pause') or 0)) end
  return ends > t
end

-- What we ask for ourselves (lists, looking again) has a budget of its own inside the whole one, A.share.
local function wait_for_own(budget)
  return math.max(wait_for_budget(budget, 2 / 3), wait_for_budget(budget .. '~own', 1, A.share))
end

-- Stores notifications and arms their lanes; returns {outcome, id, outcome, id, ...} and how many are no duplicates.
local function take_in(R, hints)
  local out, fresh, counts = {}, 0, {}
  for _, h in ipairs(hints) do
    local old = c('GET', P .. 'seen:' .. h.seen)
    local dead = old and c('HEXISTS', P .. 'dead', h.L .. ' ' .. old) == 1
    if old and not dead then
      out[#out + 1], out[#out + 2] = 'duplicate', old
    else
      local id, outcome = h.id, 'new'
      if dead then
        id, outcome = old, 'revived'
        c('HDEL', P .. 'dead', h.L .. ' ' .. old)
        c('ZREM', P .. 'deadz', h.L .. ' ' .. old)
        c('HDEL', P .. 'lane:' .. h.L, 'att', 't0', 'err')
      end
      c('SET', P .. 'seen:' .. h.seen, id, 'EX', A.dedup)
      c('HSET', P .. 'n:' .. id, 'L', h.L, 'at', t, 'event', h.event, 'api', h.api, 'claim', h.claim, 'state', 'pending')
      c('EXPIRE', P .. 'n:' .. id, A.keep)
      push(R, h.L, id, t)
      fresh = fresh + 1
      out[#out + 1], out[#out + 2] = outcome, id
    end
    counts[out[#out - 1]] = (counts[out[#out - 1]] or 0) + 1
  end
  for outcome, n in pairs(counts) do count('notifications:' .. R .. ':' .. outcome, n) end
  return out, fresh
end
