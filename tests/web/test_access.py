"""Who is let in: the rules of docs/security.md, line by line."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from running import free_port, wait_for
from security.wire import read
from structlog.testing import capture_logs

from processor.model import Secret
from processor.web.access import guard, is_loopback, is_token, names_loopback, refusal, refused

TOKEN = Secret("correct-horse-battery")
HERE = {"Host": "localhost:8080"}
SCRIPT = "import sys; from processor.web.server import serve; serve(sys.argv[1], int(sys.argv[2]), target=sys.argv[3])"


def let_in(token=None, peer="127.0.0.1", method="GET", **headers):
    """Whether a request is; `Host` is a loopback's unless another is named."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(token, peer, method, {**HERE, **named}) is None


def bearing(authorization, token=TOKEN, **more):
    return let_in(token, peer="203.0.113.9", Host="jobs.example.com", Authorization=authorization, **more)


# --- with a token ----------------------------------------------------------------------------------------------------


def test_with_a_token_nobody_is_let_in_without_it_the_machine_itself_included():
    assert not let_in(TOKEN)
    assert not let_in(TOKEN, peer="::1", Host="[::1]")


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="nothing"),
        pytest.param("Bearer", id="a scheme alone"),
        pytest.param("Bearer ", id="an empty token"),
        pytest.param("Bearer wrong", id="another"),
        pytest.param("Bearer correct-horse-batter", id="the beginning"),
        pytest.param("Bearer correct-horse-batteryy", id="more"),
        pytest.param("Bearer CORRECT-HORSE-BATTERY", id="other letters"),
        pytest.param("Bearercorrect-horse-battery", id="no space"),
        pytest.param("correct-horse-battery", id="no scheme"),
        pytest.param("Basic correct-horse-battery", id="another scheme"),
        pytest.param('Bearer "correct-horse-battery"', id="quoted"),
        pytest.param("Bearer **********", id="stars"),
        pytest.param("Bearer \xe9\xff", id="bytes that are no ASCII"),
        pytest.param("Bearer " + "x" * 60_000, id="very long"),
        pytest.param(",Bearer correct-horse-battery", id="one that could not be read, and the right one"),
        pytest.param("Bearer correct-horse-battery,Bearer correct-horse-battery", id="the right one twice"),
        pytest.param("Bearer wrong,Bearer correct-horse-battery", id="a wrong one and the right one"),
    ],
)
def test_a_header_that_is_not_the_token_lets_nobody_in(authorization):
    assert not bearing(authorization)


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_token_is_none_so_that_no_empty_header_equals_it(empty):
    token = Secret(empty) if empty is not None else None
    assert not bearing("Bearer ", token)
    assert not is_token(b"", Secret(""))


def test_the_token_lets_in_from_anywhere_under_any_name_and_through_any_proxy():
    assert bearing("Bearer correct-horse-battery")
    assert bearing("bearer  correct-horse-battery", X_Forwarded_For="198.51.100.1", Via="1.1 proxy")
    assert let_in(TOKEN, peer="", Authorization="Bearer correct-horse-battery")


def test_a_token_that_is_no_ascii_is_compared_as_bytes():
    """WSGI has one character for each byte of a header."""
    token = Secret("schlüssel-日本")
    assert bearing("Bearer " + "schlüssel-日本".encode().decode("latin-1"), token)
    assert not bearing("Bearer schlüssel", token)
    assert not is_token(b"\xff\xfe", token)


def test_with_the_token_what_changes_anything_may_come_from_any_page():
    """No browser sends it by itself, and no page of another site may have it sent."""
    assert bearing("Bearer correct-horse-battery", Origin="https://other.example", Sec_Fetch_Site="cross-site")


# --- without one: the peer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"])
def test_without_a_token_the_machine_itself_is_let_in(peer):
    assert let_in(peer=peer)


@pytest.mark.parametrize(
    "peer",
    [
        "203.0.113.9",
        "10.0.0.1",
        "192.168.1.2",
        "169.254.169.254",
        "0.0.0.0",
        "::",
        "128.0.0.1",
        "::ffff:10.0.0.1",
        "fe80::1",
        "2001:db8::1",
        "localhost",
        "127.0.0.1:80",
        "[::1]",
        "127.1",
        "unix:",
        "nonsense",
    ],
)
def test_without_a_token_nobody_else_is(peer):
    assert not let_in(peer=peer)


