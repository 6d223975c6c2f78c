"""What is read at the moment of a scrape: gauges of what the bot holds in memory, in the database and on the disk."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.jobs.circuit_breaker import State
from bot.metrics.instruments import Instruments
from bot.models import Limit
from bot.store.metrics_queries import OPEN_STATES, Figures

CIRCUITS = (State.OPEN, State.HALF_OPEN)


@dataclass(frozen=True, slots=True)
class BackupTimes:
    """Of the backups on a schedule. `last_s` is Unix time, 0 where there is none."""

    every_s: float
    last_s: float
    has_failed: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """Of the bot, read on its loop. `shards` has each one's latency in seconds: NaN where it is not connected, infinite
    before its first heartbeat is acknowledged.
    """

    queue_jobs: int
    queue_held: int
    queue_oldest_s: float
    slots_used: int
    slots: int
    circuits: Mapping[tuple[str, State], int]  # by provider
    shards: Sequence[float] | None  # None where this process has no gateway
    clock_ahead_s: float
    backups: BackupTimes | None


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the bot keeps what."""

    data: Path
    database: Path | None


class Gauges(Collector):
    """The gauges of one scrape. Without `figures` the database did not tell."""

    def __init__(
        self, memory: Memory, figures: Figures | None, budget: Limit, folders: Folders, names: Instruments
    ) -> None:
        self._memory = memory
        self._figures = figures
        self._budget = budget
        self._folders = folders
        self._names = names

    def collect(self) -> Iterator[Metric]:
        """Reads the disk, so not on the loop."""
        yield from self._of_memory()
        yield from self._of_database()
        yield from self._of_disk()

    def _of_memory(self) -> Iterator[Metric]:
        memory = self._memory
        yield _gauge("queue_jobs", "Jobs that wait for a slot at their provider.", memory.queue_jobs)
        yield _gauge("queue_held_jobs", "Of these: held by a pause or an open circuit.", memory.queue_held)
        yield _gauge("queue_oldest_seconds", "Age of the oldest job that waits.", memory.queue_oldest_s)
        yield _gauge("slots_used", "Jobs that are being submitted or rendered.", memory.slots_used)
        yield _gauge("slots", "How many may be at once: MAX_CONCURRENT_JOBS.", memory.slots)
        rows = [
            ([provider, state.name.lower()], memory.circuits.get((provider, state), 0))
            for provider in self._names.providers
            for state in CIRCUITS
        ]
        yield _gauges("circuits", "Circuits that are not closed.", ["provider", "state"], rows)
        if memory.shards is not None:
            yield from self._of_shards(memory.shards)
        yield _gauge("clock_ahead_seconds", "This machine's clock less Discord's.", memory.clock_ahead_s)
        if (backups := memory.backups) is not None:
            yield _gauge("backup_every_seconds", "BACKUP_EVERY.", backups.every_s)
            yield _gauge("backup_last_timestamp_seconds", "When the newest backup was made; 0: never.", backups.last_s)
            yield _gauge("backup_failing", "1 where the last try to make a backup failed.", int(backups.has_failed))

    def _of_shards(self, shards: Sequence[float]) -> Iterator[Metric]:
        up = sum(not math.isnan(latency_s) for latency_s in shards)
        yield _gauge("gateway_shards", "Shards of the connection to Discord.", len(shards))
        yield _gauge("gateway_shards_connected", "Shards that hear Discord.", up)
        yield _gauges(
            "gateway_latency_seconds",
            "From a heartbeat to its acknowledgement.",
            ["shard"],
            [([str(n)], latency_s) for n, latency_s in enumerate(shards) if math.isfinite(latency_s)],
        )

    def _of_database(self) -> Iterator[Metric]:
        yield _gauge("database_up", "1 where the database answered this scrape.", int(self._figures is not None))
        yield _gauge("budget_limit_credits", "BUDGET_CREDITS.", self._budget.credits)
        if self._figures is None:
            return
        yield _gauge("budget_used_credits", "Credits of the budget's period that are spent.", self._figures.budget_used)
        counts: dict[tuple[str, str, str], int] = {}
        for found in self._figures.jobs:
            key = found.state, self._names.provider_label(found.provider), self._names.model_label(found.model)
            counts[key] = counts.get(key, 0) + found.count
        seen = {state for state, _, _ in counts}
        rows = [(list(key), count) for key, count in sorted(counts.items())]
        rows += [([state, "", ""], 0) for state in OPEN_STATES if state not in seen]
        yield _gauges("jobs", "Jobs that have not ended, by state.", ["state", "provider", "model"], rows)

    def _of_disk(self) -> Iterator[Metric]:
        database = self._folders.database
        if database is not None:
            sizes = [([name], _size(database.with_name(database.name + end))) for name, end in _FILES.items()]
        else:
            known = None if self._figures is None else self._figures.size_bytes
            sizes = [] if known is None else [(["database"], known)]
        yield _gauges("database_size_bytes", "Bytes of the database and of its write-ahead log.", ["file"], sizes)
        try:
            usage = shutil.disk_usage(self._folders.data)
        except OSError:
            return  # a gauge that is missing tells it
        yield _gauge("disk_free_bytes", "Bytes that are free where DATA_DIR is.", usage.free)
        yield _gauge("disk_size_bytes", "Bytes of the disk where DATA_DIR is.", usage.total)


_FILES = {"database": "", "wal": "-wal"}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(f"animate_{name}", says, value)


def _gauges(name: str, says: str, labels: Sequence[str], rows: Iterable[tuple[list[str], float]]) -> Metric:
    family = GaugeMetricFamily(f"animate_{name}", says, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
