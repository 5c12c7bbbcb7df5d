"""What we ask Bentley: a job of one of its job APIs, with its messages where those are apart."""

from __future__ import annotations

from dataclasses import dataclass

from processor.errors import NotYet
from processor.model import JSON
from processor.oauth import OAuth
from processor.ports import Answer, Clock, Http
from processor.providers.bentley.families import Family
from processor.providers.bentley.notices import is_job_id
from processor.providers.bentley.payload import STATE_ONLY
from processor.providers.bentley.states import job_state
from processor.reading import read
from processor.upstream import raise_for

_DEADLINE = 30.0


@dataclass(frozen=True, slots=True)
class Api:
    """Bentley's job APIs as one source sees them. Everything raises as ports.Provider.fetch says."""

    api_url: str
    oauth: OAuth
    clock: Clock

    def job(self, job_id: str, family: Family, http: Http) -> JSON:
        """The answer as it came, with `messages` beside `job` for a v2 job that has ended."""
        if not is_job_id(job_id):
            raise NotYet("Bentley's job ids are letters, digits and hyphens: it knows no such job")
        path, what = f"/{family.api}/jobs/{job_id}", f"Bentley, {family.api} job {job_id}"
        document = self._ask(path, what, family, http).json()
        state = job_state(read(STATE_ONLY, document)["job"]["state"])
        if not (family.separate_messages and state.ended):
            return document
        # a job that says nothing may have no messages at all; what the page answers then is not documented
        try:
            messages = self._ask(f"{path}/messages", f"{what}, messages", family, http).json()
        except NotYet:
            return document
        return {**document, "messages": messages.get("messages") if isinstance(messages, dict) else messages}

    def _ask(self, path: str, what: str, family: Family, http: Http) -> Answer:
        def send(access: str) -> Answer:
            headers = {"Authorization": f"Bearer {access}", "Accept": family.accept}
            return http.request("GET", self.api_url + path, headers=headers, timeout=_DEADLINE)

        answer = self.oauth.authorised(send)
        raise_for(answer, what, self.clock())
        return answer
