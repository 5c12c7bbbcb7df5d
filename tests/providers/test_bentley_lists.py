"""Bentley's lists of jobs: which there are, how they are asked for, and what a page that is broken comes to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providers.bentley_source import ITWIN, JOB, NOW, TOKEN, load, make, sample, v1, v2
from structlog.testing import capture_logs

from processor.errors import Busy, Forbidden, RateLimited, ReconnectNeeded, Refused, Shut, Unreachable, Unreadable
from processor.model import State
from processor.ports import Answer, Listed, Lists
from processor.providers.bentley.families import FAMILIES
from processor.testing.fakes import FakeHttp, answer
from processor.testing.provider import NONSENSE

NAME = f"contextcapture/{ITWIN}"
FIRST = f"https://api.bentley.com/contextcapture/jobs?$filter=iTwinId%20eq%20{ITWIN}&$top=1000"


def page(*answers: Answer | Exception, name: str = NAME, since: Any = None, at: Any = None) -> tuple[Listed, FakeHttp]:
    """What comes of these answers to one page, and what was asked."""
    http = FakeHttp(answer(json=TOKEN), *answers)
    return make(http, itwin_ids=[ITWIN]).page(name, since=since, at=at, http=http), http


def jobs(*rows: Any, link: Any = None) -> Answer:
    """A page of these; `link` is what its `_links` are."""
    document = {"jobs": list(rows)}
    return answer(json=document if link is None else {**document, "_links": link})


def row(number: int = 1, created: str = "2025-03-17T12:00:00Z", **keys: Any) -> dict[str, Any]:
    return {**sample()["job"], "id": f"job-{number}", "createdDateTime": created, **keys}


def leading(href: str) -> dict[str, Any]:
    return {"next": {"href": href}}


def following(token: str) -> dict[str, Any]:
    return leading(f"{FIRST}&continuationToken={token}")


class TestNames:
    def test_without_itwin_ids_there_is_none_and_a_warning_once(self) -> None:
        provider = make()
        with capture_logs() as logs:
            assert [list(provider.lists()), list(provider.lists())] == [[], []]
        assert [(line["log_level"], line["source"], line["reason"]) for line in logs] == [
            ("warning", "itwin", "itwin_ids names no iTwin")
        ]

    @pytest.mark.parametrize("name", ["", "contextcapture", f"contextcapture/{ITWIN}x", f"teleport/{ITWIN}", ITWIN])
    def test_one_that_is_none_is_refused_and_nobody_asked(self, name: str) -> None:
        http = FakeHttp()
        with pytest.raises(Refused, match="itwin_ids says what is listed"):
            make(http, itwin_ids=[ITWIN]).page(name, since=None, at=None, http=http)

    def test_there_is_one_for_each_api_of_each_itwin(self) -> None:
        with capture_logs() as logs:
            provider = make(itwin_ids=["a", "b", "a"])
            assert isinstance(provider, Lists)
            assert list(provider.lists()) == [f"{family.api}/{itwin}" for itwin in "ab" for family in FAMILIES]
        assert logs == []


class TestBadAnswers:
    @pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body)[:20])
    def test_nonsense_cannot_be_read(self, body: bytes) -> None:
        with pytest.raises(Unreadable):
            page(answer(body=body))

    @pytest.mark.parametrize("shape", [{"jobs": None}, {"jobs": {}}, {"jobs": "x"}, {"jobs": 7}, {"job": []}, [[]]])
    def test_neither_can_another_shape(self, shape: Any) -> None:
        with pytest.raises(Unreadable):
            page(answer(json=shape))

    @pytest.mark.parametrize(
        ("answers", "error", "told"),
        [
            ([answer(302, location="https://elsewhere.example/jobs")], Unreadable, "answered 302"),
            ([answer(400)], Refused, "answered 400"),
            ([answer(401), answer(json=TOKEN), answer(401)], Shut, "answered 401"),
            ([answer(401), answer(400)], ReconnectNeeded, "check client_id"),
            ([answer(403, {"error": {"code": "InsufficientPermissions"}})], Forbidden, r"\(InsufficientPermissions\)"),
            ([answer(404, {"error": {"code": "iTwinNotFound"}})], Forbidden, r"\(iTwinNotFound\): .*check itwin_ids"),
            ([answer(422)], Refused, "answered 422"),
            ([answer(429, retry_after="7")], RateLimited, "answered 429"),
            ([answer(500)], Busy, "answered 500"),
            ([answer(503, retry_after="7")], Busy, "answered 503"),
            ([Unreachable("cut")], Unreachable, "cut"),
        ],
    )
    def test_the_class_of_an_error_says_what_a_status_means(self, answers: Any, error: Any, told: str) -> None:
        with pytest.raises(error, match=told) as caught:
            page(*answers)
        assert "access-1" not in str(caught.value)
        if "7" in (a.headers.get("retry-after") for a in answers if isinstance(a, Answer)):
            assert caught.value.retry_after == 7

    def test_a_row_that_cannot_be_read_is_told_and_hides_no_other(self) -> None:
        rows = [None, 7, [], {}, {"id": "../x"}, row(1, state=5), row(2), {**row(3), "id": "jane@example.com"}]
        listed, _ = page(jobs(*rows))
        assert [job.id for job in listed.jobs] == ["job-2"]
        assert [line.partition(":")[0] for line in listed.unread] == [
            "row 1",
            "row 2",
            "row 3",
            "row 4",
            "row 5",
            "row 6, job job-1",
            "row 8",
        ]
        assert listed.unread[5].endswith("job.state: must be a text")
        assert "jane" not in str(listed.unread)

    def test_a_page_of_such_rows_is_not_a_thousand_lines(self) -> None:
        listed, _ = page(jobs(*[None] * 1000))
        assert len(listed.unread) == 21
        assert listed.unread[-1] == "980 more rows cannot be read"

    @pytest.mark.parametrize(
        "links",
        [
            [],
            [7],
            7,
            {"next": 7},
            {"next": []},
            {"next": {"href": 7}},
            leading("https://api.bentley.com/contextcapture/jobs"),
            leading("https://api.bentley.com/contextcapture/jobs?$top=2"),
            leading("https://api.bentley.com/contextcapture/jobs?continuationToken="),
            leading("https://api.bentley.com/contextcapture/jobs?continuationToken"),
            leading("https://api.bentley.com/contextcapture/jobs#?continuationToken=x"),
            following("a b"),
            following("a\r\nX-Injected: b"),
            following("%zz"),
            following("%"),
            following("é"),
            following("x" * 4001),
            leading("http://["),
            leading("\x00"),
        ],
    )
    def test_a_link_that_leads_nowhere_ends_the_list_and_what_it_reached_does_not_count(self, links: Any) -> None:
        listed, _ = page(jobs(row(), link=links), since="2025-03-01T00:00:00Z")
        assert [job.id for job in listed.jobs] == ["job-1"]
        assert (listed.next, listed.reached) == (None, None)
        assert listed.unread[0].endswith("the list ends here")

    def test_a_page_that_leads_to_itself_is_the_last(self) -> None:
        listed, _ = page(jobs(row(), link=following("x1")), at={"token": "x1", "newest": None})
        assert listed.next is None
        assert listed.unread == ("the link to the next page leads to the same page: the list ends here",)

    @settings(deadline=None)
    @given(
        rows=st.lists(st.none() | st.integers() | st.dictionaries(st.text(), st.text()) | st.just(row()), max_size=5),
        links=st.recursive(
            st.none() | st.text() | st.integers(),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["next", "href", "x"]), inner),
            max_leaves=5,
        ),
        since=st.none() | st.text() | st.integers() | st.just([]),
        at=st.none() | st.text() | st.dictionaries(st.sampled_from(["token", "newest"]), st.text() | st.integers()),
    )
    def test_any_page_is_read_or_refused(self, rows: Any, links: Any, since: Any, at: Any) -> None:
        listed, http = page(answer(json={"jobs": rows, "_links": links}), since=since, at=at)
        assert len(listed.jobs) + len(listed.unread) >= len(rows)
        assert http.sent[1].url.isascii()
        assert http.sent[1].url.startswith(FIRST[: FIRST.index("&")])


class TestAsking:
    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.api)
    def test_each_api_has_its_address_version_and_words(self, family: Any) -> None:
        shown = v1() if family.version == 1 else v2(state="Failed")
        listed, http = page(jobs(shown["job"]), name=f"{family.api}/{ITWIN}")
        sent = http.sent[1]
        assert sent.url == FIRST.replace("contextcapture", family.api)
        assert sent.headers["Accept"] == f"application/vnd.bentley.itwin-platform.v{family.version}+json"
        assert sent.headers["Authorization"] == "Bearer access-1"
        assert (sent.method, sent.json, sent.timeout) == ("GET", None, 30)
        assert len(http.sent) == 2, "one page is one call"
        [job] = listed.jobs
        assert job == make().translate(shown, api=family.api)
        assert (listed.api, listed.next, listed.unread) == (family.api, None, ())

    def test_a_token_that_ended_is_renewed_and_the_page_asked_for_again(self) -> None:
        listed, http = page(answer(401), answer(json={**TOKEN, "access_token": "access-2"}), jobs(row()))
        assert [job.id for job in listed.jobs] == ["job-1"]
        assert http.sent[-1].headers["Authorization"] == "Bearer access-2"

    @pytest.mark.parametrize("since", [7, "", "yesterday", "2025-03-17", "2025-03-17T12:00:00", [], {}, "a' or 1 eq 1"])
    def test_a_beginning_that_is_none_of_ours_is_the_very_first(self, since: Any) -> None:
        _, http = page(jobs(), since=since)
        assert http.sent[1].url == FIRST

    @pytest.mark.parametrize("at", [7, "x1", [], {}, {"token": 7}, {"token": "a&b"}, {"token": "a b"}, {"token": ""}])
    def test_a_place_that_is_none_of_ours_is_the_first_page(self, at: Any) -> None:
        _, http = page(jobs(), at=at)
        assert http.sent[1].url == FIRST

    def test_a_later_pass_asks_for_what_was_created_since(self) -> None:
        _, http = page(jobs(), since="2025-03-17T11:50:00Z")
        created = "%20and%20createdDateTime%20ge%202025-03-17T11%3A50%3A00Z&"
        assert http.sent[1].url == FIRST.replace("&", created)

    @pytest.mark.parametrize(
        "token", ["x1", "a%2Bb%2Fc%3D%3D", "a+b/c==", '{"token":"-RID:~x==","range":1}', "x" * 4000]
    )
    def test_only_the_token_of_the_next_link_is_used_and_exactly_as_it_stands(self, token: str) -> None:
        href = f"https://elsewhere.example/steal?$filter=x&continuationToken={token}&$top=2#there"
        first, _ = page(jobs(row(), link=leading(href)), since="2025-03-01T00:00:00Z")
        assert first.reached is None, "what comes later may be older"
        second, http = page(jobs(row(2)), since="2025-03-01T00:00:00Z", at=first.next)
        created = "%20and%20createdDateTime%20ge%202025-03-01T00%3A00%3A00Z&"
        assert http.sent[1].url == f"{FIRST.replace('&', created)}&continuationToken={token}"
        assert second.next is None

    @pytest.mark.parametrize("links", [None, {}, {"next": None}, {"next": {}}, {"next": {"href": None}}, {"next": ""}])
    def test_without_a_link_the_page_is_the_last(self, links: Any) -> None:
        listed, _ = page(answer(json={"jobs": [row()], "_links": links}))
        assert (listed.next, listed.unread) == (None, ())
        assert listed.reached

    @pytest.mark.parametrize("name", ["continuationToken", "%24continuationToken", "$continuationToken"])
    def test_the_token_may_be_spelt_like_their_other_parameters(self, name: str) -> None:
        listed, _ = page(jobs(link={"next": f"https://api.bentley.com/contextcapture/jobs?$top=2&{name}=x1"}))
        assert listed.next == {"token": "x1", "newest": None}


class TestReached:
    """What the next pass begins with: the newest job that was seen, less an overlap."""

    def reached(self, *pages: list[dict[str, Any]], since: Any = None) -> Any:
        at: Any = None
        for number, rows in enumerate(pages, 1):
            link = following(f"x{number}") if number < len(pages) else None
            listed, _ = page(jobs(*rows, link=link), since=since, at=at)
            at = listed.next
        return listed.reached

    @pytest.mark.parametrize("pages", [[[]], [[row(created=None)]], [[], []]])
    def test_where_nothing_says_when_the_former_beginning_stays(self, pages: Any) -> None:
        assert self.reached(*pages) is None
        assert self.reached(*pages, since="2025-03-01T00:00:00Z") is None

    @pytest.mark.parametrize("created", ["0001-01-01T00:00:00Z", "1970-01-01T00:05:00Z"])
    def test_a_time_before_all_time_is_the_beginning(self, created: str) -> None:
        assert self.reached([row(created=created)]) == "1970-01-01T00:00:00Z"

    @pytest.mark.parametrize("created", ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"])
    def test_a_time_ahead_of_our_clock_is_now(self, created: str) -> None:
        assert datetime(2025, 3, 18, 0, 3, tzinfo=UTC) == NOW
        assert self.reached([row(created=created)]) == "2025-03-17T23:53:00Z"

    def test_it_never_goes_back(self) -> None:
        assert self.reached([row(created="2025-03-01T00:05:00Z")], since="2025-03-01T00:00:00Z") == (
            "2025-03-01T00:00:00Z"
        )

    def test_it_is_ten_minutes_before_the_newest_to_the_second(self) -> None:
        assert self.reached([row(created="2025-03-17T12:00:00.9876543+00:00")]) == "2025-03-17T11:50:00Z"
        assert self.reached([row(created="2025-03-17T13:00:00+01:00")]) == "2025-03-17T11:50:00Z"

    def test_it_is_the_newest_of_all_pages_in_whatever_order(self) -> None:
        times = ["2025-03-17T12:00:00Z", "2025-03-15T12:00:00Z", "2025-03-16T12:00:00Z"]
        for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
            pages = [[row(i, created=times[i])] for i in order]
            assert self.reached(*pages) == "2025-03-17T11:50:00Z"

    def test_the_second_generation_keeps_its_times_elsewhere(self) -> None:
        listed, _ = page(
            jobs(load("job-v2.json")["job"] | {"executionInfo": {"createdDateTime": "2025-03-17T12:00:00Z"}})
        )
        assert listed.reached is None, "not where the first looks"
        job = load("job-v2.json")["job"] | {"executionInfo": {"createdDateTime": "2025-03-17T12:00:00Z"}}
        listed, _ = page(jobs(job), name=f"reality-modeling/{ITWIN}")
        assert listed.reached == "2025-03-17T11:50:00Z"
        assert listed.jobs[0].state is State.SUCCEEDED
        assert listed.jobs[0].errors == ()


def test_a_row_is_the_job_that_fetching_it_would_show() -> None:
    listed, _ = page(jobs(sample()["job"]))
    assert [job.id for job in listed.jobs] == [JOB]
    assert listed.jobs[0] == make().translate(sample(), api="contextcapture")
