"""What the errors of SQS, and of the client itself, mean."""

from __future__ import annotations

from typing import Any

from botocore import exceptions as theirs  # type: ignore[import-untyped]  # it ships no types
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from processor.errors import Busy, ProcessorError, RateLimited, Refused, Retryable, Shut, Unreachable, Unreadable
from processor.http import retry_after
from processor.text import clean

MAY_NOT = ("AccessDenied", "AccessDeniedException")
_NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress")
_NO_KEY = (
    *("AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSecurity", "MissingAuthenticationToken"),
    *("MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired", "UnrecognizedClientException"),
)
_NO_SIGNATURE = ("SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignatureException")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
_TOO_OFTEN = (
    *("RequestThrottled", "RequestThrottledException", "Throttling", "ThrottlingException"),
    *("TooManyRequestsException", "KMS.ThrottlingException", "KmsThrottled"),
)

# What an error's code means; a code that is not here goes by its status. Of SendMessage, of all actions, and the names
# that other implementations use.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html, …/CommonErrors.html
_MEANINGS: tuple[tuple[tuple[str, ...], type[ProcessorError], str], ...] = (
    (("InvalidMessageContents",), Refused, "it does not take the characters of this document"),
    (_NO_QUEUE, Shut, "there is no such queue; check queue_url and region"),
    (MAY_NOT, Shut, "our key may not do that; it needs sqs:SendMessage and sqs:GetQueueAttributes"),
    (_NO_KEY, Shut, "our access key is not known there"),
    (_NO_SIGNATURE, Shut, "our secret access key is wrong, or this machine's clock"),
    (_EXPIRED, Shut, "our session token has expired"),
    (_TOO_OFTEN, RateLimited, "it is asked too often"),
    (("OverLimit", "RequestTimeout", "RequestTimeoutException"), Busy, "it cannot take it now"),
)
_KMS = ("KMS.", "Kms")  # the key of an encrypted queue
_EXPLAINS = (*MAY_NOT, "InvalidParameterValue", "MissingParameter", "UnsupportedOperation")  # worth quoting; KMS too

# What botocore raises by itself: the first row that fits. Its own messages may hold addresses with a password.
_NONE = "there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
_OWN: tuple[tuple[tuple[type[Exception], ...], type[Retryable], str], ...] = (
    ((theirs.NoCredentialsError, theirs.PartialCredentialsError), Shut, _NONE),
    ((theirs.CredentialRetrievalError, theirs.MetadataRetrievalError), Shut, "the AWS credentials cannot be had"),
    ((theirs.NoAuthTokenError, theirs.SSOError, theirs.TokenRetrievalError), Shut, "the AWS login has ended"),
    ((theirs.NoRegionError, theirs.InvalidRegionError), Shut, "the region is not known; set region"),
    ((theirs.ProfileNotFound,), Shut, "there is no such AWS_PROFILE"),
    ((theirs.ConfigNotFound, theirs.ConfigParseError, theirs.InvalidConfigError), Shut, "AWS_CONFIG_FILE is wrong"),
    ((theirs.ConnectTimeoutError, theirs.ReadTimeoutError), Unreachable, "no answer in time"),
    ((theirs.SSLError,), Unreachable, "TLS failed"),
    ((theirs.ProxyConnectionError,), Unreachable, "the proxy cannot be reached"),
    ((theirs.ConnectionClosedError, theirs.ResponseStreamingError), Unreachable, "the connection was cut"),
    ((theirs.ConnectionError, theirs.HTTPClientError), Unreachable, "no connection"),
)

# What botocore's parser fails with when an answer is not JSON, or JSON of another shape.
NONSENSE = (ResponseParserError, AttributeError, LookupError, TypeError, ValueError)


def failure(place: str, error: Exception) -> ProcessorError:
    """What to raise for an error of the client's, or for one of NONSENSE. `place` is how messages name the queue."""
    if isinstance(error, theirs.ClientError):
        return _answered(place, error)
    if not isinstance(error, theirs.BotoCoreError):
        return Unreadable(f"{place}: its answer is not that of SQS ({type(error).__name__})")
    for kinds, ours, words in _OWN:
        if isinstance(error, kinds):
            return ours(f"{place}: {words} ({type(error).__name__})")
    return Unreachable(f"{place}: {type(error).__name__}")


def _answered(place: str, error: Any) -> ProcessorError:
    code, response = code_of(error), error.response.get("ResponseMetadata", {})
    ours, words = _meaning(code, _said(error), int(response.get("HTTPStatusCode") or 0))
    said = f": {_said(error)}" if code.startswith(_KMS) or code in _EXPLAINS else ""
    message = f"{place}: {words} ({clean(code, 80)}{said})"
    if issubclass(ours, Retryable):
        return ours(message, retry_after=retry_after(response.get("HTTPHeaders") or {}))
    return ours(message)


def _meaning(code: str, said: str, status: int) -> tuple[type[ProcessorError], str]:
    for codes, ours, words in _MEANINGS:
        if code in codes:
            return ours, words
    if code.startswith(_KMS):
        return Shut, "the queue's KMS key may not be used"
    if code == "InvalidParameterValue" and "shorter than" in said:
        return Refused, "it does not take a document of this size"
    if status == 429:
        return RateLimited, "it is asked too often"
    return (Busy, "it cannot take it now") if status >= 500 else (Shut, "it does not take events")


def code_of(error: Any) -> str:
    """SQS's own word for what it answered with; empty where there is none."""
    return str(error.response.get("Error", {}).get("Code") or "")


def _said(error: Any) -> str:
    return clean(error.response.get("Error", {}).get("Message") or "", 200)
