"""What jobwire takes when it has nothing to do, and how soon it is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from progress import say
from stand import Process, Stand, family, free_port, listens, wait_for
from tables import Part, Sample, figure, table

SETTLE = 8.0  # seconds from the start of `up` until it counts as idle
FIRST_EVENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  \S")
DEMO_SECONDS = 60.0


def measure(stand: Stand, *, idle: float, starts: int, demos: int) -> Part:
    """`idle` seconds of a `jobwire up` that has its own Valkey; `starts` of --help; `demos` of the demo."""
    say(f"lean: some {idle + SETTLE + starts + 5 * demos:.0f} s")
    stand.start_afresh()
    port = free_port()
    command = [sys.executable, "-m", "processor.cli", "up", "--port", str(port), "--data-dir", str(stand.folder / "up")]
    with stand.process("up-idle", command, environ={"JOBWIRE_REDIS_URL": ""}) as up:
        wait_for(lambda: listens(port), 30, lambda: stand.complaint("up-idle"))
        time.sleep(SETTLE)
        busy, began = _cpu(up.pid), time.monotonic()
        time.sleep(idle)
        core = {name: ticks / (time.monotonic() - began) for name, ticks in _since(busy, _cpu(up.pid)).items()}
        pss = _pss(up.pid)
    helps = Sample(tuple(_help(stand) for _ in range(starts)))
    firsts = Sample(tuple(_demo(stand) for _ in range(demos)))
    rows = [[name, figure(pss[name]), f"{core.get(name, 0) * 100:.2f}"] for name in sorted(pss, key=lambda n: -pss[n])]
    rows.append(["in all", figure(sum(pss.values())), f"{sum(core.values()) * 100:.2f}"])
    text = (
        table(["`jobwire up` at rest", "MB (proportional set size)", "% of a core"], rows)
        + f"\nTwo sources, one sink, its own Valkey; {idle:g} s, beginning {SETTLE:g} s after it listened.\n\n"
        + table(
            ["until", "s"],
            [
                ["`jobwire --help` has ended", helps.shown()],
                ["`jobwire demo` prints its first event, from its start", firsts.shown()],
            ],
        )
        + f"\nMedians of {starts} and {demos} starts.\n"
    )
    figures = {
        "lean.pss": Sample((sum(pss.values()),)),
        "lean.core": Sample((sum(core.values()) * 100,)),
        "lean.help": helps,
        "lean.demo": firsts,
    }
    return Part(text, figures)


def _names(pid: int) -> dict[int, str]:
    """What each process of a family is called on the page."""
    found = {}
    for one in family(pid):
        try:
            command = Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        found[one] = _name([os.path.basename(part.decode().partition(" ")[0]) for part in command if part])
    return found


def _name(command: list[str]) -> str:
    for word in ("up", "web", "worker", "scheduler"):
        if word in command[2:]:
            return f"`{word}`"
    return "Valkey" if command and command[0].startswith("valkey") else "others"


def _pss(pid: int) -> dict[str, float]:
    """MB of each, by name."""
    total: dict[str, float] = {}
    for one, name in _names(pid).items():
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{one}/smaps_rollup").read_text(), re.MULTILINE)
        total[name] = total.get(name, 0.0) + int(found[1] if found else 0) / 1024
    return total


def _cpu(pid: int) -> dict[str, float]:
    """Seconds of a core that each has used, by name."""
    total: dict[str, float] = {}
    for one, name in _names(pid).items():
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total[name] = total.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _since(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: used - before.get(name, 0.0) for name, used in after.items()}


def _help(stand: Stand) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "processor.cli", "--help"]
    subprocess.run(command, env={**stand.environ()}, stdout=subprocess.DEVNULL, check=True, timeout=30)
    return time.monotonic() - began


def _demo(stand: Stand) -> float:
    """Seconds until the first event is printed."""
    began = time.monotonic()
    log = stand.folder / "demo.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "processor.cli", "demo", "--port", str(free_port())]
    with stand.process("demo", command, environ={"JOBWIRE_CONFIG": "", "PYTHONUNBUFFERED": "1"}) as demo:
        while not FIRST_EVENT.search(log.read_text(errors="replace")):
            if _over(demo) or time.monotonic() - began > DEMO_SECONDS:
                raise RuntimeError(f"no event of the demo: {stand.complaint('demo')}")
            time.sleep(0.01)
        return time.monotonic() - began


def _over(process: Process) -> bool:
    return process.poll() is not None
