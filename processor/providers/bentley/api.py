"""What we ask Bentley: a job of one of its job APIs, with its progress and its messages, which are apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from processor.errors import NotYet, Permanent, RateLimited, ReconnectNeeded, Retryable, Unreachable, Unreadable
from processor.model import JSON
from processor.oauth import OAuth
from processor.ports import Answer, Clock, Http
from processor.providers.bentley.families import FAMILIES, Family
from processor.providers.bentley.notices import is_job_id
from processor.providers.bentley.payload import STATE_ONLY
from processor.providers.bentley.states import is_running, job_state
from processor.reading import read
from processor.upstream import raise_for

_DEADLINE = 30.0
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True)
class Api:
    """Bentley's platform as one source sees it. Everything raises as ports.Provider.fetch says."""

    api_url: str
    oauth: OAuth
    clock: Clock

    def job(self, job_id: str, family: Family, http: Http) -> JSON:
        """The answer as it came; beside `job` it has the `progress` of one that is running, and the `messages` of a v2
        job that has ended."""
        document = self._job(job_id, family, http)
        word = read(STATE_ONLY, document)["job"]["state"]
        path, what = f"/{family.api}/jobs/{job_id}", _named(job_id, family)
        if is_running(word):
            progress = self._progress(path, what, family, http)
            return document if progress is None else {**document, "progress": progress}
        if not (family.separate_messages and job_state(word).ended):
            return document
        # a job that says nothing may have no messages at all; what the page answers then is not documented
        try:
            messages = self.ask("GET", f"{path}/messages", f"{what}, messages", family.accept, http).json()
        except NotYet:
            return document
        return {**document, "messages": messages.get("messages") if isinstance(messages, dict) else messages}

    def find(self, job_id: str, http: Http) -> str:
        """The name of the first job API that knows the job: see ports.Finds. An API that does not answer for itself
        alone, be it not part of the plan, hides no other."""
        troubles: list[Retryable | Permanent] = []
        for family in FAMILIES:
            try:
                read(STATE_ONLY, self._job(job_id, family, http))
            except NotYet:
                continue
            except (RateLimited, Unreachable, ReconnectNeeded):  # the next one would fare no better
                raise
            except (Retryable, Permanent) as e:
                troubles.append(e)
            else:
                return family.api
        said = "; ".join(["none of Bentley's job APIs knows this job (yet)", *(e.message for e in troubles)])
        raise next((type(e) for e in troubles if isinstance(e, Retryable)), NotYet)(said)

    def ask(self, method: str, path: str, what: str, accept: str, http: Http, body: JSON | None = None) -> Answer:
        """One call; `path` comes behind `api_url`, `what` is a short noun for messages."""
        return self.checked(self.send(method, path, accept, http, body), what)

    def checked(self, answer: Answer, what: str) -> Answer:
        """The answer, if it is one to be glad of."""
        raise_for(answer, f"{what}{_code(answer)}", self.clock())
        return answer

    def send(self, method: str, path: str, accept: str, http: Http, body: JSON | None = None) -> Answer:
        """The same, whatever the status of the answer."""

        def send(access: str) -> Answer:
            headers = {"Authorization": f"Bearer {access}", "Accept": accept}
            return http.request(method, self.api_url + path, headers=headers, json=body, timeout=_DEADLINE)

        return self.oauth.authorised(send)

    def _job(self, job_id: str, family: Family, http: Http) -> JSON:
        if not is_job_id(job_id):
            raise NotYet("Bentley's job ids are letters, digits and hyphens: it knows no such job")
        return self.ask("GET", f"/{family.api}/jobs/{job_id}", _named(job_id, family), family.accept, http).json()

    def _progress(self, path: str, what: str, family: Family, http: Http) -> JSON:
        """None where there is none, which their documentation allows for; nothing that is wrong with it hides a job."""
        try:
            answer = self.ask("GET", f"{path}/progress", f"{what}, progress", family.accept, http).json()
        except (RateLimited, ReconnectNeeded):
            raise
        except (Retryable, Permanent):
            return None
        # https://developer.bentley.com/apis/contextcapture/operations/jobs-progress, and the same page of the others
        shown = (answer.get("jobProgress") or answer.get("progress")) if isinstance(answer, dict) else None
        return shown if isinstance(shown, dict) else None


def _named(job_id: str, family: Family) -> str:
    return f"Bentley, {family.api} job {job_id}"


def _code(answer: Answer) -> str:
    """Bentley's own word for what is wrong, " (JobNotFound)"; nothing where the body has none."""
    if answer.status < 400:
        return ""
    try:
        body = answer.json()
    except Unreadable:
        return ""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
