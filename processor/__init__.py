"""jobwire's deciding half: verify, refresh, derive events, route, deliver."""

__version__ = "0.1.0"
