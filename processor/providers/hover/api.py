"""What we ask Hover: a job, and that our registration counts."""

from __future__ import annotations

from dataclasses import dataclass

from processor.errors import NotYet, Refused
from processor.model import JSON
from processor.oauth import OAuth
from processor.ports import Answer, Clock, Http
from processor.providers.hover.notices import id_text, is_code
from processor.upstream import raise_for

# Hover itself ends a request after 60 s (https://developers.hover.to/docs/timeouts-and-failures-1); we wait less
_DEADLINE = 30.0


@dataclass(frozen=True, slots=True)
class Api:
    """Hover's API as one source sees it. Everything raises as ports.Provider.fetch says."""

    api_url: str
    current_user_id: int | None
    oauth: OAuth
    clock: Clock

    def job(self, job_id: str, http: Http) -> JSON:
        """https://developers.hover.to/reference/show-job-details"""
        if id_text(job_id) is None:  # ids are digits and go into the address
            raise NotYet("Hover's job ids are whole numbers: it knows no such job")
        # the page says "path param", the older one a query parameter, which is how other integrations send it
        query = "" if self.current_user_id is None else f"?current_user_id={self.current_user_id}"
        return self._ask("GET", f"/api/v3/jobs/{job_id}{query}", f"Hover, job {job_id}", http).json()

    def confirm(self, code: str, http: Http) -> None:
        """https://developers.hover.to/docs/leveraging-hovers-webhooks"""
        if not is_code(code):
            raise Refused("Hover, webhook verification: the code is not a UUID")
        self._ask("PUT", f"/api/v2/webhooks/{code}/verify", "Hover, webhook verification", http)

    def _ask(self, method: str, path: str, what: str, http: Http) -> Answer:
        def send(access: str) -> Answer:
            headers = {"Authorization": f"Bearer {access}", "Accept": "application/json"}
            return http.request(method, self.api_url + path, headers=headers, timeout=_DEADLINE)

        answer = self.oauth.authorised(send)
        raise_for(answer, what, self.clock())
        return answer
