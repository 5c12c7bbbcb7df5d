"""What in Hover's answers and events is not as its documentation says, in words that tell of nobody.

Their words and keys are shown; values never are, since they may be a person's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from processor.errors import Unreadable
from processor.model import JSON
from processor.providers.hover.payload import JOB
from processor.providers.hover.states import is_known
from processor.providers.hover.translate import translate
from processor.text import clean

_MOST = 10
_LONGEST = 100  # characters
_WORD = re.compile(r"[A-Za-z0-9_. -]{1,60}")  # what a state or an event may be called; an e-mail address is no word
_ALWAYS = ("id", "reconstruction_state", "models")  # in every sample of job details …
_IN_MODELS = ("id", "state")  # … and in every model of them
_NOTHING = (None, "")


def strange(original: JSON, *, readable: bool = False) -> tuple[str, ...]:
    """What in job details is unknown, missing or of another type: nothing twice, and not without end. `readable`: they
    were translated already, so no type is wrong."""
    return tuple(islice(dict.fromkeys(clean(text, _LONGEST) for text in _strange(original, readable)), _MOST))


def named(kind: str, word: str) -> str:
    """'event "fancy-thing"', or that its name is none that can be shown."""
    return f'{kind} "{word}"' if _WORD.fullmatch(word) else f"{kind} of a name that is no word"


def _strange(original: JSON, readable: bool) -> Iterator[str]:
    if not isinstance(original, Mapping):
        yield "the job is not an object"
        return
    listed = original.get("models")
    models = [model for model in listed if isinstance(model, Mapping)] if isinstance(listed, list) else []
    missing = {key: None for key in _ALWAYS if original.get(key) in _NOTHING}
    missing |= {f"models[].{key}": None for key in _IN_MODELS for model in models if model.get(key) in _NOTHING}
    yield from (f"no field {path}" for path in missing)
    yield from _unknown("job state", original.get("reconstruction_state"))
    for model in models:
        yield from _unknown("model state", model.get("state"))
    wrong = [] if readable else _wrong(original)
    yield from (f"field {path} is not as documented" for path in wrong if path not in missing)


def _unknown(kind: str, word: JSON) -> Iterator[str]:
    """Which words a model may have is not published; `complete`, `failed` and a job's own were seen."""
    if isinstance(word, str) and word and not is_known(word):
        yield named(kind, word)


def _wrong(original: JSON) -> list[str]:
    """The paths of what cannot be read. Which artifacts there are differs from model to model, so the shape of a job
    leaves them open."""
    try:
        translate(original, source="")
    except Unreadable:
        return list(_faults(JOB.validate(original))) or ["models[].artifacts"]
    return []


def _faults(messages: Any, path: str = "") -> Iterator[str]:
    """The paths of what cannot be read. A place in a list is `[]`: the same fault in ten models is one."""
    if not isinstance(messages, Mapping):
        yield path
        return
    for key, below in messages.items():
        step = "[]" if isinstance(key, int) else "" if key == "_schema" else f".{key}" if path else str(key)
        yield from _faults(below, path + step)
