"""What a state looks like, what became of what was asked for, numbers for people, and where the page of a thing is."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

# The tone (a colour) and the shape of every word that says how something stands; words nobody knows are quiet.
LOOKS: Mapping[str, tuple[str, str]] = {
    "created": ("quiet", "ring"),
    "waiting": ("quiet", "clock"),
    "processing": ("busy", "half"),
    "succeeded": ("good", "check"),
    "failed": ("bad", "cross"),
    "cancelled": ("quiet", "slash"),
    "pending": ("quiet", "clock"),
    "retrying": ("warn", "again"),
    "delivered": ("good", "check"),
    "done": ("good", "check"),
    "dead": ("bad", "cross"),
    "not wanted": ("quiet", "dash"),
    "not told": ("warn", "dash"),
    "ok": ("good", "check"),
    "paused": ("warn", "pause"),
    "failing": ("bad", "cross"),
    "in trouble": ("bad", "cross"),
    "alarm": ("bad", "alarm"),
    # kinds of moments in a job's timeline
    "received": ("busy", "in"),
    "fetched": ("good", "check"),
    "not_fetched": ("warn", "again"),
    "found": ("busy", "dot"),
    "told": ("good", "out"),
    "not_told": ("warn", "again"),
    "waits": ("quiet", "clock"),
    "reads_on": ("quiet", "clock"),
    # kinds of what a search finds
    "job": ("quiet", "ring"),
    "event": ("busy", "dot"),
    "notification": ("busy", "in"),
    "delivery": ("good", "out"),
}
# Lines in a square of 16; a shape tells as much as its colour does.
SHAPES: Mapping[str, str] = {
    "ring": "M8 3.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6Z",
    "half": "M8 3.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6ZM8.8 4.6v6.8M10.6 5.6v4.8",
    "clock": "M8 2.8a5.2 5.2 0 1 0 0 10.4A5.2 5.2 0 0 0 8 2.8ZM8 5.4V8l1.8 1.4",
    "check": "M3.2 8.6 6.4 11.8 12.8 4.8",
    "cross": "M4.2 4.2l7.6 7.6M11.8 4.2l-7.6 7.6",
    "slash": "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3ZM4.6 11.4l6.8-6.8",
    "again": "M12.6 8A4.6 4.6 0 1 1 11 4.5M11.4 1.9v2.9H8.5",
    "dash": "M4 8h8",
    "pause": "M5.8 4v8M10.2 4v8",
    "alarm": "M8 2.6 14 13H2ZM8 6.4v3.2M8 11.3v.2",
    "dot": "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 7.6a.4.4 0 1 0 0 .8.4.4 0 0 0 0-.8Z",
    "in": "M12.6 3.4 4.4 11.6M4.4 6v5.6H10",
    "out": "M3.4 12.6l8.2-8.2M6 4.4h5.6V10",
}

# What can become of something that somebody wants done again, in the order in which it is told: one, several.
BECAME: Mapping[str, tuple[str, str]] = {
    "again": ("{} is on its way again", "{} are on their way again"),
    "waits": ("{} waits already", "{} wait already"),
    "done": ("{} needs no retry", "{} need no retry"),
    "gone": ("of {} the event is no longer kept", "of {} the events are no longer kept"),
    "unwanted": (
        "{} sink does not want it by today's configuration",
        "{} sinks do not want it by today's configuration",
    ),
    "strange": ("{} sink is not configured any more", "{} sinks are not configured any more"),
}


def became(counts: Mapping[str, int]) -> str:
    """ "2 are on their way again, 1 waits already." Nothing when nothing is told."""
    told = [words[n != 1].format(f"{n:,}") for word, words in BECAME.items() if (n := counts.get(word, 0)) > 0]
    said = ", ".join(told)
    return f"{said[0].upper()}{said[1:]}." if said else ""


def number(value: float) -> str:
    """ "1,204"."""
    return f"{value:,.12g}"


def took(ms: float | None) -> str:
    """A duration of so many milliseconds: "340 ms", "2.3 s", "4 min", "3 h", "2 days"; a dash for None."""
    if ms is None:
        return "–"
    seconds = ms / 1000
    if seconds < 1:
        return f"{ms:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.95 * size or unit == "min":
            return f"{seconds / size:.0f} {unit}"
    raise AssertionError


def job_path(source: str, job_id: str) -> str:
    """Where the page of a job is, as links in messages have it."""
    return f"/jobs/{_part(source)}/{_part(job_id)}"


def event_path(event_id: str) -> str:
    return f"/events/{_part(event_id)}"


def delivery_path(delivery_id: str) -> str:
    return f"/deliveries/{_part(delivery_id)}"


def notification_path(notification_id: str) -> str:
    return f"/notifications/{_part(notification_id)}"


def _part(text: str) -> str:
    return quote(text, safe="", errors="replace")
