"""What several processes must agree on beside jobs and credits: slots, pauses, circuits, who is there, the folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.models import Job, JobId, Scope
from bot.store import circuits, queued_jobs, server_settings, sql
from bot.store.circuits import OpenCircuit
from bot.store.database import Tx, Unit
from bot.store.queued_jobs import AT_PROVIDER, QueuedJob
from bot.store.row_mapping import from_ms, to_ms


@dataclass(frozen=True, slots=True)
class SharedState:
    """As of one moment. `at_provider` are the jobs elsewhere that hold a slot, `waiting` those that wait for one."""

    paused: frozenset[Scope] = frozenset()
    provider_pauses: Mapping[str, datetime] = field(default_factory=dict)
    circuits: Sequence[OpenCircuit] = ()
    at_provider: Sequence[QueuedJob] = ()
    waiting: Sequence[QueuedJob] = ()
    moved: Sequence[JobId] = ()


class NoSlotError(Exception):
    """As many jobs as may are at the providers, or at this job's provider; `at_provider` are all of them."""

    def __init__(self, at_provider: Sequence[QueuedJob]) -> None:
        super().__init__("every slot is taken")
        self.at_provider = at_provider


def read(waiting: Collection[JobId], *, worker: int | None, now: datetime) -> Unit[SharedState]:
    """All of it, but for the jobs at providers that this worker of procrastinate's carries itself.

    `moved` are those of `waiting` that do not wait any more.
    """

    def unit(tx: Tx) -> SharedState:
        return SharedState(
            paused=frozenset(server_settings.paused()(tx)),
            provider_pauses={
                row["provider"]: from_ms(row["ends_at"])
                for row in tx.all("SELECT provider, ends_at FROM provider_pauses")
            },
            circuits=circuits.read(now)(tx),
            at_provider=queued_jobs.at_provider(not_of=worker)(tx),
            waiting=queued_jobs.waiting(now)(tx),
            moved=_moved(tx, waiting),
        )

    return unit


def within_slots(unit: Unit[Job | None], job: Job, *, slots: int, limit: int | None) -> Unit[Job | None]:
    """`unit`, which sends the job to its provider, where a slot is free there and in all; raises NoSlotError.

    Whoever writes does so alone, so what was counted stays so until the COMMIT.
    """

    def counted(tx: Tx) -> Job | None:
        at_provider = _at_provider(tx)
        if at_provider.total() >= slots or (limit is not None and at_provider[job.provider] >= limit):
            raise NoSlotError(queued_jobs.at_provider()(tx))
        return unit(tx)

    return counted


def pause_provider(provider: str, *, ends_at: datetime) -> Unit[None]:
    """No process sends it a job before that; a longer pause stays."""

    def unit(tx: Tx) -> None:
        tx.changed(
            "INSERT INTO provider_pauses (provider, ends_at) VALUES (:provider, :ends_at) ON CONFLICT (provider)"
            " DO UPDATE SET ends_at = excluded.ends_at WHERE provider_pauses.ends_at < excluded.ends_at",
            provider=provider,
            ends_at=to_ms(ends_at),
        )

    return unit


def register_process(process: str, *, servers: int, now: datetime, silent: timedelta) -> Unit[int]:
    """This process is there, and told of so many servers. How many are there, without those silent for that long."""

    def unit(tx: Tx) -> int:
        sql.put(tx, "processes", {"id": process}, seen_at=to_ms(now), servers=servers)
        tx.changed("DELETE FROM processes WHERE seen_at < :before", before=to_ms(now - silent))
        row = tx.one("SELECT COUNT(*) AS processes FROM processes")
        return 1 if row is None else int(row["processes"])

    return unit


def unregister_process(process: str) -> Unit[int]:
    """It is not there any more."""
    return lambda tx: tx.changed("DELETE FROM processes WHERE id = :process", process=process)


def servers() -> Unit[int | None]:
    """How many servers all processes are told of; None where there is no process but one that shares nothing."""

    def unit(tx: Tx) -> int | None:
        row = tx.one("SELECT CAST(SUM(servers) AS BIGINT) AS servers FROM processes")
        return None if row is None or row["servers"] is None else row["servers"]

    return unit


def shared_folder(mark: str) -> Unit[str]:
    """The mark of the folder that all processes share: this one where there is none yet."""

    def unit(tx: Tx) -> str:
        tx.changed("INSERT INTO shared_folders (id, mark) VALUES (1, :mark) ON CONFLICT (id) DO NOTHING", mark=mark)
        row = tx.one("SELECT mark FROM shared_folders WHERE id = 1")
        return mark if row is None else str(row["mark"])

    return unit


def _at_provider(tx: Tx) -> Counter[str]:
    rows = tx.all(f"SELECT provider, COUNT(*) AS jobs FROM jobs WHERE state IN ({AT_PROVIDER}) GROUP BY provider")
    return Counter({row["provider"]: int(row["jobs"]) for row in rows})


def _moved(tx: Tx, waiting: Collection[JobId]) -> list[JobId]:
    """Numbers alone are put into the statement."""
    if not waiting:
        return []
    ids = ", ".join(str(int(job)) for job in waiting)
    return [JobId(row["id"]) for row in tx.all(f"SELECT id FROM jobs WHERE id IN ({ids}) AND state <> 'waiting'")]
