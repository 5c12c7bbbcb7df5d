"""Finds out whether an image is one that anybody may see: Slack fetches it itself, without any token of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress

from processor.errors import ProcessorError
from processor.ports import Http, Memory

_PATIENCE = 3.0  # seconds
_REMEMBERED = 86400.0  # seconds, for a yes and for a no
_TYPES = ("image/png", "image/jpeg", "image/gif")  # https://docs.slack.dev/reference/block-kit/blocks/image-block
_PUBLIC, _PRIVATE = "public", "private"


class Pictures:
    """`http` must refuse addresses that are not public: what we are asked to look at is what a provider wrote."""

    def __init__(self, sink: str, *, http: Http, memory: Memory) -> None:
        self._sink = sink
        self._http = http
        self._memory = memory

    def public(self, images: Sequence[str], *, timeout: float) -> str | None:
        """The first of them if Slack can show it. Never fails: a message without its image is a message."""
        image = images[0] if images else ""
        if not image:
            return None
        try:
            known = self._memory.recall(self._sink, _key(image))
            if known is None:
                known = _PUBLIC if self._is_public(image, min(timeout, _PATIENCE)) else _PRIVATE
                self._memory.remember(self._sink, _key(image), known, seconds=_REMEMBERED)
        except ProcessorError:  # our own memory
            return None
        return image if known == _PUBLIC else None

    def never_again(self, image: str) -> None:
        """Called when Slack would not show it. Never fails either: the message has just been posted."""
        with suppress(ProcessorError):
            self._memory.remember(self._sink, _key(image), _PRIVATE, seconds=_REMEMBERED)

    def _is_public(self, image: str, timeout: float) -> bool:
        try:
            answer = self._http.request("HEAD", image, timeout=timeout)
        except ProcessorError:
            return False
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return answer.status == 200 and kind in _TYPES


def _key(image: str) -> str:
    return "image " + hashlib.sha256(image.encode()).hexdigest()
