"""A circuit breaker before the provider: it stops sending what is refused or lost, and finds out when that is over.

There is one circuit for each reason and what it concerns: a refused key concerns every model, a refused payment its
model, jobs without an answer or an end their model, or every model where several are concerned. A circuit that is not
kept is *closed*: all may go. *Open*: nothing is taken or sent. After its pause it is *half-open*: one job is let
through as the probe, the next request or the next in the queue, whichever comes; or a question that costs nothing.

A probe holds a slot of the queue, and whoever gives the slot back settles the probe (`Outcome.NEVER_SENT`), so none is
left behind. Polls and downloads never stop.

Where several processes share a store, each has a breaker of its own, and `bot.store.circuits` what all of them know:
there a probe is claimed in the transaction that sends it, so there is one over all processes.
"""

from __future__ import annotations

import enum
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from bot.errors import CircuitOpen
from bot.jobs.failure_counter import FailureCounter
from bot.jobs.outcomes import JobOutcome, Outcome
from bot.models import FailureKind, Job, JobId, UserId
from bot.store.circuits import EVERY, QUESTION
from bot.store.queued_jobs import QueuedJob

log = logging.getLogger(__name__)

FAILURE_THRESHOLD = 5
"""So many jobs in a row without an answer or an end open a circuit (`FailureCounter`), where they are of at least two
members: a picture that breaks the provider is one member's."""
FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 15 * 60.0
REQUEST_FOR_S = 120.0
"""A request that is let in to probe has so long to be sent; then another one may try."""
LATER_S = 0.5
"""By less than that, two processes' pauses of one circuit may differ."""

_KEY, _BALANCE = FailureKind.KEY, FailureKind.BALANCE
_LOST, _TIMED_OUT = FailureKind.LOST_ANSWER, FailureKind.TIMED_OUT


class State(enum.Enum):
    """Of a circuit."""

    CLOSED = enum.auto()
    OPEN = enum.auto()
    HALF_OPEN = enum.auto()


class Transition(enum.Enum):
    """What an outcome means for a circuit. All but CLOSE concern the probe alone."""

    CLOSE = enum.auto()
    REOPEN = enum.auto()  # for twice as long
    REPEAT = enum.auto()  # open for the same pause: it told nothing, and asking at once would tell no more
    FREE = enum.auto()  # half-open for the next one at once: it told nothing about this
    KEEP = enum.auto()  # it is still the probe


TRANSITIONS: dict[FailureKind, dict[Outcome, Transition]] = {
    _KEY: dict.fromkeys(Outcome, Transition.FREE)
    | dict.fromkeys((Outcome.NOT_ACCEPTED, Outcome.LOST), Transition.REPEAT)
    | dict.fromkeys((Outcome.ACCEPTED, Outcome.REFUSED), Transition.CLOSE)
    | dict.fromkeys((Outcome.PAYMENT_REFUSED, Outcome.FORBIDDEN, Outcome.BALANCE_EMPTY), Transition.CLOSE)
    | {Outcome.KEY_REFUSED: Transition.REOPEN},
    _BALANCE: dict.fromkeys(Outcome, Transition.FREE)
    | dict.fromkeys((Outcome.NOT_ACCEPTED, Outcome.LOST), Transition.REPEAT)
    | dict.fromkeys((Outcome.PAYMENT_REFUSED, Outcome.FORBIDDEN, Outcome.BALANCE_EMPTY), Transition.REOPEN)
    | {Outcome.ACCEPTED: Transition.CLOSE},
    # A refusal may come from in front of what loses the others: only a job that was taken closes this one.
    _LOST: dict.fromkeys(Outcome, Transition.FREE)
    | {Outcome.NOT_ACCEPTED: Transition.REPEAT, Outcome.LOST: Transition.REOPEN, Outcome.ACCEPTED: Transition.CLOSE},
    _TIMED_OUT: dict.fromkeys(Outcome, Transition.FREE)
    | dict.fromkeys((Outcome.LOST, Outcome.TIMED_OUT), Transition.REOPEN)
    | {Outcome.NOT_ACCEPTED: Transition.REPEAT, Outcome.ACCEPTED: Transition.KEEP, Outcome.ENDED: Transition.CLOSE},
}
"""Complete: every reason and every outcome."""


@dataclass(slots=True)
class _Circuit:
    """One that is not closed."""

    model: str
    kind: FailureKind
    until: float
    pause_s: float = FIRST_PAUSE_S
    probe: JobId | None = None
    remote_probe: JobId | None = None  # the probe of another process
    request: JobId | None = None  # let in to probe, and still on its way to the provider
    request_until: float = 0.0
    forbidden: UserId | None = None  # whose job was the last to be forbidden as the probe

    @property
    def is_tried(self) -> bool:
        """Whether a probe is under way, in whatever process."""
        return self.probe is not None or self.remote_probe is not None


