"""All that is fuzzed."""

from __future__ import annotations

from fuzzing import answers, at_the_door, configuring, words

TARGETS = (*at_the_door.TARGETS, *answers.TARGETS, *words.TARGETS, *configuring.TARGETS)
