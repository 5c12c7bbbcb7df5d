"""`/api/v1`: who may ask, what may be asked, what is answered."""

import dataclasses
import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from marshmallow import fields
from openapi_spec_validator import OpenAPIV31SpecValidator
from security.hostile import IDS, TEXTS
from structlog.testing import capture_logs
from web.api_stand_in import (
    ATTEMPTS,
    BEARER,
    DELIVERY,
    DOWN,
    EVENT,
    GONE,
    NOTIFICATION,
    STORY,
    TOKEN,
    Doing,
    Looking,
    app,
)

from processor.looking import shapes as found
from processor.looking.filters import DeliveryFilter, EventFilter, JobFilter, NotificationFilter
from processor.model import document
from processor.web.api import shapes, standing

GETS = [
    "/api/v1/events",
    "/api/v1/events/evt_1",
    "/api/v1/events/evt_1/explain",
    "/api/v1/jobs",
    "/api/v1/jobs/plain/15084303",
    "/api/v1/deliveries",
    "/api/v1/deliveries/evt_1:log",
    "/api/v1/notifications",
    "/api/v1/notifications/ntf_1",
    "/api/v1/overview",
    "/api/v1/search?q=house",
]
POSTS = [
    "/api/v1/deliveries/evt_1:log/retry",
    "/api/v1/notifications/ntf_1/retry",
    "/api/v1/events/evt_1/replay",
]
LISTS = ["events", "jobs", "deliveries", "notifications"]


@pytest.fixture(scope="module")
def world():
    """The application and what it asks, built once: what it asks is as new for each test."""
    looking, doing = Looking(), Doing()
    return app(looking, doing), looking, doing


@pytest.fixture
def looking(world):
    _, looking, _ = world
    looking.__init__()
    return looking


@pytest.fixture
def doing(world):
    _, _, doing = world
    doing.__init__()
    return doing


@pytest.fixture
def stranger(world, looking, doing):
    """A client that has no token."""
    return world[0].test_client()


@pytest.fixture
def client(stranger):
    """One that has it."""
    stranger.environ_base["HTTP_AUTHORIZATION"] = BEARER["Authorization"]
    return stranger


def assert_problem(answer, status, detail):
    """RFC 9457, and nothing of our insides in it."""
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.json.keys() == {"type", "title", "status", "detail"}
    assert answer.json["status"] == status
    assert detail in answer.json["detail"]
    assert not any(leak in answer.text for leak in (TOKEN, "hush", "Traceback", "inside"))


# --- who may ask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}], ids=["none", "wrong", "other"]
)
def test_without_the_token_nothing_is_answered_and_nothing_is_asked_or_done(stranger, looking, doing, headers):
    answers = [stranger.get(path, headers=headers) for path in [*GETS, "/api/openapi.json"]]
    answers += [stranger.post(path, headers=headers) for path in POSTS]
    for answer in answers:
        assert_problem(answer, 401, "admin_token")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert looking.asked == doing.asked == []


def test_no_address_below_the_api_is_forgotten(world, stranger):
    """Whatever else is added there later, and what is no address at all."""
    paths = [str(rule) for rule in world[0].url_map.iter_rules() if str(rule).startswith("/api")]
    assert len(paths) == len(GETS) + len(POSTS) + 1
    for path in [*paths, "/api/", "/api/v1", "/api/v1/nothing", "/api/v2/events", "/api/v1/events/", "//api/v1/jobs"]:
        for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
            answer = stranger.open("/", method=method, environ_overrides={"PATH_INFO": path})
            assert answer.status_code == 401, (method, path)


def test_without_a_token_configured_the_machine_itself_is_answered_and_nobody_else(looking):
    client = app(looking, token=None).test_client()
    assert client.get("/api/v1/events").status_code == 200
    assert_problem(client.get("/api/v1/events", headers={"Host": "evil.example"}), 403, "server.admin_token")
    assert_problem(client.get("/api/v1/events", headers={"X-Forwarded-For": "127.0.0.1"}), 403, "proxy")
    assert_problem(client.get("/api/v1/events", environ_base={"REMOTE_ADDR": "10.0.0.1"}), 403, "machine itself")
    assert len(looking.asked) == 1


def test_without_a_token_configured_no_other_page_has_anything_done(doing):
    client = app(doing=doing, token=None).test_client()
    for path in POSTS:
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            assert_problem(client.post(path, headers=headers), 403, "page of another site")
    assert doing.asked == []
    assert client.post(POSTS[0]).status_code == 202


