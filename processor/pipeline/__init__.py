"""The decisions, in the order things happen: accept, refresh, diff, route, deliver. Ports are arguments."""
