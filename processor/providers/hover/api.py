"""What we ask Hover: jobs, one or a page of them, a contractor's estimate, and our webhooks.

Nothing here orders or pays for anything, and nothing may: a request to change a deliverable charges the customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from processor.errors import NotYet, Refused, Unreadable
from processor.model import JSON
from processor.oauth import OAuth
from processor.ports import Answer, Clock, Http, Subscription
from processor.providers.hover import webhooks
from processor.providers.hover.estimates import with_id
from processor.providers.hover.notices import id_text, is_code
from processor.providers.hover.payload import has_more
from processor.upstream import raise_for

# Hover itself ends a request after 60 s (https://developers.hover.to/docs/timeouts-and-failures-1); we wait less
DEADLINE = 30.0
_WEBHOOKS = "/api/v2/webhooks"
_MOST_PAGES = 100  # of webhooks; an organisation may have hundreds


@dataclass(frozen=True, slots=True)
class Api:
    """Hover's API as one source sees it. Everything raises as ports.Provider.fetch says."""

    api_url: str
    current_user_id: int | None
    oauth: OAuth
    clock: Clock
    deadline: float = DEADLINE

    # --- jobs and estimates

    def job(self, job_id: str, http: Http) -> JSON:
        """https://developers.hover.to/reference/show-job-details"""
        if id_text(job_id) is None:  # ids are digits and go into the address
            raise NotYet("Hover's job ids are whole numbers: it knows no such job")
        return self._get(f"/api/v3/jobs/{job_id}", f"Hover, job {job_id}", http, self._user())

    def jobs(self, query: Mapping[str, str], http: Http) -> JSON:
        """One page of https://developers.hover.to/reference/list-jobs"""
        return self._get("/api/v3/jobs", "Hover, list of jobs", http, {**query, **self._user()})

    def estimate(self, estimate_id: str, http: Http) -> JSON:
        """https://developers.hover.to/reference/show-estimate-details"""
        if id_text(estimate_id) is None:
            raise NotYet("Hover's estimate ids are whole numbers: it knows no such estimate")
        what = f"Hover, estimate {estimate_id}"
        return with_id(self._get(f"/api/v1/estimates/{estimate_id}", what, http, self._user()), estimate_id)

    # --- webhooks

    def webhooks(self, http: Http) -> list[Subscription]:
        """All pages of https://developers.hover.to/reference/list-webhooks"""
        found: dict[str, Subscription] = {}
        for page in range(1, _MOST_PAGES + 1):
            answer = self._get(_WEBHOOKS, "Hover, list of webhooks", http, {"page": str(page)})
            shown = {webhook.id: webhook for webhook in webhooks.subscriptions(answer)}
            if not shown.keys() - found.keys():
                break  # an empty page, or what was there before: that `page` means a page here is not documented
            found |= shown
            if not has_more(answer, page):
                break
        return list(found.values())

    def register(self, url: str, http: Http) -> Subscription:
        """https://developers.hover.to/reference/register-webhook; the body must be nested, which is not documented."""
        body = {"webhook": {"url": url, "content_type": "json"}}
        try:
            answer = self._ask("POST", _WEBHOOKS, "Hover, webhook registration", http, body=body)
        except Refused as e:
            hint = "Hover may not take this address, or have it twice already: see the list of webhooks"
            raise Refused(f"{e.message}: {hint}") from None
        return webhooks.subscription(answer.json())

    def delete(self, webhook_id: str, http: Http) -> None:
        """https://developers.hover.to/reference/delete-webhook"""
        self._ask("DELETE", self._webhook(webhook_id), f"Hover, webhook {webhook_id}", http)

    def ask_for_code(self, webhook_id: str, http: Http) -> str | None:
        """The verification code of a webhook, where the answer has it: the older page shows that, the newer nothing.

        https://developers.hover.to/reference/resend-webhook-verification-code
        """
        path = f"{self._webhook(webhook_id)}/request_verification"
        answer = self._ask("POST", path, f"Hover, webhook {webhook_id}, verification code", http)
        try:
            said = answer.json()
        except Unreadable:
            return None  # it was asked for: the code comes to the webhook's address
        code = said.get("code") if isinstance(said, dict) else None
        return code if is_code(code) else None

    def confirm(self, code: str, http: Http) -> None:
        """https://developers.hover.to/docs/leveraging-hovers-webhooks"""
        if not is_code(code):
            raise Refused("Hover, webhook verification: the code is not a UUID")
        self._ask("PUT", f"{_WEBHOOKS}/{code}/verify", "Hover, webhook verification", http)

    # --- inside

    def _user(self) -> dict[str, str]:
        """The page says "path param", the older one a query parameter, which is how other integrations send it."""
        return {} if self.current_user_id is None else {"current_user_id": str(self.current_user_id)}

    def _webhook(self, webhook_id: str) -> str:
        if id_text(webhook_id) is None:
            raise NotYet("Hover's webhook ids are whole numbers: it knows no such webhook")
        return f"{_WEBHOOKS}/{webhook_id}"

    def _get(self, path: str, what: str, http: Http, query: Mapping[str, str]) -> JSON:
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, what, http).json()

    def _ask(self, method: str, path: str, what: str, http: Http, *, body: JSON = None) -> Answer:
        def send(access: str) -> Answer:
            headers = {"Authorization": f"Bearer {access}", "Accept": "application/json"}
            return http.request(method, self.api_url + path, headers=headers, json=body, timeout=self.deadline)

        answer = self.oauth.authorised(send)
        raise_for(answer, what, self.clock())
        return answer
