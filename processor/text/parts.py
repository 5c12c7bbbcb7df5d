"""The parts of which sentences and facts are made: which job, which model, why, how much, where."""

from __future__ import annotations

from collections.abc import Mapping

from processor.model import JSON
from processor.text.lines import NAME, VALUE, at, clean, plain


def kind_of(event: Mapping[str, JSON]) -> str:
    """The event's type, whether we know it or not."""
    return plain(at(event, "type"))


def is_alarm(event: Mapping[str, JSON]) -> bool:
    """Whether it is about ourselves, not about a job."""
    return kind_of(event).startswith("ops.")


def job_of(event: Mapping[str, JSON]) -> tuple[str, str] | None:
    """The job that it is about, as source and id; None for an alarm, and for a document that does not say."""
    if is_alarm(event):
        return None
    source, _, job_id = plain(at(event, "partitionkey")).partition("/")
    if not (source and job_id):
        source, job_id = plain(at(event, "data", "source")) or place(event), _job_id(event)
    return (source, job_id) if source and job_id else None


def job_name(event: Mapping[str, JSON]) -> str:
    """ "Main House (15084303)", or what of it is known."""
    return _named(at(event, "data", "job", "name"), _job_id(event))


def model_name(event: Mapping[str, JSON]) -> str:
    """ "Garage", "model 15081686"; nothing where no model is concerned but the one that is the job."""
    model = at(event, "data", "model")
    model_id = at(model, "id") or plain(at(event, "subject")).partition("/models/")[2]
    if (model is None and not model_id) or model_id == _job_id(event):
        return ""
    return clean(plain(at(model, "name")), NAME) or clean(f"model {plain(model_id)}", NAME)


def thing(event: Mapping[str, JSON]) -> str:
    """What it happened to: "Garage (Main House, 15084303)", "Main House (15084303)", "15084303"."""
    model = model_name(event)
    names = [at(event, "data", "job", "name"), _job_id(event)]
    return _named(model, *[name for name in names if clean(plain(name), NAME) != model])


def place(event: Mapping[str, JSON]) -> str:
    """The name of the source or sink."""
    return clean(plain(at(event, "source")).rpartition("/")[2], VALUE)


def reason(event: Mapping[str, JSON]) -> str:
    """Why it failed, in the provider's words; nothing where it did not, or nobody says."""
    failure = at(event, "data", "failure")
    return plain(at(failure, "message") or at(failure, "title") or at(failure, "code"))


def amount(event: Mapping[str, JSON]) -> str:
    """What an estimate comes to: "12,345,678.9 USD"."""
    estimate = at(event, "data", "cost_estimate")
    number = at(estimate, "amount")
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return ""
    units = [plain(unit) for name in ("currency", "units") if (unit := at(estimate, name))]
    try:
        return " ".join([f"{number:,.12g}", *units])
    except OverflowError:  # JSON knows integers that no float can hold
        return " ".join([plain(number), *units])


def address(event: Mapping[str, JSON]) -> str:
    """The job's address in one line."""
    of_job = at(event, "data", "job", "address")
    town = " ".join(plain(part) for name in ("region", "postal_code") if (part := at(of_job, name)))
    lines = [at(of_job, "line1"), at(of_job, "line2"), at(of_job, "city"), town, at(of_job, "country")]
    return ", ".join(plain(line) for line in lines if line)


def _job_id(event: Mapping[str, JSON]) -> str:
    subject = plain(at(event, "subject"))
    of_subject = subject.removeprefix("jobs/").partition("/models/")[0] if subject.startswith("jobs/") else ""
    return plain(at(event, "data", "job", "id")) or of_subject


def _named(*names: JSON) -> str:
    first, *others = [said for name in names if (said := clean(plain(name), NAME))] or ["unknown"]
    return f"{first} ({', '.join(others)})" if others else first
