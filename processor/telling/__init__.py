"""What people are told: the parts of a message about one event, or about several, in plain words.

The sinks for people only lay these parts out, each in its own way, so that the words are the same everywhere. Every
text here is one harmless line (see `text.clean`); a sink still escapes what its own markup would read.
"""

from processor.telling.many import tell_together
from processor.telling.message import Link, Mood, Telling
from processor.telling.one import tell

__all__ = ["Link", "Mood", "Telling", "tell", "tell_together"]
