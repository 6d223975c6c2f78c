"""The rules of money as a model, written apart: what admins have set, every clip, and nothing that is kept as a sum.

Shares no code with the bot's store; slow on purpose, since it adds up anew each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bot.models import DIRECT, JobId, Limits, Scope, UserId
from bot.store.database import Row
from tests.books import first_day

UNDER_WAY = ("waiting", "submitting", "rendering", "delivering")

K = TypeVar("K")
Rule = tuple[int, str]
"""Credits per period."""


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
    again_of: JobId | None = None
    taken: bool = False
    refund: str | None = None

    @property
    def counts_for_member(self) -> bool:
        return self.refund is None

    @property
    def counts_for_budget(self) -> bool:
        return self.refund != "all"


@dataclass(frozen=True)
class Allowance:
    """What counts for a member now, and whose word it is."""

    credits: int
    per: str
    source: str
    role: int | None = None


@dataclass
class House:
    """What admins have set, and every clip there was."""

    operator: Limits
    own: dict[tuple[Scope, UserId], Rule] = field(default_factory=dict)
    roles: dict[tuple[Scope, int], Rule] = field(default_factory=dict)
    defaults: dict[Scope, Rule] = field(default_factory=dict)
    ceilings: dict[Scope, Rule] = field(default_factory=dict)
    granted: dict[tuple[Scope, UserId], int] = field(default_factory=dict)
    epochs: dict[tuple[Scope, UserId], int] = field(default_factory=dict)
    paused: set[Scope] = field(default_factory=set)
    blocked: set[tuple[Scope, UserId]] = field(default_factory=set)
    clips: dict[JobId, Clip] = field(default_factory=dict)

    def used(self, scope: Scope, member: UserId, per: str, today: int) -> int:
        now = (scope, member, self.epochs.get((scope, member), 0))
        return sum(
            clip.from_allowance
            for clip in self.clips.values()
            if (clip.scope, clip.member, clip.epoch) == now
            and clip.counts_for_member
            and clip.day >= first_day(per, today)
        )

    def allowance(self, scope: Scope, member: UserId, roles: Iterable[int], today: int) -> Allowance:
        if (scope, member) in self.own:
            return Allowance(*self.own[scope, member], "own")
        held = [
            Allowance(*self.roles[scope, role], "role", role) for role in sorted(roles) if (scope, role) in self.roles
        ]
        if held:
            return max(held, key=lambda rule: rule.credits - self.used(scope, member, rule.per, today))
        if scope == DIRECT:
            return Allowance(self.operator.direct.credits, self.operator.direct.per, "setting")
        if scope in self.defaults:
            return Allowance(*self.defaults[scope], "server")
        return Allowance(self.operator.default.credits, self.operator.default.per, "setting")

    def left(self, scope: Scope, member: UserId, roles: Iterable[int], today: int) -> int:
        """Of the allowance; grants come on top."""
        rule = self.allowance(scope, member, roles, today)
        return max(0, rule.credits - self.used(scope, member, rule.per, today))

    def grants_left(self, scope: Scope, member: UserId) -> int:
        spent = sum(
            clip.cost - clip.from_allowance
            for clip in self.clips.values()
            if (clip.scope, clip.member) == (scope, member) and clip.counts_for_member
        )
        return self.granted.get((scope, member), 0) - spent

    def running(self, member: UserId) -> int:
        return sum(clip.member == member and clip.state in UNDER_WAY for clip in self.clips.values())

    def refusal(
        self,
        scope: Scope,
        member: UserId,
        roles: Iterable[int],
        cost: int,
        today: int,
        again_of: JobId | None = None,
    ) -> str | None:
        """Why this is refused; None where it is not."""
        left = self.left(scope, member, roles, today)
        server, budget = self.ceilings.get(scope), self.operator.budget
        walls = {
            "again_under_way": again_of is not None
            and any(clip.again_of == again_of and clip.state in UNDER_WAY for clip in self.clips.values()),
            "too_many_jobs": self.running(member) >= self.operator.jobs_per_user,
            "allowance": cost > left + self.grants_left(scope, member),
            "ceiling": server is not None and self._all(scope, server[1], today) + cost > server[0],
            "budget": self._all(None, budget.per, today) + cost > budget.credits,
        }
        return self.bar(scope, member, today) or next((name for name, stands in walls.items() if stands), None)

    def bar(self, scope: Scope, member: UserId, today: int) -> str | None:
        """Why nothing at all would be taken; None where it depends on the clip."""
        now = (scope, member, self.epochs.get((scope, member), 0), today)
        moderated = [
            clip
            for clip in self.clips.values()
            if (clip.scope, clip.member, clip.epoch, clip.day) == now and clip.taken and clip.refund
        ]
        if scope in self.paused:
            return "paused"
        if (scope, member) in self.blocked:
            return "blocked"
        return "too_many_refunds" if len(moderated) >= 5 else None

    def take(self, job: JobId, scope: Scope, member: UserId, roles: Iterable[int], cost: int, today: int) -> Clip:
        """The allowance first, grants for the rest."""
        from_allowance = min(cost, self.left(scope, member, roles, today))
        epoch = self.epochs.get((scope, member), 0)
        self.clips[job] = clip = Clip(scope, member, epoch, today, cost, from_allowance)
        return clip

    def _all(self, scope: Scope | None, per: str, today: int) -> int:
        return sum(
            clip.cost
            for clip in self.clips.values()
            if scope in (None, clip.scope) and clip.counts_for_budget and clip.day >= first_day(per, today)
        )


def follow(house: House, line: Row, roles: Mapping[UserId, Sequence[int]]) -> None:
    """Goes one ledger line further: a reservation must have fitted, and must name what admitted it as it stood then.

    `roles` are those of each member. Knows reservations, cancellations, grants, resets and allowances.
    """
    scope, member, rule = line["scope"], line["member"], (line["limit_credits"], line["limit_per"])
    match line["kind"], line["reason"]:
        case "reserve", _:
            held, today, cost = roles.get(member, ()), line["day"], -line["credits"]
            assert house.refusal(scope, member, held, cost, today) is None, f"line {line['id']} did not fit"
            allowance = Allowance(*rule, line["limit_source"], line["role"])
            ceiling = None if line["ceiling_credits"] is None else (line["ceiling_credits"], line["ceiling_per"])
            assert allowance == house.allowance(scope, member, held, today), f"line {line['id']} names another rule"
            assert ceiling == house.ceilings.get(scope), f"line {line['id']} names another ceiling"
            budget = house.operator.budget
            assert (line["budget_credits"], line["budget_per"]) == (budget.credits, budget.per)
            clip = house.take(line["job"], scope, member, held, cost, today)
            assert (-line["from_allowance"], line["epoch"]) == (clip.from_allowance, clip.epoch)
        case "refund", _:
            house.clips[line["job"]].refund = "all" if line["from_budget"] else "member"
            house.clips[line["job"]].state = "over"
        case "grant" | "revoke", _:
            house.granted[scope, member] = house.granted.get((scope, member), 0) + line["credits"]
        case "reset", _:
            house.epochs[scope, member] = house.epochs.get((scope, member), 0) + 1
        case "allowance", _ if member is not None:
            _set(house.own, (scope, member), rule)
        case "allowance", _ if line["role"] is not None:
            _set(house.roles, (scope, line["role"]), rule)
        case "allowance", "default":
            _set(house.defaults, scope, rule)
        case "allowance", "server":
            _set(house.ceilings, scope, rule)
        case other:
            raise AssertionError(f"line {line['id']} is not understood: {other}")


def _set(rules: dict[K, Rule], key: K, rule: tuple[int | None, str | None]) -> None:
    credits_, per = rule
    if credits_ is None or per is None:
        del rules[key]
    else:
        rules[key] = credits_, per
