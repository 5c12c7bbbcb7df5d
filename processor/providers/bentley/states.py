"""Bentley's words for states, and ours.

v1 writes them small in jobs and capitalised in progress, v2 in PascalCase; `pending` and `over` are in Bentley's own
SDK only (https://github.com/iTwin/reality-capture). Case, spaces and hyphens do not count.
"""

from __future__ import annotations

from processor.model import ModelState, State

# of each generation of the job APIs
_WORDS = {
    1: {
        "unsubmitted": State.CREATED,
        "pending": State.WAITING,
        "active": State.PROCESSING,
        "success": State.SUCCEEDED,
        "over": State.SUCCEEDED,
        "failed": State.FAILED,
        "cancelled": State.CANCELLED,
    },
    2: {
        "queued": State.WAITING,
        "active": State.PROCESSING,
        "terminatingoncancel": State.PROCESSING,
        "terminatingonfailure": State.PROCESSING,
        "success": State.SUCCEEDED,
        "failed": State.FAILED,
        "cancelled": State.CANCELLED,
    },
}
_JOB = _WORDS[1] | _WORDS[2]  # a word says the same wherever it turns up


def job_state(word: str | None) -> State:
    """Ours for a job's; a word never seen before is a job that is still going on."""
    return _JOB.get(_plain(word), State.PROCESSING)


def is_running(word: str | None) -> bool:
    """Whether a job in this state has a progress."""
    return _plain(word) == "active"


def model_state(state: State) -> ModelState:
    """The state of a job's one model: processing until the job ends, and for good when it was cancelled."""
    if state is State.SUCCEEDED:
        return ModelState.SUCCEEDED
    return ModelState.FAILED if state is State.FAILED else ModelState.PROCESSING


def is_known(word: str | None, *, version: int) -> bool:
    """Whether a state is a word that this generation of the job APIs is known to use. No word at all is nothing new."""
    return word is None or _plain(word) in _WORDS[version]


def _plain(word: str | None) -> str:
    return "".join(c for c in (word or "").lower() if c.isalnum())
