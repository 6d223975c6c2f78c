"""What is counted, under which names, and that no number of members, models or providers makes the series many."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bot.catalog import load_catalog
from bot.metrics.discord_requests import kind_of, result_of
from bot.metrics.instruments import OTHER, Instruments
from bot.metrics.scrape import Folders, Gauges, Memory
from bot.models import FailureKind, JobState, LedgerKind, Limit, Period
from bot.store.jobs import Moved
from bot.store.ledger import Booked
from tests.builders import a_job, a_spec


@pytest.fixture(name="registry")
def _registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture(name="instruments")
def _instruments(registry: CollectorRegistry) -> Instruments:
    return Instruments(registry, load_catalog("openrouter"))


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"animate_{name}", labels)


def test_a_state_that_no_job_has_come_into_is_told_as_zero(
    registry: CollectorRegistry, instruments: Instruments
) -> None:
    for model in load_catalog("openrouter").models:
        labels = {"state": "unknown", "provider": model.provider, "model": model.id}
        assert value(registry, "job_transitions_total", **labels) == 0


def test_a_model_or_provider_that_the_catalog_does_not_know_is_called_other(
    registry: CollectorRegistry, instruments: Instruments
) -> None:
    for number in range(50):
        job = a_job(number, spec=a_spec(model=f"gone-{number}"), provider=f"gone-{number}", state=JobState.FAILED)
        instruments.committed(Moved(job.evolve(failure=FailureKind.BUSY), JobState.WAITING))

    assert value(registry, "job_transitions_total", state="failed", provider=OTHER, model=OTHER) == 50
    assert value(registry, "job_failures_total", reason="busy", provider=OTHER, model=OTHER) == 50
    assert "gone-" not in generate_latest(registry).decode()


def test_credits_are_counted_as_they_are_booked(registry: CollectorRegistry, instruments: Instruments) -> None:
    instruments.committed(Booked(LedgerKind.RESERVE, -4))
    instruments.committed(Booked(LedgerKind.RESERVE, -8))
    instruments.committed(Booked(LedgerKind.REFUND, 8))
    instruments.committed(Booked(LedgerKind.GRANT, 100))

    assert value(registry, "credits_reserved_total") == 12
    assert value(registry, "credits_refunded_total") == 8


def test_every_metric_says_in_a_sentence_what_it_is(registry: CollectorRegistry, instruments: Instruments) -> None:
    text = generate_latest(registry).decode()

    families = list(text_string_to_metric_families(text))

    assert len(families) > 15
    assert [family.name for family in families if not re.fullmatch(r"[A-Z].+\.", family.documentation)] == []
    assert {family.type for family in families} == {"counter", "histogram"}  # none of them `_created`


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/api/v10/interactions/1/aW50/callback", ("answer", "token")),
        ("PATCH", "/api/v10/webhooks/1/aW50/messages/2", ("edit", "token")),
        ("PATCH", "/api/v10/webhooks/1/aW50/messages/@original", ("edit", "token")),
        ("PATCH", "/api/v10/channels/1/messages/2", ("edit", "bot")),
        ("POST", "/api/v10/webhooks/1/aW50", ("message", "token")),
        ("POST", "/api/v10/channels/1/messages", ("message", "bot")),
        ("DELETE", "/api/v10/channels/1/messages/2", ("delete", "bot")),
        ("PUT", "/api/v10/applications/1/commands", ("other", "bot")),
        ("GET", "/api/v10/webhooks/1/aW50/messages/@original", ("other", "bot")),
    ],
)
def test_a_request_to_discord_is_known_by_its_method_and_path(method: str, path: str, kind: tuple[str, str]) -> None:
    assert kind_of(method, path) == kind


def test_a_rate_limit_is_a_result_of_its_own() -> None:
    assert [result_of(status) for status in (200, 204, 404, 429, 503)] == ["2xx", "2xx", "4xx", "429", "5xx"]


def gauges_of(shards: list[float] | None, instruments: Instruments, folder: Path) -> Gauges:
    memory = Memory(0, 0, 0.0, 0, 1, {}, shards, clock_ahead_s=0.0, backups=None)
    return Gauges(memory, None, Limit(1, Period.DAY), Folders(folder, folder / "animate.db"), instruments)


def test_a_shard_whose_first_heartbeat_is_not_acknowledged_yet_is_connected_and_has_no_latency(
    registry: CollectorRegistry, instruments: Instruments, tmp_path: Path
) -> None:
    registry.register(gauges_of([math.inf, math.nan, 0.25], instruments, tmp_path))

    assert value(registry, "gateway_shards") == 3
    assert value(registry, "gateway_shards_connected") == 2
    latencies = [value(registry, "gateway_latency_seconds", shard=f"{n}") for n in range(3)]
    assert latencies == [None, None, 0.25]


def test_a_process_without_the_gateway_tells_nothing_of_it(
    registry: CollectorRegistry, instruments: Instruments, tmp_path: Path
) -> None:
    registry.register(gauges_of(None, instruments, tmp_path))

    assert value(registry, "slots") == 1
    assert value(registry, "gateway_shards") is None
    assert value(registry, "gateway_shards_connected") is None
