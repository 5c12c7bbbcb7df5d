"""A bot in a channel: one living message for each job, which shows how things stand, and in its thread what happened.

What was done is remembered step by step, so that a retry goes on where the first try failed. Only what a crash keeps
from being remembered is done twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from processor.errors import Shut
from processor.model import JSON
from processor.ports import Memory
from processor.sinks.slack.answers import LAYOUT
from processor.sinks.slack.api import Api, Patience, Said
from processor.sinks.slack.blocks import message
from processor.sinks.slack.channel import look
from processor.sinks.slack.pictures import Pictures
from processor.telling import Mood, Telling, tell
from processor.text.lines import instant

_KEPT = 30 * 86400.0  # seconds since it was last used
_TOLD = 100  # keys that are remembered for each thread: a retry comes soon, a replay may come late

# Errors after which a new living message is made.
# https://docs.slack.dev/reference/methods/chat.update#errors, …/chat.postMessage#errors
_CANNOT_EDIT = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "block_mismatch"})
_CANNOT_REPLY = frozenset(
    {"message_not_found", "thread_not_found", "cannot_reply_to_message", "restricted_action_thread_locked"}
)


@dataclass(frozen=True, slots=True)
class _Living:
    """A living message: `ts` within the channel that Slack calls `place`, and that is configured as `channel`.

    It shows the event `shown`, of the time `at`, and was made for the event `first`; `told` are those in its thread.
    """

    ts: str
    place: str
    channel: str
    first: str
    shown: str
    at: str
    told: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.place}/{self.ts}"


class Bot:
    """Who posts and edits. One thread works on one job at a time, so nobody else writes what is remembered of it."""

    def __init__(self, sink: str, channel: str, *, api: Api, memory: Memory, pictures: Pictures) -> None:
        self._sink = sink
        self._channel = channel
        self._api = api
        self._memory = memory
        self._pictures = pictures

    def tell(self, telling: Telling, events: Sequence[Mapping[str, JSON]], patience: Patience) -> str:
        """Show the newest state, and tell the thread. Returns Slack's name of the living message."""
        if telling.thread is None:  # a digest, a storm: of no job, so never edited
            said = self._shown(telling, "chat.postMessage", self._posting(), patience)
            return f"{said.text('channel')}/{said.text('ts')}"
        living = self._recalled(telling.thread)
        if living and telling.key in living.told:
            return living.reference
        at = str(events[-1].get("time"))
        if living is None:
            living = self._opened(telling, at, (), patience)
        elif living.shown != telling.key and not _older(at, living.at):
            living = self._edited(living, telling, at, patience)
        told = (*living.told, *(tell(event).key for event in events[-_TOLD:]), telling.key)
        return self._replied(living, telling, tuple(dict.fromkeys(told))[-_TOLD:], patience).reference

    def try_out(self, patience: Patience) -> str:
        return look(self._api, self._channel, patience)

    # --- the steps

    def _opened(self, telling: Telling, at: str, told: tuple[str, ...], patience: Patience) -> _Living:
        said = self._shown(telling, "chat.postMessage", self._posting(), patience)
        living = _Living(
            said.text("ts"), said.text("channel"), self._channel, first=telling.key, shown=telling.key, at=at, told=told
        )
        return self._remembered(telling, living)

    def _edited(self, living: _Living, telling: Telling, at: str, patience: Patience) -> _Living:
        where: dict[str, JSON] = {"channel": living.place, "ts": living.ts}
        said = self._shown(telling, "chat.update", where, patience, expected=_CANNOT_EDIT)
        if said.error:
            return self._opened(telling, at, living.told, patience)
        return self._remembered(telling, replace(living, shown=telling.key, at=at))

    def _replied(self, living: _Living, telling: Telling, told: tuple[str, ...], patience: Patience) -> _Living:
        error = self._reply(living, telling, patience)
        if error and living.first != telling.key:  # one new message for an event, not one at each retry
            living = self._opened(telling, living.at, living.told, patience)
            error = self._reply(living, telling, patience)
        if error:
            raise Shut(f"channel {self._channel}: {error}: nobody can reply there; use an incoming webhook")
        return self._remembered(telling, replace(living, told=told))

    def _reply(self, living: _Living, telling: Telling, patience: Patience) -> str | None:
        """The error, if there can be no reply. A failure is shown to the whole channel, since an edit tells nobody;
        where the living message was made for it, the channel has just been told."""
        notify = telling.mood in (Mood.BAD, Mood.ALARM) and telling.key != living.first
        where = {**self._posting(), "channel": living.place, "thread_ts": living.ts, "reply_broadcast": notify}
        return self._api.post(
            "chat.postMessage", {**message(telling), **where}, patience=patience, expected=_CANNOT_REPLY
        ).error

    def _shown(
        self,
        telling: Telling,
        method: str,
        where: Mapping[str, JSON],
        patience: Patience,
        expected: frozenset[str] = frozenset(),
    ) -> Said:
        """The message in the channel itself, with its image if Slack can show it."""
        image = self._pictures.public(telling.images, timeout=patience.left)
        if image:
            content = {**message(telling, image=image), **where}
            said = self._api.post(method, content, patience=patience, expected=expected | LAYOUT)
            if said.error not in LAYOUT:
                return said
        said = self._api.post(method, {**message(telling), **where}, patience=patience, expected=expected)
        if image:  # it was this that Slack would not show
            self._pictures.never_again(image)
        return said

    def _posting(self) -> dict[str, JSON]:
        return {"channel": self._channel, "unfurl_links": False, "unfurl_media": False}

    # --- what is remembered

    def _recalled(self, thread: str) -> _Living | None:
        """None, too, for what is of another channel than is configured now, or was written by another version."""
        try:
            known = json.loads(self._memory.recall(self._sink, _key(thread)) or "")
            living = _Living(**{**known, "told": tuple(known["told"])})
        except (ValueError, TypeError, KeyError):
            return None
        return living if living.channel == self._channel else None

    def _remembered(self, telling: Telling, living: _Living) -> _Living:
        value = json.dumps(asdict(living), separators=(",", ":"))
        self._memory.remember(self._sink, _key(str(telling.thread)), value, seconds=_KEPT)
        return living


def _key(thread: str) -> str:
    return f"living {thread}"


def _older(at: str, shown: str) -> bool:
    """Whether this is a replay, or news that came late. What is no time is not older: it was found last."""
    one, other = instant(at), instant(shown)
    return one is not None and other is not None and one < other
