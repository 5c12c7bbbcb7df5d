"""What the simulated providers share; each one's own side of the wire is in its folder under `providers`."""

from processor.simulation.script import Simulator, changed, load_sample, notify, play
from processor.simulation.sending import Sent, Webhook, send
from processor.simulation.server import Served, serve
from processor.simulation.stage import Fault, Stage

__all__ = [
    "Fault",
    "Sent",
    "Served",
    "Simulator",
    "Stage",
    "Webhook",
    "changed",
    "load_sample",
    "notify",
    "play",
    "send",
    "serve",
]
