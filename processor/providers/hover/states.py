"""Hover's words for states, and ours.

Job words of both event generations: https://developers.hover.to/docs/hovers-available-webhooks. A finished job is
`complete` in the older events and `completed` in the newer ones and in job details; a finished model is `complete`.
"""

from __future__ import annotations

from processor.model import ModelState, State

_JOB = {
    "draft": State.CREATED,
    "uploading": State.CREATED,
    "waitlisted": State.WAITING,
    "waiting_approval": State.WAITING,
    "paying": State.WAITING,
    "processing_upload": State.PROCESSING,
    "submitting": State.PROCESSING,
    "working": State.PROCESSING,
    "retrieving": State.PROCESSING,
    "processing": State.PROCESSING,
    "processing_upload_for_improvements": State.PROCESSING,
    "requesting_corrections": State.PROCESSING,
    "complete": State.SUCCEEDED,
    "completed": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}
_MODEL = {"complete": ModelState.SUCCEEDED, "failed": ModelState.FAILED}


def job_state(word: str | None) -> State:
    """Ours for a job's; a word never seen before is a job that is still going on."""
    return _JOB.get(_plain(word), State.PROCESSING)


def model_state(word: str | None) -> ModelState:
    """Ours for a model's. Only two words of theirs are an end; no list of the others is published."""
    return _MODEL.get(_plain(word), ModelState.PROCESSING)


def is_known(word: str | None) -> bool:
    """Whether a job's or a model's state is a word that we have met. No word at all is nothing new."""
    return word is None or _plain(word) in _JOB


def _plain(word: str | None) -> str:
    return (word or "").strip().lower().replace("-", "_").replace(" ", "_")
