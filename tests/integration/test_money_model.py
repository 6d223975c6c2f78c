"""Random asks, moves, admins and days against a model of the rules of money that was written apart."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from bot.errors import AlreadyKnown, ReservationRefused
from bot.models import (
    DIRECT,
    ChangeContext,
    FailureKind,
    Job,
    JobId,
    JobState,
    Limit,
    Period,
    RefusalReason,
    Scope,
    Source,
    UserId,
)
from bot.report_models import ActKind
from bot.store import admin_acts, balances, credit_requests, jobs, quotas, reservations, role_gifts, server_settings
from bot.store.admin_acts import Refusal, Subject, Undone
from bot.store.database import Tx, Unit
from bot.store.migrations import migrate
from bot.store.takes import of_request, reserve_all, take_id
from tests import builders
from tests.databases import Database, Direct
from tests.ledger_audit import differences
from tests.money_model import UNDER_WAY, MoneyModel
from tests.thorough import mostly_thorough

T = TypeVar("T")

OPERATOR = builders.limits(10, direct=6, budget=60, budget_per=Period.WEEK, jobs_per_user=4)
SCOPES = (Scope(71), Scope(72), DIRECT)
MEMBERS = (UserId(1), UserId(2))
RULES = ["own", "clear own", "role", "clear role", "default", "no default", "server limit", "no server limit"]
ROLES = (51, 52)
HOUR = 3_600_000 << 22
"""In ids of Discord's."""
MOVES: dict[str, dict[str, str | None]] = {
    "waiting": {"submitting": None, "cancelled": "all", "failed": "all"},
    "submitting": {"rendering": None, "waiting": None, "failed": "all", "unknown": "member"},
    "rendering": {"delivering": None, "failed": "member", "timed_out": "member", "cancelled": "all"},
    "timed_out": {"delivering": None, "failed": None},
    "delivering": {"delivered": None, "undelivered": None, "failed": "member"},
    "undelivered": {"delivered": None, "failed": "member"},
}
"""What each move gives back; the way to a video comes first."""


