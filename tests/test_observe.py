"""What leaves a running process: log lines and Sentry reports, without secrets."""

import gzip
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import Unverified
from processor.model import Secret
from processor.observe import STARS, Part, Readiness, scrub_line, scrub_report, scrubbed


def run(script: str, *args: str) -> list[str]:
    """The lines that a fresh process wrote to stderr; a process is set up once, so not this one."""
    done = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


# --- scrubbing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["secret", "webhook_secrets", "refresh_token", "Authorization", "hover-signature-256"])
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_a_value_whose_key_sounds_secret_is_stars(key, change):
    assert scrubbed({"outer": [{change(key): "hush"}]}) == {"outer": [{change(key): STARS}]}


def test_a_secret_is_stars_under_any_key():
    assert scrubbed({"name": Secret("hush"), "list": (Secret("hush"), 1)}) == {"name": STARS, "list": [STARS, 1]}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("to redis://:hush@host:6379/0 now", "to redis://***@host:6379/0 now"),
        ("https://user:hush@host/a@b", "https://***@host/a@b"),
        ("Authorization: Bearer hush.hush-hush", "Authorization: Bearer ***"),
        ("got 'sha256=hush' for whsec_hush", "got 'sha256=***' for whsec_***"),
        ("GET /a?x=1&access_token=hush&y=2", "GET /a?x=1&access_token=***&y=2"),
    ],
)
def test_what_looks_secret_inside_a_text_is_stars(text, clean):
    assert scrubbed(text) == clean


@pytest.mark.parametrize("value", ["job 15084303 failed", "a@example.com", "https://host/path", 3, None, True, ""])
def test_what_is_no_secret_stays(value):
    assert scrubbed({"detail": value}) == {"detail": value}


_SUSPECTS = st.sampled_from(
    [
        "://",
        "u:hush@h",
        "Bearer ",
        "BASIC\t",
        "ba\u017fic ",
        "sha256=",
        "sha1=",
        "whsec_",
        "xoxb-",
        "eyJ",
        "?token=",
        "&key=",
    ]
)
_VALUES = st.lists(_SUSPECTS | st.sampled_from(["hush", " ", "'", "\n", "é", "a-key-of-somebody"]), max_size=5).map(
    "".join
)


@given(
    st.dictionaries(st.sampled_from(["event", "detail", "id", "api_key"]), _VALUES | st.integers() | st.lists(_VALUES))
)
def test_a_line_is_scrubbed_as_each_of_its_values_is(line):
    """Most lines are seen to hold nothing secret at one glance; what is not seen so is looked at value by value."""
    with patch("processor.observe._hidden", ("a-key-of-somebody",)):
        assert scrub_line(None, "info", dict(line)) == {key: scrubbed(value, key) for key, value in line.items()}


def test_an_expected_error_is_not_reported():
    error = Unverified("no")
    assert scrub_report({"event_id": "1"}, {"exc_info": (Unverified, error, None)}) is None
    assert scrub_report({"event_id": "1"}, {"exc_info": (KeyError, KeyError("x"), None)}) == {"event_id": "1"}


def test_a_report_carries_no_headers_query_or_body():
    request = {"method": "POST", "url": "http://h/w", "headers": {"A": "hush"}, "data": "hush", "query_string": "hush"}
    report = scrub_report({"request": request, "extra": {"token": "hush"}}, {})
    assert report == {"request": {"method": "POST", "url": "http://h/w"}, "extra": {"token": STARS}}


# --- a process that is set up ----------------------------------------------------------------------------------------

LINES = """
import logging, sys, structlog
from processor import observe
from processor.model import Secret
log = structlog.get_logger("ours")
observe.set_up(sys.argv[1] or None, None)
log.info("notification", source="a", token="hush", secret=Secret("hush"))
log.debug("never")
logging.getLogger("theirs").warning("at %s", "redis://:hush@h")
logging.getLogger("werkzeug").info("never"); logging.getLogger("rq.worker").info("never")
try:
    raise ValueError("redis://:hush@h")
except ValueError:
    log.exception("broken")
    logging.getLogger("theirs").exception("broken too")
"""


@pytest.mark.parametrize("log_format", ["json", ""])
def test_every_line_is_json_where_nobody_watches_and_holds_no_secret(log_format):
    lines = [json.loads(line) for line in run(LINES, log_format)]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("notification", "info"),
        ("at redis://***@h", "warning"),
        ("broken", "error"),
        ("broken too", "error"),
    ]
    assert (lines[0]["source"], lines[0]["token"], lines[0]["secret"]) == ("a", STARS, STARS)
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert all(line["exception"].endswith("ValueError: redis://***@h") for line in lines[2:])


def test_text_is_for_people_and_holds_no_secret_either():
    text = "\n".join(run(LINES, "text"))
    assert "notification" in text
    assert "ValueError: redis://***@h" in text
    assert "hush" not in text
    assert "never" not in text


REPORTS = """
import sys, sentry_sdk
from processor import observe
from processor.errors import Busy
from processor.http import HttpClient
from processor.model import Secret
observe.set_up("json", Secret(sys.argv[1]))
def fail(error):
    body = secret  # a report shows the lines around, never what variables hold
    try:
        raise error
    except Exception:
        sentry_sdk.capture_exception()
secret = "hsuh"[::-1]
HttpClient().request("POST", f"http://{sys.argv[1].partition('@')[2].partition('/')[0]}/services/{secret}", json={})
fail(Busy("expected"))
fail(ValueError(f"redis://:{secret}@h"))
sentry_sdk.flush()
"""


def test_sentry_hears_of_bugs_only_and_of_no_secret():
    heard: list[bytes] = []

    class Sentry(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Sentry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run(REPORTS, f"http://key@127.0.0.1:{server.server_address[1]}/4")
        server.shutdown()
    said = b"".join(heard).decode()
    assert "ValueError" in said
    assert "redis://***@h" in said
    assert '"Busy"' not in said
    assert "hush" not in said


# --- readiness -------------------------------------------------------------------------------------------------------


def test_ready_is_when_every_part_that_counts_is_well():
    well, ill, told = Part(True, ""), Part(False, ""), Part(False, "", counts=False)
    assert Readiness({"a": well, "b": told}).ok
    assert not Readiness({"a": well, "b": ill}).ok
