"""A Slack workspace on this machine: answers as Slack does, checks its rules, shows messages as people would see them.

The rules are those of https://docs.slack.dev/reference/methods and https://docs.slack.dev/reference/block-kit; where
Slack only warns or puts right, this refuses.
"""

from __future__ import annotations

import html
import json
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

TOKEN = "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy"
HOOK = "/services/T0X7Y2K9P/B0H8Q3ZL1/m5Vh0bWcTSlMZ4q7yXnRfKde"
TEAM, BOT = "Meadow Surveys", "jobwire"


@dataclass
class Channel:
    id: str
    name: str
    is_member: bool = True
    is_archived: bool = False
    is_private: bool = False


@dataclass
class Message:
    """`ts` names it within its channel. `thread` is the ts of the message that it is a reply to."""

    channel: str
    ts: str
    content: dict[str, Any]
    thread: str | None = None
    broadcast: bool = False
    edits: int = 0


@dataclass
class Answer:
    """What a test wants to be answered. `done`: only after the call has had its effect, so that the answer is lost."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = False
    cut: bool = False


class Refusal(Exception):
    def __init__(self, error: str, *remarks: str, **more: str) -> None:
        super().__init__(error)
        self.error, self.remarks, self.more = error, remarks, more


class Workspace:
    """`scopes` are those of the token. `answers` holds, for each call, what a test wants to be answered next: the calls
    are `incoming`, the methods' names, and `reply` for a chat.postMessage into a thread."""

    def __init__(self) -> None:
        self.channels = [Channel("C0OPS00001", "ops"), Channel("C0GEN00001", "general", is_member=False)]
        self.scopes = ["chat:write", "channels:read"]
        self.messages: list[Message] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: defaultdict[str, list[Answer]] = defaultdict(list)
        self.unfetchable: set[str] = set()  # images
        self.pace = 0.0  # seconds between two messages in a channel
        self.page = 1000  # channels on a page
        self.delay = 0.0
        self._posted: dict[str, float] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.port = 0
        self.start()

    # --- the server

    def start(self) -> None:
        self._ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self), bind_and_activate=True)
        self._server.daemon_threads = False
        self.port = self._server.server_port
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._serving.start()

    def stop(self) -> None:
        """Without warning: the door is closed, and then whoever is connected is cut off."""
        self._server.shutdown()
        self._serving.join()
        self._server.socket.close()
        self._ended.set()
        with self._lock:
            for connection in self._open:
                _cut(connection)
        self._server.server_close()  # joins the threads of the connections

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def hook_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{HOOK}"

    # --- what tests want

    def refuses(self, call: str, error: str, **more: Any) -> None:
        """The next such call is refused: `error` is the Web API's word, or an incoming webhook's."""
        if call == "incoming":
            self.answers[call].append(Answer(400, error.encode()))
        else:
            self.answers[call].append(Answer(200, json.dumps({"ok": False, "error": error, **more}).encode()))

    def channel(self, name: str) -> Channel:
        return next(channel for channel in self.channels if name.removeprefix("#") in (channel.id, channel.name))

    def delete(self, message: Message) -> None:
        self.messages.remove(message)

    def on_top(self) -> list[Message]:
        """The messages of the channels themselves, oldest first."""
        return [message for message in self.messages if message.thread is None]

    def replies(self, message: Message) -> list[Message]:
        return [reply for reply in self.messages if reply.thread == message.ts]

    # --- the calls

    def incoming(self, content: dict[str, Any]) -> None:
        """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""
        if not content:
            raise Refusal("missing_text_or_fallback_or_attachments")
        _only(content, "text", "blocks", "unfurl_links", "unfurl_media")
        self._put(self.channels[0], content)

    def chat_post_message(self, content: dict[str, Any]) -> dict[str, Any]:
        _only(content, "channel", "text", "blocks", "unfurl_links", "unfurl_media", "thread_ts", "reply_broadcast")
        channel = self._writable(content.pop("channel", None), by_name=True)
        message = self._put(channel, content)
        return {"channel": channel.id, "ts": message.ts, "message": message.content}

    def chat_update(self, content: dict[str, Any]) -> dict[str, Any]:
        _only(content, "channel", "ts", "text", "blocks")
        channel = self._writable(content.pop("channel", None), by_name=False)
        ts = content.pop("ts", None)
        found = [message for message in self.messages if (message.channel, message.ts) == (channel.id, ts)]
        if not found:
            raise Refusal("message_not_found")
        self._check(content)
        if len(content["text"]) > 4000:  # this method says so, chat.postMessage cuts at 40,000
            raise Refusal("msg_too_long")
        found[0].content = content
        found[0].edits += 1
        return {"channel": channel.id, "ts": ts, "text": content["text"], "message": content}

    def auth_test(self, form: dict[str, Any]) -> dict[str, Any]:
        return {"url": "https://meadow.slack.com/", "team": TEAM, "user": BOT, "team_id": "T0X7Y2K9P", "bot_id": "B1"}

    def conversations_info(self, form: dict[str, Any]) -> dict[str, Any]:
        self._needs("channels:read")
        found = [channel for channel in self._visible() if channel.id == form.get("channel")]
        if not found:
            raise Refusal("channel_not_found")
        if found[0].is_private:
            self._needs("groups:read")
        return {"channel": vars(found[0])}

    def conversations_list(self, form: dict[str, Any]) -> dict[str, Any]:
        types = form.get("types", "public_channel").split(",")
        for kind, scope in (("public_channel", "channels:read"), ("private_channel", "groups:read")):
            if kind in types:
                self._needs(scope)
        if not 0 < int(form.get("limit", 100)) < 1000:
            raise Refusal("invalid_limit")
        found = [c for c in self._visible() if ("private_channel" if c.is_private else "public_channel") in types]
        size, begin = min(int(form["limit"]), self.page), int(form.get("cursor") or 0)
        following = str(begin + size) if begin + size < len(found) else ""
        page = [vars(channel) for channel in found[begin : begin + size]]
        return {"channels": page, "response_metadata": {"next_cursor": following}}

    # --- the rules

    def _put(self, channel: Channel, content: dict[str, Any]) -> Message:
        thread, broadcast = content.pop("thread_ts", None), content.pop("reply_broadcast", False)
        for flag in (broadcast, content.pop("unfurl_links", None), content.pop("unfurl_media", None)):
            if not isinstance(flag, bool):
                raise Refusal("invalid_arguments", "unfurl_links, unfurl_media and reply_broadcast are booleans")
        if thread and thread not in [m.ts for m in self.on_top() if m.channel == channel.id]:
            raise Refusal("thread_not_found")
        self._check(content)
        now = time.monotonic()
        if now - self._posted.get(channel.id, -1e9) < self.pace:
            raise Refusal("ratelimited", retry_after=str(max(1, round(self.pace))))
        self._posted[channel.id] = now
        self._count += 1
        message = Message(channel.id, f"{1742256000 + self._count}.{self._count:06}", content, thread, broadcast)
        self.messages.append(message)
        return message

    def _check(self, content: dict[str, Any]) -> None:
        text = content.get("text")
        if not isinstance(text, str) or not text.strip():
            raise Refusal("no_text")
        if len(text) > 40_000:
            raise Refusal("msg_too_long")
        blocks = content.get("blocks")
        if not isinstance(blocks, list):
            raise Refusal("invalid_blocks_format")
        if found := list(faults(blocks)):
            raise Refusal("invalid_blocks", *found)
        for i, block in enumerate(blocks):
            if block.get("image_url") in self.unfetchable:
                raise Refusal(
                    "invalid_blocks", f"[ERROR] downloading image failed [json-pointer:/blocks/{i}/image_url]"
                )
        # Slack does not say where this begins; people have met it at some 13,000 characters
        if len(seen(content)) > 12_000:
            raise Refusal("msg_blocks_too_long")

    def _writable(self, name: Any, *, by_name: bool) -> Channel:
        names = [(c.id, c.name, f"#{c.name}") if by_name else (c.id,) for c in self.channels]
        found = [c for c, known in zip(self.channels, names, strict=True) if name in known]
        if not found or (found[0].is_private and not found[0].is_member):
            raise Refusal("channel_not_found")
        self._needs("chat:write")
        if found[0].is_archived:
            raise Refusal("is_archived")
        if not found[0].is_member and "chat:write.public" not in self.scopes:
            raise Refusal("not_in_channel")
        return found[0]

    def _visible(self) -> list[Channel]:
        return [channel for channel in self.channels if channel.is_member or not channel.is_private]

    def _needs(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refusal("missing_scope", needed=scope, provided=",".join(self.scopes))

    # --- one request

    def answer(self, path: str, headers: Any, body: bytes) -> Answer:
        """What is answered. Never called twice at once."""
        with self._lock:
            if path.startswith("/api/"):
                return self._api(path.removeprefix("/api/"), headers, body)
            return self._hook(path, headers, body)

    def _hook(self, path: str, headers: Any, body: bytes) -> Answer:
        content = json.loads(body)
        self.calls.append(("incoming", content))
        wanted = self.answers["incoming"].pop(0) if self.answers["incoming"] else None
        if wanted and not wanted.done:
            return wanted
        try:
            if headers["content-type"] != "application/json; charset=utf-8":
                raise Refusal("invalid_payload")
            if path != HOOK:
                return Answer(404, b"no_service")
            if self.channels[0].is_archived:
                return Answer(410, b"channel_is_archived")
            self.incoming(json.loads(body))
        except Refusal as refusal:
            if refusal.error == "ratelimited":
                return Answer(429, b"rate_limited", {"Retry-After": refusal.more["retry_after"]})
            return Answer(400, refusal.error.encode())
        return wanted or Answer(200, b"ok")

    def _api(self, method: str, headers: Any, body: bytes) -> Answer:
        kind = headers["content-type"] or ""
        content: dict[str, Any]
        if kind == "application/json; charset=utf-8":
            content = json.loads(body)
        else:
            content = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        call = "reply" if "thread_ts" in content else method
        self.calls.append((call, dict(content)))
        wanted = self.answers[call].pop(0) if self.answers[call] else None
        if wanted and not wanted.done:
            return wanted
        try:
            said = self._called(method, kind, headers["authorization"] or "", content)
        except Refusal as refusal:
            if refusal.error == "ratelimited":
                return Answer(429, b'{"ok":false,"error":"ratelimited"}', {"Retry-After": refusal.more["retry_after"]})
            said = {"ok": False, "error": refusal.error, **refusal.more}
            said["response_metadata"] = {"messages": list(refusal.remarks)}
        return wanted or Answer(200, json.dumps(said).encode(), {"X-OAuth-Scopes": ",".join(self.scopes)})

    def _called(self, method: str, kind: str, authorization: str, content: dict[str, Any]) -> dict[str, Any]:
        if not authorization.startswith("Bearer "):
            raise Refusal("not_authed")
        if authorization != f"Bearer {TOKEN}":
            raise Refusal("invalid_auth")
        takes_json = method.startswith("chat.")
        if method not in _METHODS:
            raise Refusal("unknown_method")
        if takes_json != kind.startswith("application/json"):
            raise Refusal("invalid_arguments", "this method takes " + ("JSON" if takes_json else "a form"))
        return {"ok": True, **_METHODS[method](self, content)}


_METHODS = {
    "auth.test": Workspace.auth_test,
    "chat.postMessage": Workspace.chat_post_message,
    "chat.update": Workspace.chat_update,
    "conversations.info": Workspace.conversations_info,
    "conversations.list": Workspace.conversations_list,
}


def _only(content: dict[str, Any], *known: str) -> None:
    if unknown := content.keys() - set(known):
        raise Refusal("invalid_arg_name", *sorted(unknown))


def _handler(workspace: Workspace) -> type[BaseHTTPRequestHandler]:
    ended = workspace._ended

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle(self) -> None:
            with workspace._lock:
                workspace._open.add(self.connection)
            with suppress(OSError):  # cut off
                super().handle()
            with workspace._lock:
                workspace._open.discard(self.connection)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            if workspace.delay:
                ended.wait(workspace.delay)
            answer = workspace.answer(self.path, self.headers, body)
            if answer.cut or ended.is_set():
                self.close_connection = True
                _cut(self.connection)
                return
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: object) -> None: ...

    return Handler


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)


# --- what blocks may be ----------------------------------------------------------------------------------------------

_STYLES = {"bold", "italic", "strike", "code", "underline"}


def faults(blocks: list[Any]) -> Iterator[str]:
    """What Slack would say against the blocks of a message, in its manner."""
    if not 0 < len(blocks) <= 50:
        yield "[ERROR] no more than 50 items allowed [json-pointer:/blocks]"
    for i, block in enumerate(blocks):
        check = _BLOCKS.get(block.get("type"))
        if check is None:
            yield f"[ERROR] unsupported type: {block.get('type')} [json-pointer:/blocks/{i}/type]"
            continue
        for fault in check({name: value for name, value in block.items() if name not in ("type", "block_id")}):
            yield f"[ERROR] {fault} [json-pointer:/blocks/{i}]"


def _rich_text(block: dict[str, Any]) -> Iterator[str]:
    yield from _known(block, {"elements"})
    for element in _some(block.get("elements")):
        yield from _rich_part(element)
    if len(seen({"blocks": [{"type": "rich_text", **block}]})) > 3000:  # not documented: that of a text object
        yield "must be less than 3001 characters"


def _rich_part(element: dict[str, Any]) -> Iterator[str]:
    match element.get("type"):
        case "rich_text_section" | "rich_text_quote":
            yield from _known(element, {"type", "elements"})
            for leaf in _some(element.get("elements")):
                yield from _leaf(leaf)
        case "rich_text_list":
            yield from _known(element, {"type", "elements", "style", "indent", "border", "offset"})
            if element.get("style") not in ("bullet", "ordered"):
                yield "style must be bullet or ordered"
            for item in _some(element.get("elements")):
                if item.get("type") != "rich_text_section":
                    yield "items of a list must be rich_text_section"
                yield from _rich_part(item)
        case other:
            yield f"unsupported type: {other}"


def _leaf(leaf: dict[str, Any]) -> Iterator[str]:
    style = leaf.get("style", {})
    if not set(style) <= _STYLES or not all(isinstance(value, bool) for value in style.values()):
        yield "invalid style"
    match leaf.get("type"):
        case "text":
            yield from _known(leaf, {"type", "text", "style"})
            yield from _length(leaf.get("text"), 3000)
        case "link":
            yield from _known(leaf, {"type", "url", "text", "style"})
            yield from _url(leaf.get("url"), ("https://", "http://"))
            yield from _length(leaf.get("text", "x"), 3000)
        case "emoji":
            yield from _known(leaf, {"type", "name"})
            if not re.fullmatch(r"[a-z0-9_+'-]{1,100}", str(leaf.get("name"))):
                yield "invalid emoji"
        case other:
            yield f"unsupported type: {other}"


def _section(block: dict[str, Any]) -> Iterator[str]:
    yield from _known(block, {"text", "fields", "accessory", "expand"})
    if not block.get("text") and not block.get("fields"):
        yield "missing required field: text or fields"
    if "text" in block:
        yield from _text_object(block["text"], 3000)
    if len(block.get("fields", [])) > 10:
        yield "no more than 10 items allowed"
    for text in block.get("fields", []):
        yield from _text_object(text, 2000)


def _header(block: dict[str, Any]) -> Iterator[str]:
    yield from _known(block, {"text"})
    yield from _text_object(block.get("text"), 150, kinds=("plain_text",))


def _context(block: dict[str, Any]) -> Iterator[str]:
    yield from _known(block, {"elements"})
    elements = _some(block.get("elements"))
    if not 0 < len(elements) <= 10:
        yield "no more than 10 items allowed"
    for element in elements:
        if element.get("type") == "image":
            yield from _image({name: value for name, value in element.items() if name != "type"})
        else:
            yield from _text_object(element, 3000)


def _image(block: dict[str, Any]) -> Iterator[str]:
    yield from _known(block, {"image_url", "alt_text", "title"})
    yield from _url(block.get("image_url"), ("https://",))
    yield from _length(block.get("alt_text"), 2000)


def _divider(block: dict[str, Any]) -> Iterator[str]:
    yield from _known(block, set())


_BLOCKS = {
    "rich_text": _rich_text,
    "section": _section,
    "header": _header,
    "context": _context,
    "image": _image,
    "divider": _divider,
}


def _text_object(text: Any, limit: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        yield f"must be one of {kinds}"
        return
    yield from _known(text, {"type", "text", "emoji" if text["type"] == "plain_text" else "verbatim"})
    yield from _length(text.get("text"), limit)


def _length(text: Any, limit: int) -> Iterator[str]:
    if not isinstance(text, str) or not text:
        yield "must be more than 0 characters"
    elif len(text) > limit:
        yield f"must be less than {limit + 1} characters"


def _url(url: Any, schemes: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(url, str) or not url.startswith(schemes) or len(url) > 3000 or re.search(r"\s", url):
        yield "must be a valid url"


def _known(thing: dict[str, Any], names: set[str]) -> Iterator[str]:
    for name in sorted(thing.keys() - names):
        yield f"invalid additional property: {name}"


def _some(elements: Any) -> list[dict[str, Any]]:
    return [e if isinstance(e, dict) else {} for e in elements] if isinstance(elements, list) else [{}]


# --- what people see -------------------------------------------------------------------------------------------------

_SPECIAL = re.compile(r"<([^<>]*)>")
_STYLED = re.compile(r"(?<!\w)([*_~`])(?=\S)(.+?)(?<=\S)\1(?!\w)")


def seen(content: dict[str, Any]) -> str:
    """The blocks of a message as a reader sees them: no markup, entities decoded."""
    return "\n".join(part for block in content["blocks"] if (part := _shown(block)))


def notice(content: dict[str, Any]) -> str:
    """What a phone shows on its lock screen."""
    return mrkdwn(content["text"])


def pings(content: dict[str, Any]) -> list[str]:
    """Everything in a message that Slack would take for a mention or a link by somebody else than its author."""
    found = []
    for text in [content["text"], *_mrkdwn_texts(content["blocks"])]:
        found += [inner for inner in _SPECIAL.findall(text) if not inner.startswith("!date^")]
        found += [styled[1] for styled in _STYLED.findall(text)]
    return found


def mrkdwn(text: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text"""
    return html.unescape(_STYLED.sub(r"\2", _SPECIAL.sub(_special, text)))


