"""jobwire's restless half: everything about time and repetition."""