@pytest.mark.parametrize("peer", ["", None])
def test_whoever_comes_by_a_unix_socket_is_nobody_that_we_know(peer):
    """The server gives no address then; what stands there is a proxy as a rule."""
    assert not let_in(peer=peer)


# --- without one: the Host -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LocalHost:8080",
        "localhost.",
        "localhost.:8080",
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.8.9.1",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]:80",
        "[::ffff:127.0.0.1]:8080",
        "localhost:",
    ],
)
def test_without_a_token_a_loopback_host_is_let_in_however_it_is_spelled(host):
    assert let_in(Host=host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "evil.localhost.example",
        "127.0.0.1.nip.io",
        "jobs.example.com",
        "0.0.0.0:8080",
        "[::]:8080",
        "10.0.0.1",
        "localhost,evil.example",
        "localhost evil.example",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost:80:80",
        "localhost:http",
        "localhost..",
        ".localhost",
        "::1",
        "[::1",
        "[127.0.0.1]",
        "[localhost]",
        "[::1]evil.example",
        "[::1].evil.example",
        "127.0.0.1\n",
        "１２７.0.0.1",
        "2130706433",
        "0x7f.1",
        "lo\xadcalhost",
    ],
)
def test_without_a_token_any_other_name_is_refused_wherever_it_leads(host):
    """Another site's name can be made to lead to 127.0.0.1: DNS rebinding."""
    assert not let_in(Host=host)


def test_without_a_host_nobody_is_let_in():
    assert refusal(None, "127.0.0.1", "GET", {}) is not None


# --- without one: proxies and tunnels --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Anything",
        "X-Forwarded",
        "x-forwarded-for",
        "X_Forwarded_For",
        "X-Forwarded_For",
        "X_FORWARDED_PROTO",
        "X-Real-IP",
        "X_Real_IP",
        "Via",
        "VIA",
        "True-Client-IP",
        "CF-Connecting-IP",
        "CDN-Loop",
    ],
)
@pytest.mark.parametrize("value", ["127.0.0.1", ""], ids=["loopback", "empty"])
def test_without_a_token_what_was_passed_on_is_refused_whatever_it_says(name, value):
    assert refusal(None, "127.0.0.1", "GET", {**HERE, name: value}) is not None


def test_a_header_that_only_sounds_like_one_refuses_nobody():
    assert let_in(Viaduct="x", X_Real="1", Accept="*/*", Traceparent="00-1-1-01")


# --- without one: pages of other sites -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://localhost"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": "http://localhost:8080.evil.example"},
        {"Origin": "http://localhost:8080@evil.example"},
        {"Origin": "file://localhost:8080"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8080"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "post"])
def test_without_a_token_no_page_of_another_site_changes_anything(method, headers):
    assert refusal(None, "127.0.0.1", method, {**HERE, **headers}) is not None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:8080"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://LOCALHOST:8080"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
    ids=str,
)
def test_without_a_token_our_own_pages_and_programs_do(headers):
    assert refusal(None, "127.0.0.1", "POST", {**HERE, **headers}) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_only_reads_may_be_linked_to_from_anywhere(method):
    """Another site's page cannot read the answer: no CORS header is ever sent."""
    assert let_in(method=method, Origin="https://other.example", Sec_Fetch_Site="cross-site")


# --- whatever comes --------------------------------------------------------------------------------------------------

names = st.sampled_from(["Host", "Authorization", "Origin", "Sec-Fetch-Site", "Forwarded", "X"]) | st.text()
values = st.text() | st.sampled_from(["Bearer ", "localhost", "[::1]:", "http://["]).flatmap(
    lambda start: st.text().map(lambda rest: start + rest)
)


@given(st.none() | st.text().map(Secret), st.none() | st.text(), st.text(), st.dictionaries(names, values))
def test_no_request_upsets_the_rules_and_none_is_quoted(token, peer, method, headers):
    reason = refusal(token, peer, method, headers)
    assert reason is None or not any(len(value) > 12 and value in reason for value in headers.values())


@given(st.text().filter(lambda host: not names_loopback(host)), st.text().filter(lambda peer: not is_loopback(peer)))
def test_no_other_peer_and_no_other_host_is_let_in(host, peer):
    assert not let_in(Host=host)
    assert not let_in(peer=peer)


