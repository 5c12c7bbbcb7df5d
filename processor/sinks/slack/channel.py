"""Asks Slack who a token's bot is, and whether it may post into the configured channel. Posts nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from processor.errors import Shut
from processor.sinks.slack.api import Api, Patience, Said
from processor.text import clean

_ID = re.compile(r"[CDG][A-Z0-9]{7,}")
_PAGES, _PAGE = 10, 999  # https://docs.slack.dev/reference/methods/conversations.list: under 1000 on a page
_CANNOT_LOOK = frozenset({"missing_scope"})
_ALL, _PUBLIC = "public_channel,private_channel", "public_channel"


def look(api: Api, channel: str, patience: Patience) -> str:
    """Who and where in a few words. Raises a ProcessorError that says what to change."""
    who = api.ask("auth.test", {}, patience=patience)
    bot = f"{_name(who.content, 'user')} in {_name(who.content, 'team')}"
    if who.scopes and "chat:write" not in who.scopes:
        raise Shut(f"{bot} may not write: add the scope chat:write to the app and install it again")
    found = _by_id(api, channel, patience) if _ID.fullmatch(channel) else _by_name(api, channel, patience)
    if isinstance(found, str):
        return f"{bot}; channel {channel} {found}"
    shown = f"channel #{_name(found, 'name')}"
    if found.get("is_archived"):
        raise Shut(f"{shown} is archived: bring it back, or name another as `channel`")
    public = not found.get("is_private") and "chat:write.public" in who.scopes
    if found.get("is_member") is False and not public and who.scopes:
        raise Shut(f"{bot} is not in {shown}: invite it there: /invite @{_name(who.content, 'user')}")
    return f"{shown} as {bot}"


def _by_id(api: Api, channel: str, patience: Patience) -> Mapping[str, Any] | str:
    """What Slack tells of the channel, or why it cannot be told: the app needs no scope for that to post."""
    said = api.ask("conversations.info", {"channel": channel}, patience=patience, expected=_CANNOT_LOOK)
    if said.error:
        return "was not looked up, which takes the scope channels:read (or groups:read for a private one)"
    found = said.content.get("channel")
    return found if isinstance(found, dict) else {}


def _by_name(api: Api, channel: str, patience: Patience) -> Mapping[str, Any] | str:
    """The same for a name, for which all channels have to be looked through."""
    name, types, cursor = channel.removeprefix("#"), _ALL, ""
    for _ in range(_PAGES):
        said = _page(api, types, cursor, patience)
        if said.error and types == _ALL:  # without groups:read
            types = _PUBLIC
            said = _page(api, types, cursor, patience)
        if said.error:
            return "was not looked up, which takes the scope channels:read"
        channels = said.content.get("channels")
        for found in channels if isinstance(channels, list) else []:
            if isinstance(found, dict) and found.get("name") == name:
                return found
        metadata = said.content.get("response_metadata")
        cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
        if not cursor:
            break
    if cursor:
        return f"is not among the first {_PAGES * _PAGE} and was looked for no further; its id is quicker to find"
    if types == _PUBLIC:
        return "is not a public one; private ones are looked up with the scope groups:read"
    raise Shut(f"there is no channel #{name} that the bot can see: check `channel`; if it is private, invite the bot")


def _page(api: Api, types: str, cursor: str, patience: Patience) -> Said:
    form = {"types": types, "limit": str(_PAGE), "exclude_archived": "false", "cursor": cursor}
    return api.ask("conversations.list", form, patience=patience, expected=_CANNOT_LOOK)


def _name(content: Mapping[str, Any], key: str) -> str:
    return clean(content.get(key) or "unknown", 80)