class Life:
    """Random steps, each on the store's units and on the model, on one real database."""

    def __init__(self, database: Database, rng: random.Random) -> None:
        self.connection = Direct(database.where)
        self.rng = rng
        self.model = MoneyModel(OPERATOR)
        self.now = builders.NOON
        self.asked: list[Job] = []
        self.gifts: dict[int, tuple[int, int | None, dict[UserId, datetime]]] = {}
        self.orders: dict[str, tuple[Scope, UserId, int]] = {}
        self.takes: dict[JobId, Job] = {}
        self.refused: Counter[str] = Counter()
        self.steps: dict[Callable[[], str], int] = {
            self.ask: 40,
            self.ask_for_takes: 12,
            self.move_on: 70,
            self.move_anyhow: 5,
            self.fall_back: 8,
            self.ask_for_what_is_moderated: 20,
            self.ask_again: 2,
            self.pass_time: 3,
            self.set_quota: 9,
            self.forget_roles: 3,
            self.revoke: 3,
            self.grant: 2,
            self.grant_from_outside: 2,
            self.change_and_undo: 4,
            self.give_to_role: 2,
            self.use_with_roles: 3,
            self.reset: 2,
            self.bar_or_let_in: 3,
            self.restart: 2,
        }

    @property
    def today(self) -> int:
        return int(self.now.timestamp()) // 86_400

    def step(self) -> str:
        (step,) = self.rng.choices(list(self.steps), list(self.steps.values()))
        return step()

    def write(self, unit: Unit[T]) -> T:
        return self.connection.do(unit)

    def by(self, scope: Scope) -> ChangeContext:
        return builders.by(scope, self.now)

    def somebody(self) -> tuple[Scope, UserId]:
        return self.rng.choice(SCOPES), self.rng.choice(MEMBERS)

    def ask(self) -> str:
        scope, member = self.somebody()
        roles = sorted(self.rng.sample(ROLES, self.rng.randrange(3)))
        pressed = next(iter(self.model.videos), None) if self.rng.random() < 0.2 else None
        return self.ask_for(self.rng.choice([1, 3, 4, 8, 12]), scope, member, roles, pressed)

    def ask_for(self, cost: int, scope: Scope, member: UserId, roles: list[int], again_of: JobId | None = None) -> str:
        job = builders.a_job(len(self.asked), scope=scope, member=member, cost=cost, at=self.now, again_of=again_of)
        self.asked.append(job)
        if scope == SCOPES[0]:  # as every look at the balance does; a refused request alone gives nothing
            self.write(role_gifts.give(scope, member, roles, self.now))
            self.follow_gifts(scope, member, roles)
        refusal = self.model.refusal(scope, member, roles, cost, self.today, again_of)
        found: str | None = None
        try:
            self.write(reservations.reserve(job, roles, OPERATOR))
        except ReservationRefused as error:
            found = error.reason
        assert found == refusal
        if refusal is None:
            self.model.reserve(job.id, scope, member, roles, cost, self.today).again_of = again_of
        self.refused[refusal or "taken"] += 1
        return f"{member} asks for {cost} in {scope} with {roles}, again of {again_of}: {refusal}"

    def ask_for_takes(self) -> str:
        """Several of one request: all of them are reserved, or none."""
        (scope, member), cost, count = self.somebody(), self.rng.choice([1, 2, 4]), self.rng.choice([2, 3, 4])
        first = builders.a_job(len(self.asked) + 4 * HOUR, scope=scope, member=member, cost=cost, at=self.now)
        made = [
            first.evolve(
                id=take_id(first.id, number),
                key=f"{first.key}-{number}",
                spec=replace(first.spec, takes=count, take=number),
                card=replace(first.card, request=first.id),
            )
            for number in range(1, count + 1)
        ]
        refusal = self.model.refusal(scope, member, [], cost, self.today, takes=count)
        found: str | None = None
        try:
            taken = self.write(reserve_all(made, [], OPERATOR))
            assert [job.id for job in self.write(of_request(first.id))] == [job.id for job in taken]
        except ReservationRefused as error:
            found = error.reason
        assert found == refusal
        for job in made if refusal is None else ():
            self.takes[job.id] = job
            self.model.reserve(job.id, scope, member, [], cost, self.today)
        self.asked.append(first)  # its number is used
        self.refused[refusal or "taken"] += 1
        return f"{member} asks for {count} takes of {cost} in {scope}: {refusal}"

    def job(self, known: JobId) -> Job:
        """As it was asked for."""
        return self.takes[known] if known in self.takes else self.asked[known]

    def ask_again(self) -> str:
        for known in self.videos():
            with pytest.raises(AlreadyKnown):
                self.write(reservations.reserve(self.job(known).evolve(created_at=self.now), [], OPERATOR))
            return f"{known} is asked for again"
        return "nothing to ask for again"

    def videos(self, *states: str) -> list[JobId]:
        """At most one video, in one of these states."""
        found = [job for job, video in self.model.videos.items() if not states or video.state in states]
        return [self.rng.choice(found)] if found else []

    def move_on(self) -> str:
        for job in self.videos(*MOVES):
            start = self.model.videos[job].state
            happy, *others = MOVES[start]
            return self.move(job, start, self.rng.choice([*[happy] * 6, *others]))
        return "nothing to move"

    def move_anyhow(self) -> str:
        for job in self.videos():
            start = self.rng.choice(list(MOVES))
            return self.move(job, start, self.rng.choice(list(MOVES[start])))
        return "nothing to move"

    def fall_back(self) -> str:
        """Another model makes it, for what was reserved; the credits are not touched, and not given back in part."""
        other = f"model-{self.rng.randrange(3)}"
        changes = {"model": other, "request_key": None, "fallback_from": "asked-for"}
        for job in self.videos("submitting"):
            moved = self.write(jobs.move(job, JobState.SUBMITTING, JobState.WAITING, now=self.now, **changes))
            assert moved is not None
            assert (moved.spec.model, moved.spec.credits) == (other, self.model.videos[job].cost)
            self.model.videos[job].state = "waiting"
            return f"{job} was refused, and waits for {other}"
        for job in self.videos("waiting"):
            before = self.job(job).spec.model
            changed = self.write(jobs.change_waiting(job, before, **changes))
            assert changed is None or changed.spec.credits == self.model.videos[job].cost
            return f"{job} waits for {other} instead of {before}: {changed is not None}"
        return "nothing that could fall back"

    def ask_for_what_is_moderated(self) -> str:
        """Always the same member, who does not learn from it."""
        before = set(self.model.videos)
        self.ask_for(1, SCOPES[0], MEMBERS[0], [])
        for job in set(self.model.videos) - before:
            for start, to in (("waiting", "submitting"), ("submitting", "rendering"), ("rendering", "failed")):
                self.move(job, start, to)
        return "a video is moderated"

    def move(self, job: JobId, start: str, to: str) -> str:
        video = self.model.videos[job]
        sent: dict[str, dict[str, object]] = {
            "submitting": {"last_sent_at": self.now},
            "rendering": {"ticket": "video"},
        }
        changes = sent.get(to, {})
        if to == "timed_out":
            changes = {"failure": FailureKind.TIMED_OUT}
        moved = self.write(jobs.move(job, JobState(start), JobState(to), now=self.now, **changes))
        assert (moved is not None) == (video.state == start)
        if moved is not None:
            video.state = to
            video.taken = video.taken or to == "rendering"
            video.refund = video.refund or MOVES[start][to]
        return f"{job} goes from {start} to {to}: {moved is not None}"

    def pass_time(self) -> str:
        midnight = self.now.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        later = [timedelta(hours=5), timedelta(days=6), timedelta(days=27)]
        self.now = self.rng.choice([midnight, midnight - timedelta(seconds=1), *(self.now + by for by in later)])
        return f"it is {self.now}"

    def set_quota(self) -> str:
        scope, member = self.rng.choice(SCOPES[:2]), self.rng.choice(MEMBERS)
        value, role = (self.rng.randrange(40), self.rng.choice(list(Period))), self.rng.choice(ROLES)
        by, model = self.by(scope), self.model
        match self.rng.choice(RULES):
            case "own":
                self.write(quotas.set_member(by, member, Limit(*value, Source.OWN)))
                model.own[scope, member] = value
            case "clear own":
                cleared = self.write(quotas.clear_member(by, member))
                assert cleared == (model.own.pop((scope, member), None) is not None)
            case "role":
                self.write(quotas.set_role(by, role, Limit(*value, Source.ROLE, role)))
                model.roles[scope, role] = value
            case "clear role":
                found = self.write(quotas.clear_role(by, role))
                assert (found and (found.credits, found.per)) == model.roles.pop((scope, role), None)
            case "default":
                self.write(quotas.set_default(by, Limit(*value, Source.SERVER)))
                model.defaults[scope] = value
            case "no default":
                self.write(quotas.set_default(by, None))
                model.defaults.pop(scope, None)
            case "no server limit":
                self.write(quotas.set_server_limit(by, None))
                model.server_limits.pop(scope, None)
            case _:
                self.write(quotas.set_server_limit(by, Limit(*value, Source.SERVER)))
                model.server_limits[scope] = value
        return f"an admin of {scope} sets {value}"

    def forget_roles(self) -> str:
        scope = self.rng.choice(SCOPES[:2])
        existing = self.rng.sample(ROLES, self.rng.randrange(3))
        deleted = [role for role in sorted(ROLES) if role not in existing]
        gone = self.write(quotas.forget_roles(self.by(scope), deleted))
        assert gone == sorted(role for place, role in self.model.roles if place == scope and role not in existing)
        for role in gone:
            del self.model.roles[scope, role]
        return f"of {scope} only the roles {existing} are left"

    def grant(self) -> str:
        (scope, member), count = self.somebody(), self.rng.randrange(1, 10)
        self.write(builders.grant(member, count, scope=scope, now=self.now))
        self.model.bonus[scope, member] = self.model.bonus.get((scope, member), 0) + count
        return f"{member} is granted {count} in {scope}"

    def grant_from_outside(self) -> str:
        """A shop's request, which may come again, or with another's key."""
        (scope, member), count = self.somebody(), self.rng.randrange(1, 10)
        key, asked = f"order {self.rng.randrange(8)}", (scope, member, count)
        granted = self.write(credit_requests.grant(self.by(scope), member, count, None, key=key))
        is_new = key not in self.orders
        if self.orders.setdefault(key, asked) != asked:
            assert granted is None
            return f"{key} was for {self.orders[key]}, and is refused for {asked}"
        if is_new:
            self.model.bonus[scope, member] = self.model.bonus.get((scope, member), 0) + count
        assert granted is not None
        assert (granted.is_repeated, granted.bonus.left) == (not is_new, self.model.bonus_left(scope, member))
        return f"{key}: {member} is granted {count} in {scope}, repeated: {not is_new}"

    def give_to_role(self) -> str:
        """Of one server: each member with the role gets it at their next use, once."""
        role, count = self.rng.choice(ROLES), self.rng.choice([None, 1, 5])
        by = self.by(SCOPES[0])
        self.write(
            admin_acts.recorded(by, Subject(ActKind.ROLE_GIFT, target=role), role_gifts.add(by, role, count, None))
        )
        self.gifts[by.acts[0]] = (role, count, {UserId(0): self.now})
        return f"everyone with {role} is given {count}"

    def use_with_roles(self) -> str:
        """A member with roles comes along, twice; or a gift is undone, and what of it is not spent is taken back."""
        scope, member, roles = SCOPES[0], self.rng.choice(MEMBERS), self.rng.sample(ROLES, self.rng.randrange(3))
        for _ in range(2):
            self.write(role_gifts.give(scope, member, roles, self.now))
            self.follow_gifts(scope, member, roles)
        if not self.gifts or self.rng.random() < 0.6:
            return f"{member} comes with {roles}"
        act = self.rng.choice(sorted(self.gifts))
        had = {each: balances.bonus_left(Tx(self.connection), scope, each) for each in MEMBERS}
        if isinstance(self.write(admin_acts.undo(self.by(scope), act)), Refusal):
            return f"{act} is not undone any more"
        role, count, given = self.gifts.pop(act)
        for each in MEMBERS:
            taken = had[each] - balances.bonus_left(Tx(self.connection), scope, each)
            assert 0 <= taken <= (count or 0) * (each in given)
            self.model.bonus[scope, each] = self.model.bonus.get((scope, each), 0) - taken
        return f"{act} for {role} is undone"

    def follow_gifts(self, scope: Scope, member: UserId, roles: list[int]) -> None:
        """In the model: what is due now, of gifts that are not older than 30 days."""
        for role, count, given in self.gifts.values():
            if role in roles and member not in given and self.now - given[UserId(0)] < role_gifts.LASTS:
                given[member] = self.now
                if count is None:
                    self.model.reset_counts[scope, member] = self.model.reset_counts.get((scope, member), 0) + 1
                else:
                    self.model.bonus[scope, member] = self.model.bonus.get((scope, member), 0) + count

    def change_and_undo(self) -> str:
        """A change that still stands is undone: the model does not hear of it. Pressed twice, it is undone once."""
        (scope, member), role = self.somebody(), self.rng.choice(ROLES)
        by, limit = self.by(scope), (self.rng.randrange(40), self.rng.choice(list(Period)))
        others = [self.rng.choice([self.ask, self.move_on]) for _ in range(self.rng.randrange(3))]
        what = self.rng.choice(
            [ActKind.MEMBER_QUOTA, ActKind.ROLE_QUOTA, ActKind.SERVER_LIMIT, ActKind.RESET, ActKind.BONUS]
        )
        count, had = self.rng.randrange(1, 9), self.model.bonus_left(scope, member)
        units: dict[ActKind, list[Unit[object]]] = {
            ActKind.MEMBER_QUOTA: [
                quotas.set_member(by, member, Limit(*limit, Source.OWN)),
                quotas.clear_member(by, member),
            ],
            ActKind.ROLE_QUOTA: [
                quotas.set_role(by, role, Limit(*limit, Source.ROLE, role)),
                quotas.clear_role(by, role),
            ],
            ActKind.SERVER_LIMIT: [quotas.set_server_limit(by, Limit(*limit, Source.SERVER))],
            ActKind.RESET: [quotas.reset(by, member)],
            ActKind.BONUS: [quotas.grant(by, member, count, None), quotas.revoke(by, member, count, None)],
        }
        unit = self.rng.choice(units[what])
        about = member if what in (ActKind.MEMBER_QUOTA, ActKind.RESET, ActKind.BONUS) else None
        self.write(admin_acts.recorded(by, Subject(what, about, role if what is ActKind.ROLE_QUOTA else None), unit))
        if not by.acts:
            return f"{what} of {member} in {scope} is as before"
        change = balances.bonus_left(Tx(self.connection), scope, member) - had
        self.model.bonus[scope, member] = self.model.bonus.get((scope, member), 0) + change
        (grant_id,) = self.connection.execute("SELECT COALESCE(MAX(id), 0) FROM bonus_credits").fetchone()
        if what is ActKind.RESET:
            self.model.reset_counts[scope, member] = self.model.reset_counts.get((scope, member), 0) + 1
        if what in (ActKind.RESET, ActKind.BONUS):  # else the model would not know by which rules they are asked for
            for step in others:
                step()
        of_grant = "SELECT COALESCE(SUM(remaining), 0) FROM bonus_credits WHERE id = :grant_id"
        (left,) = self.connection.execute(of_grant, {"grant_id": grant_id}).fetchone()
        done, again = (self.write(admin_acts.undo(self.by(scope), by.acts[0])) for _ in range(2))
        now = (scope, member, self.model.reset_counts.get((scope, member)))
        used = any((video.scope, video.member, video.reset_count) == now for video in self.model.videos.values())
        stands = not (what is ActKind.RESET and used) and not (what is ActKind.BONUS and change > 0 and not left)
        assert isinstance(done, Undone) == stands
        assert again is (Refusal.ALREADY if stands else Refusal.CHANGED)
        if stands and what is ActKind.RESET:
            self.model.reset_counts[scope, member] -= 1
        if stands and what is ActKind.BONUS:
            self.model.bonus[scope, member] -= left if change > 0 else change
        return f"{what} of {member} in {scope} was changed and undone: {stands}"

    def revoke(self) -> str:
        (scope, member), count = self.somebody(), self.rng.randrange(1, 10)
        left = self.model.bonus_left(scope, member)
        bonus = self.write(quotas.revoke(self.by(scope), member, count, None))
        assert (bonus.change, bonus.left) == (-min(count, left), left - min(count, left))
        self.model.bonus[scope, member] = self.model.bonus.get((scope, member), 0) + bonus.change
        return f"{-bonus.change} bonus credits of {member} are taken back in {scope}"

    def reset(self) -> str:
        scope, member = self.somebody()
        self.write(quotas.reset(self.by(scope), member))
        self.model.reset_counts[scope, member] = self.model.reset_counts.get((scope, member), 0) + 1
        return f"{member} is reset in {scope}"

    def bar_or_let_in(self) -> str:
        """Whoever is barred is let in first, so that most of the time nobody is."""
        for scope in sorted(self.model.paused):
            self.model.paused.remove(scope)
            self.write(server_settings.resume(self.by(scope)))
            return f"{scope} goes on"
        for scope, member in sorted(self.model.blocked):
            self.model.blocked.remove((scope, member))
            self.write(server_settings.unblock(self.by(scope), member))
            return f"{member} is let into {scope}"
        scope, member = self.somebody()
        if self.rng.random() < 0.5:
            self.model.paused.add(scope)
            self.write(server_settings.pause(self.by(scope), None))
            return f"{scope} pauses"
        self.model.blocked.add((scope, member))
        cancelled = self.write(server_settings.block(self.by(scope), member, None))
        waiting = [
            job
            for job, video in sorted(self.model.videos.items())
            if (video.scope, video.member, video.state) == (scope, member, "waiting")
        ]
        assert [job.id for job in cancelled] == waiting
        for job in waiting:
            self.model.videos[job].state, self.model.videos[job].refund = "cancelled", "all"
        return f"{member} is blocked in {scope}: {waiting} cancelled"

    def restart(self) -> str:
        """What is kept is all there is; what was being sent is asked about by its key, or is lost."""
        self.connection.reconnect()
        unended = {
            job: video.state for job, video in self.model.videos.items() if video.state in (*UNDER_WAY, "timed_out")
        }
        found = {job.id: job.state for job in jobs.to_resume()(Tx(self.connection))}
        assert unended.items() <= found.items()
        for job in [job for job, state in unended.items() if state == "submitting"]:
            self.move(job, "submitting", self.rng.choice(["unknown", "rendering", "waiting"]))
        return "the bot starts anew"

    def check(self) -> None:
        """What /quota says of everybody, and the books."""
        assert differences(self.connection) == []
        tx = Tx(self.connection)
        for scope in SCOPES:
            for member in MEMBERS:
                told = balances.balance(scope, member, ROLES, OPERATOR, self.now)(tx)
                limit = self.model.quota(scope, member, ROLES, self.today)
                assert told.limit == Limit(limit.credits, Period(limit.per), Source(limit.source), limit.role)
                assert told.used == self.model.used(scope, member, limit.per, self.today)
                assert told.left == self.model.left(scope, member, ROLES, self.today)
                assert told.bonus == self.model.bonus_left(scope, member)
                assert told.running == self.model.running(member)
                refusal = reservations.check_eligibility(scope, member, told, self.now)(tx)
                assert (refusal and refusal.reason) == self.model.check_eligibility(scope, member, self.today)


@pytest.mark.parametrize("seed", mostly_thorough([1, 2, 3], by_default=[1]))
def test_the_store_agrees_with_the_model_after_every_step(seed: int, database: Database) -> None:
    if isinstance(database.where, Path):
        migrate(database.where)
    life = Life(database, random.Random(seed))
    every = 1 if isinstance(database.where, Path) else 20  # where each of 800 questions goes to a server
    try:
        for number in range(700):
            print(life.step())  # noqa: T201 - the story, where it ends badly
            if number % every == 0:
                life.check()
    finally:
        life.connection.close()

    assert len(life.refused) >= len(RefusalReason)  # of all reasons and “taken” at most one was not met
    assert {video.refund for video in life.model.videos.values()} == {None, "member", "all"}
