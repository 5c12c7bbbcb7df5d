"""Every error we raise on purpose. The class says what happens next.

ProcessorError                the message names the thing to change; never a secret, a body or a signature
├── ConfigError               fix the configuration: lists every fault with file, key and reason
├── Usage                     the command was asked for something it cannot do; exit 2
├── Unavailable               our own store cannot take it now; 503 + Retry-After
├── Rejected                  the request is not ours to keep; `status` is the answer, nothing is queued
│   ├── Unverified      401   signature missing, malformed, wrong or outside the window
│   ├── Malformed       400   not JSON, or not the shape it must have
│   ├── UnsupportedType 415   another content type
│   └── UnknownSource   404
├── Retryable                 comes back; `retry_after` seconds if the other side said so
│   ├── Unreachable           no answer: refused, cut, timed out, name unknown
│   ├── RateLimited           429: everybody waits
│   ├── Busy                  408, 425, 5xx
│   ├── Unreadable            an answer we cannot translate; may be a passing fault
│   ├── NotYet                a job the provider does not know (yet)
│   ├── Newer                 a newer release of ours wrote what we know of the job: this one waits, alone
│   ├── Shut                  a door is shut (401; at a sink 403, 404, an address we may not use): someone may open it
│   └── ReconnectNeeded       the grant is gone: the source pauses, nothing grows old
└── Permanent                 recorded as dead, told, not repeated
    ├── Forbidden             403 at a provider: permission or plan
    └── Refused               the far end will never take this document
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ProcessorError(Exception):
    """Root of the tree. `reason` is a short word for logs and metrics, from a closed set: the class's own name."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def reason(self) -> str:
        return type(self).__name__


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a configuration: `key` as in `sinks.ops.url`."""

    file: str
    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.reason}" if self.key else f"{self.file}: {self.reason}"


class ConfigError(ProcessorError):
    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(f) for f in faults))
        self.faults = tuple(faults)


class Usage(ProcessorError): ...


class Unavailable(ProcessorError): ...


class Rejected(ProcessorError):
    status = 400
    title = "Bad Request"


class Unverified(Rejected):
    status = 401
    title = "Unauthorized"


class Malformed(Rejected): ...


class UnsupportedType(Rejected):
    status = 415
    title = "Unsupported Media Type"


class UnknownSource(Rejected):
    status = 404
    title = "Not Found"


class Retryable(ProcessorError):
    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(Retryable): ...


class RateLimited(Retryable): ...


class Busy(Retryable): ...


class Unreadable(Retryable):
    strange: tuple[str, ...] = ()  # what of the answer is not known, where a provider can tell (ports.NoticesDrift)


class NotYet(Retryable): ...


class Newer(Retryable): ...


class Shut(Retryable): ...


class ReconnectNeeded(Retryable): ...


class Permanent(ProcessorError): ...


class Forbidden(Permanent): ...


class Refused(Permanent): ...