class CircuitBreaker:
    """`now` is a clock in seconds that only runs forward; `wake` is called when somebody may go again."""

    def __init__(
        self,
        now: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], object],
        provider: str,
    ) -> None:
        self._now = now
        self._call_later = call_later
        self._provider = provider
        self._circuits: dict[tuple[str, FailureKind], _Circuit] = {}
        self._failures = FailureCounter(self._open, self._is_hopeless, threshold=FAILURE_THRESHOLD)
        self.wake: Callable[[], None] = lambda: None
        self.changed: Callable[[str, FailureKind], None] = lambda _model, _kind: None
        """Called when a circuit was opened, for longer perhaps, or closed, by what was seen here."""
        self.freed: Callable[[JobId], None] = lambda _probe: None
        """Called when this probe has told nothing: another one may try."""
        self.seen: Callable[[JobOutcome], None] = lambda _seen: None
        """Called with what other processes have to count, too."""
        self._shared: set[tuple[str, FailureKind]] = set()  # circuits that other processes know
        self.ask_key: Callable[[], None] | None = None
        """Begins the question that costs nothing; its end is reported with `answer`."""

    def state(self, model: str) -> State:
        """Whether jobs of this model go."""
        circuits = self._of(model)
        if any(self._now() < circuit.until for circuit in circuits):
            return State.OPEN
        return State.HALF_OPEN if circuits else State.CLOSED

    def refusal(self, model: str) -> FailureKind | None:
        """Why jobs of this model do not go as they come; None while they do."""
        return next((circuit.kind for circuit in self._of(model)), None)

    def faults(self) -> list[str]:
        """In words, for whoever watches the bot."""
        return [
            f"nothing is sent to the provider {self._provider} ({circuit.kind}) for {circuit.model or 'any model'}"
            + ("" if self._now() < circuit.until else "; the next request tries again")
            for circuit in self._circuits.values()
        ]

    def not_closed(self) -> list[tuple[str, FailureKind]]:
        """Each circuit that is open or half-open: its model, `EVERY` for all, and its reason."""
        return list(self._circuits)

    def counts(self) -> Counter[State]:
        """How many circuits are open and half-open."""
        return Counter(
            State.OPEN if self._now() < circuit.until else State.HALF_OPEN for circuit in self._circuits.values()
        )

    def opened(self) -> list[tuple[str, FailureKind, float, float]]:
        """The circuits that are not closed: model, reason, and in seconds the pause that is left and all of it."""
        now = self._now()
        return [(each.model, each.kind, each.until - now, each.pause_s) for each in self._circuits.values()]

    def use_shared(self, opened: Iterable[tuple[str, FailureKind, float, float, JobId | None]]) -> None:
        """As `opened`, of all processes, with the probe. One that is not among them any more was closed by another one.

        What was opened here and is not known to the others yet stays.
        """
        known = list(opened)
        keys = {(model, kind) for model, kind, _, _, _ in known}
        for key in (self._shared - keys) & self._circuits.keys():
            del self._circuits[key]
        for model, kind, left_s, pause_s, probe in known:
            circuit = self._circuits.setdefault((model, kind), _Circuit(model, kind, 0.0))
            until = self._now() + left_s
            if abs(until - circuit.until) > LATER_S and max(until, circuit.until) > self._now():
                circuit.probe, circuit.pause_s, circuit.until = None, pause_s, until
                self._call_later(left_s, partial(self._pause_ended, circuit, until))
            circuit.remote_probe = None if probe == circuit.probe else probe
        self._shared = keys
        self.wake()

    def admit(self, job: JobId, model: str) -> None:
        """Lets a request in: always while closed; while half-open the first, to be the probe. Raises CircuitOpen."""
        circuits = self._of(model)
        for circuit in circuits:
            if self._now() < circuit.until:
                raise CircuitOpen(circuit.kind)
            if circuit.is_tried or (circuit.request is not None and self._now() < circuit.request_until):
                raise CircuitOpen(circuit.kind, is_being_tried=True)
        for circuit in circuits:
            circuit.request, circuit.request_until = job, self._now() + REQUEST_FOR_S

    def withdraw(self, job: JobId) -> None:
        """This request is not on its way to the provider any more: another may be let in."""
        for circuit in self._circuits.values():
            if circuit.request == job:
                circuit.request = None

    def may_go(self, job: Job | QueuedJob) -> bool:
        """Whether this job may be sent now: always while closed, else as the one probe."""
        return not self._circuits or all(
            not circuit.is_tried and self._now() >= circuit.until for circuit in self._of(job.spec.model)
        )

    def granted(self, job: Job) -> bool:
        """It has a slot; tells whether it is the probe of a circuit now, so that others may not go any more."""
        circuits = self._of(job.spec.model)
        for circuit in circuits:
            circuit.probe, circuit.request = job.id, None
        return bool(circuits)

    def report(self, job: Job, outcome: Outcome) -> None:
        """What became of a job. Settles it where it is the probe; may close or open circuits."""
        for circuit in self._of(job.spec.model):
            self._judge(circuit, job, outcome)
        seen = JobOutcome(job.spec.model, job.member, job.id, outcome)
        if self._failures.matters(seen):
            self.seen(seen)
        self._failures.count(seen)

    def count_remote(self, seen: JobOutcome) -> None:
        """What became of another process's job; what it means for a probe, that process says."""
        self._failures.count(seen)

    def answer(self, outcome: Outcome) -> None:
        """What came of the question that costs nothing."""
        for circuit in [*self._circuits.values()]:
            if circuit.probe == QUESTION:
                self._apply(circuit, TRANSITIONS[circuit.kind][outcome])

    def withdraw_question(self) -> None:
        """Another process asks, or nobody can: nothing is asked here."""
        for circuit in self._circuits.values():
            if circuit.probe == QUESTION:
                circuit.probe = None

    def key_changed(self) -> None:
        """It is another key, perhaps of another account: what was opened by refusing the one before is tried at once.

        A probe that is under way stays the probe; whoever carries it asks about the new key.
        """
        self._failures.key_changed()
        for circuit in [*self._circuits.values()]:
            if circuit.kind in (_KEY, _BALANCE):
                circuit.until, circuit.pause_s, circuit.forbidden = self._now(), FIRST_PAUSE_S, None
                self.changed(circuit.model, circuit.kind)
                self._half_open(circuit)

    def _of(self, model: str) -> list[_Circuit]:
        if not self._circuits:
            return []
        return [circuit for circuit in self._circuits.values() if circuit.model in (EVERY, model)]

    def _judge(self, circuit: _Circuit, job: Job, outcome: Outcome) -> None:
        transition = TRANSITIONS[circuit.kind][outcome]
        if circuit.remote_probe == job.id:  # this process has taken it over
            circuit.probe, circuit.remote_probe = job.id, None
        if circuit.probe == job.id:
            if transition is Transition.REOPEN and circuit.model == EVERY and self._is_hopeless(job.spec.model):
                transition = Transition.FREE  # that model is known to fail by itself: it tells nothing about the others
            if transition is Transition.REOPEN and outcome is Outcome.FORBIDDEN:
                if circuit.forbidden == job.member:
                    transition = Transition.FREE  # nobody keeps others out by what they alone send
                circuit.forbidden = job.member
            self._apply(circuit, transition)
        elif transition is Transition.CLOSE:
            self._apply(circuit, transition)

    def _apply(self, circuit: _Circuit, transition: Transition) -> None:
        match transition:
            case Transition.CLOSE:
                del self._circuits[circuit.model, circuit.kind]
                self.changed(circuit.model, circuit.kind)
                log.warning(
                    "the provider %s is used again (%s, model %s)", self._provider, circuit.kind, circuit.model or "any"
                )
                self.wake()
            case Transition.REOPEN:
                self._pause(circuit, min(circuit.pause_s * 2, LONGEST_PAUSE_S))
            case Transition.REPEAT:
                self._pause(circuit, circuit.pause_s)
            case Transition.FREE:
                if circuit.probe is not None:
                    self.freed(circuit.probe)
                circuit.probe = None
                self.wake()
            case Transition.KEEP:
                pass

    def _pause(self, circuit: _Circuit, pause_s: float) -> None:
        circuit.probe, circuit.pause_s, circuit.until = None, pause_s, (until := self._now() + pause_s)
        self._call_later(pause_s, partial(self._pause_ended, circuit, until))
        self.changed(circuit.model, circuit.kind)

    def _pause_ended(self, circuit: _Circuit, until: float) -> None:
        if circuit.until == until:  # else another pause has taken its place
            self._half_open(circuit)

    def _half_open(self, circuit: _Circuit) -> None:
        is_key = circuit.kind is _KEY and self._circuits.get((circuit.model, circuit.kind)) is circuit
        if is_key and not circuit.is_tried and self.ask_key is not None:
            circuit.probe = QUESTION
            self.ask_key()
        self.wake()

    def _open(self, model: str, kind: FailureKind) -> None:
        if (model, kind) in self._circuits:
            return
        circuit = self._circuits[model, kind] = _Circuit(model, kind, 0.0)
        self._pause(circuit, FIRST_PAUSE_S)
        log.error(
            "nothing is sent to the provider %s any more (%s, model %s); it will be tried again",
            self._provider,
            kind,
            model or "any",
        )

    def _is_hopeless(self, model: str) -> bool:
        return any((model, kind) in self._circuits for kind in (_LOST, _TIMED_OUT))
