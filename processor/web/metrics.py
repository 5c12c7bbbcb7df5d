"""`GET /metrics`: what Redis knows of all processes, as Prometheus reads it. Nothing is counted in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from processor import __version__
from processor.model import EventType, State
from processor.settings import Settings
from processor.store import keys
from processor.store.figures import ITEMS, Figures, Queue
from processor.store.pulse import BUCKETS
from processor.store.rejections import UNKNOWN
from processor.store.tally import REASONS
from processor.web import access

Value = tuple[str, tuple[str, ...], float]  # of which metric, its labels, the number


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric: its whole name, the names of its labels, and what it says."""

    name: str
    labels: tuple[str, ...]
    says: str

    @property
    def kind(self) -> str:
        if self.name == LATENCY:
            return "histogram"
        return "counter" if self.name.endswith("_total") else "gauge"


LATENCY = "jobwire_event_latency_seconds"
MEASURES = (
    Measure("jobwire_notifications_total", ("source", "outcome"), "Notifications: webhooks, and finds of lists"),
    Measure("jobwire_rejections_total", ("source", "reason"), "Requests that were turned away"),
    Measure("jobwire_refreshes_total", ("source", "outcome"), "Looks at jobs"),
    Measure("jobwire_budget_calls_total", ("source",), "Calls that a source's budget paid for"),
    Measure("jobwire_budget_own_calls_total", ("source",), "Those for lists, and for looking at jobs again"),
    Measure("jobwire_budget_limit", ("source", "window"), "Calls that the provider allows within a window"),
    Measure("jobwire_budget_left", ("source", "window"), "Calls of them that may still go now"),
    Measure("jobwire_queue_depth", ("kind", "name", "state"), "Notifications and events by how they stand"),
    Measure("jobwire_queue_oldest_seconds", ("kind", "name"), "Age of the one that has waited longest"),
    Measure("jobwire_queue_overdue_seconds", ("kind", "name"), "How late work is that is due and in nobody's hand"),
    Measure("jobwire_lanes", ("kind", "name", "state"), "Jobs that have work at a source or sink"),
    Measure("jobwire_failing_seconds", ("kind", "name"), "How long a far end has done nothing but fail"),
    Measure("jobwire_paused_seconds", ("kind", "name"), "How long nobody asks or tells it yet"),
    Measure("jobwire_deliveries_total", ("sink", "outcome"), "Attempts to deliver"),
    Measure("jobwire_replayed_total", ("sink",), "Deliveries that somebody asked for once more"),
    Measure(LATENCY, ("sink",), "From the notification to the delivery that came of it"),
    Measure("jobwire_events_total", ("type",), "Events found"),
    Measure("jobwire_jobs", ("source", "state"), "Jobs by state"),
    Measure("jobwire_dead", ("kind",), "What cannot succeed and waits for a person"),
    Measure("jobwire_repaired_total", ("source",), "Jobs whose end no webhook told of"),
    Measure("jobwire_drift_total", ("source",), "Words of the provider that are not known"),
    Measure("jobwire_alarms", ("type", "place"), "Alarms that stand"),
    Measure("jobwire_heard_timestamp_seconds", ("source",), "When a genuine webhook came last"),
    Measure("jobwire_workers", (), "Worker processes seen within a minute"),
    Measure("jobwire_build_info", ("version",), "Always 1"),
)
_OF_SOURCES = (
    EventType.OPS_SOURCE_SILENT,
    EventType.OPS_REJECTIONS,
    EventType.OPS_SUBSCRIPTION_BROKEN,
    EventType.OPS_JOB_STUCK,
)
_NOTIFICATIONS = {"accepted": "new", "duplicate": "duplicate", "revived": "revived", "ignored": "ignored"}


def blueprint(settings: Settings, read: Callable[[], Figures]) -> Blueprint:
    """`read` raises Unavailable when Redis cannot say."""
    routes = Blueprint("metrics", __name__)
    routes.before_request(access.guard(settings.server.admin_token))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Now(settings, read))

    @routes.get("/metrics")
    def metrics() -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type)

    return routes


class _Now(Collector):
    """Reads at every scrape, and at no other time."""

    def __init__(self, settings: Settings, read: Callable[[], Figures]) -> None:
        self._settings = settings
        self._read = read

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        figures = self._read()
        families = {measure.name: _family(measure) for measure in MEASURES if measure.name != LATENCY}
        for name, labels, number in values(self._settings, figures):
            families[name].add_metric(labels, number)
        yield from families.values()
        yield _latency(self._settings, figures)


def _family(measure: Measure) -> CounterMetricFamily | GaugeMetricFamily:
    if measure.kind == "counter":
        return CounterMetricFamily(measure.name.removesuffix("_total"), measure.says, labels=measure.labels)
    return GaugeMetricFamily(measure.name, measure.says, labels=measure.labels)


