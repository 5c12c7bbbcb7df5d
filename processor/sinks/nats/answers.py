"""What JetStream's codes, a server's complaints and the client's own errors mean."""

from __future__ import annotations

from collections.abc import Mapping

from nats import errors as theirs
from nats.js import errors as streams

from processor.errors import Busy, ProcessorError, Refused, Shut, Unreachable, Unreadable

_Meaning = tuple[type[ProcessorError], str]


class Over(theirs.Error):
    """The connection ended before there was an answer; with the reason where one was given."""

    def __init__(self, reason: BaseException | None = None) -> None:
        super().__init__()
        self.reason = reason


class Denied(Over):
    """There will be no answer, since the server does not let us ask. The connection goes on."""


class Garbled(theirs.Error):
    """Somebody answered, but not JetStream."""


_FULL: _Meaning = (Busy, "the stream cannot store it now; is it full?")
_NO_JETSTREAM: _Meaning = (Shut, "JetStream is not enabled for our account")
_TOO_LARGE: _Meaning = (Refused, "the document is larger than the stream takes (its max_msg_size)")
_NO_STREAM: _Meaning = (Shut, "no stream takes this: create one for the subject")
_NO_LOGIN: _Meaning = (Shut, "it refuses our login: check user, password or credentials")
_REFUSED: _Meaning = (Shut, "JetStream refuses it")
_UNABLE: _Meaning = (Busy, "JetStream cannot take it now")
_CUT: _Meaning = (Unreachable, "the connection was cut")

# What JetStream's own codes mean (https://github.com/nats-io/nats-server/blob/main/server/errors.json). Of the others
# those that are like HTTP's 4xx are somebody's configuration, the rest passes.
_CODES: Mapping[int, _Meaning] = {
    10002: _FULL,
    10023: _FULL,
    10028: _FULL,
    10047: _FULL,
    10077: _FULL,
    10039: _NO_JETSTREAM,
    10076: _NO_JETSTREAM,
    10054: _TOO_LARGE,
    10097: _TOO_LARGE,
    10109: (Shut, "the stream is sealed"),
    10158: (Busy, "it is just storing the first copy"),
    10167: (Busy, "it has too much to do"),
}

# What a server says before it hangs up, as the client passes it on, in lower case: the first that it begins with.
_COMPLAINTS: tuple[tuple[str, _Meaning], ...] = (
    ("authorization violation", _NO_LOGIN),
    ("user authentication", (Shut, "our login has expired or was revoked")),
    ("account authentication", (Shut, "our account has expired")),
    ("authentication timeout", (Busy, "it had no time for our login")),
    ("maximum connections", (Busy, "it has too many connections")),
    ("maximum account", (Busy, "our account has too many connections")),
    ("maximum payload", (Busy, "it takes less than it said (max_payload)")),  # perhaps of another who shared its end
    ("permissions violation for publish", (Shut, "our user may not publish here")),
    ("permissions violation for subscription", (Shut, "our user may not subscribe to _INBOX.>, where answers come")),
)

# What the client raises itself; the first row that fits. Anything else is what a connection ends with.
_MEANINGS: tuple[tuple[type[theirs.Error], _Meaning], ...] = (
    (streams.NoStreamResponseError, _NO_STREAM),
    (streams.NotFoundError, _NO_STREAM),
    (theirs.NoRespondersError, _NO_JETSTREAM),
    (Garbled, (Unreadable, "the answer is none of JetStream's; who else listens to this subject?")),
    (theirs.MaxPayloadError, (Refused, "the document is larger than the server takes (its max_payload)")),
    (theirs.AuthorizationError, _NO_LOGIN),
    (theirs.SecureConnWantedError, (Shut, "it offers no TLS: write nats:// if you do without")),
)


def meaning(error: BaseException) -> _Meaning:
    """Ours. Their words are not quoted: who knows what is in them."""
    if isinstance(error, Over):
        return meaning(error.reason) if error.reason else _CUT
    for kind, ours in _MEANINGS:
        if isinstance(error, kind):
            return ours
    if isinstance(error, streams.APIError):
        refused = 400 <= (error.code or 500) < 500
        return _CODES.get(error.err_code or 0) or (_REFUSED if refused else _UNABLE)
    words = said(error)
    return next((ours for beginning, ours in _COMPLAINTS if words.startswith(beginning)), _CUT)


def said(error: BaseException) -> str:
    """What a server complains of: "nats: 'Authorization Violation'" as "authorization violation"."""
    return str(error).lower().removeprefix("nats: ").strip(" '")
