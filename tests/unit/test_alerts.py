"""deploy/alerts.yaml: each alert fires at its fault, and none in two fair hours; each leads to a section to read."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from bot.catalog import load_catalog
from bot.metrics.instruments import FAILURES_OF_PROVIDERS, Instruments
from tests.alert_faults import FAIR, FAULTS, STEPS
from tests.promtool import promtool
from tests.thorough import mostly_thorough

PROJECT = Path(__file__).parents[2]
RULES = PROJECT / "deploy" / "alerts.yaml"
ONE = ("a circuit is open",)
DASHBOARD = PROJECT / "deploy" / "grafana.json"


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return list(group["rules"])


def series(name: str) -> str:
    """With the labels that Prometheus adds."""
    bare, _, labels = name.partition("{")
    return f'{bare}{{job="j", instance="i"{", " + labels if labels else "}"}'


def case(name: str, changes: dict[str, str], fires: str | None) -> dict[str, Any]:
    """Two hours, at whose end this alert fires and no other."""
    given = [{"series": series(each), "values": values} for each, values in {**FAIR, **changes}.items()]
    expected = [] if fires is None else [{"labels": f'{{alertname="{fires}"}}', "value": 1}]
    asked = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": f"{STEPS // 2 - 1}m"}
    return {
        "name": name,
        "interval": "30s",
        "input_series": given,
        "promql_expr_test": [{**asked, "exp_samples": expected}],
    }


def test_the_rules_are_valid() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", str(RULES))


@pytest.mark.parametrize("faults", mostly_thorough([ONE, tuple(FAULTS)], [ONE]), ids=["one", "all"])
def test_each_alert_fires_at_its_fault_and_none_in_fair_hours(tmp_path: Path, faults: Sequence[str]) -> None:
    cases = [case(fault, FAULTS[fault][1], FAULTS[fault][0]) for fault in faults]
    document = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case("fair", {}, None), *cases]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document), "utf-8")

    promtool("test", "rules", str(tmp_path / "test.yaml"))


def test_the_documents_lines_are_a_configuration_for_prometheus(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```yaml\n(.*?)^```$", (PROJECT / "docs" / "operations.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = [block for block in blocks if block.startswith(("rule_files:", "alerting:"))]
    (tmp_path / "prometheus.yml").write_text("".join(lines), "utf-8")
    shutil.copy(RULES, tmp_path)

    assert len(lines) == 2
    assert "1 rule files found" in promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_an_alert_that_does_not_fire_would_be_seen(tmp_path: Path) -> None:
    document = {"rule_files": [str(RULES)], "tests": [case("fair", {}, "AnimateDown")]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document), "utf-8")

    with pytest.raises(AssertionError, match="AnimateDown"):
        promtool("test", "rules", str(tmp_path / "test.yaml"))


def test_each_alert_has_a_fault_that_it_fires_at() -> None:
    assert {alert for alert, _ in FAULTS.values()} == {rule["alert"] for rule in alerts()}


def test_each_alert_leads_to_a_section_that_there_is() -> None:
    document = (PROJECT / "docs" / "operations.md").read_text("utf-8")
    headings = set(re.findall(r"^## (.+)$", document, re.MULTILINE))
    named = {name for rule in alerts() for name in re.findall(r"`([A-Z][^`]+)`", rule["annotations"]["description"])}

    assert len(named) > 5
    assert named <= headings


def test_the_failures_that_an_alert_counts_are_told_as_zero_from_the_start() -> None:
    (rule,) = [rule for rule in alerts() if rule["alert"] == "AnimateVideosFail"]

    assert re.findall(r'reason=~"(.*?)"', rule["expr"]) == ["|".join(FAILURES_OF_PROVIDERS)]
    registry = CollectorRegistry()
    catalog = load_catalog()
    Instruments(registry, catalog)
    model, *_ = catalog.models
    labels = {"provider": model.provider, "model": model.id}
    for reason in FAILURES_OF_PROVIDERS:
        assert registry.get_sample_value("animate_job_failures_total", {**labels, "reason": reason}) == 0


def exposed() -> set[str]:
    """The names of all metrics that are there from the start, and of the gauges by the names in their source."""
    registry = CollectorRegistry()
    Instruments(registry, load_catalog())
    counted = set(re.findall(r"^# HELP (\w+) ", generate_latest(registry).decode(), re.MULTILINE))
    source = (PROJECT / "bot" / "metrics" / "scrape.py").read_text("utf-8")
    return (
        counted | {f"animate_{name}" for name in re.findall(r'_gauges?\(\s*"(\w+)"', source)} | {"animate_build_info"}
    )


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [*shown, *(rule["expr"] for rule in alerts())]


def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    asked = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for expression in expressions()
        for name in re.findall(r"\banimate_\w+", expression)
    }

    assert len(asked) > 25
    assert asked - exposed() == set()


def test_what_the_dashboard_asks_is_valid(tmp_path: Path) -> None:
    asked = [expression.replace("$job", ".*").replace("$__rate_interval", "5m") for expression in expressions()]
    rules = [{"record": f"asked_{n}", "expr": expression} for n, expression in enumerate(asked)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}), "utf-8")

    assert f"{len(rules)} rules found" in promtool("check", "rules", str(tmp_path / "rules.yaml"))


def test_the_documents_have_a_small_picture_of_the_dashboard() -> None:
    document = (PROJECT / "docs" / "operations.md").read_text("utf-8")
    (name,) = re.findall(r"^!\[.+\]\((dashboard\.png)\)$", document, re.MULTILINE)
    data = (PROJECT / "docs" / name).read_bytes()

    assert data.startswith(b"\x89PNG")
    assert len(data) < 400_000


def test_every_metric_of_the_bot_stands_on_the_dashboard() -> None:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    shown = " ".join(target["expr"] for panel in panels for target in panel.get("targets", ()))

    assert {name for name in exposed() if name not in shown} == set()
