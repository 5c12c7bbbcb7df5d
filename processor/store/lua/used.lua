#!lua flags=allow-oom
-- USED: how much of each window of some budgets is taken. A = {budgets = {{gate, windows}}}. Returns a list for each, with a
-- number for each window: what has landed within it and what is under way; where nothing is counted one by one, what
-- GCRA has let go ahead of its time.
local function within(log, since)  -- how many of the times in `log`, which are in order, are later?
  local low, high = 0, c('LLEN', log)
  local all = high
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(c('LINDEX', log, middle)) > since then high = middle else low = middle + 1 end
  end
  return all - low
end

local out = {}
for i, b in ipairs(A.budgets) do
  local log, used = P .. 'gate:' .. b[1] .. '~log', {}
  local flying = c('ZCARD', P .. 'gate:' .. b[1] .. '~air')
  for j, w in ipairs(b[2]) do
    if counted(b[1]) then
      used[j] = flying + within(log, t - w[4])
    else
      used[j] = math.ceil(math.max(0, tonumber(c('HGET', P .. 'gate:' .. b[1], 'tat' .. j) or 0) - t) / w[1])
    end
  end
  out[i] = used
end
return out
