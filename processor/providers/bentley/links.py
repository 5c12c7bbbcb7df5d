"""Where the next page of one of Bentley's lists begins.

https://developer.bentley.com/apis/contextcapture/operations/jobs-get-all: the token is to be passed exactly as in
`_links.next`. Nothing else of that link is used, so that no answer can lead our access token to another host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from processor.model import JSON

# as it may stand in an address: percent-encoded where it must be
_TOKEN = re.compile(r"(?:[!\"$'-~]|%[0-9A-Fa-f]{2}){1,4000}")


def next_token(document: Mapping[str, JSON], *, after: str | None) -> tuple[str | None, str]:
    """The token of the page behind `document`, as it stands in an address, or None; and what is wrong, if anything.

    `after` is the token that led to `document`: a page that leads to itself ends the list.
    """
    links = document.get("_links")
    link = links.get("next") if isinstance(links, dict) else links
    href = link.get("href") if isinstance(link, dict) else link
    if href in (None, ""):
        return None, ""
    if not isinstance(href, str):
        return None, "the link to the next page cannot be read: the list ends here"
    token = _token(href)
    if not is_token(token):
        return None, "the link to the next page has no continuation token: the list ends here"
    if token == after:
        return None, "the link to the next page leads to the same page: the list ends here"
    return token, ""


def is_token(value: JSON) -> bool:
    """Whether this can be a continuation token as it stands in an address."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _token(href: str) -> str | None:
    query = href.partition("#")[0].partition("?")[2]
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if unquote(name).lstrip("$").lower() == "continuationtoken":
            return value
    return None
