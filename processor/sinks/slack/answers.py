"""What Slack's answers mean: which are final, which come back, and what a person has to change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from processor.errors import Busy, ProcessorError, RateLimited, Refused, Retryable, Shut
from processor.http import retry_after
from processor.ports import Answer

# What an error of the Web API means, and what to change. Any other is a shut door: most of Slack's hundred errors are
# about a key, a permission or a place. https://docs.slack.dev/reference/methods/chat.postMessage#errors,
# …/chat.update#errors, …/conversations.info#errors
_TOKEN = "put the app's Bot User OAuth Token (xoxb-…) into `token`"  # noqa: S105  # a sentence, not a token
_INVITE = "invite the bot to the channel: /invite @ and its name"
_ADMINS = "ask the workspace's administrators"
_OUR_FAULT = "Slack will not take this message"
API: Mapping[str, tuple[type[ProcessorError], str]] = {
    "invalid_blocks": (Refused, _OUR_FAULT),
    "invalid_blocks_format": (Refused, _OUR_FAULT),
    "invalid_attachments": (Refused, _OUR_FAULT),
    "attachment_payload_limit_exceeded": (Refused, _OUR_FAULT),
    "too_many_attachments": (Refused, _OUR_FAULT),
    "msg_too_long": (Refused, _OUR_FAULT),
    "msg_blocks_too_long": (Refused, _OUR_FAULT),
    "no_text": (Refused, _OUR_FAULT),
    "invalid_arguments": (Refused, _OUR_FAULT),
    "invalid_arg_name": (Refused, _OUR_FAULT),
    "invalid_array_arg": (Refused, _OUR_FAULT),
    "invalid_charset": (Refused, _OUR_FAULT),
    "invalid_json": (Refused, _OUR_FAULT),
    "json_not_object": (Refused, _OUR_FAULT),
    "ratelimited": (RateLimited, "too many messages at once"),
    "rate_limited": (RateLimited, "too many messages at once"),
    "internal_error": (Busy, "Slack has a fault"),
    "fatal_error": (Busy, "Slack has a fault"),
    "service_unavailable": (Busy, "Slack has a fault"),
    "update_failed": (Busy, "Slack has a fault"),
    "request_timeout": (Busy, "the request did not arrive whole"),
    "team_added_to_org": (Busy, "the workspace is being moved to an organisation"),
    "external_channel_migrating": (Busy, "the channel is being moved"),
    "invalid_auth": (Shut, f"the token is not valid, or not from this address: {_TOKEN}"),
    "not_authed": (Shut, f"there was no token: {_TOKEN}"),
    "account_inactive": (Shut, f"the token belongs to an app or a workspace that was removed: {_TOKEN}"),
    "token_revoked": (Shut, f"the token was revoked: {_TOKEN}"),
    "token_expired": (Shut, f"the token has expired: switch token rotation off for the app, and {_TOKEN}"),
    "not_allowed_token_type": (Shut, f"this is another kind of token: {_TOKEN}"),
    "missing_scope": (Shut, "add the scope to the app (OAuth & Permissions) and install it again"),
    "no_permission": (Shut, f"the app may not: {_INVITE}"),
    "channel_not_found": (Shut, f"check `channel` (its id is surest); if the channel is private, {_INVITE}"),
    "team_not_found": (Shut, "give the id of the channel as `channel`"),
    "not_in_channel": (Shut, _INVITE),
    "is_archived": (Shut, "the channel is archived: bring it back, or name another as `channel`"),
    "is_inactive": (Shut, "the channel is archived: bring it back, or name another as `channel`"),
    "message_limit_exceeded": (Shut, "the workspace's plan allows no more messages"),
    "restricted_action": (Shut, f"the workspace does not let the app post there: {_ADMINS}"),
    "restricted_action_read_only_channel": (Shut, f"nobody may post there: {_ADMINS}"),
    "restricted_action_thread_only_channel": (Shut, "the channel takes replies only: name another as `channel`"),
    "restricted_action_non_threadable_channel": (Shut, "the channel takes no threads: use an incoming webhook"),
    "access_denied": (Shut, f"the workspace does not let the app in: {_ADMINS}"),
    "app_access_restricted": (Shut, f"the workspace does not let the app in: {_ADMINS}"),
    "ekm_access_denied": (Shut, f"messages are switched off: {_ADMINS}"),
    "accesslimited": (Shut, f"this machine's address is not one that may call: {_ADMINS}"),
    "org_login_required": (Shut, "the workspace is being moved to an organisation"),
    "unknown_method": (Shut, "this is not Slack's Web API: check `api_url`"),
}

# What an incoming webhook says. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
# https://docs.slack.dev/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
_NEW_ONE = "add an incoming webhook to the app and put its address into `url`"
INCOMING: Mapping[str, tuple[type[ProcessorError], str]] = {
    "invalid_payload": (Refused, _OUR_FAULT),
    "invalid_blocks": (Refused, _OUR_FAULT),
    "invalid_blocks_format": (Refused, _OUR_FAULT),
    "invalid_attachments": (Refused, _OUR_FAULT),
    "too_many_attachments": (Refused, _OUR_FAULT),
    "msg_too_long": (Refused, _OUR_FAULT),
    "msg_blocks_too_long": (Refused, _OUR_FAULT),
    "no_text": (Refused, _OUR_FAULT),
    "missing_text_or_fallback_or_attachments": (Refused, _OUR_FAULT),
    "action_prohibited": (Shut, f"the workspace does not let this webhook post: {_ADMINS}"),
    "posting_to_general_channel_denied": (Shut, f"not everybody may post there: {_ADMINS}"),
    "channel_is_archived": (Shut, f"the channel is archived: bring it back, or {_NEW_ONE}"),
    "channel_not_found": (Shut, f"its channel is gone: {_NEW_ONE}"),
    "user_not_found": (Shut, f"its user is gone: {_NEW_ONE}"),
    "invalid_token": (Shut, f"the address is not valid: {_NEW_ONE}"),
    "no_active_hooks": (Shut, f"the webhook is switched off: {_NEW_ONE}"),
    "no_service": (Shut, f"the webhook was removed: {_NEW_ONE}"),
    "no_service_id": (Shut, f"the address is not whole: {_NEW_ONE}"),
    "no_team": (Shut, f"its workspace is gone: {_NEW_ONE}"),
    "team_disabled": (Shut, f"its workspace is gone: {_NEW_ONE}"),
}
STATUSES: Mapping[int, type[ProcessorError]] = {400: Refused, 413: Refused, 408: Busy, 429: RateLimited}

LAYOUT = frozenset({"invalid_blocks", "invalid_blocks_format"})  # among others: an image that Slack could not fetch

# What an empty request is answered with where an incoming webhook is alive: nothing is posted.
ALIVE = frozenset({"no_text", "invalid_payload", "missing_text_or_fallback_or_attachments"})


_WORD = re.compile(r"[a-z][a-z0-9_]{0,79}")


def word(said: Any) -> str:
    """Slack's errors are single words; anything else may hold anything."""
    return said if isinstance(said, str) and _WORD.fullmatch(said) else "without a word that we know"


def failure(kind: type[ProcessorError], message: str, answer: Answer) -> ProcessorError:
    """The error, with the `Retry-After` of the answer if it has one and comes back."""
    if issubclass(kind, Retryable):
        return kind(message, retry_after=retry_after(answer.headers))
    return kind(message)
