"""Simulated providers in a process of their own, which notes what it was asked, when, and what it answered.

`python far_ends.py '{"NAME": {"provider": "hover", "rates": [[120, 0.6]], "jobs": 1000}}'` prints its address and
serves each under /NAME. Times are those of time.monotonic, which all processes of a machine share.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import flask
import requests
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from processor.providers.bentley.simulator import BentleySimulator
from processor.providers.hover.simulator import HoverSimulator
from processor.simulation import Fault, Simulator, serve

CLIENT = "simulated"
V2 = "reality-modeling"
CREATED = "2025-03-16T21:02:58.411Z"


@dataclass(frozen=True)
class Call:
    """One request: when it was answered, what for (the name of the simulator's endpoint), and how."""

    at: float
    kind: str
    status: int


@dataclass(frozen=True)
class FarEnds:
    """The process as the tests see it."""

    url: str

    def calls(self, name: str) -> list[Call]:
        """Everything but tokens that was asked of one of them since it was last asked here, in order."""
        answer = requests.post(f"{self.url}/calls", json=name, timeout=10)
        answer.raise_for_status()
        return [Call(*call) for call in answer.json()]

    def fault(self, name: str, **keys: Any) -> None:
        requests.post(f"{self.url}/fault", json={"name": name, "keys": keys}, timeout=10).raise_for_status()

    def configuration(self, name: str, provider: str) -> str:
        """The keys of a source that asks this one."""
        url = f"{self.url}/{name}"
        keys = f'provider = "{provider}"\nclient_id = "{CLIENT}-{name}"\nclient_secret = "s"\napi_url = "{url}"\n'
        more = 'refresh_token = "r"' if provider == "hover" else f'token_url = "{url}/connect/token"'
        return f'{keys}webhook_secrets = ["x"]\n{more}\n'


@contextmanager
def far_ends(spec: Mapping[str, Mapping[str, Any]]) -> Iterator[FarEnds]:
    """The process, as long as it is needed."""
    command = [sys.executable, __file__, json.dumps(spec)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield FarEnds(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


# --- in the process ---------------------------------------------------------------------------------------------------


def hover(name: str, rates: list[tuple[int, float]], jobs: int) -> HoverSimulator:
    """Its jobs are 1 to `jobs`, ended and without models."""
    simulator = HoverSimulator(client_id=f"{CLIENT}-{name}", client_secret="s", refresh_token="r", rates=rates)
    done = {key: value for key, value in simulator.sample("hover-1").items() if key != "models"}
    for n in range(1, jobs + 1):
        simulator.put_job({**done, "id": n, "models": []})
    return simulator


def bentley(name: str, rates: list[tuple[int, float]], jobs: int) -> BentleySimulator:
    """Its jobs are of Modeling v2 and have ended: one look takes two calls, since the messages are apart."""
    simulator = BentleySimulator(client_id=f"{CLIENT}-{name}", client_secret="s", rates=rates)
    for n in range(1, jobs + 1):
        job = {"id": str(n), "iTwinId": "i", "type": "Production", "state": "Success"}
        simulator.put_job({"job": {**job, "executionInfo": {"createdDateTime": CREATED}}}, api=V2)
    return simulator


class Noted:
    """A simulator and what it was asked."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.calls: list[tuple[float, str, int]] = []
        simulator.app.after_request(self._note)

    def _note(self, response: flask.Response) -> flask.Response:
        if flask.request.endpoint != "token":
            self.calls.append((time.monotonic(), flask.request.endpoint or "", response.status_code))
        return response


def control(noted: Mapping[str, Noted]) -> flask.Flask:
    app = flask.Flask("control")

    @app.post("/calls")
    def calls() -> flask.typing.ResponseReturnValue:
        it = noted[flask.request.get_json()]
        told, it.calls = it.calls, []
        return sorted(told)

    @app.post("/fault")
    def fault() -> flask.typing.ResponseReturnValue:
        asked = flask.request.get_json()
        noted[asked["name"]].simulator.stage.fault(Fault(**asked["keys"]))
        return "", 204

    return app


def main(spec: Mapping[str, Mapping[str, Any]]) -> None:
    make = {"hover": hover, "bentley": bentley}
    noted = {
        name: Noted(make[it["provider"]](name, [tuple(rate) for rate in it["rates"]], it["jobs"]))
        for name, it in spec.items()
    }
    apps: dict[str, Any] = {f"/{name}": it.simulator.app for name, it in noted.items()}
    served = serve(DispatcherMiddleware(control(noted), apps), "127.0.0.1", 0)
    print(served.url, flush=True)  # noqa: T201  # whoever started it reads this
    sys.stdin.read()  # it ends with whoever started it


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
