"""What is fuzzed: one way into jobwire, how its inputs are made, and the errors that it may answer with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fuzzing.mutating import Chance

LONGEST_SAID = 2000  # characters of an error's message; it becomes a line of a log and of a page


@dataclass(frozen=True)
class Target:
    """`run` is called with what `make` made, and raises nothing but `errors`, which its documentation names.

    An AssertionError of `run` is a promise that did not hold. `secrets` are never in a message.
    """

    name: str
    make: Callable[[Chance], Any]
    run: Callable[[Any], object]
    errors: tuple[type[Exception], ...] = ()
    secrets: tuple[str, ...] = ()
    longest: int = LONGEST_SAID

    def outcome(self, made: Any) -> str:
        """ "taken", or the name of the error. Raises whatever else comes."""
        try:
            self.run(made)
        except self.errors as e:
            self._well_said(str(e))
            return type(e).__name__
        return "taken"

    def _well_said(self, said: str) -> None:
        assert len(said) <= self.longest, f"an error of {len(said)} characters: {said[:100]}"
        said.encode()  # half a character could not be logged
        for secret in self.secrets:
            assert secret not in said, "an error that tells a secret"
