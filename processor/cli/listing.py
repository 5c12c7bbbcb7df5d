"""A list that is asked for page by page: its newest, shown oldest first, and with --follow what comes after them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import wraps
from heapq import merge
from itertools import islice
from typing import Any, Generic, TypeVar

import click

from processor.cli.chosen import Times, times
from processor.cli.following import Following, follow
from processor.cli.showing import Layout, Shower
from processor.errors import Usage
from processor.looking import MOST, DeliveryFilter, EventFilter, JobFilter, NotificationFilter, Page
from processor.store.scripts import ours
from processor.wiring import App

LIMIT = 100

T = TypeVar("T")
Filter = EventFilter | JobFilter | DeliveryFilter | NotificationFilter


@dataclass(frozen=True, slots=True)
class Wish:
    """How much of a list is wanted, and how it is to be shown; `limit` is None where nobody named one."""

    times: Times
    limit: int | None
    as_json: bool
    follow: bool

    @property
    def back(self) -> bool:
        """Whether what is there already is wanted: who follows has to say so."""
        return not self.follow or self.limit is not None or self.times.since is not None


def listed(*, can_follow: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that all lists have, which the command gets as one `wish`."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def called(
            *arguments: Any, since: str | None, until: str | None, limit: int | None, as_json: bool, **options: Any
        ) -> Any:
            following = options.pop("follow", False)
            if following and until is not None:
                raise Usage("--until does not go with --follow, which ends with Ctrl-C")
            wish = Wish(times(since, until), limit, as_json, following)
            return command(*arguments, wish=wish, **options)

        decorate: Callable[..., Any] = called
        for option in reversed(_OPTIONS if can_follow else _OPTIONS[:-1]):
            decorate = option(decorate)
        return decorate

    return decorated


_OPTIONS = (
    click.option("--since", metavar="TIME", help="From then on: 2h, 2026-03-01, 2026-03-01T12:00:00Z."),
    click.option("--until", metavar="TIME", help="Before then; a date is that whole day."),
    click.option("--limit", type=click.IntRange(1), help=f"The newest so many.  [default: {LIMIT}]"),
    click.option("--json", "as_json", is_flag=True, help="One JSON document a line."),
    click.option(
        "--follow",
        "-f",
        is_flag=True,
        help="Show what is new from now on, until Ctrl-C (--since, --limit: that first).",
    ),
)


@dataclass(frozen=True)
class Listing(Generic[T]):
    """Lists that are shown as one: `ask` is asked for what fits each of `filters`. `key` tells rows apart, `at` says
    when one came into its list (RFC 3339)."""

    app: App
    layout: Layout[T]
    ask: Callable[..., Page[T]]
    filters: Sequence[Filter]
    key: Callable[[T], Hashable]
    at: Callable[[T], str]

    def show(self, wish: Wish) -> bool:
        """Show what is wished for; whether there was anything. Raises Unavailable."""
        new = Following(self._since, self.key, self._clock) if wish.follow else None
        limit = wish.limit or LIMIT
        rows = self._newest(limit + 1, wish.times) if wish.back else []
        shower = Shower(self.layout, wish.as_json, one_by_one=wish.follow)
        shower.show(rows[-limit:])
        if len(rows) > limit:
            click.echo(f"the newest {limit:,} are shown: --limit shows more", err=True)
        if new:
            new.told(rows)
            follow(new, shower.show)
        return bool(rows)

    def _newest(self, count: int, times: Times) -> list[T]:
        """The newest so many that fit, oldest first."""
        return list(islice(self._rows(min(count, MOST), times), count))[::-1]

    def _since(self, since: float) -> Iterator[T]:
        return self._rows(MOST, Times(since))

    def _rows(self, size: int, times: Times) -> Iterator[T]:
        """All that fit, newest first; `size` is that of a page."""
        walks = [self._walk(replace(fits, since=times.since, until=times.until), size) for fits in self.filters]
        if len(walks) == 1:
            return walks[0]
        return merge(*walks, key=lambda row: datetime.fromisoformat(self.at(row)), reverse=True)

    def _walk(self, fits: Filter, size: int) -> Iterator[T]:
        cursor = None
        while True:
            page = self.ask(fits, limit=size, cursor=cursor)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next

    def _clock(self) -> float:
        """Redis' own clock, by which rows are listed."""
        with ours():
            seconds, micros = self.app.scripts.client.time()
        return float(seconds + micros / 1e6)