# --- in Flask --------------------------------------------------------------------------------------------------------


def guarded(token=None):
    app = Flask("guarded")
    app.before_request(guard(token))
    app.add_url_rule("/", view_func=lambda: "in", methods=["GET", "POST"])
    return app


def guarded_with_token():
    return guarded(TOKEN)


def test_who_has_no_token_is_told_401_and_how_to_send_it():
    with capture_logs() as lines:
        answer = guarded(TOKEN).test_client().get("/")
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json["detail"]
    assert [line["event"] for line in lines] == ["refused"]


def test_who_has_a_wrong_one_is_told_so_and_it_is_neither_quoted_nor_logged():
    with capture_logs() as lines:
        answer = guarded(TOKEN).test_client().get("/", headers={"Authorization": "Bearer wrong-horse-battery"})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "this is not the admin_token" in answer.json["detail"]
    assert "horse" not in answer.text + str(lines)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Host": "evil.example"}, "at another one"),
        ({"X-Forwarded-For": "1.2.3.4"}, "a proxy or a tunnel"),
    ],
)
def test_without_a_token_there_is_to_configure_one_that_is_403_which_says_so(headers, said):
    answer = guarded().test_client().get("/", headers=headers)
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert "server.admin_token" in answer.json["detail"]
    assert said in answer.json["detail"]
    assert "WWW-Authenticate" not in answer.headers


def test_who_is_let_in_gets_what_he_asked_for():
    assert guarded().test_client().get("/").text == "in"
    assert guarded(TOKEN).test_client().get("/", headers={"Authorization": f"Bearer {TOKEN.reveal()}"}).text == "in"


def test_the_reason_can_be_asked_for_by_whoever_answers_in_another_way():
    came = {"headers": {"Via": "1.1 x"}, "environ_base": {"REMOTE_ADDR": "127.0.0.1"}}
    with guarded().test_request_context("/", **came) as context:
        assert "proxy" in (refused(None, context.request) or "")


# --- behind the real server ------------------------------------------------------------------------------------------


@contextmanager
def serving(target: str, host: str) -> Iterator[int]:
    port = free_port()
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", SCRIPT, host, str(port), f"web.test_access:{target}"]
    server = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port))
        yield port
    finally:
        server.terminate()
        server.wait(20)


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, *lines: bytes, host: str = "127.0.0.1") -> tuple[int, str]:
    """The status, and the detail of a problem."""
    with closing(socket.create_connection((host, port), timeout=10)) as connection:
        connection.sendall(b"\r\n".join([b"GET / HTTP/1.1", *lines, b"", b""]))
        status, body = read(connection)
    return status, "" if status == 200 else json.loads(body)["detail"]


def test_behind_the_real_server_the_machine_itself_is_let_in_and_a_proxy_is_not():
    """The socket takes both IPv4 and IPv6, so that an IPv4 peer is written as ::ffff:127.0.0.1."""
    with serving("guarded", "::") as port:
        assert ask(port, b"Host: localhost.:1")[0] == 200
        assert ask(port, b"Host: [::1]", host="::1")[0] == 200
        assert "another one" in ask(port, b"Host: evil.example")[1]
        assert "another one" in ask(port, b"Host: localhost", b"Host: evil.example")[1]
        assert "another one" in ask(port, b"Host: \xff")[1]
        assert "another one" in ask(port)[1]
        for header in (b"X_Forwarded_For: 127.0.0.1", b"x-forwarded-proto:", b"Via: \xff", b"forwarded: for=_x"):
            assert "proxy" in ask(port, b"Host: localhost", header)[1], header


def test_behind_the_real_server_the_token_counts_once_and_as_bytes():
    right = b"Authorization: Bearer correct-horse-battery"
    with serving("guarded_with_token", "127.0.0.1") as port:
        assert ask(port, b"Host: jobs.example.com", right, b"X-Forwarded-For: 1.2.3.4")[0] == 200
        assert ask(port, b"Host: localhost")[0] == 401
        for wrong in (b"Authorization: Bearer \xc3\xa9\xff", b"Authorization:", b"Authorization: Bearer"):
            assert ask(port, b"Host: localhost", wrong)[0] == 401
            assert ask(port, b"Host: localhost", wrong, right)[0] == 401
        assert ask(port, b"Host: localhost", right, right)[0] == 401
