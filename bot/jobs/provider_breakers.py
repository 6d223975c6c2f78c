"""A circuit breaker for each provider: one that is down keeps nobody from the others."""

from __future__ import annotations

from collections.abc import Callable

from bot.jobs.circuit_breaker import CircuitBreaker, State
from bot.jobs.outcomes import JobOutcome, Outcome
from bot.models import FailureKind, Job, JobId
from bot.store.queued_jobs import QueuedJob


class CircuitBreakers:
    """By the provider's name. `now` and `call_later` are as `CircuitBreaker` wants them."""

    def __init__(self, now: Callable[[], float], call_later: Callable[[float, Callable[[], None]], object]) -> None:
        self._now = now
        self._call_later = call_later
        self._of: dict[str, CircuitBreaker] = {}
        self.wake: Callable[[], None] = lambda: None
        self.changed: Callable[[str, str, FailureKind], None] = lambda _provider, _model, _kind: None
        """Called with the circuit that has changed by what was seen here."""
        self.freed: Callable[[str, JobId], None] = lambda _provider, _probe: None
        """Called with the provider and its probe that has told nothing."""
        self.seen: Callable[[str, JobOutcome], None] = lambda _provider, _seen: None
        """Called with what other processes have to count, too."""
        self.ask_key: Callable[[str], None] = lambda _: None
        """Begins the question to a provider that costs nothing; its end is reported with `answer`."""

    def of(self, provider: str) -> CircuitBreaker:
        """The provider's own."""
        if provider not in self._of:
            breaker = self._of[provider] = CircuitBreaker(self._now, self._call_later, provider)
            breaker.wake = self._wake
            breaker.changed = lambda model, kind: self.changed(provider, model, kind)
            breaker.seen = lambda seen: self.seen(provider, seen)
            breaker.freed = lambda probe: self.freed(provider, probe)
            breaker.ask_key = lambda: self.ask_key(provider)
        return self._of[provider]

    def known(self) -> list[str]:
        """The providers that have one."""
        return list(self._of)

    def _wake(self) -> None:
        self.wake()

    def may_go(self, job: Job | QueuedJob) -> bool:
        """Whether this job may be sent now."""
        return job.provider not in self._of or self._of[job.provider].may_go(job)

    def granted(self, job: Job) -> bool:
        """It has a slot; tells whether it is a probe now."""
        return job.provider in self._of and self._of[job.provider].granted(job)

    def report(self, job: Job, outcome: Outcome) -> None:
        """What became of a job."""
        if job.provider in self._of or outcome is not Outcome.NEVER_SENT:
            self.of(job.provider).report(job, outcome)

    def withdraw(self, job: JobId) -> None:
        """This request is not on its way to any provider any more."""
        for breaker in self._of.values():
            breaker.withdraw(job)

    def key_changed(self, provider: str) -> None:
        """The provider is asked with another key from now on."""
        if provider in self._of:
            self._of[provider].key_changed()

    def counts(self) -> dict[tuple[str, State], int]:
        """How many circuits of each provider are open and half-open."""
        found = {provider: breaker.counts() for provider, breaker in self._of.items()}
        return {(provider, state): count for provider, counts in found.items() for state, count in counts.items()}

    def not_closed(self) -> list[tuple[str, str, FailureKind]]:
        """Each circuit that is open or half-open: its provider, its model ('' for all of them), its reason."""
        return [(name, model, kind) for name, breaker in self._of.items() for model, kind in breaker.not_closed()]

    def faults(self) -> list[str]:
        """In words, for whoever watches the bot."""
        return [fault for breaker in self._of.values() for fault in breaker.faults()]
