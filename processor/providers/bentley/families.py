"""Bentley's six job APIs, and the event each announces its jobs' end with.

An event belongs to its own API's generation only (https://developer.bentley.com/apis/contextcapture/available-events),
so its type says where to ask. A seventh API is one more row.
"""

from __future__ import annotations

from dataclasses import dataclass

from processor.errors import Refused


@dataclass(frozen=True, slots=True)
class Family:
    """One job API: `api` is its path, and the name that notifications and `watch --api` use for it.

    `model_kinds` are the job types whose job counts as a model. `separate_messages`: errors and warnings are not in the
    job but at `/messages`, which answers once the job has ended.
    """

    api: str
    event: str
    version: int
    model_kinds: frozenset[str] = frozenset()

    @property
    def separate_messages(self) -> bool:
        return self.version == 2

    @property
    def accept(self) -> str:
        return f"application/vnd.bentley.itwin-platform.v{self.version}+json"


FAMILIES = (
    Family("contextcapture", "realityModeling.jobCompleted.v1", 1, frozenset({"full", "reconstruction"})),
    Family(
        "reality-modeling",
        "realityModeling.jobCompleted.v2",
        2,
        frozenset({"reconstruction", "production", "gaussiansplats"}),
    ),
    Family("realitydataanalysis", "realityAnalysis.jobCompleted.v1", 1),
    Family("reality-analysis", "realityAnalysis.jobCompleted.v2", 2),  # by analogy: no page names this event
    Family("realityconversion", "realityConversion.jobCompleted.v1", 1),
    Family("reality-conversion", "realityConversion.jobCompleted.v2", 2),
)
_BY_API = {family.api: family for family in FAMILIES}
BY_EVENT = {family.event: family for family in FAMILIES}


def family(api: str) -> Family:
    """Raises Refused for a name that is none of the six."""
    found = _BY_API.get(api)
    if not found:
        raise Refused(f"Bentley has no job API of this name: there are {', '.join(_BY_API)}")
    return found
