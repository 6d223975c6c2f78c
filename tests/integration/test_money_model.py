"""Random asks, moves, admins and days against a model of the rules of money that was written apart."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from bot.errors import AlreadyKnown, ReservationRefused
from bot.models import DIRECT, FailureKind, Job, JobId, JobState, Period, RefusalReason, Scope, UserId
from bot.store import jobs, use
from bot.store.database import Tx, Unit
from bot.store.migrations import migrate
from bot.store.reserve import reserve
from tests import builders
from tests.books import differences, first_day

T = TypeVar("T")

OPERATOR = builders.limits(10, direct=6, budget=40, budget_per=Period.WEEK, jobs_per_user=4)
SCOPES = (Scope(71), Scope(72), DIRECT)
MEMBERS = (UserId(1), UserId(2))
ROLES = (51, 52)
MOVES: dict[str, dict[str, str | None]] = {
    "waiting": {"submitting": None, "cancelled": "all", "failed": "all"},
    "submitting": {"rendering": None, "waiting": None, "failed": "all", "unknown": "member"},
    "rendering": {"delivering": None, "failed": "member", "timed_out": "member"},
    "timed_out": {"delivering": None, "failed": None},
    "delivering": {"delivered": None, "undelivered": None, "failed": "member"},
    "undelivered": {"delivered": None},
}
"""What each move gives back; the way to a video comes first."""
UNDER_WAY = ("waiting", "submitting", "rendering", "delivering")


@dataclass
class Clip:
    """A job as the model sees it."""

    scope: Scope
    member: UserId
    epoch: int
    day: int
    cost: int
    from_allowance: int
    state: str = "waiting"
    taken: bool = False
    refund: str | None = None

    @property
    def counts_for_member(self) -> bool:
        return self.refund is None

    @property
    def counts_for_budget(self) -> bool:
        return self.refund != "all"


@dataclass
class House:
    """What admins have set, and every clip there was. All else is added up anew each time."""

    own: dict[tuple[Scope, UserId], tuple[int, Period]] = field(default_factory=dict)
    roles: dict[tuple[Scope, int], tuple[int, Period]] = field(default_factory=dict)
    defaults: dict[Scope, tuple[int, Period]] = field(default_factory=dict)
    ceilings: dict[Scope, tuple[int, Period]] = field(default_factory=dict)
    granted: dict[tuple[Scope, UserId], int] = field(default_factory=dict)
    epochs: dict[tuple[Scope, UserId], int] = field(default_factory=dict)
    paused: set[Scope] = field(default_factory=set)
    blocked: set[tuple[Scope, UserId]] = field(default_factory=set)
    clips: dict[JobId, Clip] = field(default_factory=dict)

    def used(self, scope: Scope, member: UserId, per: Period, today: int) -> int:
        epoch = self.epochs.get((scope, member), 0)
        return sum(
            clip.from_allowance
            for clip in self.clips.values()
            if (clip.scope, clip.member, clip.epoch) == (scope, member, epoch)
            and clip.counts_for_member
            and clip.day >= first_day(per, today)
        )

    def allowance(self, scope: Scope, member: UserId, roles: Sequence[int], today: int) -> tuple[int, Period]:
        if (scope, member) in self.own:
            return self.own[scope, member]
        held = [self.roles[scope, role] for role in sorted(roles) if (scope, role) in self.roles]
        if held:
            return max(held, key=lambda rule: rule[0] - self.used(scope, member, rule[1], today))
        if scope == DIRECT:
            return 6, Period.DAY
        return self.defaults.get(scope, (10, Period.DAY))

    def grants_left(self, scope: Scope, member: UserId) -> int:
        spent = sum(
            clip.cost - clip.from_allowance
            for clip in self.clips.values()
            if (clip.scope, clip.member) == (scope, member) and clip.counts_for_member
        )
        return self.granted.get((scope, member), 0) - spent

    def running(self, member: UserId) -> int:
        return sum(clip.member == member and clip.state in UNDER_WAY for clip in self.clips.values())

    def refusal(self, scope: Scope, member: UserId, roles: Sequence[int], cost: int, today: int) -> str | None:
        """Why this is refused; None where it is not."""
        credits_, per = self.allowance(scope, member, roles, today)
        left = max(0, credits_ - self.used(scope, member, per, today))
        epoch = self.epochs.get((scope, member), 0)
        moderated = [
            clip
            for clip in self.clips.values()
            if (clip.scope, clip.member, clip.epoch, clip.day) == (scope, member, epoch, today)
            and clip.taken
            and clip.refund
        ]
        server = self.ceilings.get(scope)
        walls = {
            "paused": scope in self.paused,
            "blocked": (scope, member) in self.blocked,
            "too_many_jobs": self.running(member) >= 4,
            "too_many_refunds": len(moderated) >= 5,
            "allowance": cost > left + self.grants_left(scope, member),
            "ceiling": server is not None and self._all(scope, server[1], today) + cost > server[0],
            "budget": self._all(None, Period.WEEK, today) + cost > 40,
        }
        return next((name for name, stands in walls.items() if stands), None)

    def _all(self, scope: Scope | None, per: Period, today: int) -> int:
        return sum(
            clip.cost
            for clip in self.clips.values()
            if scope in (None, clip.scope) and clip.counts_for_budget and clip.day >= first_day(per, today)
        )


class Life:
    """Random steps, each on the store's units and on the model, on one real file."""

    def __init__(self, connection: sqlite3.Connection, rng: random.Random) -> None:
        self.connection = connection
        self.rng = rng
        self.house = House()
        self.now = builders.NOON
        self.asked: list[Job] = []
        self.refused: Counter[str] = Counter()
        self.steps: dict[Callable[[], str], int] = {
            self.ask: 40,
            self.move_on: 70,
            self.move_anyhow: 5,
            self.ask_for_what_is_moderated: 20,
            self.ask_again: 2,
            self.pass_time: 3,
            self.set_allowance: 5,
            self.grant: 2,
            self.reset: 2,
            self.bar_or_let_in: 3,
        }

    @property
    def today(self) -> int:
        return int(self.now.timestamp()) // 86_400

    def step(self) -> str:
        (step,) = self.rng.choices(list(self.steps), list(self.steps.values()))
        return step()

    def write(self, unit: Unit[T]) -> T:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            found = unit(Tx(self.connection))
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return found

    def somebody(self) -> tuple[Scope, UserId]:
        return self.rng.choice(SCOPES), self.rng.choice(MEMBERS)

    def ask(self) -> str:
        scope, member = self.somebody()
        roles = sorted(self.rng.sample(ROLES, self.rng.randrange(3)))
        return self.ask_for(self.rng.choice([1, 3, 4, 8, 12]), scope, member, roles)

    def ask_for(self, cost: int, scope: Scope, member: UserId, roles: list[int]) -> str:
        job = builders.a_job(len(self.asked), scope=scope, member=member, cost=cost, at=self.now)
        self.asked.append(job)
        refusal = self.house.refusal(scope, member, roles, cost, self.today)
        found: str | None = None
        try:
            self.write(reserve(job, roles, OPERATOR))
        except ReservationRefused as error:
            found = error.reason
        assert found == refusal
        if refusal is None:
            credits_, per = self.house.allowance(scope, member, roles, self.today)
            left = max(0, credits_ - self.house.used(scope, member, per, self.today))
            epoch = self.house.epochs.get((scope, member), 0)
            self.house.clips[job.id] = Clip(scope, member, epoch, self.today, cost, min(cost, left))
        self.refused[refusal or "taken"] += 1
        return f"{member} asks for {cost} in {scope} with {roles}: {refusal}"

    def ask_again(self) -> str:
        for known in self.clips():
            with pytest.raises(AlreadyKnown):
                self.write(reserve(self.asked[known].evolve(created_at=self.now), [], OPERATOR))
            return f"{known} is asked for again"
        return "nothing to ask for again"

    def clips(self, *states: str) -> list[JobId]:
        """At most one clip, in one of these states."""
        found = [job for job, clip in self.house.clips.items() if not states or clip.state in states]
        return [self.rng.choice(found)] if found else []

    def move_on(self) -> str:
        for job in self.clips(*MOVES):
            start = self.house.clips[job].state
            happy, *others = MOVES[start]
            return self.move(job, start, self.rng.choice([*[happy] * 6, *others]))
        return "nothing to move"

    def move_anyhow(self) -> str:
        for job in self.clips():
            start = self.rng.choice(list(MOVES))
            return self.move(job, start, self.rng.choice(list(MOVES[start])))
        return "nothing to move"

    def ask_for_what_is_moderated(self) -> str:
        """Always the same member, who does not learn from it."""
        before = set(self.house.clips)
        self.ask_for(1, SCOPES[0], MEMBERS[0], [])
        for job in set(self.house.clips) - before:
            for start, to in (("waiting", "submitting"), ("submitting", "rendering"), ("rendering", "failed")):
                self.move(job, start, to)
        return "a clip is moderated"

    def move(self, job: JobId, start: str, to: str) -> str:
        clip = self.house.clips[job]
        changes: dict[str, object] = {"provider_id": "video"} if to == "rendering" else {}
        if to == "timed_out":
            changes = {"failure": FailureKind.TIMED_OUT}
        moved = self.write(jobs.move(job, JobState(start), JobState(to), now=self.now, **changes))
        assert (moved is not None) == (clip.state == start)
        if moved is not None:
            clip.state = to
            clip.taken = clip.taken or to == "rendering"
            clip.refund = clip.refund or MOVES[start][to]
        return f"{job} goes from {start} to {to}: {moved is not None}"

    def pass_time(self) -> str:
        midnight = self.now.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        later = [timedelta(hours=5), timedelta(days=6), timedelta(days=27)]
        self.now = self.rng.choice([midnight, midnight - timedelta(seconds=1), *(self.now + by for by in later)])
        return f"it is {self.now}"

    def set_allowance(self) -> str:
        scope, member = self.rng.choice(SCOPES[:2]), self.rng.choice(MEMBERS)
        value, role = (self.rng.randrange(40), self.rng.choice(list(Period))), self.rng.choice(ROLES)
        match self.rng.choice(["own", "clear", "role", "default", "ceiling"]):
            case "own":
                self.write(builders.set_own(member, *value, scope=scope))
                self.house.own[scope, member] = value
            case "clear":
                self.write(builders.clear(member, scope=scope))
                self.house.own.pop((scope, member), None)
            case "role":
                self.write(builders.set_role(role, *value, scope=scope))
                self.house.roles[scope, role] = value
            case "default":
                self.write(builders.set_default(*value, scope=scope))
                self.house.defaults[scope] = value
            case _:
                value = (value[0] * 2, value[1])
                self.write(builders.set_ceiling(*value, scope=scope))
                self.house.ceilings[scope] = value
        return f"an admin of {scope} sets {value}"

    def grant(self) -> str:
        (scope, member), count = self.somebody(), self.rng.randrange(1, 10)
        self.write(builders.grant(member, count, scope=scope, now=self.now))
        self.house.granted[scope, member] = self.house.granted.get((scope, member), 0) + count
        return f"{member} is granted {count} in {scope}"

    def reset(self) -> str:
        scope, member = self.somebody()
        self.write(builders.reset(member, scope=scope, now=self.now))
        self.house.epochs[scope, member] = self.house.epochs.get((scope, member), 0) + 1
        return f"{member} is reset in {scope}"

    def bar_or_let_in(self) -> str:
        """Whoever is barred is let in first, so that most of the time nobody is."""
        for scope in sorted(self.house.paused):
            self.house.paused.remove(scope)
            self.write(builders.resume(scope=scope))
            return f"{scope} goes on"
        for scope, member in sorted(self.house.blocked):
            self.house.blocked.remove((scope, member))
            self.write(builders.unblock(member, scope=scope))
            return f"{member} is let into {scope}"
        scope, member = self.somebody()
        if self.rng.random() < 0.5:
            self.house.paused.add(scope)
            self.write(builders.pause(scope=scope))
            return f"{scope} pauses"
        self.house.blocked.add((scope, member))
        self.write(builders.block(member, scope=scope))
        return f"{member} is blocked in {scope}"

    def check(self) -> None:
        assert differences(self.connection) == []
        for scope in SCOPES:
            for member in MEMBERS:
                told = use.balance_in(Tx(self.connection), scope, member, ROLES, OPERATOR, self.now)
                credits_, per = self.house.allowance(scope, member, ROLES, self.today)
                assert (told.limit.credits, told.limit.per) == (credits_, per)
                assert told.used == self.house.used(scope, member, per, self.today)
                assert told.granted == self.house.grants_left(scope, member)
                assert told.running == self.house.running(member)


@pytest.mark.parametrize("seed", range(3))
def test_the_store_agrees_with_the_model_after_every_step(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "animate.db"
    migrate(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = OFF")
        life = Life(connection, random.Random(seed))
        for _ in range(600):
            print(life.step())  # noqa: T201 - the story, where it ends badly
            life.check()

    assert len(life.refused) >= len(RefusalReason)  # of all reasons and “taken” at most one was not met
    assert {clip.refund for clip in life.house.clips.values()} == {None, "member", "all"}