def values(settings: Settings, figures: Figures) -> Iterator[Value]:
    """Every number but the latencies; whatever is configured has its own from the start, 0 at first."""
    yield "jobwire_build_info", (__version__,), 1
    yield "jobwire_workers", (), figures.workers
    for kind, of in (("notification", "r"), ("delivery", "d")):
        yield "jobwire_dead", (kind,), figures.dead[of]
    for event in EventType:
        yield "jobwire_events_total", (str(event),), figures.counters.get(f"events:{event}", 0)
    for source in settings.sources:
        yield from _of_source(settings, figures, source)
    for sink in settings.sinks:
        yield from _of_sink(figures, sink)
    yield from _turned_away(figures, UNKNOWN)
    yield from _alarms(settings, figures)


def _of_source(settings: Settings, figures: Figures, source: str) -> Iterator[Value]:
    count, resource = figures.counters.get, keys.refreshing(source)
    for outcome, word in _NOTIFICATIONS.items():
        yield "jobwire_notifications_total", (source, outcome), count(f"notifications:{resource}:{word}", 0)
    yield from _turned_away(figures, source)
    for outcome, field in (("ok", "refreshed"), ("retried", "retries"), ("dead", "dead")):
        yield "jobwire_refreshes_total", (source, outcome), count(f"{field}:{resource}", 0)
    yield "jobwire_budget_calls_total", (source,), count(f"spent:{resource}", 0)
    yield "jobwire_budget_own_calls_total", (source,), count(f"spent:{resource}:own", 0)
    for rate, used in zip(settings.sources[source].rate_limits, figures.used.get(resource, ()), strict=False):
        window = f"{rate.seconds:g}s"
        yield "jobwire_budget_limit", (source, window), rate.count
        yield "jobwire_budget_left", (source, window), max(0, rate.count - used)
    yield from _queue("refresh", source, figures.queues[resource])
    for state in State:
        yield "jobwire_jobs", (source, str(state)), figures.jobs.get((source, str(state)), 0)
    yield "jobwire_repaired_total", (source,), count(f"repaired:{source}", 0)
    yield "jobwire_drift_total", (source,), count(f"drift:{source}", 0)
    if source in figures.heard:
        yield "jobwire_heard_timestamp_seconds", (source,), figures.heard[source]


def _of_sink(figures: Figures, sink: str) -> Iterator[Value]:
    count, resource = figures.counters.get, keys.delivering(sink)
    yield "jobwire_deliveries_total", (sink, "delivered"), count(f"deliveries:{resource}:delivered", 0)
    yield "jobwire_deliveries_total", (sink, "retried"), count(f"retries:{resource}", 0)
    yield "jobwire_deliveries_total", (sink, "dead"), count(f"dead:{resource}", 0)
    yield "jobwire_replayed_total", (sink,), count(f"replayed:{resource}", 0)
    yield from _queue("deliver", sink, figures.queues[resource])


def _turned_away(figures: Figures, source: str) -> Iterator[Value]:
    reasons = {reason: figures.counters.get(f"rejections:{source}:{reason}", 0) for reason in REASONS}
    yield "jobwire_notifications_total", (source, "rejected"), sum(reasons.values())
    for reason, times in reasons.items():
        yield "jobwire_rejections_total", (source, reason), times


def _queue(kind: str, name: str, queue: Queue) -> Iterator[Value]:
    for state in ITEMS:
        yield "jobwire_queue_depth", (kind, name, state), queue.items[state]
    for state in ("due", "later", "in_hand", "look_again"):
        yield "jobwire_lanes", (kind, name, state), getattr(queue, state)
    yield "jobwire_queue_oldest_seconds", (kind, name), queue.oldest
    yield "jobwire_queue_overdue_seconds", (kind, name), queue.overdue
    yield "jobwire_failing_seconds", (kind, name), queue.failing
    yield "jobwire_paused_seconds", (kind, name), queue.paused


def _alarms(settings: Settings, figures: Figures) -> Iterator[Value]:
    possible = {(str(kind), f"sources/{source}"): 0 for source in settings.sources for kind in _OF_SOURCES}
    possible |= {(str(EventType.OPS_SINK_FAILING), f"sinks/{sink}"): 0 for sink in settings.sinks}
    for (kind, place), standing in (possible | dict(figures.alarms)).items():
        yield "jobwire_alarms", (kind, place), standing


def _latency(settings: Settings, figures: Figures) -> HistogramMetricFamily:
    """Redis has each delivery in one bucket; Prometheus wants in each those of the smaller ones too."""
    says = next(measure.says for measure in MEASURES if measure.name == LATENCY)
    family = HistogramMetricFamily(LATENCY, says, labels=["sink"])
    for sink in settings.sinks:
        resource = keys.delivering(sink)
        each = (figures.counters.get(f"late:{resource}:le:{most}", 0) for most in BUCKETS)
        buckets = list(zip(BUCKETS, accumulate(each), strict=True))
        family.add_metric([sink], buckets, figures.counters.get(f"late:{resource}:ms", 0) / 1000)
    return family
