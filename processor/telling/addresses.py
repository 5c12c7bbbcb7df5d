"""The addresses in a message: pages to open, pictures to show. A provider's are text by strangers like any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from urllib.parse import quote, urlsplit

from processor.model import JSON, EventType, ModelState
from processor.telling.message import Link
from processor.text.lines import at, clean, each, plain
from processor.text.parts import job_of, kind_of
from processor.text.rollup import models_of

LONGEST = 2_000
MODELS = 3  # pages of models in a message about their job
IMAGES = 3
_LABEL = 40
_NOT_IN_ADDRESSES = frozenset('<>"\\^`{|}')  # RFC 3986 has no place for them, and some markup ends at them


def web_address(value: JSON, *, schemes: tuple[str, ...] = ("https", "http")) -> str:
    """The address if it is one that people can safely open, else nothing."""
    if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
        return ""
    if any(character.isspace() or character in _NOT_IN_ADDRESSES for character in value):
        return ""
    try:
        parts = urlsplit(value)
        fine = parts.scheme in schemes and bool(parts.hostname) and "@" not in parts.netloc
        return value if fine and parts.port != 0 else ""
    except ValueError:  # a port or an IPv6 address that is none
        return ""


def links(event: Mapping[str, JSON], public_url: str | None) -> tuple[Link, ...]:
    """What to open about an event: the estimate, the model, the job at its provider, our own timeline."""
    model = at(event, "data", "model")
    found = [
        ("Estimate", at(event, "data", "cost_estimate", "url")),
        ("Model", _page(model)),
        *(_pages(event) if kind_of(event) == EventType.JOB_SUCCEEDED else ()),
    ]
    return _links(found, event, public_url)


def links_of_job(
    newest: Mapping[str, JSON], estimate: Mapping[str, JSON] | None, public_url: str | None
) -> tuple[Link, ...]:
    """What to open about a job of which several events tell."""
    return _links([("Estimate", at(estimate, "data", "cost_estimate", "url")), *_pages(newest)], newest, public_url)


def dashboard(public_url: str | None) -> tuple[Link, ...]:
    """What to open about everything."""
    return (Link("Dashboard", url),) if (url := web_address(f"{public_url}/")) else ()


def images(event: Mapping[str, JSON]) -> tuple[str, ...]:
    """Pictures of the model concerned, else of the job's first models."""
    model = at(event, "data", "model")
    return images_of_job(event) if model is None else _images([model])


def images_of_job(event: Mapping[str, JSON]) -> tuple[str, ...]:
    """Pictures of the job's first models."""
    return _images(models_of(event))


def _links(found: list[tuple[str, JSON]], event: Mapping[str, JSON], public_url: str | None) -> tuple[Link, ...]:
    found += [("Job", at(event, "data", "job", "url")), ("Timeline", _timeline(event, public_url))]
    by_url = {url: label for label, value in reversed(found) if (url := web_address(value))}
    return tuple(Link(label, url) for url, label in reversed(by_url.items()))


def _images(models: list[Mapping[str, JSON]]) -> tuple[str, ...]:
    urls = (web_address(at(image, "url"), schemes=("https",)) for of in models for image in each(at(of, "images")))
    return tuple(islice(filter(None, urls), IMAGES))


def _page(model: JSON) -> JSON:
    """Not where the provider says that it does not work."""
    return None if at(model, "url_status") == "not_available" else at(model, "url")


def _pages(event: Mapping[str, JSON]) -> Iterator[tuple[str, JSON]]:
    """The pages of the job's models that are ready; a label says whose it is where there are several models."""
    models = models_of(event)
    ready = [model for model in models if at(model, "state") == ModelState.SUCCEEDED and web_address(_page(model))]
    for model in ready[:MODELS]:
        name = clean(plain(at(model, "name") or at(model, "id")), _LABEL) if len(models) > 1 else ""
        yield f"Model {name}".strip(), _page(model)


def _timeline(event: Mapping[str, JSON], public_url: str | None) -> str:
    job = job_of(event)
    if not (job and public_url):
        return ""
    source, job_id = (quote(part, safe="", errors="replace") for part in job)
    return f"{public_url}/jobs/{source}/{job_id}"
