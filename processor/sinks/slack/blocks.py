"""Lays a message out in Slack's blocks (https://docs.slack.dev/reference/block-kit), most important first.

All text by strangers stands in rich_text elements, which hold text and not markup: `<!channel>`, `*bold*` and addresses
in it are shown as they are, and so are entities, which a plain_text object would decode. The two texts that are markup
by their nature, the fallback and the context line, go through `escaped`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    ImageBlock,
    MarkdownTextObject,
    RichTextBlock,
    RichTextElementParts,
    RichTextListElement,
    RichTextQuoteElement,
    RichTextSectionElement,
)

from processor.errors import Refused
from processor.model import JSON
from processor.telling import Link, Mood, Telling
from processor.text.lines import instant

# A telling is below 8,000 characters, which makes some 10 of the 50 blocks that a message may have. No limit is
# documented for rich_text, so each block keeps to that of a text object:
# https://docs.slack.dev/reference/block-kit/composition-objects/text-object
_TEXT = 3000

# The sign of each mood as Slack's blocks name it, and for the fallback, which phones show on their lock screens.
_SIGNS = {
    Mood.GOOD: ("white_check_mark", "\N{WHITE HEAVY CHECK MARK}"),
    Mood.BAD: ("x", "\N{CROSS MARK}"),
    Mood.NEWS: ("large_blue_circle", "\N{LARGE BLUE CIRCLE}"),
    Mood.ALARM: ("rotating_light", "\N{POLICE CARS REVOLVING LIGHT}"),
}
_PLACES = ("Source", "Sink")  # facts for the line at the foot: where it comes from

# What mrkdwn reads has no escape of its own, only entities for & < >. A mark between two letters or digits formats
# nothing; any other is replaced by its nearest look-alike.
_MARK = re.compile(r"(?<![^\W_])[*_~]|[*_~](?![^\W_])|`")
_LOOK_ALIKES = str.maketrans("*_~`", "\u2217\uff3f\u223c\u02cb")

_Text, _Link, _Emoji = RichTextElementParts.Text, RichTextElementParts.Link, RichTextElementParts.Emoji
_Item = TypeVar("_Item")

_BOLD = RichTextElementParts.TextStyle(bold=True)


def message(telling: Telling, *, image: str | None = None) -> dict[str, JSON]:
    """`text`, what notifications and screen readers tell, and `blocks`, what the channel shows.

    Raises Refused when slack_sdk finds that Slack would refuse it.
    """
    blocks = [
        _headline(telling),
        *_facts([fact for fact in telling.facts if fact[0] not in _PLACES]),
        *_lines(telling),
        *_next_step(telling),
        *_links(telling.links),
        *_image(telling, image),
        *_context(telling),
    ]
    try:
        return {"text": _fallback(telling), "blocks": [block.to_dict() for block in blocks]}
    except SlackObjectFormationError as e:  # the models of slack_sdk know Slack's limits; our layout keeps within them
        raise Refused(f"the message does not fit into Slack's blocks: {e}") from None


def escaped(text: str) -> str:
    """A text in mrkdwn that shows as it is (https://docs.slack.dev/messaging/formatting-message-text#escaping)."""
    inert = _MARK.sub(lambda mark: mark[0].translate(_LOOK_ALIKES), text)
    return inert.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fallback(telling: Telling) -> str:
    return f"{_SIGNS[telling.mood][1]} {escaped(telling.headline)}"


def _headline(telling: Telling) -> Block:
    """Not a header block: that ends at 150 characters, shouts on a phone, and is plain_text."""
    sign = _Emoji(name=_SIGNS[telling.mood][0])
    return _rich(RichTextSectionElement(elements=[sign, _Text(text=f" {telling.headline}", style=_BOLD)]))


def _facts(facts: Sequence[tuple[str, str]]) -> Iterator[Block]:
    """One line each, not the two columns of a section's fields: those stand beside one another on a phone, too."""
    for some in _chunks(facts, lambda fact: len(fact[0] + fact[1]) + 3):
        parts: list[Any] = []
        for label, value in some:
            parts += [_Text(text=f"\n{label}: " if parts else f"{label}: ", style=_BOLD), _Text(text=value)]
        yield _rich(RichTextSectionElement(elements=parts))


def _lines(telling: Telling) -> Iterator[Block]:
    """The single events, or jobs, of a message about several."""
    for some in _chunks(telling.lines, lambda line: len(line) + 1):
        items = [RichTextSectionElement(elements=[_Text(text=line)]) for line in some]
        yield _rich(RichTextListElement(style="bullet", elements=items))
    if telling.more:
        yield _rich(RichTextSectionElement(elements=[_Text(text=f"and {telling.more:,} more")]))


def _next_step(telling: Telling) -> Iterator[Block]:
    if telling.next_step:
        yield _rich(RichTextQuoteElement(elements=[_Text(text=telling.next_step)]))


def _links(links: Sequence[Link]) -> Iterator[Block]:
    """Links and not buttons: a button tells Slack to call the app back, and warns who pressed it that it could not."""
    parts: list[Any] = []
    for link in links:
        parts += [_Text(text="  ·  ")] if parts else []
        parts += [_Link(url=link.url, text=link.label)]
    if parts:
        yield _rich(RichTextSectionElement(elements=parts))


def _image(telling: Telling, image: str | None) -> Iterator[Block]:
    if image:
        yield ImageBlock(image_url=image, alt_text=telling.headline)


def _context(telling: Telling) -> Iterator[Block]:
    """When, in the reader's own time zone, and where from."""
    said = [_when(telling.when), *[escaped(value) for label, value in telling.facts if label in _PLACES]]
    texts = [MarkdownTextObject(text=text, verbatim=True) for text in said if text]
    if texts:
        yield ContextBlock(elements=texts)


def _when(when: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text#date-formatting"""
    moment = instant(when.removesuffix(" UTC"))
    if moment is None:
        return escaped(when)
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}}, {{time}}|{moment:%Y-%m-%d %H:%M} UTC>"


def _chunks(items: Iterable[_Item], size: Callable[[_Item], int]) -> Iterator[list[_Item]]:
    """The items in order, as many at a time as one block may hold."""
    chunk: list[_Item] = []
    for item in items:
        if chunk and sum(map(size, chunk)) + size(item) > _TEXT:
            yield chunk
            chunk = []
        chunk.append(item)
    if chunk:
        yield chunk


def _rich(*elements: Any) -> Block:
    return RichTextBlock(elements=list(elements))
