"""Turns Hover's job details into a Job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from processor.model import JSON, Address, Customer, Image, Job, Model, ModelState
from processor.providers.hover.payload import JOB
from processor.providers.hover.states import job_state, model_state
from processor.reading import read, unreadable


def translate(original: JSON, *, source: str, current_user_id: int | None = None) -> Job:
    """The job in our words. Raises Unreadable with the path that is wrong.

    With a `current_user_id` artifact addresses carry it, as Hover asks for sub-organisations' jobs.
    """
    job = read(JOB, original)
    return Job(
        provider="hover",
        source=source,
        id=job["id"],
        name=job["name"],
        external_id=job["external_identifier"],
        state=job_state(job["reconstruction_state"]),
        provider_state=job["reconstruction_state"],
        url=job["url"],
        organization_id=job["org"] and job["org"]["id"],
        address=Address(**job["address"]) if _any(job["address"]) else None,
        customer=_customer(job["customer"]) if _any(job["customer"]) else None,
        created_at=job["created_at"],
        updated_at=job["updated_at"],
        archived_at=job["archived_at"],
        models=tuple(_model(model, f"models.{i}", current_user_id) for i, model in enumerate(job["models"] or [])),
    )


def _customer(customer: Mapping[str, Any]) -> Customer:
    """What `name` is beside `first_name` is not documented: the first name counts where it is all there is."""
    return Customer(customer["name"] or customer["first_name"], customer["email"], customer["phone"])


def _any(part: Mapping[str, Any] | None) -> bool:
    return part is not None and any(value is not None for value in part.values())


def _model(model: Mapping[str, Any], path: str, current_user_id: int | None) -> Model:
    state = model_state(model["state"])
    experience = model["three_d_experience"] or {}
    images = model["images"]
    # a failed model lists artifact links too (their own sample does), which lead nowhere
    links = {} if state is ModelState.FAILED else dict(_links(model["artifacts"], path, "artifacts"))
    return Model(
        id=model["id"],
        name=model["name"],
        kind=experience.get("type"),
        state=state,
        provider_state=model["state"],
        failure_reason=model["failure_reason"],
        deliverable=model["deliverable"],
        capture_id=model["capture_id"],
        url=experience.get("url"),
        url_status=experience.get("status"),
        artifacts={name: _as_user(link, current_user_id) for name, link in links.items()},
        image_count=None if images is None else len(images),
        images=tuple(Image(**image) for image in images or []),
        created_at=model["created_at"],
        updated_at=model["updated_at"],
    )


def _links(value: JSON, path: str, *keys: str) -> Iterator[tuple[str, str]]:
    """Every link below `value`, named by the keys that lead to it; which keys there are differs from model to model."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _links(below, path, *keys, key)
    elif isinstance(value, str) and len(keys) > 1:
        if value:
            yield ".".join(keys[1:]), value
    elif value is not None:
        raise unreadable(".".join((path, *keys)), "must be an address or an object of addresses")


def _as_user(link: str, current_user_id: int | None) -> str:
    """https://developers.hover.to/reference/show-job-details-v3 asks for the parameter on artifact addresses too."""
    if current_user_id is None or "current_user_id=" in link:
        return link
    return f"{link}{'&' if '?' in link else '?'}current_user_id={current_user_id}"
