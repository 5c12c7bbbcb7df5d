"""Very many events at once, written by the same Lua as the scripts use, without going through lanes one by one."""

from __future__ import annotations

import json
import zlib
from typing import Any

from processor.model import Address, Job, Model, ModelState, State, document
from processor.pipeline.card import card
from processor.store.keys import PREFIX
from processor.store.scripts import whole
from processor.wiring import App

MODELS = 9  # of each job, each with an event of its own; the job's own comes last
JOBS_AT_ONCE = 100  # a script that takes 5 s on a busy machine keeps others out

# A = {first, last, models, keep}; ARGV[2] card, [3] document, [4] an event's document, with 00000000 for the job's id.
_FILL = """
for n = A.first, A.last do
  local id, ntf = string.format('%08d', n), string.format('ntf_%08d', n)
  local job = 'main/' .. id
  local failed = n % 10 == 0
  local state = failed and 'failed' or 'succeeded'
  c('SET', P .. 'facts:' .. job, '{"v": 1}', 'EX', A.keep)
  c('SET', P .. 'doc:' .. job, ARGV[3], 'EX', A.keep)
  show('main', job, (ARGV[2]:gsub('00000000', id):gsub('"succeeded"', '"' .. state .. '"')))
  c('HSET', P .. 'n:' .. ntf, 'L', 'r:main|' .. id, 'at', t, 'event', 'job-state-changed-v2', 'state', 'done')
  c('EXPIRE', P .. 'n:' .. ntf, A.keep)
  note('r:main', ntf, 'done', {attempts = 1}, A.keep)
  tell(job, {k = 'look', n = {ntf}, st = state, ps = 'complete', ms = 41}, A.keep)
  for m = 0, A.models do
    local event, kind = string.format('evt_%08d%02d', n, m), (m < A.models and 'model.' or 'job.') .. state
    local body = ARGV[4]:gsub('00000000', id):gsub('evt_', event):gsub('job.succeeded', kind)
    c('SET', P .. 'ev:' .. event, body, 'EX', A.keep)
    publish({id = event, type = kind, source = 'main', job = id})
    tell(job, {k = 'event', id = event, type = kind}, A.keep)
    if n % 50 == 0 and m == 0 then
      local lane = 'd:out|main/' .. id .. ' ' .. event
      c('HSET', P .. 'dead', lane, '{"reason": "Refused", "detail": "no", "attempts": 1}')
      c('ZADD', P .. 'deadz', t, lane)
      note('d:out', event, 'dead', {attempts = 1, detail = 'no'}, A.keep)
    else
      note('d:out', event, 'delivered', {attempts = 1, ref = 'ok', ms = 12}, A.keep)
    end
  end
end
return 1
"""


def crowd(app: App, events: int) -> int:
    """So many events of a tenth as many jobs, delivered to `out` but for one in 500; how many jobs there are."""
    jobs = events // (MODELS + 1)
    job = Job(
        provider="hover",
        source="main",
        id="00000000",
        name="House 00000000",
        external_id="PO-00000000",
        address=Address(line1="00000000 Rose Street", city="Boise", postal_code="83702"),
        state=State.SUCCEEDED,
        models=tuple(Model(id=f"m{i}", name=f"Model {i}", state=ModelState.SUCCEEDED) for i in range(MODELS)),
    )
    shown = document(job)
    event = {
        "specversion": "1.0",
        "id": "evt_",
        "source": "/sources/main",
        "type": "job.succeeded",
        "subject": "jobs/00000000",
        "time": "2026-03-01T12:00:00Z",
        "datacontenttype": "application/json",
        "partitionkey": "main/00000000",
        "data": {"provider": "hover", "source": "main", "job": shown, "model": None, "cost_estimate": None}
        | {"failure": None, "previous_state": "processing"},
    }
    client: Any = app.scripts.client
    script = client.register_script(whole(_FILL))
    blobs = [card(job), zlib.compress(json.dumps(shown).encode(), 1), json.dumps(event)]
    for first in range(0, jobs, JOBS_AT_ONCE):
        last = min(first + JOBS_AT_ONCE, jobs) - 1
        script(
            keys=[PREFIX], args=[json.dumps({"first": first, "last": last, "models": MODELS, "keep": 86400}), *blobs]
        )
    return jobs
