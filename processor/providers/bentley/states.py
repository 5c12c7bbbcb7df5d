"""Bentley's words for states, and ours.

v1 writes them small in jobs and capitalised in progress, v2 in PascalCase; `pending` and `over` are in Bentley's own
SDK only (https://github.com/iTwin/reality-capture). Case, spaces and hyphens do not count.
"""

from __future__ import annotations

from processor.model import ModelState, State

_JOB = {
    "unsubmitted": State.CREATED,
    "pending": State.WAITING,
    "queued": State.WAITING,
    "active": State.PROCESSING,
    "terminatingoncancel": State.PROCESSING,
    "terminatingonfailure": State.PROCESSING,
    "success": State.SUCCEEDED,
    "over": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}


def job_state(word: str | None) -> State:
    """Ours for a job's; a word never seen before is a job that is still going on."""
    return _JOB.get(_plain(word), State.PROCESSING)


def model_state(state: State) -> ModelState:
    """The state of a job's one model: processing until the job ends, and for good when it was cancelled."""
    if state is State.SUCCEEDED:
        return ModelState.SUCCEEDED
    return ModelState.FAILED if state is State.FAILED else ModelState.PROCESSING


def is_known(word: str | None) -> bool:
    """Whether a state is a word that we have met. No word at all is nothing new."""
    return word is None or _plain(word) in _JOB


def _plain(word: str | None) -> str:
    return "".join(c for c in (word or "").lower() if c.isalnum())
