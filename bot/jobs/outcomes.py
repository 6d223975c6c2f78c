"""What became of a job at its provider, as the circuit breaker and other processes are told."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass

from bot.models import JobId, UserId


class Outcome(enum.Enum):
    """What became of a job at the provider."""

    NEVER_SENT = enum.auto()  # cancelled, no picture, stopped, moved by somebody else: its slot is given back
    NOT_ACCEPTED = enum.auto()  # certainly nothing made: nobody there, too busy, or a question without an answer
    ACCEPTED = enum.auto()
    REFUSED = enum.auto()  # for what it is: its words, its picture, its model
    KEY_REFUSED = enum.auto()  # and confirmed by a question that costs nothing
    PAYMENT_REFUSED = enum.auto()  # 402, or in words that may be about one job alone
    FORBIDDEN = enum.auto()  # 403 without a reason: the account, or what this member has sent
    BALANCE_EMPTY = enum.auto()  # in so many words
    LOST = enum.auto()  # the create's answer
    TIMED_OUT = enum.auto()  # no end of the render
    ENDED = enum.auto()  # done, or failed as the provider says


ANSWERS = (
    Outcome.ACCEPTED,
    Outcome.REFUSED,
    Outcome.KEY_REFUSED,
    Outcome.PAYMENT_REFUSED,
    Outcome.FORBIDDEN,
    Outcome.BALANCE_EMPTY,
)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What became of a job."""

    model: str
    member: UserId
    job: JobId
    outcome: Outcome

    def packed(self, provider: str) -> str:
        """As text, for another process."""
        return json.dumps([provider, self.model, self.member, self.job, self.outcome.name])

    @classmethod
    def unpacked(cls, text: str) -> tuple[str, JobOutcome]:
        """With its provider. Raises ValueError, KeyError for what another version wrote."""
        provider, model, member, job, outcome = json.loads(text)
        return provider, cls(model, UserId(member), JobId(job), Outcome[outcome])
