"""The demo's story: what the simulated providers do, in words and as scripts, and which events must come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Scene:
    """`told` is read out, `steps` are played at `provider`, and then `events` more must have been delivered."""

    told: str
    provider: str
    steps: Sequence[Mapping[str, Any]]
    events: int


_HOUSE, _FLOORS, _MESH = 15084303, 15254733, "cc3d35cc-416a-4262-9714-b359da70b419"
_WORKING = {
    "reconstruction_state": "working",
    "updated_at": "2025-03-16T23:59:00.000Z",
    "models.0.state": "working",
    "models.0.failure_reason": None,
    "models.0.updated_at": "2025-03-16T23:59:00.000Z",
    "models.1.state": "working",
    "models.1.updated_at": "2025-03-16T23:59:00.000Z",
}

STORY = (
    Scene(
        "Hover has the photos of a house and its garage, and begins to build.",
        "hover",
        [{"job": {"sample": "hover-1", "change": _WORKING}, "notify": {"job_id": _HOUSE}}],
        events=1,
    ),
    Scene(
        "Hover is done. Its webhook comes twice; the garage did not work out, though the job did.",
        "hover",
        [{"job": {"sample": "hover-1"}, "notify": {"job_id": _HOUSE, "double": True}}],
        events=3,
    ),
    Scene(
        "Bentley has finished a mesh, but answers 429: slow down, two seconds. The job is fetched when they are over.",
        "bentley",
        [
            {
                "fault": {"on": "job", "status": 429, "retry_after": 2},
                "job": {"sample": "bentley-1"},
                "notify": {"job_id": _MESH},
            }
        ],
        events=3,
    ),
    Scene(
        "A floor plan's webhooks overtake each other: the end is told before the beginning.",
        "hover",
        [
            {
                "job": {"sample": "hover-2"},
                "notify": [{"job_id": _FLOORS, "state": "working"}, {"job_id": _FLOORS, "state": "completed"}],
                "reorder": True,
            }
        ],
        events=3,
    ),
)