def test_no_other_origin_is_ever_allowed(client):
    asks = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
    for path in [*GETS, *POSTS, "/api/openapi.json"]:
        for method in ("OPTIONS", "GET", "POST"):
            answer = client.open(path, method=method, headers=asks)
            assert not any(name.lower().startswith("access-control") for name, _ in answer.headers)


# --- what may not be asked -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("events?limit=0", "limit: must be a number from 1 to 500"),
        ("events?limit=501", "limit: must be a number from 1 to 500"),
        ("events?limit=1e2", "limit: must be a number from 1 to 500"),
        ("events?limit=%2B1", "limit: must be a number from 1 to 500"),
        ("events?limit=1_0", "limit: must be a number from 1 to 500"),
        ("events?limit=" + "9" * 5000, "limit: must be a number from 1 to 500"),
        ("events?limit=", "limit: must be a number from 1 to 500"),
        ("events?limit=1&limit=2", "limit: is given more than once"),
        (
            "events?x=2",
            "x: is no parameter here; there are: cursor, job, limit, outcome, since, sink, source, type",
        ),
        ("events?sorce=plain", "sorce: is no parameter here; did you mean 'source'?"),
        ("events?state=dead", "state: is no parameter here; there are: "),
        ("events?outcome=lost", "outcome: 'lost' is none; there are: pending, retrying, delivered, dead"),
        ("events?type=model.exploded", "type: 'model.exploded' matches no event type; did you mean 'model."),
        ("events?type=[", "type: '[' matches no event type; there are: "),
        ("events?type=" + "*a" * 5000, "matches no event type"),
        (
            "events?since=yesterday",
            "since: 'yesterday' is no time such as 2h (ago), 2026-03-01 or 2026-03-01T12:00:00Z",
        ),
        ("events?until=2026-02-30", "until: '2026-02-30' is no time such as"),
        ("events?since=", "since: '' is no time such as"),
        ("events?since=" + "9" * 30 + "d", "is no time such as"),
        ("events?since=1h&until=2h", "since: must lie before until"),
        ("events?source=", "source: must have 1 to 200 characters"),
        ("events?job=" + "1" * 201, "job: must have 1 to 200 characters"),
        ("events?cursor=", "cursor: must have 1 to 4000 characters"),
        ("events?cursor=nonsense", "cursor: this is not the `next` of a page"),
        (
            "jobs?state=done",
            "state: 'done' is none; there are: created, waiting, processing, succeeded, failed, cancelled",
        ),
        ("deliveries?state=done", "state: 'done' is none; there are: pending, retrying, delivered, dead"),
        ("notifications?state=delivered", "state: 'delivered' is none; there are: pending, retrying, done, dead"),
        ("notifications?sink=log", "sink: is no parameter here"),
        ("search", "q: is missing"),
        ("search?q=", "q: must have 1 to 200 characters"),
        ("search?query=x", "query: is no parameter here"),
        ("overview?days=1", "days: is no parameter here; there are: none"),
        ("events/evt_1?limit=1", "limit: is no parameter here"),
    ],
)
def test_a_wrong_question_is_400_and_names_what_would_be_right(client, looking, asked, said):
    assert_problem(client.get(f"/api/v1/{asked}"), 400, said)
    assert looking.asked == [] or "cursor=nonsense" in asked


def test_all_that_is_wrong_is_said_at_once(client):
    detail = client.get("/api/v1/jobs?limit=x&state=y&z=1").json["detail"]
    assert all(f"{name}: " in detail for name in ("limit", "state", "z"))


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_in_a_question_disturbs_whoever_reads_the_answer(client, text):
    name, value = quote(text, errors="replace"), quote(text, errors="replace")
    answer = client.get(f"/api/v1/events?type={value}&{name}={value}")
    assert answer.status_code == 400
    assert answer.json["detail"].isprintable()
    assert len(answer.json["detail"]) <= 500


def test_what_a_post_is_not_asked_it_does_not_do(client, doing):
    assert_problem(client.post(f"{POSTS[0]}?force=1"), 400, "force: is no parameter here")
    assert doing.asked == []


@pytest.mark.parametrize("name", LISTS)
def test_a_source_that_there_is_none_of_is_a_slip_of_the_pen(client, looking, name):
    looking.nothing = True
    assert_problem(client.get(f"/api/v1/{name}?source=plane"), 400, "source: there is none of this name")
    assert "did you mean 'plain'?" in client.get(f"/api/v1/{name}?source=plane").json["detail"]
    assert client.get(f"/api/v1/{name}?source=plain").json == {"items": [], "next": None}


