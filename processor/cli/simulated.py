"""Both simulated providers behind one address, and the configuration that fits them: for `demo` and `simulate`."""

from __future__ import annotations

import secrets
from typing import Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from processor.errors import Usage
from processor.providers.bentley import simulator as bentley_simulator
from processor.providers.hover import simulator as hover_simulator
from processor.simulation import Served, Simulator, serve

ITWIN = "3fa85f64-5717-4562-b3fc-2c963f66afa6"  # of the samples
CLIENT = "simulated"
HOVER, BENTLEY = "hover-demo", "itwin-demo"  # the names of the two sources


class Simulated:
    """Hover under /hover and Bentley under /bentley, each with one registration that posts to `receiver`.

    The keys are new for each of these: nothing that was written down for an earlier one opens a later one.
    """

    def __init__(self, receiver: str, *, limited: bool = True) -> None:
        """With `limited` the providers enforce the rate limits that they publish, else none."""
        self._key = secrets.token_hex(16)
        self._limits = "" if limited else "rate_limits = []\n"
        hover = hover_simulator.HoverSimulator(
            client_id=CLIENT,
            client_secret=self._key,
            refresh_token=self._key,
            rates=hover_simulator.RATES if limited else (),
        )
        bentley = bentley_simulator.BentleySimulator(
            client_id=CLIENT, client_secret=self._key, rates=bentley_simulator.RATES if limited else ()
        )
        hover.connect(f"{receiver}/webhooks/{HOVER}", self._key)
        bentley.connect(f"{receiver}/webhooks/{BENTLEY}", self._key)
        self.by_name: dict[str, Simulator] = {"hover": hover, "bentley": bentley}

    def serve(self, host: str, port: int) -> Served:
        """Raises Usage when the address cannot be had."""
        apps: dict[str, Any] = {f"/{name}": simulator.app for name, simulator in self.by_name.items()}
        try:
            return serve(DispatcherMiddleware(_nothing_here, apps), host, port)
        except OSError as e:
            raise Usage(f"port {port} on {host} cannot be had ({e.strerror}); choose another with --port") from None

    def configuration(self, url: str, *, reconcile: str | None = None) -> str:
        """The two sources, as a jobwire.toml has them, for simulators that are served at `url`."""
        more = self._limits + (f'reconcile = "{reconcile}"\n' if reconcile else "")
        return f"""\
[sources.{HOVER}]
provider = "hover"
webhook_secrets = ["{self._key}"]
client_id = "{CLIENT}"
client_secret = "{self._key}"
refresh_token = "{self._key}"
api_url = "{url}/hover"
{more}
[sources.{BENTLEY}]
provider = "bentley"
webhook_secrets = ["{self._key}"]
client_id = "{CLIENT}"
client_secret = "{self._key}"
api_url = "{url}/bentley"
token_url = "{url}/bentley/connect/token"
itwin_ids = ["{ITWIN}"]
{more}"""


def _nothing_here(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"the simulated providers are at /hover and /bentley\n"]
