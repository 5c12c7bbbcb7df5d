"""What waits for a source or sink that the configuration does not know any more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from processor.store.index import Index, standing

WAITING = ("pending", "retrying")


@dataclass(frozen=True, slots=True)
class Orphan:
    """A source or sink that nobody knows, by its R, and how many notifications or deliveries wait for it."""

    resource: str
    waiting: int

    @property
    def is_sink(self) -> bool:
        return self.resource.startswith("d:")

    @property
    def name(self) -> str:
        return self.resource[2:]

    @property
    def missing(self) -> str:
        """What is wrong, as a clause: 'there is no sink "ops" in the configuration (any more)'."""
        return f'there is no {"sink" if self.is_sink else "source"} "{self.name}" in the configuration (any more)'


def orphans(index: Index, known: Collection[str]) -> list[Orphan]:
    """Those that something waits for and that are not among the R of `known`. Raises Unavailable."""
    named = {resource for resource, state in index.names("st") if state in WAITING and resource not in known}
    found = []
    for resource in sorted(named):
        count = sum(index.counts([standing(resource, state) for state in WAITING]))
        if count:
            found.append(Orphan(resource, count))
    return found
