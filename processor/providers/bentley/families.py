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

    `model_kinds` are the job types whose job counts as a model. `always` are the fields that its documentation says or
    shows to be there in every job, of those that we read. `separate_messages`: errors and warnings are not in the job
    but at `/messages`, which answers once the job has ended. `event_documented`: some page names its event.
    """

    api: str
    event: str
    version: int
    always: tuple[str, ...]
    model_kinds: frozenset[str] = frozenset()
    event_documented: bool = True

    @property
    def separate_messages(self) -> bool:
        return self.version == 2

    @property
    def accept(self) -> str:
        return f"application/vnd.bentley.itwin-platform.v{self.version}+json"


# https://developer.bentley.com/apis/contextcapture/operations/jobs-get
_MODELING_V1 = ("id", "iTwinId", "type", "state", "createdDateTime", "lastModifiedDateTime")
_OTHER_V1 = ("id", "type", "state")
# "always" in the job model of https://github.com/iTwin/reality-capture (python_sdk)
_V2 = ("id", "iTwinId", "type", "state", "executionInfo.createdDateTime")

FAMILIES = (
    Family("contextcapture", "realityModeling.jobCompleted.v1", 1, _MODELING_V1, frozenset({"full", "reconstruction"})),
    Family(
        "reality-modeling",
        "realityModeling.jobCompleted.v2",
        2,
        _V2,
        frozenset({"reconstruction", "production", "gaussiansplats"}),
    ),
    Family("realitydataanalysis", "realityAnalysis.jobCompleted.v1", 1, _OTHER_V1),
    # its event is named by analogy
    Family("reality-analysis", "realityAnalysis.jobCompleted.v2", 2, _V2, event_documented=False),
    Family("realityconversion", "realityConversion.jobCompleted.v1", 1, _OTHER_V1),
    Family("reality-conversion", "realityConversion.jobCompleted.v2", 2, _V2),
)
_BY_API = {family.api: family for family in FAMILIES}
BY_EVENT = {family.event: family for family in FAMILIES}


def family(api: str) -> Family:
    """Raises Refused for a name that is none of the six."""
    found = _BY_API.get(api)
    if not found:
        raise Refused(f"Bentley has no job API of this name: there are {', '.join(_BY_API)}")
    return found
