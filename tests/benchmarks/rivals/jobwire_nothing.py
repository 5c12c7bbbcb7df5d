"""A sink of jobwire that does nothing, so that only the claim and the acknowledgement of a lane are left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from processor.model import JSON
from processor.options import SinkOptions
from processor.ports import Tools


class Nothing:
    Options = SinkOptions

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Nothing:
        return cls(name)

    def deliver(self, event: Mapping[str, JSON]) -> str:
        return ""

    def try_out(self) -> str:
        return "nothing"

    def close(self) -> None:
        """Nothing is held open."""
