"""The circuits of all processes that are not closed, and who tries them again: one job, or one question, at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.models import FailureKind, Job, JobId, JobState
from bot.store import sql
from bot.store.database import Row, Tx, Unit
from bot.store.row_mapping import from_ms, to_ms

QUESTION = JobId(0)
"""The question about a key, which costs nothing."""
EVERY = ""
"""Stands for all models."""
QUESTION_FOR = timedelta(minutes=3)
"""Longer than one takes: a process that is gone since keeps the circuit from being tried for no longer."""
SETTLES = timedelta(seconds=2)
"""What came of a probe is written so soon after its job has left the provider."""
EARLY = timedelta(seconds=0.5)
"""By so much, two processes' pauses of one circuit may differ."""
_MS = timedelta(milliseconds=1)
_SQL = (
    "SELECT circuits.provider, circuits.model, circuits.kind, circuits.ends_at, circuits.pause_ms, circuits.probe,"
    " circuits.probe_at, jobs.state, jobs.state_at FROM circuits LEFT JOIN jobs ON jobs.id = circuits.probe"
)

Key = tuple[str, str, FailureKind]
"""Provider, model and reason."""


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """One that is not closed. `probe` is the job that tries it now, or `QUESTION`."""

    provider: str
    model: str
    kind: FailureKind
    ends_at: datetime
    pause: timedelta
    probe: JobId | None = None


class CircuitHeldError(Exception):
    """The job may not be sent: another process has opened a circuit, or tries it."""


def read(now: datetime) -> Unit[list[OpenCircuit]]:
    """All of them."""
    return lambda tx: [_circuit(row, now) for row in tx.all(_SQL)]


def keep(opened: Collection[OpenCircuit], closed: Collection[Key], freed: Collection[tuple[str, JobId]]) -> Unit[None]:
    """Those that a process has opened, for longer perhaps; those that it has closed; probes that try none any more."""

    def unit(tx: Tx) -> None:
        for circuit in opened:
            key = {"provider": circuit.provider, "model": circuit.model, "kind": circuit.kind}
            ends_at, pause_ms = to_ms(circuit.ends_at), circuit.pause // _MS
            sql.put(tx, "circuits", key, ends_at=ends_at, pause_ms=pause_ms, probe=None, probe_at=None)
        for provider, model, kind in closed:
            tx.changed(
                "DELETE FROM circuits WHERE provider = :provider AND model = :model AND kind = :kind",
                provider=provider,
                model=model,
                kind=kind,
            )
        for provider, probe in freed:
            tx.changed(
                "UPDATE circuits SET probe = NULL WHERE provider = :provider AND probe = :probe",
                provider=provider,
                probe=probe,
            )

    return unit


def as_probe(unit: Unit[Job | None], job: Job, *, now: datetime) -> Unit[Job | None]:
    """`unit`, which sends the job to its provider, where no circuit is against it; raises CircuitHeldError.

    Of those that are half-open it is the probe from then on, until it has left the provider.
    """

    def claimed(tx: Tx) -> Job | None:
        if _claim(tx, job.id, job.provider, (EVERY, job.spec.model), now) is None:
            raise CircuitHeldError
        return unit(tx)

    return claimed


def ask(provider: str, *, now: datetime) -> Unit[bool]:
    """Whether this process is the one to ask about the provider's key now."""
    return lambda tx: bool(_claim(tx, QUESTION, provider, (EVERY,), now, kind=FailureKind.KEY))


def _claim(
    tx: Tx, probe: JobId, provider: str, models: Collection[str], now: datetime, *, kind: FailureKind | None = None
) -> int | None:
    """How many circuits it tries from now on; None where it may not."""
    rows = tx.all(f"{_SQL} WHERE circuits.provider = :provider", provider=provider)
    found = [_circuit(row, now) for row in rows if row["model"] in models and kind in (None, row["kind"])]
    mine = (None,) if probe == QUESTION else (None, probe)
    if any(each.ends_at > now + EARLY or each.probe not in mine for each in found):
        return None
    for each in found:
        key = {"provider": provider, "model": each.model, "kind": each.kind}
        sql.update(tx, "circuits", key, probe=probe, probe_at=to_ms(now))
    return len(found)


def _circuit(row: Row, now: datetime) -> OpenCircuit:
    return OpenCircuit(
        row["provider"],
        row["model"],
        FailureKind(row["kind"]),
        from_ms(row["ends_at"]),
        row["pause_ms"] * _MS,
        JobId(row["probe"]) if row["probe"] is not None and _is_tried(row, now) else None,
    )


def _is_tried(row: Row, now: datetime) -> bool:
    """Whether its probe is under way, or what came of it is about to be written."""
    if row["probe"] == QUESTION:
        return now - from_ms(row["probe_at"]) < QUESTION_FOR
    if row["state"] is None:
        return False
    return JobState(row["state"]).holds_slot or now - from_ms(row["state_at"]) < SETTLES
