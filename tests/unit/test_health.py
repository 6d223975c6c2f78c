"""What /metrics says, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from bot.health import HELP, exposition
from bot.models import JobState
from bot.version import VERSION


def test_every_metric_says_what_it_is_and_of_which_type() -> None:
    text = exposition({"queue_waiting": 2, "at_provider": 1}, {JobState.WAITING: 3}).decode()

    found = {family.name: family for family in text_string_to_metric_families(text)}

    build = found.pop("animate_build_info")
    assert [sample.labels["version"] for sample in build.samples] == [VERSION]
    assert {name: family.type for name, family in found.items()} == dict.fromkeys(
        ("animate_queue_waiting", "animate_at_provider", "animate_jobs"), "gauge"
    )
    assert all(family.documentation.endswith(".") for family in found.values())
    assert [sample.value for sample in found["animate_queue_waiting"].samples] == [2]
    states = {sample.labels["state"]: sample.value for sample in found["animate_jobs"].samples}
    assert states == {state: 3 if state is JobState.WAITING else 0 for state in JobState}
    assert text.endswith("\n")


def test_jobs_are_left_out_where_the_database_does_not_tell() -> None:
    text = exposition(dict.fromkeys(HELP, 0), None).decode()

    assert "animate_jobs" not in text
    assert "# HELP animate_at_provider " in text
