"""Stops sending to a provider that refuses or loses everything, and probes with one job until it works again.

Shut by: the key refused (confirmed by a question that costs nothing), for all models; balance or permission refused for
two different jobs in a row, for that model; five jobs in a row lost or timed out, for all. Polls and downloads go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bot.models import FailureKind, Job, JobId

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 15 * 60.0
SILENT_JOBS = 5
EVERY = ""
"""Stands for all models."""


@dataclass(slots=True)
class _Shut:
    kind: FailureKind
    until: float
    pause_s: float = FIRST_PAUSE_S
    probe: JobId | None = None


class Breaker:
    """`now` is a clock in seconds that only runs forward; `wake` is called when a probe may go."""

    def __init__(self, now: Callable[[], float], call_later: Callable[[float, Callable[[], None]], object]) -> None:
        self._now = now
        self._call_later = call_later
        self._shut: dict[str, _Shut] = {}
        self._refused: dict[str, JobId] = {}
        self._silent = 0
        self.wake: Callable[[], None] = lambda: None

    def refusal(self, model: str) -> FailureKind | None:
        """Why nothing is taken for this model, or None: for those who ask for a new job."""
        return next((self._shut[key].kind for key in (EVERY, model) if key in self._shut), None)

    def faults(self) -> list[str]:
        """In words, for whoever watches the bot."""
        return [
            f"the video service is not used ({shut.kind}) for {key or 'any model'}" for key, shut in self._shut.items()
        ]

    @property
    def is_shut(self) -> bool:
        """Whether anything is held back."""
        return bool(self._shut)

    def may_go(self, job: Job) -> bool:
        """Whether this job may be sent now: always while all is well, else as the one probe."""
        return all(shut.probe is None and self._now() >= shut.until for shut in self._shuts(job))

    def sent(self, job: Job) -> None:
        """It goes; where the door is shut it is the probe."""
        for shut in self._shuts(job):
            shut.probe = job.id

    def answered(self, job: Job) -> None:
        """The provider took this job, or refused it for what it is: key and balance are in order."""
        self._refused.pop(job.clip.model, None)
        self._open(job, lambda shut: shut.kind is not FailureKind.LOST_ANSWER)

    def ended(self, job: Job) -> None:
        """The provider finished or failed this job: it answers."""
        self._silent = 0
        self._open(job, lambda _: True)

    def turned_away(self, job: Job, kind: FailureKind) -> None:
        """Refused for key (confirmed by the caller) or for balance."""
        model = EVERY if kind is FailureKind.KEY else job.clip.model
        last = self._refused.get(model)
        self._refused[model] = job.id
        if kind is FailureKind.KEY or model in self._shut or last not in (None, job.id):
            self._close(model, kind)

    def lost(self, job: Job) -> None:
        """No answer to a create, or no end of a render."""
        self._silent += 1
        if self._silent >= SILENT_JOBS or any(shut.probe == job.id for shut in self._shuts(job)):
            self._close(EVERY, FailureKind.LOST_ANSWER)

    def undecided(self, job: Job) -> None:
        """It was not sent after all, or nobody was there to take it: another may probe."""
        for shut in self._shuts(job):
            if shut.probe == job.id:
                shut.probe = None
                shut.until = self._now() + shut.pause_s
                self._call_later(shut.pause_s, self._woken)

    def _woken(self) -> None:
        self.wake()

    def _shuts(self, job: Job) -> list[_Shut]:
        return [self._shut[key] for key in (EVERY, job.clip.model) if key in self._shut]

    def _close(self, model: str, kind: FailureKind) -> None:
        before = self._shut.get(model)
        pause_s = FIRST_PAUSE_S if before is None else min(before.pause_s * 2, LONGEST_PAUSE_S)
        if before is not None and before.probe is None:
            return  # sent before the door was shut: it tells nothing new
        self._shut[model] = _Shut(kind, self._now() + pause_s, pause_s)
        self._call_later(pause_s, self._woken)
        if before is None:
            log.error("the video service is not used any more (%s, model %s); one job probes it", kind, model or "any")

    def _open(self, job: Job, heals: Callable[[_Shut], bool]) -> None:
        for key in (EVERY, job.clip.model):
            shut = self._shut.get(key)
            if shut is not None and heals(shut):
                del self._shut[key]
                log.warning("the video service is used again (model %s)", key or "any")
                self.wake()
