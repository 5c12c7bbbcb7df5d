"""The points at which something dies, and what each leaves: the table of docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass

from faults.calls import TASK, TOKEN
from faults.line import Trap, When


@dataclass(frozen=True)
class Point:
    """`name` is what happens and where; `remains` what is left then, and who goes on. A point without `when` is at a
    far end, which kills whoever asks it."""

    name: str
    remains: str
    when: When | None = None
    call: str = ""
    of: str = ""
    answer: bytes = b""
    nth: int = 1

    def trap(self) -> Trap:
        """To be set on the line of a world."""
        assert self.when, "it is at a far end"
        return Trap(self.when, self.call, self.of, self.answer, self.nth)

    @property
    def kills(self) -> bool:
        return self.when in (When.BEFORE, When.AFTER, None)


_BEFORE_ANY_END = "nothing was written; the lease ends, the lane is claimed again"
_RESENT = "the worker sends it again; "


def _three(
    call: str, before: str, after: str, cut: str, *, of: str = "", answer: bytes = b"", nth: int = 1, also: str = ""
) -> list[Point]:
    name = f"{call}{also}"
    return [
        Point(f"before:{name}", before, When.BEFORE, call, of, nth=nth),
        Point(f"after:{name}", after, When.AFTER, call, of, answer),
        Point(f"cut:{name}", cut, When.CUT, call, of, answer),
    ]


def _late(call: str, of: str) -> Point:
    remains = "its process stood still past its lease, and another had the lane: stale, nothing is written"
    return Point(f"late:{call}", remains, When.LATE, call, of)


POINTS: list[Point] = [
    *_three(
        "accept",
        "no answer, nothing stored; the provider sends again: accepted",
        "no answer, but stored, and its lane is due; sent again: a duplicate",
        "503 with Retry-After, but stored, and its lane is due; sent again: a duplicate",
    ),
    *_three(
        TASK,
        "RQ never had it; the lane is due, the hand that was taken for it is free again after 5 s",
        "the task is in RQ's queue, or already with the one that died: then its hand is free again after 5 s",
        "RQ's client sends it again, and there are two; the one too many finds nothing",
    ),
    *_three(
        "claim",
        "the lane is due; the hand that died is free again after 5 s",
        "the lane is in a dead hand; its lease ends",
        _RESENT + "nothing is left to claim; the lease of the claim that was lost ends",
        of="r",
        answer=b"r:main|",
        also=" (refresh)",
    ),
    *_three(
        "claim",
        "the lane is due; the hand that died is free again after 5 s",
        "the lane is in a dead hand; its lease ends",
        _RESENT + "nothing is left to claim; the lease of the claim that was lost ends",
        of="d",
        answer=b"d:",
        also=" (delivery)",
    ),
    Point("during:fetch", "nothing was written; the lease ends, the job is fetched again"),
    *_three(
        "commit",
        _BEFORE_ANY_END + ", the job fetched again",
        "all of it was written; the hands that it took for the sinks are free again after 5 s",
        _RESENT + "stale; the hands that the first one took for the sinks are free again after 5 s",
    ),
    _late("commit", "r"),
    Point("during:send", "the sink has it; the lease ends, it is sent again with the same id, in its place"),
    *_three(
        "done",
        "the sink has it; the lease ends, it is sent again with the same id, in its place",
        "it is done, and nothing is left to claim",
        _RESENT + "stale",
        of="d",
        answer=b":-1",
    ),
    Point(
        "after:done and claim",
        "it is done; what came along with its end is in a dead hand, the lease of which ends",
        When.AFTER,
        "done",
        "d",
        b"d:",
    ),
    Point(
        "cut:done and claim",
        _RESENT + "stale, and brings nothing along; the lease of what came with the lost answer ends",
        When.CUT,
        "done",
        "d",
        b"d:",
    ),
    _late("done", "d"),
    *_three(
        "retry",
        _BEFORE_ANY_END,
        "the lane is due again after its back-off",
        _RESENT + "stale; the lane is due again after its back-off",
        of="r",
        also=" (refresh)",
    ),
    *_three(
        "retry",
        _BEFORE_ANY_END,
        "the lane is due again after its back-off",
        _RESENT + "stale; the lane is due again after its back-off",
        of="d",
        also=" (delivery)",
    ),
    _late("retry", "d"),
    *_three(
        "dead",
        _BEFORE_ANY_END + ", refused again",
        "it is dead: visible, replayable",
        _RESENT + "stale; it is dead once",
        of="r",
        also=" (refresh)",
    ),
    *_three(
        "dead",
        _BEFORE_ANY_END + ", refused again",
        "it is dead: visible, replayable; what is behind it in the lane is due",
        _RESENT + "stale; it is dead once",
        of="d",
        also=" (delivery)",
    ),
    *_three(
        "keep",
        "the lease of the claim, or of the renewal before, ends",
        "the renewed lease ends",
        _RESENT + "renewed twice",
        of="r",
    ),
    *_three(
        "hold",
        _BEFORE_ANY_END + ", held then",
        "it is held until the quiet hours end",
        _RESENT + "stale; it is held until the quiet hours end",
    ),
    *_three(
        "admit",
        _BEFORE_ANY_END + ", admitted then",
        "it counts as told; the lease ends, it is admitted again",
        _RESENT + "admitted",
        answer=b"go",
        also=" (go)",
    ),
    *_three(
        "admit",
        _BEFORE_ANY_END + ", asked again then",
        "it waits for the summary, behind what waits there",
        _RESENT + "stale; it waits for the summary once",
        answer=b"joined",
        nth=2,
        also=" (joined)",
    ),
    Point(
        f"before:{TOKEN} store",
        "exchanged and not stored: Bentley grants another, when the lock has ended. A grant of Hover's is lost: the "
        "source pauses until a person connects it anew, and nothing goes dead",
        When.BEFORE,
        TOKEN,
    ),
    Point(f"after:{TOKEN} store", "the token is stored: whoever comes next uses it", When.AFTER, TOKEN),
    Point(f"cut:{TOKEN} store", _RESENT + "it finds its own token there", When.CUT, TOKEN),
]

# Scripts without a point: they are no step of a notification's way, and what a crash leaves is said here.
ELSEWHERE = {
    "abandon": "taking over from one that is gone: whoever looks next finds the rest",
    "announce": "an alarm of our own: told once, by its id",
    "bury": "what waits for a source or sink that nobody is configured for: the rest dies at the next turn",
    "gate": "charges and pauses: a charge that is lost is one call of a budget",
    "leave": "a hand that is not given back is free after 5 s",
    "replay": "a person's command, carried out once however often it is sent",
    "resume": "a worker's start: repeats itself",
    "revive": "a person's command: a second one finds nothing dead",
    "spend": "a call of a budget",
    "stock": "reconciliation's page: written with its cursor, or read again",
    "sweep": "what lists for people forget: the rest at the next turn",
    "tally": "a receiver's counts: numbered, so that they count once however often they are sent",
    "tick": "hands that are taken for no task are free after 5 s",
    "time": "writes nothing",
    "used": "writes nothing",
}
