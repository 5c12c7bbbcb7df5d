"""An event in plain English, for everything that people read.

What a provider sends is text by strangers: nothing of it comes out here without having gone through `clean`.
A document may lack anything (a sink's `omit` replaces parts of it by null), so nothing is taken for granted.
"""

from processor.text.details import details
from processor.text.lines import HEADLINE, NAME, VALUE, clean, json_line, moment
from processor.text.sentence import headline

__all__ = ["HEADLINE", "NAME", "VALUE", "clean", "details", "headline", "json_line", "moment"]
