"""The decisions, in the order things happen: accept, refresh, diff, route, deliver. Pure; ports come in as arguments."""
