"""Draws Slack messages as HTML, close to how Slack itself shows them on a phone, for the pictures in docs/pictures.

A message is what a sink sends: `text` and `blocks`. Beside that a picture may say `time` (as the reader's clock shows
it), `edited`, `replies` (how many are in its thread), `in_thread` (the headline of what it is a reply to) and
`pictures` (addresses of images → data: URLs, since a picture is made without a network).
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

APP = "jobwire"
_EMOJI = {
    "white_check_mark": "\N{WHITE HEAVY CHECK MARK}",
    "x": "\N{CROSS MARK}",
    "large_blue_circle": "\N{LARGE BLUE CIRCLE}",
    "rotating_light": "\N{POLICE CARS REVOLVING LIGHT}",
}
_STYLES = {"bold": "b", "italic": "i", "strike": "s", "code": "code", "underline": "u"}
_LIGHT = {
    "ground": "#ffffff",
    "text": "#1d1c1d",
    "quiet": "#616061",
    "link": "#1264a3",
    "line": "#dddddd",
    "code": "#e01e5a",
    "app": "#4a154b",
    "badge": "#e8e8e8",
}
_DARK = {
    "ground": "#1a1d21",
    "text": "#d1d2d3",
    "quiet": "#ababad",
    "link": "#1d9bd1",
    "line": "#464a4f",
    "code": "#e8912d",
    "app": "#611f69",
    "badge": "#35373b",
}
_STYLE = """
* { box-sizing: border-box; margin: 0; padding: 0 }
body { background: %(ground)s; color: %(text)s; padding: 12px 16px 16px; overflow-wrap: anywhere;
  font: 15px/22px Lato, Slack-Lato, Roboto, "Noto Sans", "Helvetica Neue", Helvetica, sans-serif;
  font-variant-ligatures: none }
b { font-weight: 700 }
code { color: %(code)s; border: 1px solid %(line)s; border-radius: 3px; padding: 1px 3px; font-size: 12px }
a { color: %(link)s; text-decoration: none }
.message { display: flex; gap: 8px; padding: 8px 0 }
.app { flex: none; width: 36px; height: 36px; border-radius: 8px; background: %(app)s; color: #fff; display: flex;
  align-items: center; justify-content: center; font-weight: 900; font-size: 16px }
.body { min-width: 0; flex: 1 }
.who { font-weight: 900 }
.badge { background: %(badge)s; color: %(quiet)s; border-radius: 2px; padding: 1px 3px; margin: 0 4px; font-size: 10px;
  font-weight: 700; line-height: 14px; vertical-align: 1px }
.time, .edited { color: %(quiet)s; font-size: 12px }
.of { color: %(quiet)s; font-size: 13px; line-height: 18px; padding: 1px 0 3px; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis }
.block { padding: 2px 0 6px }
.block + .block { padding-top: 2px }
.header { font-size: 18px; line-height: 24px; font-weight: 900 }
.section { white-space: pre-wrap }
.quote { border-left: 4px solid %(line)s; border-radius: 2px; padding-left: 12px;
  white-space: pre-wrap }
