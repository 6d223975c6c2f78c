"""Counts a provider's failures in a row, for the circuit breaker: enough of one kind, and it opens a circuit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bot.jobs.outcomes import ANSWERS, JobOutcome, Outcome
from bot.models import FailureKind, UserId
from bot.store.circuits import EVERY

_PASSING = (Outcome.NEVER_SENT, Outcome.NOT_ACCEPTED)
_TROUBLE = (Outcome.LOST, Outcome.TIMED_OUT, Outcome.PAYMENT_REFUSED, Outcome.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class _Silent:
    """A job without an answer or an end."""

    model: str
    member: UserId
    kind: FailureKind


class FailureCounter:
    """Counts to `threshold` jobs, of at least two members, and then opens a circuit for a model, or for all (`EVERY`).

    `is_hopeless` tells whether a model is known to answer nothing: it counts no longer against the others.
    """

    def __init__(
        self,
        open_circuit: Callable[[str, FailureKind], None],
        is_hopeless: Callable[[str], bool],
        *,
        threshold: int,
    ) -> None:
        self._threshold = threshold
        self._open = open_circuit
        self._is_hopeless = is_hopeless
        self._unpaid: dict[str, JobOutcome] = {}  # the first of a row of a model's jobs whose payment was refused
        self._silent: dict[str, deque[_Silent]] = {}  # by model and for all of them

    def matters(self, seen: JobOutcome) -> bool:
        """Whether other processes have to count it: trouble, and what ends a row."""
        if seen.outcome in _TROUBLE:
            return True
        return seen.outcome not in _PASSING and bool(self._unpaid or any(self._silent.values()))

    def key_changed(self) -> None:
        """What was refused was refused to another account, perhaps."""
        self._unpaid.clear()

    def count(self, seen: JobOutcome) -> None:
        """May open circuits."""
        model, outcome = seen.model, seen.outcome
        match outcome:
            case Outcome.KEY_REFUSED:
                self._open(EVERY, FailureKind.KEY)
            case Outcome.BALANCE_EMPTY:
                self._open(model, FailureKind.BALANCE)
            case Outcome.PAYMENT_REFUSED if self._unpaid.setdefault(model, seen).job != seen.job:
                self._open(model, FailureKind.BALANCE)
            case Outcome.FORBIDDEN if self._unpaid.setdefault(model, seen).member != seen.member:
                self._open(model, FailureKind.BALANCE)
            case Outcome.LOST:
                self._count_silence(_Silent(model, seen.member, FailureKind.LOST_ANSWER))
            case Outcome.TIMED_OUT:
                self._count_silence(_Silent(model, seen.member, FailureKind.TIMED_OUT))
            case Outcome.ENDED:
                self._drop_silence(model, lambda _: True)
            case _:
                pass
        if outcome in ANSWERS:
            self._drop_silence(model, lambda silent: silent.kind is FailureKind.LOST_ANSWER)
        if outcome in (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.LOST):
            self._unpaid.pop(model, None)

    def _count_silence(self, silent: _Silent) -> None:
        """By model first: one that never works stops itself, and then counts no longer against the others."""
        if self._is_hopeless(silent.model):
            return
        for model in (silent.model, EVERY):
            row = self._silent.setdefault(model, deque(maxlen=self._threshold))
            row.append(silent)
            is_over = len(row) == self._threshold and len({each.member for each in row}) > 1
            if is_over and (model != EVERY or len({each.model for each in row}) > 1):
                has_timed_out = any(each.kind is FailureKind.TIMED_OUT for each in row)
                self._open(model, FailureKind.TIMED_OUT if has_timed_out else FailureKind.LOST_ANSWER)
                self._silent.pop(model)
                if model != EVERY:
                    self._keep_silence(EVERY, lambda each: each.model != silent.model)
                    return

    def _drop_silence(self, model: str, drops: Callable[[_Silent], bool]) -> None:
        for row in (model, EVERY):
            self._keep_silence(row, lambda silent: not drops(silent))

    def _keep_silence(self, row: str, keeps: Callable[[_Silent], bool]) -> None:
        if row in self._silent:
            self._silent[row] = deque(filter(keeps, self._silent[row]), maxlen=self._threshold)
