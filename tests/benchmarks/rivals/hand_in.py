"""`python hand_in.py MODULE FIRST COUNT [WHAT]`: so many jobs into the queue of one of the rivals, from id FIRST on."""

import asyncio
import importlib
import inspect
import sys

if __name__ == "__main__":
    module, first, count, *what = sys.argv[1:]
    jobs = [str(n) for n in range(int(first), int(first) + int(count))]
    enqueue = getattr(importlib.import_module(module), "_".join(["enqueue", *what]))
    if inspect.iscoroutinefunction(enqueue):
        asyncio.run(enqueue(jobs))
    else:
        enqueue(jobs)
