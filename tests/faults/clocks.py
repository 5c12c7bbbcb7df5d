"""Clocks that are wrong: that of Redis is set back or forward, that of one process is ahead or behind.

`python clocks.py SECONDS worker` is a worker whose clock is ahead by so many seconds.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any

# What a server has stored is as far in the future as its clock was set back: every time that lanes, gates and tasks are
# kept with, in milliseconds. What expires by itself is left alone, and so is what only people look at.
_SHIFT = """
local by, moved = tonumber(ARGV[1]), 0
local function hash(key, fields)
  for _, field in ipairs(redis.call('HKEYS', key)) do
    for _, wanted in ipairs(fields) do
      if field:match('^' .. wanted .. '$') then redis.call('HINCRBYFLOAT', key, field, by); moved = moved + 1 end
    end
  end
end
for _, key in ipairs(redis.call('KEYS', 'jobwire:*')) do
  local kind, type = key:match('^jobwire:(%a+)'), redis.call('TYPE', key).ok
  if type == 'zset' and (kind == 'due' or kind == 'run' or kind == 'poll' or kind == 'hands' or key:match('~air$')) then
    local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do redis.call('ZADD', key, all[i + 1] + by, all[i]); moved = moved + 1 end
  elseif key:match('~log$') then
    for i, at in ipairs(redis.call('LRANGE', key, 0, -1)) do redis.call('LSET', key, i - 1, at + by) end
  elseif type == 'hash' and kind == 'gate' then hash(key, {'pause', 'tat%d+', 'failing'})
  elseif kind == 'lane' then hash(key, {'begun'})
  elseif kind == 'n' then hash(key, {'at'})
  elseif kind == 'storm' then hash(key, {'began'})
  elseif kind == 'clock' then hash(key, {'last'})
  elseif kind == 'dl' then
    local rows = redis.call('HGETALL', key)
    for i = 1, #rows, 2 do
      local row = cjson.decode(rows[i + 1])
      if row.due then row.due = row.due + by end
      redis.call('HSET', key, rows[i], cjson.encode(row))
    end
  end
end
return moved
"""


def set_back(client: Any, seconds: float) -> int:
    """Set a server's clock back (forward, if negative), as far as its lanes can tell. How many times it had stored."""
    return int(client.eval(_SHIFT, 0, seconds * 1000))


def main(seconds: float, role: str) -> int:
    """One process whose clock is wrong from its first look at it."""
    from processor import wiring
    from workers.__main__ import main as run

    right, now = time.time, wiring.now
    time.time = lambda: right() + seconds
    wiring.now = lambda: now() + timedelta(seconds=seconds)
    return run([role])


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2]))