@pytest.mark.parametrize("name", ["events", "deliveries"])
def test_so_is_a_sink(client, looking, name):
    looking.nothing = True
    assert_problem(client.get(f"/api/v1/{name}?sink=logg"), 400, "did you mean 'log'?")
    assert client.get(f"/api/v1/{name}?sink=log").json == {"items": [], "next": None}
    assert client.get(f"/api/v1/{name}?source=sinks/log").json == {"items": [], "next": None}


@pytest.mark.parametrize("name", LISTS)
def test_what_is_kept_of_a_source_that_is_gone_is_found(client, name):
    assert len(client.get(f"/api/v1/{name}?source=former").json["items"]) == 1


def test_the_end_of_a_list_is_no_slip_of_the_pen(client, looking):
    looking.nothing = True
    assert client.get("/api/v1/events?source=former&cursor=c1").json == {"items": [], "next": None}


# --- what is asked ---------------------------------------------------------------------------------------------------

DAY = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("events", (EventFilter(), 50, None)),
        (
            "events?source=plain&job=a%2Fb%20c&type=model.*&sink=log&outcome=dead&limit=500&cursor=c7",
            (EventFilter(source="plain", job="a/b c", type="model.*", sink="log", outcome="dead"), 500, "c7"),
        ),
        ("events?since=2026-03-01&until=2026-03-01", (EventFilter(since=DAY, until=DAY + 86400), 50, None)),
        ("events?since=2026-03-01T01:00:00%2B01:00", (EventFilter(since=DAY), 50, None)),
        (
            "jobs?source=plain&state=failed&text=main+st&limit=1",
            (JobFilter(source="plain", state="failed", text="main st"), 1, None),
        ),
        (
            "deliveries?sink=log&state=dead&event=evt_1&source=plain&job=1&type=*.failed",
            (
                DeliveryFilter(sink="log", state="dead", event="evt_1", source="plain", job="1", type="*.failed"),
                50,
                None,
            ),
        ),
        (
            "notifications?source=plain&job=1&state=dead&until=2026-03-01T00:00:00Z",
            (NotificationFilter(source="plain", job="1", state="dead", until=DAY), 50, None),
        ),
        ("search?q=main%20st", "main st"),
    ],
)
def test_what_is_asked_is_what_is_looked_for(client, looking, asked, meant):
    assert client.get(f"/api/v1/{asked}").status_code == 200
    assert looking.asked == [meant]


def test_an_age_counts_from_now(client, looking):
    client.get("/api/v1/events?since=2h&until=90s")
    [(chosen, _, _)] = looking.asked
    now = datetime.now(UTC).timestamp()
    assert chosen.since == pytest.approx(now - 7200, abs=5)
    assert chosen.until == pytest.approx(now - 90, abs=5)


@pytest.mark.parametrize("job_id", [*(i for i in IDS if i), "a/b", "/", "a//b/", " ", "é", "retry", "%2F"], ids=repr)
def test_a_jobs_id_may_hold_any_character(client, looking, job_id):
    known = job_id.encode("utf-8", "replace").decode()
    assert_problem(client.get(f"/api/v1/jobs/plain/{quote(known, safe='')}"), 404, "no job with this id")
    assert looking.asked == [("plain", known)]


# --- what is answered ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_items_and_the_cursor_of_what_follows(client, name):
    first = client.get(f"/api/v1/{name}").json
    assert first.keys() == {"items", "next"}
    assert first["next"] == "c1"
    assert client.get(f"/api/v1/{name}?cursor=c1").json["next"] is None


def test_an_event_is_the_document_that_every_sink_gets(client):
    """With further attributes, in its order, and with its text: in ASCII, as JSON, which no browser takes for HTML."""
    answer = client.get("/api/v1/events/evt_1")
    assert answer.json == client.get("/api/v1/events").json["items"][0] == EVENT
    assert list(json.loads(answer.data)) == list(EVENT)
    assert answer.data.isascii()


def test_a_job_is_its_snapshot_and_its_timeline(client):
    answer = client.get("/api/v1/jobs/plain/15084303").json
    assert answer == document(STORY)
    assert answer.keys() >= {"snapshot", "timeline"}
    assert client.get("/api/v1/jobs").json["items"][0].keys() >= {"source", "id", "state", "since"}


