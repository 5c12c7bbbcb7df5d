"""docs/telemetry.md, the rules and the dashboard tell of the metrics that there are, and of no other."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from test_prose import ROOT, code, table

from processor.model import EventType
from processor.store.figures import ITEMS
from processor.store.tally import REASONS
from processor.web.metrics import LATENCY, MEASURES

PAGE = ROOT / "docs/telemetry.md"
KNOWN = {measure.name for measure in MEASURES}
PARTS = {f"{LATENCY}_{part}" for part in ("bucket", "count", "sum")}


def named(expression: str) -> set[str]:
    """The metrics of ours in an expression of PromQL."""
    return set(re.findall(r"\bjobwire_\w+", expression))


def test_the_table_has_every_metric_with_its_labels_and_what_it_says() -> None:
    rows = table(PAGE, "metric")
    assert [code(row[0])[0] for row in rows] == [measure.name for measure in MEASURES]
    for row, measure in zip(rows, MEASURES, strict=True):
        assert tuple(code(row[1])) == measure.labels
        assert row[2].startswith(measure.says), row[2]


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("jobwire_rejections_total", REASONS),
        ("jobwire_queue_depth", ITEMS),
        ("jobwire_notifications_total", ("accepted", "duplicate", "revived", "ignored", "rejected")),
        ("jobwire_deliveries_total", ("delivered", "retried", "dead")),
    ],
)
def test_the_table_names_every_value_of_a_label(metric: str, words: tuple[str, ...]) -> None:
    [says] = [row[2] for row in table(PAGE, "metric") if code(row[0])[:1] == [metric]]
    assert set(code(says)) >= set(words)


def test_every_alarm_has_a_row_that_says_what_to_do() -> None:
    rows = table(PAGE, "type", "## Alarms")
    alarms = {str(kind) for kind in EventType if kind.startswith("ops.")} - {str(EventType.OPS_TEST)}
    assert {code(row[0])[0] for row in rows} == alarms
    assert all(len(row) == 4 and row[3] for row in rows)


def test_the_rules_are_rules_about_metrics_that_there_are() -> None:
    [group] = yaml.safe_load((ROOT / "docs/alert-rules.yml").read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names)) >= 10
    for rule in group["rules"]:
        assert named(rule["expr"]), rule["alert"]
        assert named(rule["expr"]) <= KNOWN | PARTS, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_labels_that_rules_and_panels_name_are_those_of_their_metrics() -> None:
    """A label that no metric has matches nothing, and nobody notices."""
    labels = {label for measure in MEASURES for label in measure.labels} | {"le"}
    for expression, said in expressions():
        told = set(re.findall(r"(\w+)\s*(?:=~|!=|=)\s*\"", expression)) | set(re.findall(r"labels\.(\w+)", said))
        grouped = [
            name.strip() for group in re.findall(r"(?:by|on) \(([^)]*)\)", expression) for name in group.split(",")
        ]
        shown = re.findall(r"\{\{(\w+)\}\}", said)
        assert told | set(grouped) | set(shown) <= labels, expression


def expressions() -> list[tuple[str, str]]:
    """Every expression, and the text beside it."""
    [group] = yaml.safe_load((ROOT / "docs/alert-rules.yml").read_text())["groups"]
    rules = [(rule["expr"], str(rule["annotations"])) for rule in group["rules"]]
    return rules + [(target["expr"], target["legendFormat"]) for panel in panels() for target in panel["targets"]]


def panels() -> list[Any]:
    found: list[Any] = json.loads((ROOT / "docs/grafana-dashboard.json").read_text())["panels"]
    return found


def test_the_panels_show_metrics_that_there_are_each_at_a_place_of_its_own() -> None:
    shown = {name for panel in panels() for target in panel["targets"] for name in named(target["expr"])}
    assert shown <= KNOWN | PARTS
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles)) >= 12
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "two panels overlap"
    assert max(x for x, _ in cells) < 24