ul { padding-left: 26px }
.context { color: %(quiet)s; font-size: 12px; line-height: 18px; display: flex; flex-wrap: wrap; gap: 0 10px }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 4px 12px }
.divider { border-top: 1px solid %(line)s; margin: 6px 0 }
.image img { max-width: 100%%; border-radius: 8px; display: block; border: 1px solid %(line)s }
.image .title { font-size: 12px; color: %(quiet)s }
.thread { display: flex; align-items: center; gap: 6px; color: %(link)s; font-size: 13px; font-weight: 700 }
.thread .app { width: 24px; height: 24px; border-radius: 5px; font-size: 11px }
"""


def page(messages: list[dict[str, Any]], dark: bool) -> str:
    """A page of its own: no script, and nothing from elsewhere."""
    shown = "".join(_message(message) for message in messages)
    style = _STYLE % (_DARK if dark else _LIGHT)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Slack</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head><body>{shown}</body></html>"
    )


def _message(message: Mapping[str, Any]) -> str:
    head = f'<span class="who">{APP}</span><span class="badge">APP</span>'
    head += f'<span class="time">{html.escape(message.get("time", "1:03 AM"))}</span>'
    if of := message.get("in_thread"):
        head += f'<div class="of">replied to a thread: <a>{html.escape(of)}</a></div>'
    blocks = [_block(block, message.get("pictures", {})) for block in message["blocks"]]
    if message.get("edited"):
        blocks.append('<div class="edited">(edited)</div>')
    if count := message.get("replies"):
        said = "1 reply" if count == 1 else f"{count} replies"
        blocks.append(f'<div class="block thread"><span class="app">j</span>{said}</div>')
    return f'<div class="message"><div class="app">j</div><div class="body">{head}{"".join(blocks)}</div></div>'


def _block(block: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    match block["type"]:
        case "rich_text":
            return _div("block", "".join(map(_rich, block["elements"])))
        case "header":
            return _div("block header", _text(block["text"]))
        case "section":
            said = _div("section", _text(block["text"])) if "text" in block else ""
            fields = "".join(_div("section", _text(field)) for field in block.get("fields", []))
            return _div("block", said + (_div("fields", fields) if fields else ""))
        case "context":
            return _div("block context", "".join(f"<span>{_text(element)}</span>" for element in block["elements"]))
        case "divider":
            return _div("divider", "")
        case "image":
            source, name = pictures.get(block["image_url"], ""), html.escape(block["alt_text"])
            title = _div("title", _text(block["title"])) if "title" in block else ""
            return _div("block image", f'{title}<img src="{html.escape(source)}" alt="{name}">')
        case other:
            raise ValueError(f"no picture of a block {other}")


def _rich(element: Mapping[str, Any]) -> str:
    inner = element.get("elements", [])
    match element["type"]:
        case "rich_text_section":
            return _div("section", "".join(map(_leaf, inner)))
        case "rich_text_quote":
            return _div("quote", "".join(map(_leaf, inner)))
        case "rich_text_list":
            name = "ol" if element["style"] == "ordered" else "ul"
            return f"<{name}>{''.join(f'<li>{_rich(item)}</li>' for item in inner)}</{name}>"
        case other:
            raise ValueError(f"no picture of a {other}")


def _leaf(leaf: Mapping[str, Any]) -> str:
    match leaf["type"]:
        case "text":
            said = html.escape(leaf["text"])
        case "link":
            said = f'<a href="{html.escape(leaf["url"])}">{html.escape(leaf.get("text") or leaf["url"])}</a>'
        case "emoji":
            said = _EMOJI.get(leaf["name"], f":{leaf['name']}:")
        case other:
            raise ValueError(f"no picture of a {other}")
    for style, tag in _STYLES.items():
        if leaf.get("style", {}).get(style):
            said = f"<{tag}>{said}</{tag}>"
    return said


def _text(text: Mapping[str, Any]) -> str:
    """A text object. mrkdwn has its entities already."""
    if text["type"] == "plain_text":
        return html.escape(text["text"])
    return re.sub(r"<([^<>]*)>", _special, str(text["text"]))


def _special(found: re.Match[str]) -> str:
    target, _, label = found[1].partition("|")
    if target.startswith("!date^"):
        _, timestamp, template, *_ = target.split("^")
        return _date(datetime.fromtimestamp(int(timestamp), UTC), template)
    return f"<a>{label or target}</a>"


def _date(moment: datetime, template: str) -> str:
    """For a reader in UTC, some days later: {date_short_pretty} says yesterday and today in words."""
    day = f"{moment:%b} {moment.day}, {moment.year}"
    time = f"{moment:%I:%M %p}".removeprefix("0")
    return template.replace("{date_short_pretty}", day).replace("{time}", time)


def _div(name: str, inner: str) -> str:
    return f'<div class="{name}">{inner}</div>'