def test_a_delivery_has_the_attempts_at_it(client):
    row = client.get("/api/v1/deliveries").json["items"][0]
    assert row == document(DELIVERY)
    assert row.keys() >= {"id", "event_id", "sink", "state", "attempts", "next_at", "last_error"}
    assert client.get("/api/v1/deliveries/evt_1:log").json == {**row, "attempts_made": document(ATTEMPTS)}


def test_so_has_a_notification(client):
    row = client.get("/api/v1/notifications").json["items"][0]
    assert row == document(NOTIFICATION)
    assert row.keys() >= {"id", "source", "job_id", "state", "attempts", "last_error"}
    assert client.get("/api/v1/notifications/ntf_1").json == {**row, "attempts_made": document(ATTEMPTS)}


def test_explain_tells_of_each_sink(client):
    answer = client.get("/api/v1/events/evt_1/explain").json
    assert answer["event_id"] == "evt_1"
    assert [sink["sink"] for sink in answer["sinks"]] == ["log"]


def test_the_overview_and_a_search_answer_what_was_found(client):
    assert client.get("/api/v1/overview").json["failed_today_count"] == 1
    assert client.get("/api/v1/search?q=x").json["items"][0]["path"] == "/jobs/plain/15084303"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("events/evt_2", "no event with this id is kept"),
        ("events/evt_2/explain", "no event with this id is kept"),
        ("jobs/plain/1", "no job with this id is known of this source"),
        ("jobs/plane/15084303", "no job with this id is known of this source"),
        ("deliveries/evt_1", "an id is EVENT_ID:SINK"),
        ("notifications/ntf_2", "no notification with this id is kept"),
        ("jobs/plain", "there is nothing at this address"),
        ("jobs/plain/", "there is nothing at this address"),
        ("events/a/b/c", "there is nothing at this address"),
    ],
)
def test_what_there_is_none_of_is_404_with_a_sentence(client, path, said):
    assert_problem(client.get(f"/api/v1/{path}"), 404, said)


@pytest.mark.parametrize("path", ["/events/{}", "/deliveries/{}", "/notifications/{}", "/events/{}/explain"])
@pytest.mark.parametrize("named", [i for i in IDS if i], ids=repr)
def test_a_hostile_id_is_one_that_there_is_none_of(client, path, named):
    quoted = quote(named.encode("utf-8", "replace").decode(), safe="")
    assert client.get("/api/v1" + path.format(quoted)).status_code == 404


# --- what is done ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["again", "waits"])
def test_what_is_done_again_is_202_with_what_became_of_it(client, doing, outcome):
    doing.outcome = outcome
    with capture_logs() as lines:
        answers = [client.post(path) for path in POSTS]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [answer.json for answer in answers] == [
        {"outcome": outcome},
        {"outcome": outcome},
        {"sinks": {"log": outcome}},
    ]
    assert doing.asked == ["evt_1:log", "ntf_1", "evt_1"]
    assert [line["event"] for line in lines] == ["delivery again", "notification again", "event again"]


@pytest.mark.parametrize("path", ["deliveries/evt_2:log/retry", "notifications/ntf_2/retry", "events/evt_2/replay"])
def test_what_there_is_none_of_cannot_be_done_again(client, path):
    assert_problem(client.post(f"/api/v1/{path}"), 404, "with this id is kept")


def test_what_cannot_be_done_again_is_409_with_a_sentence(client, doing):
    doing.outcome = "gone"
    assert_problem(client.post(POSTS[0]), 409, "no longer kept")
    doing.outcome = "done"
    assert_problem(client.post(POSTS[1]), 409, "nothing to do again")
    doing.fails = GONE
    for path in POSTS:
        assert_problem(client.post(path), 409, "not configured any more")


def test_a_get_does_nothing(client, doing):
    for path in POSTS:
        answer = client.get(path)
        assert_problem(answer, 405, "this address takes")
        assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert doing.asked == []


# --- when it is not well ---------------------------------------------------------------------------------------------


def test_without_redis_everything_is_503_and_says_when_to_come_back(client, looking, doing):
    looking.fails = doing.fails = DOWN
    for answer in [*map(client.get, GETS), *map(client.post, POSTS)]:
        assert_problem(answer, 503, "Redis does not answer now; ask again")
        assert int(answer.headers["Retry-After"]) > 0


