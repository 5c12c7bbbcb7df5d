"""What we remember of a job for a year: just enough to tell what is new, and to give the same change the same id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from processor.errors import Newer
from processor.model import JSON

VERSION = 1
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job or a model stands, and where it has been.

    `been` holds the states it was in, and `job.reopened` if that was ever said; `mark` goes into the id of a second
    visit to an end.
    """

    state: str
    been: tuple[str, ...]
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Estimated:
    """The amount an estimate stands at, and how often each amount has come up."""

    amount: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """`at` is the job's own latest time; `claims` are announced ends that no document has shown yet, looked for `looks`
    times since `looking_since`; `refused` counts documents in a row that were older than `at`. Times are RFC 3339 text,
    `looking_since` epoch seconds. `silent`: only the first pass of reconciliation saw the job, and told nobody;
    `watched`: followed to its end whatever the source's `reconcile` says; `progress` is the last one shown, and `still`
    how many looks in a row showed nothing new."""

    api: str = ""
    job: Standing | None = None
    models: Mapping[str, Standing] = field(default_factory=lambda: _NOTHING)
    estimates: Mapping[str, Estimated] = field(default_factory=lambda: _NOTHING)
    at: str = ""
    refused: int = 0
    claims: tuple[str, ...] = ()
    looks: int = 0
    looking_since: float = 0.0
    silent: bool = False
    watched: bool = False
    progress: float | None = None
    still: int = 0
    unknown: Mapping[str, JSON] = field(default_factory=lambda: _NOTHING)

    @classmethod
    def load(cls, text: str) -> Facts:
        """Read what `dump` wrote; "" is a job never seen. Keys of a later release are kept.

        Raises Newer when the facts were written by a newer major version, which is never guessed at.
        """
        if not text:
            return cls()
        raw = json.loads(text)
        if raw.pop("v", VERSION) != VERSION:
            raise Newer("the job's facts were written by a newer version of jobwire")
        job = raw.pop("job", None)
        return cls(
            api=raw.pop("api", ""),
            job=_standing(job) if job else None,
            models={k: _standing(v) for k, v in raw.pop("models", {}).items()},
            estimates={k: Estimated(v["amount"], v["counts"]) for k, v in raw.pop("estimates", {}).items()},
            at=raw.pop("at", ""),
            refused=raw.pop("refused", 0),
            claims=tuple(raw.pop("claims", ())),
            looks=raw.pop("looks", 0),
            looking_since=raw.pop("looking_since", 0.0),
            silent=raw.pop("silent", False),
            watched=raw.pop("watched", False),
            progress=raw.pop("progress", None),
            still=raw.pop("still", 0),
            unknown=raw,
        )

    def dump(self) -> str:
        """The facts as JSON, without what is empty."""
        known = {
            "api": self.api,
            "job": _plain(self.job) if self.job else None,
            "models": {k: _plain(v) for k, v in self.models.items()},
            "estimates": {k: {"amount": v.amount, "counts": dict(v.counts)} for k, v in self.estimates.items()},
            "at": self.at,
            "refused": self.refused,
            "claims": list(self.claims),
            "looks": self.looks,
            "looking_since": self.looking_since,
            "silent": self.silent,
            "watched": self.watched,
            "still": self.still,
        }
        progress = {} if self.progress is None else {"progress": self.progress}  # 0 is one
        return json.dumps({"v": VERSION} | dict(self.unknown) | {k: v for k, v in known.items() if v} | progress)

    def but(self, **changes: Any) -> Facts:
        """The same facts with these changes."""
        return replace(self, **changes)


def _standing(raw: Mapping[str, Any]) -> Standing:
    return Standing(raw["state"], tuple(raw["been"]), raw.get("mark", ""))


def _plain(standing: Standing) -> dict[str, JSON]:
    plain: dict[str, JSON] = {"state": standing.state, "been": list(standing.been)}
    return plain | {"mark": standing.mark} if standing.mark else plain
