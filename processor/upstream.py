"""What a provider's HTTP status means, as one of our errors."""

from __future__ import annotations

from datetime import datetime

from processor.errors import Busy, Forbidden, NotYet, RateLimited, Refused, Shut, Unreadable
from processor.http import retry_after
from processor.ports import Answer


def raise_for(answer: Answer, what: str, now: datetime) -> None:
    """Raise what a status other than 2xx means for `what`, a short noun such as "Hover, job 7".

    A 401 here is one that came in spite of a fresh token.
    """
    says = f"{what}: answered {answer.status}"
    match answer.status:
        case status if 200 <= status < 300:
            return
        case 401:
            raise Shut(f"{says} even to a fresh access token: this account may not see it, or lacks a scope")
        case 403:
            raise Forbidden(f"{says}: the account lacks a permission, or its plan does not include this")
        case 404:
            raise NotYet(f"{says}: not known there (yet), or not visible to this account")
        case 429:
            raise RateLimited(says, retry_after=retry_after(answer.headers, now=now))
        case status if status in (408, 425) or status >= 500:
            raise Busy(says, retry_after=retry_after(answer.headers, now=now))
        case status if status >= 400:
            raise Refused(says)
        case _:
            raise Unreadable(f"{says}, which is no answer to this request: check api_url")
