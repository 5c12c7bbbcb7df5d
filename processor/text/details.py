"""What else a person wants to know of an event, as labels and values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from processor.model import JSON, EventType
from processor.text.lines import HEADLINE, VALUE, at, clean, moment, plain
from processor.text.parts import address, amount, kind_of, place


def details(event: Mapping[str, JSON]) -> list[tuple[str, str]]:
    """Labels and values beside the headline; what is not known is left out."""
    ops = at(event, "data", "ops")
    return _known(
        [
            _place(event),
            ("Reason", _reason(event)),
            *_job(event),
            ("Amount", amount(event)),
            ("Based on", _basis(event)),
            ("Since", "" if kind_of(event) == EventType.OPS_TEST else moment(at(ops, "since"))),
            ("Until", moment(at(ops, "until"))),
            ("Count", plain(at(ops, "count"))),
        ]
    )


def job_details(event: Mapping[str, JSON]) -> list[tuple[str, str]]:
    """Those of the details that hold for everything about the job."""
    return _known([_place(event), *_job(event)])


def _known(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(label, said) for label, value in found if (said := clean(value, VALUE))]


def _place(event: Mapping[str, JSON]) -> tuple[str, str]:
    return "Source" if plain(at(event, "source")).startswith("/sources/") else "Sink", place(event)


def _job(event: Mapping[str, JSON]) -> list[tuple[str, str]]:
    return [("Address", address(event)), ("Customer", plain(at(event, "data", "job", "customer", "name")))]


def _reason(event: Mapping[str, JSON]) -> str:
    """The failure, where there is more of it than the headline tells."""
    failure = at(event, "data", "failure")
    code, title, message = (plain(at(failure, name)) for name in ("code", "title", "message"))
    if message.casefold().startswith(title.casefold()):  # Bentley's messages often begin with their title
        title = ""
    parts = [part for part in (code, title, message) if part]
    return ": ".join(parts) if len(parts) > 1 or len("".join(parts)) > HEADLINE else ""


def _basis(event: Mapping[str, JSON]) -> str:
    basis = at(event, "data", "cost_estimate", "basis")
    if not isinstance(basis, Mapping):
        return ""
    return ", ".join(f"{name} {plain(value)}" for name, value in basis.items() if value is not None)
