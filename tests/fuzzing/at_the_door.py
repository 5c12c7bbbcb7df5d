"""What strangers send to the receiver: signatures, notices, handshakes, and whole requests."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from fuzzing import corpus
from fuzzing.mutating import Chance, any_bytes, as_bytes, broken, odd, odd_text, odd_version
from fuzzing.target import Target
from providers import bentley_source, hover_account
from web.stand_in import Inbox, StandIn

from processor.errors import Malformed, UnsupportedType, Unverified
from processor.model import Handshake, Ignored, Notification, Request, Secret
from processor.pipeline.accept import Taken, accept
from processor.providers.bentley import Bentley
from processor.providers.bentley.families import BY_EVENT
from processor.providers.hover import Hover, notices
from processor.providers.hover import signature as hover_signature
from processor.store import keys
from processor.testing.fakes import some_tools
from processor.web import create_app
from processor.wiring import digest

_PATHS = (hover_account.PATH, "/webhooks/itwin", "/", "", "/webhooks/é", "/webhooks/a,b", "/webhooks/" + "x" * 3000)
_TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "application/cloudevents+json",
    "text/plain",
    "",
    "*/*",
)
_DATES = (
    *(
        hover_account.DATE,
        "Mon, 17 Mar 2025 00:02:58 GMT",
        "Tue, 18 Mar 2025 00:17:59 GMT",
        "Tue, 18 Mar 2025 01:02:58 +0100",
    ),
    *("Sun, 06 Nov 1994 08:49:37 GMT", "Tuesday, 18-Mar-25 00:02:58 GMT", "Tue Mar 18 00:02:58 2025", "1742256178", ""),
)
_SECRET_TEXTS = (
    *(
        hover_account.SECRET,
        bentley_source.SECRET,
        "s",
        " ",
        "\0",
        "é家\U0001f3e0",
        "=",
        "====",
        "YQ==",
        "whsec_YQ==",
        "%s",
    ),
    *("a" * 64, "a" * 65, "b" * 10_000, "\n", "${X}", "0" * 40),
)


# --- signatures ------------------------------------------------------------------------------------------------------


@dataclass
class Signed:
    """A request as it was signed, as it came, and the secrets of who gets it."""

    as_signed: Request
    came: Request
    secrets: list[str]
    registered: list[str]
    base64_keys: bool = False
    key: bytes = b""


def _secrets(chance: Chance, base64_keys: bool) -> list[str]:
    some = [chance.choice(_SECRET_TEXTS) for _ in range(chance.choice((0, 1, 1, 2, 5)))]
    return [base64.b64encode(text.encode()).decode() for text in some] if base64_keys else some


def _body(chance: Chance) -> bytes:
    way = chance.randrange(6)
    if way == 0:
        return any_bytes(chance)
    body = chance.choice(_NOTICES)
    return broken(chance, body) if way == 1 else body


def _came(chance: Chance, signed: Request) -> Request:
    """What was signed, with something of it changed on its way, or nothing."""
    headers, body, path = dict(signed.headers), signed.body, signed.path
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        way = chance.randrange(7)
        name = chance.choice(list(headers) or ["date"])
        if way == 0:
            headers.pop(name, None)
        elif way < 3:
            headers[name] = odd_version(chance, headers.get(name, ""))
        elif way == 3:
            headers[name] = f"{headers.get(name)}, {headers.get(name)}"
        elif way == 4:
            headers[chance.choice(("content-md5", "hover-signature", "signature", "x", "date"))] = odd_text(chance)
        elif way == 5:
            body = broken(chance, body)
        else:
            path = chance.choice(_PATHS)
    return replace(signed, headers=headers, body=body, path=path)


def _hover_signed(chance: Chance) -> Signed:
    base64_keys = chance.randrange(3) == 0
    secrets, registered = _secrets(chance, base64_keys), _secrets(chance, base64_keys)
    key = chance.choice([*secrets, *registered, *_SECRET_TEXTS])
    try:
        key_bytes = hover_signature.key_bytes(key, "base64" if base64_keys else "raw")
    except ValueError:
        key_bytes = b""
    body, path, date, kind = _body(chance), chance.choice(_PATHS), chance.choice(_DATES), chance.choice(_TYPES)
    request = hover_account.signed(body, content_type=kind, key=key_bytes, path=path, date=date)
    if chance.randrange(3) == 0:
        request = replace(request, headers={**request.headers, "content-md5": hover_signature.content_md5(body)})
    return Signed(request, _came(chance, request), secrets, registered, base64_keys, key_bytes)


def _verify_hover(it: Signed) -> None:
    hover = Hover.from_config("hover-main", _HOVER | _secret_options(it), some_tools(secrets=lambda _: _as_secrets(it)))
    hover.verify(it.came)
    _known(it)
    signed, came = it.as_signed, it.came
    assert (came.body, came.path) == (signed.body, signed.path), "another body or path than was signed"
    for name in ("content-type", "date"):
        assert came.headers.get(name, "") == signed.headers[name], f"another {name} than was signed"


def _known(it: Signed) -> None:
    """HMAC fills a short key up with NULs, so these count for nothing."""
    form = "base64" if it.base64_keys else "raw"
    known = [hover_signature.key_bytes(text, form).rstrip(b"\0") for text in (*it.secrets, *it.registered)]
    assert it.key.rstrip(b"\0") in known, "signed by nobody that we know"


_HOVER = Hover.Options().load(hover_account.OPTIONS)


def _secret_options(it: Signed) -> dict[str, Any]:
    form = "base64" if it.base64_keys else "raw"
    return {"webhook_secrets": [Secret(text) for text in it.secrets], "signature_key": form}


def _as_secrets(it: Signed) -> list[Secret]:
    return [Secret(text) for text in it.registered]


def _bentley_signed(chance: Chance) -> Signed:
    secrets, registered = _secrets(chance, False), _secrets(chance, False)
    key = chance.choice([*secrets, *registered, *_SECRET_TEXTS])
    request = bentley_source.signed(_body(chance), content_type=chance.choice(_TYPES), key=key.encode())
    return Signed(request, _came(chance, request), secrets, registered, key=key.encode())


def _verify_bentley(it: Signed) -> None:
    options = _BENTLEY | {"webhook_secrets": [Secret(text) for text in it.secrets]}
    bentley = Bentley.from_config("itwin", options, some_tools(secrets=lambda _: _as_secrets(it)))
    bentley.verify(it.came)
    _known(it)
    assert it.came.body == it.as_signed.body, "another body than was signed"


_BENTLEY = Bentley.Options().load(bentley_source.OPTIONS)


# --- notices ---------------------------------------------------------------------------------------------------------

_HOVER_NOTICES = [path.read_bytes() for path in sorted(corpus.HOVER_DATA.glob("*.body.json"))]
_BENTLEY_NOTICES = [path.read_bytes() for path in sorted(corpus.BENTLEY_DATA.glob("*.body.json"))]
_NOTICES = [*_HOVER_NOTICES, *_BENTLEY_NOTICES]
_HOVER_EVENTS = sorted(notices.JOB_EVENTS | notices.MODEL_EVENTS | notices.ESTIMATE_EVENTS | notices.OTHER_EVENTS)


def _hover_notice(chance: Chance) -> Request:
    document = json.loads(chance.choice(_HOVER_NOTICES))
    if chance.randrange(2):
        document["event"] = chance.choice(_HOVER_EVENTS)
    return _notice(chance, document)


def _bentley_notice(chance: Chance) -> Request:
    document = json.loads(chance.choice(_BENTLEY_NOTICES))
    if chance.randrange(2):
        document["eventType"] = chance.choice((*BY_EVENT, "iModels.iModelCreated.v1"))
    return _notice(chance, document)


def _notice(chance: Chance, document: Any) -> Request:
    body = any_bytes(chance) if chance.randrange(50) == 0 else as_bytes(chance, odd(chance, document))
    kind = "application/json" if chance.randrange(10) else odd_version(chance, chance.choice(_TYPES))
    return Request(
        "POST", hover_account.PATH, "", {"content-type": kind, "date": odd_text(chance)}, body, hover_account.NOW
    )


def _parse_hover(request: Request) -> None:
    _storable(_HOVER_SOURCE.parse(request))


def _parse_bentley(request: Request) -> None:
    _storable(_BENTLEY_SOURCE.parse(request))


def _storable(found: Notification | Ignored) -> None:
    """Nothing of it can be another key, another address, or fail to be written."""
    if isinstance(found, Ignored):
        assert len(found.strange or "") < 200
        found.reason.encode()
        return
    assert found.job_id.removeprefix("~estimate-").replace("-", "").replace("_", "").isalnum(), found
    assert keys.job_of(keys.refresh_lane(found.source, found.job_id)) == found.job_id
    digest(found.source, found.key)
    json.dumps([found.event, found.api, found.claim]).encode()


_HOVER_SOURCE, _BENTLEY_SOURCE = corpus.hover(), corpus.bentley()


# --- handshakes ------------------------------------------------------------------------------------------------------


def _handshake(chance: Chance) -> Request:
    document = corpus.load(corpus.HOVER_DATA / "webhook-verification-code.body.json")
    if chance.randrange(3) == 0:
        document["code"] = odd_version(chance, document["code"])
    headers = {"webhook-request-origin": odd_version(chance, "https://webhooks.api.bentley.com")}
    request = _notice(chance, document)
    return replace(request, method="OPTIONS", headers={**request.headers, **headers})


def _greet(request: Request) -> None:
    asked = _HOVER_SOURCE.handshake(request)
    assert asked is None or isinstance(asked, Ignored) or notices.is_code(asked.code)
    if isinstance(asked, Handshake):
        accept(_HOVER_SOURCE, request, Inbox(waiting={"hover-main"}))
    headers = _BENTLEY_SOURCE.options(request)
    assert headers is None or all(value.isascii() and value.isprintable() for value in headers.values())


# --- whole requests --------------------------------------------------------------------------------------------------


@dataclass
class Environ:
    """A WSGI environment, its input apart."""

    values: dict[str, Any]
    body: bytes = field(repr=False)


def _environ(chance: Chance) -> Environ:
    body = _body(chance) if chance.randrange(3) else as_bytes(chance, odd(chance, json.loads(chance.choice(_NOTICES))))
    source = chance.choice(("hover-main", "itwin", "itwin", "hover-main", odd_text(chance)))
    path = f"/webhooks/{source}"
    if source == "itwin":
        signed = bentley_source.signed(body, content_type=chance.choice(_TYPES))
    else:
        signed = hover_account.signed(body, content_type=chance.choice(_TYPES), path=path)
    came = _came(chance, signed) if chance.randrange(2) else signed
    values: dict[str, Any] = {
        "REQUEST_METHOD": chance.choice(("POST",) * 12 + ("OPTIONS", "GET", "PUT", "HEAD", "odd")),
        "PATH_INFO": _wsgi(path if chance.randrange(10) else odd_text(chance)),
        "QUERY_STRING": _wsgi(chance.choice(("", "a=b", odd_text(chance)))),
        "CONTENT_LENGTH": chance.choice(
            (str(len(came.body)),) * 8 + ("", "0", "-1", "1e3", "9" * 30, str(len(body) + 7), "x")
        ),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": chance.randrange(5) == 0,
    }
    for name, value in came.headers.items():
        key = name.upper().replace("-", "_")
        values[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = _wsgi(value)
    return Environ(values, came.body)


def _wsgi(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _receive(environ: Environ) -> None:
    said: list[str] = []
    chunks = _app()(
        {**environ.values, "wsgi.input": io.BytesIO(environ.body), "wsgi.errors": io.StringIO()},
        lambda status, headers, exc_info=None: said.append(status),  # type: ignore[arg-type]  # nobody writes
    )
    answer = b"".join(chunks)
    assert said, "no answer"
    assert int(said[0][:3]) < 500, f"{said[0]}: {answer[:200]!r}"
    assert hover_account.SECRET.encode() not in answer


class _Inbox(Inbox):
    """With ids that look like ours, whatever the sender calls the notification."""

    def put(self, notification: Notification) -> Taken:
        return Taken(f"ntf_{digest(notification.source, notification.key)[:24]}", True)


@cache
def _app() -> Any:
    providers = {"hover-main": hover_account.make(replay_window=1e9), "itwin": bentley_source.make()}
    app = create_app(StandIn(providers=providers, inbox=_Inbox(waiting={"hover-main"})))
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app.wsgi_app


REFUSALS = (Malformed, UnsupportedType)
TARGETS = (
    Target("hover: signature", _hover_signed, _verify_hover, (Unverified,), _SECRET_TEXTS[:2]),
    Target("bentley: signature", _bentley_signed, _verify_bentley, (Unverified,), _SECRET_TEXTS[:2]),
    Target("hover: notice", _hover_notice, _parse_hover, REFUSALS),
    Target("bentley: notice", _bentley_notice, _parse_bentley, REFUSALS),
    Target("handshakes", _handshake, _greet),
    Target("receiver", _environ, _receive),
)