def test_without_redis_the_description_is_there(client, looking):
    looking.fails = DOWN
    assert client.get("/api/openapi.json").status_code == 200


def test_a_bug_is_500_without_its_insides(client, looking, doing):
    looking.fails = doing.fails = RuntimeError("hush: inside")
    for answer in [*map(client.get, GETS), *map(client.post, POSTS)]:
        assert_problem(answer, 500, "it has been logged here")


# --- HTTP ------------------------------------------------------------------------------------------------------------


def test_no_answer_is_kept_by_a_browser_or_taken_for_something_else(client, looking):
    answers = [client.open(path, method=method) for path in (*GETS, *POSTS) for method in ("GET", "POST", "OPTIONS")]
    answers += [client.get(path) for path in ("/api/openapi.json", "/api/v1/nothing", "/api/v1/events?limit=0")]
    answers.append(client.get("/api/v1/events", headers={"Authorization": "Bearer wrong"}))
    looking.fails = DOWN
    answers.append(client.get("/api/v1/events"))
    assert {answer.status_code for answer in answers} == {200, 202, 400, 401, 404, 405, 503}
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", [*GETS, "/api/openapi.json"])
def test_a_head_is_a_get_without_its_body(client, path):
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert head.content_type == got.content_type == "application/json"


def test_options_tells_what_an_address_takes(client):
    answer = client.options("/api/v1/events")
    assert (answer.status_code, answer.data) == (200, b"")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_the_rest_of_the_application_is_as_it_was(stranger):
    assert stranger.get("/healthz").json == {"status": "ok"}
    assert "Cache-Control" not in stranger.get("/healthz").headers
    assert stranger.get("/nothing").json["detail"] == "there is nothing at this address"


# --- how it is described ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def description(world):
    return world[0].test_client().get("/api/openapi.json", headers=BEARER).json


def test_the_description_is_a_valid_one_of_openapi(description):
    assert description["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(description).iter_errors()) == []


def test_every_route_is_described_and_says_what_can_happen(description):
    operations = {(path, method): said for path, ways in description["paths"].items() for method, said in _ways(ways)}
    assert len(operations) == len(GETS) + len(POSTS)
    assert len({said["operationId"] for said in operations.values()}) == len(operations)
    for (path, method), said in operations.items():
        expected = {"400", "401", "403", "503", "202" if method == "post" else "200"}
        expected |= {"404"} if "{" in path else set()
        expected |= {"409"} if method == "post" else set()
        assert said["responses"].keys() == expected
        assert said["summary"]
    problems = description["components"]["responses"].values()
    assert all(list(said["content"]) == ["application/problem+json"] for said in problems)


def _ways(path):
    return ((method, said) for method, said in path.items() if method != "parameters")


def test_every_parameter_and_every_key_has_a_description(description):
    for path, ways in description["paths"].items():
        for said in [*ways.get("parameters", ()), *(p for _, way in _ways(ways) for p in way["parameters"])]:
            assert said["description"], (path, said)
    for name, schema in description["components"]["schemas"].items():
        for key, said in schema["properties"].items():
            assert said["description"], (name, key)


def test_the_token_is_described_and_asked_for_where_one_is_configured(description):
    assert description["components"]["securitySchemes"]["admin_token"]["scheme"] == "bearer"
    assert description["security"] == [{"admin_token": []}]
    without = app(token=None).test_client().get("/api/openapi.json").json
    assert without["security"] == [{}, {"admin_token": []}]


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        (shapes.JobRow, found.JobRow),
        (shapes.JobStory, found.JobStory),
        (shapes.Moment, found.Moment),
        (shapes.Attempt, found.Attempt),
        (shapes.DeliveryRow, found.DeliveryRow),
        (shapes.NotificationRow, found.NotificationRow),
        (shapes.Hit, found.Hit),
        (shapes.Routed, found.Routed),
        (standing.SourceHealth, found.SourceHealth),
        (standing.SinkHealth, found.SinkHealth),
        (standing.Standing, found.Standing),
        (standing.Rates, found.Rates),
        (standing.Overview, found.Overview),
    ],
)
def test_every_key_that_is_found_is_answered_and_null_where_it_may_be(schema, shape):
    described = schema().fields
    assert described.keys() == {field.name for field in dataclasses.fields(shape)}
    for field in dataclasses.fields(shape):
        assert described[field.name].required
        assert described[field.name].allow_none == (str(field.type).endswith("| None")), field.name
        assert not isinstance(described[field.name], fields.Raw)
