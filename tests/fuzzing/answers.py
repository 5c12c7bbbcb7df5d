"""What providers answer when they are asked: jobs, lists, estimates, webhooks, tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from fuzzing import corpus
from fuzzing.corpus import API_URL, FarEnd, answer
from fuzzing.mutating import Chance, odd_text, odd_value
from fuzzing.target import Target
from providers import bentley_source, hover_account

from processor.errors import Permanent, Retryable
from processor.model import Secret, document
from processor.oauth import ClientCredentials, Grant, OAuth, RotatingRefreshToken
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import judge
from processor.pipeline.refresh import Hinted, decide
from processor.ports import Answer, Listed, Subscription
from processor.providers.bentley.families import FAMILIES
from processor.store import keys
from processor.testing.fakes import StandingClock, some_tools

NOW = hover_account.NOW
ERRORS = (Retryable, Permanent)  # of ports.Provider.fetch; whatever asks has all of them
hover, bentley = cache(corpus.hover), cache(corpus.bentley)


@dataclass
class Asked:
    """What was asked for, and the answers in turn."""

    what: str
    answers: Sequence[Answer]
    known: str = ""  # the facts before


# --- jobs ------------------------------------------------------------------------------------------------------------

_KNOWN = (
    "",
    '{"v": 1, "job": {"state": "processing", "been": ["created", "processing"]}, "at": "2025-03-01T00:00:00Z"}',
    '{"v": 1, "job": {"state": "failed", "been": ["failed"]}, "claims": ["job"], "at": "9999-01-01T00:00:00Z"}',
    '{"v": 1, "job": {"state": "succeeded", "been": ["succeeded", "job.reopened"], "mark": "x"}, "silent": true}',
)


def _hover_job(chance: Chance) -> Asked:
    return Asked("15084303", [answer(chance, corpus.hover_job(chance))], chance.choice(_KNOWN))


def _bentley_job(chance: Chance) -> Asked:
    job, data = corpus.bentley_job(chance), corpus.BENTLEY_DATA
    if chance.randrange(2):
        job["job"]["state"] = chance.choice(("active", "Success", "Failed", "failed", "cancelled"))
    further = data / chance.choice(("job-messages-v2.json", "progress-v1.json", "progress-v2.json"))
    family = chance.choice(FAMILIES)
    answers = [answer(chance, job), answer(chance, corpus.load(further))]
    return Asked(family.api, answers, chance.choice(_KNOWN))


def _look_at_hover(asked: Asked) -> None:
    far = FarEnd().says(asked.answers)
    _follow(hover(), hover().fetch(asked.what, api="v3", http=far), "v3", asked.known)


def _look_at_bentley(asked: Asked) -> None:
    far = FarEnd().says(asked.answers)
    original = bentley().fetch(bentley_source.JOB, api=asked.what, http=far)
    _follow(bentley(), original, asked.what, asked.known)


def _follow(provider: Any, original: Any, api: str, known: str) -> None:
    """From their document to events that can be stored; the same document once more makes none."""
    assert all(len(word) < 200 and word.encode() for word in provider.strange(original, api=api))
    job = provider.translate(original, api=api)
    assert keys.job_of(keys.delivery_lane("s", job.source, job.id)) == job.id
    found = decide(Facts.load(known), job, api=api, hints=[Hinted(api, "job")], now=NOW, every=900.0)
    _writable(document(job), *(event.cloudevent() for event in found.events[:5]))  # each has the whole job
    facts = Facts.load(found.facts.dump())
    assert facts == found.facts
    if found.body is not None:
        again = decide(facts, job, api=api, hints=[], now=NOW)
        assert again.events == (), "one change, two events"


def _writable(*documents: Any) -> None:
    for one in documents:
        json.dumps(one, allow_nan=False, ensure_ascii=False).encode()


# --- lists -----------------------------------------------------------------------------------------------------------

_SINCE = (None, None, "2025-03-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z")


@dataclass
class Pages:
    """Two pages of a list that has been read before, or not."""

    name: str
    since: str | None
    answers: Sequence[Answer]


def _hover_list(chance: Chance) -> Pages:
    return Pages(chance.choice(hover().lists()), chance.choice(_SINCE), [_hover_page(chance), _hover_page(chance)])


def _hover_page(chance: Chance) -> Answer:
    rows = [corpus.hover_job(chance) for _ in range(chance.choice((0, 1, 1, 2)))]
    more = {
        "pagination": {
            "next_page": chance.choice((2, None)),
            "total_pages": chance.choice((1, 2, 3)),
            "current_page": 1,
        }
    }
    return answer(chance, {"results": rows * chance.choice((1, 1, 1, 1, 1, 100)), **more})


def _bentley_list(chance: Chance) -> Pages:
    return Pages(
        chance.choice(bentley().lists()), chance.choice(_SINCE), [_bentley_page(chance), _bentley_page(chance)]
    )


def _bentley_page(chance: Chance) -> Answer:
    rows = [corpus.bentley_job(chance)["job"] for _ in range(chance.choice((0, 1, 2, 3)))]
    link = {"href": f"{API_URL}/contextcapture/jobs?$top=1000&continuationToken={chance.choice(('abc%3D', 'a b', ''))}"}
    return answer(chance, {"jobs": rows, "_links": {"next": link}} if chance.randrange(2) else {"jobs": rows})


def _read_hover_list(pages: Pages) -> None:
    _read(hover(), pages)


def _read_bentley_list(pages: Pages) -> None:
    _read(bentley(), pages)


def _read(provider: Any, pages: Pages) -> None:
    """A page, the one behind it, and the first of the next pass; where each stands has gone through JSON."""
    far = FarEnd().says(pages.answers)
    first: Listed = provider.page(pages.name, since=pages.since, at=None, http=far)
    _judged(first)
    if first.next is not None:
        _judged(provider.page(pages.name, since=pages.since, at=_through_json(first.next), http=far))
    if first.reached is not None:
        provider.page(pages.name, since=_through_json(first.reached), at=None, http=far)


def _judged(listed: Listed) -> None:
    assert all(len(line) < 1000 and line.encode() for line in listed.unread)
    for job in listed.jobs:
        judge(Facts(), job, api=listed.api, baseline=NOW, first=False)
        _writable(document(job))


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


# --- estimates and webhooks ------------------------------------------------------------------------------------------


def _estimate(chance: Chance) -> Asked:
    return Asked("28358", [answer(chance, corpus.load(corpus.HOVER_SAMPLES / "estimates" / "siding.json"))])


def _look_at_estimate(asked: Asked) -> None:
    original = hover().fetch_estimate(asked.what, http=FarEnd().says(asked.answers))
    job_id, estimate = hover().translate_estimate(original)
    assert keys.job_of(keys.refresh_lane("s", job_id)) == job_id
    _writable(document(estimate))


_HOVER_WEBHOOK = {
    "id": 230293,
    "url": "https://jobs.example.com/webhooks/hover-main",
    "verified_at": "2025-03-18T00:02:58Z",
    "hmac_secret": "dGVzdA==",
    "last_error": None,
    "content_type": "json",
}


def _hover_webhooks(chance: Chance) -> Asked:
    page = {"results": [dict(_HOVER_WEBHOOK) for _ in range(chance.randrange(3))], "pagination": {"next_page": None}}
    code = corpus.load(corpus.HOVER_DATA / "webhook-verification-code.body.json")
    said = chance.choice((page, page, dict(_HOVER_WEBHOOK), code))
    return Asked(
        chance.choice(("list", "list", "register", "mend", "delete")), [answer(chance, said), answer(chance, page)]
    )


def _bentley_webhooks(chance: Chance) -> Asked:
    listed = corpus.load(corpus.BENTLEY_DATA / "webhooks-list.json")
    for webhook in listed["webhooks"]:
        webhook["expirationDateTime"] = chance.choice(
            (None, "2025-03-18T00:02:58Z", "2025-03-19T00:02:58+02:00", odd_text(chance))
        )
    one = {**listed["webhooks"][0], "secret": "made", "active": False}
    said = chance.choice((listed, listed, one, {"webhook": one}))
    return Asked(
        chance.choice(("list", "list", "register", "mend", "delete")), [answer(chance, said), answer(chance, listed)]
    )


def _manage_hover(asked: Asked) -> None:
    _manage(hover(), asked)


def _manage_bentley(asked: Asked) -> None:
    _manage(bentley(), asked)


def _manage(provider: Any, asked: Asked) -> None:
    far = FarEnd().says(asked.answers)
    if asked.what == "register":
        _shown(provider.subscribe("https://jobs.example.com/webhooks/x", http=far))
    elif asked.what == "delete":
        provider.unsubscribe("230293", http=far)
    for one in provider.subscriptions(http=far):
        _shown(one)
        if asked.what == "mend":
            provider.mend(one, http=far)


def _shown(one: Subscription) -> None:
    _writable([one.id, one.url, one.state, one.trouble, *one.events])
    assert len(one.trouble) < 2000


# --- tokens ----------------------------------------------------------------------------------------------------------

_GRANTS: tuple[Grant, ...] = (
    ClientCredentials("client", Secret("app-secret"), "scope"),
    RotatingRefreshToken("client", Secret("app-secret"), Secret("refresh-0")),
)


@dataclass
class Tokens:
    grant: int
    answers: Sequence[Answer]


def _tokens(chance: Chance) -> Tokens:
    """Three answers in turn, one of them odd."""
    token = {**hover_account.TOKEN, "token_type": "Bearer", "scope": odd_value(chance)}
    refusal = {"error": chance.choice(("invalid_grant", "invalid_client")), "error_description": odd_text(chance)}
    answers = [Answer(200, {}, json.dumps({**token, "access_token": f"access-{n}"}).encode()) for n in range(3)]
    one = answer(chance, chance.choice((token, token, refusal)))
    if chance.randrange(5) == 0:
        one = Answer(chance.choice((400, 401)), one.headers, one.body)
    answers[chance.randrange(3)] = one
    return Tokens(chance.randrange(2), answers)


def _use(tokens: Tokens) -> None:
    clock = StandingClock(NOW)
    oauth = OAuth(
        "s", f"{API_URL}/token", _GRANTS[tokens.grant], some_tools(http=FarEnd().says(tokens.answers), clock=clock)
    )
    access = oauth.token()
    assert all("!" <= character <= "~" for character in access or " "), "it would be no header"
    oauth.renew(access)
    clock.advance(1e6)
    oauth.token()
    oauth.reconnect_needed()


TARGETS = (
    Target("hover: job", _hover_job, _look_at_hover, ERRORS, corpus.SECRETS),
    Target("bentley: job", _bentley_job, _look_at_bentley, ERRORS, corpus.SECRETS),
    Target("hover: list", _hover_list, _read_hover_list, ERRORS, corpus.SECRETS),
    Target("bentley: list", _bentley_list, _read_bentley_list, ERRORS, corpus.SECRETS),
    Target("hover: estimate", _estimate, _look_at_estimate, ERRORS, corpus.SECRETS),
    Target("hover: webhooks", _hover_webhooks, _manage_hover, ERRORS, corpus.SECRETS),
    Target("bentley: webhooks", _bentley_webhooks, _manage_bentley, ERRORS, corpus.SECRETS),
    Target("tokens", _tokens, _use, ERRORS, corpus.SECRETS),
)