def _special(found: re.Match[str]) -> str:
    target, _, label = found[1].partition("|")
    return label or target.replace("!", "@")


def _mrkdwn_texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            yield value["text"]
        for inner in value.values():
            yield from _mrkdwn_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _mrkdwn_texts(inner)


def _shown(thing: dict[str, Any]) -> str:
    match thing.get("type"):
        case "rich_text" | "rich_text_list":
            return "\n".join(map(_shown, thing.get("elements", [])))
        case "rich_text_section" | "rich_text_quote":
            return "".join(map(_shown, thing.get("elements", [])))
        case "context":
            return "  ".join(map(_shown, thing.get("elements", [])))
        case "text" | "plain_text":
            return str(thing.get("text", ""))
        case "link":
            return str(thing.get("text") or thing.get("url"))
        case "emoji":
            return f":{thing.get('name')}:"
        case "mrkdwn":
            return mrkdwn(str(thing.get("text", "")))
        case "section":
            return "\n".join(map(_shown, [thing.get("text", {}), *thing.get("fields", [])]))
        case "header":
            return _shown(thing.get("text", {}))
        case "image":
            return f"[{thing.get('alt_text')}]"
    return ""


def all_seen(messages: Iterable[Message]) -> list[str]:
    return [seen(message.content) for message in messages]
