"""The rules of money as a model, written apart: what admins have set, every video, and nothing that is kept as a sum.

Shares no code with the bot's store; slow on purpose, since it adds up anew each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bot.models import DIRECT, JobId, Limits, Scope, UserId
from bot.store.database import Row
from tests.ledger_audit import first_day

UNDER_WAY = ("waiting", "submitting", "rendering", "delivering")

K = TypeVar("K")
Rule = tuple[int, str]
"""Credits per period."""


@dataclass
class Video:
    """A job as the model sees it."""

    scope: Scope
    member: UserId
    reset_count: int
    day: int
    cost: int
    from_quota: int
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
class Quota:
    """What counts for a member now, and whose word it is."""

    credits: int
    per: str
    source: str
    role: int | None = None


@dataclass
class MoneyModel:
    """What admins have set, and every video there was."""

    operator: Limits
    own: dict[tuple[Scope, UserId], Rule] = field(default_factory=dict)
    roles: dict[tuple[Scope, int], Rule] = field(default_factory=dict)
    defaults: dict[Scope, Rule] = field(default_factory=dict)
    server_limits: dict[Scope, Rule] = field(default_factory=dict)
    bonus: dict[tuple[Scope, UserId], int] = field(default_factory=dict)
    reset_counts: dict[tuple[Scope, UserId], int] = field(default_factory=dict)
    paused: set[Scope] = field(default_factory=set)
    blocked: set[tuple[Scope, UserId]] = field(default_factory=set)
    videos: dict[JobId, Video] = field(default_factory=dict)

    def used(self, scope: Scope, member: UserId, per: str, today: int) -> int:
        now = (scope, member, self.reset_counts.get((scope, member), 0))
        return sum(
            video.from_quota
            for video in self.videos.values()
            if (video.scope, video.member, video.reset_count) == now
            and video.counts_for_member
            and video.day >= first_day(per, today)
        )

    def quota(self, scope: Scope, member: UserId, roles: Iterable[int], today: int) -> Quota:
        if (scope, member) in self.own:
            return Quota(*self.own[scope, member], "own")
        held = [Quota(*self.roles[scope, role], "role", role) for role in sorted(roles) if (scope, role) in self.roles]
        if held:
            return max(held, key=lambda rule: rule.credits - self.used(scope, member, rule.per, today))
        if scope == DIRECT:
            return Quota(self.operator.direct.credits, self.operator.direct.per, "setting")
        if scope in self.defaults:
            return Quota(*self.defaults[scope], "server")
        return Quota(self.operator.default.credits, self.operator.default.per, "setting")

    def left(self, scope: Scope, member: UserId, roles: Iterable[int], today: int) -> int:
        """Of the quota; grants come on top."""
        rule = self.quota(scope, member, roles, today)
        return max(0, rule.credits - self.used(scope, member, rule.per, today))

    def bonus_left(self, scope: Scope, member: UserId) -> int:
        spent = sum(
            video.cost - video.from_quota
            for video in self.videos.values()
            if (video.scope, video.member) == (scope, member) and video.counts_for_member
        )
        return self.bonus.get((scope, member), 0) - spent

    def running(self, member: UserId) -> int:
        return sum(video.member == member and video.state in UNDER_WAY for video in self.videos.values())

    def refusal(
        self,
        scope: Scope,
        member: UserId,
        roles: Iterable[int],
        cost: int,
        today: int,
        again_of: JobId | None = None,
        takes: int = 1,
    ) -> str | None:
        """Why so many takes of `cost` each are refused; None where they are not."""
        left = self.left(scope, member, roles, today)
        server, budget = self.server_limits.get(scope), self.operator.budget
        cost *= takes
        walls = {
            "again_under_way": again_of is not None
            and any(video.again_of == again_of and video.state in UNDER_WAY for video in self.videos.values()),
            "too_many_jobs": self.running(member) + takes > self.operator.jobs_per_user,
            "quota": cost > left + self.bonus_left(scope, member),
            "server_limit": server is not None and self._all(scope, server[1], today) + cost > server[0],
            "budget": self._all(None, budget.per, today) + cost > budget.credits,
        }
        return self.check_eligibility(scope, member, today) or next(
            (name for name, stands in walls.items() if stands), None
        )

    def check_eligibility(self, scope: Scope, member: UserId, today: int) -> str | None:
        """Why nothing at all would be taken; None where it depends on the video."""
        now = (scope, member, self.reset_counts.get((scope, member), 0), today)
        moderated = [
            video
            for video in self.videos.values()
            if (video.scope, video.member, video.reset_count, video.day) == now
            and video.taken
            and video.refund == "member"
        ]
        if scope in self.paused:
            return "paused"
        if (scope, member) in self.blocked:
            return "blocked"
        return "too_many_refunds" if len(moderated) >= 5 else None

    def reserve(self, job: JobId, scope: Scope, member: UserId, roles: Iterable[int], cost: int, today: int) -> Video:
        """The quota first, grants for the rest."""
        from_quota = min(cost, self.left(scope, member, roles, today))
        reset_count = self.reset_counts.get((scope, member), 0)
        self.videos[job] = video = Video(scope, member, reset_count, today, cost, from_quota)
        return video

    def _all(self, scope: Scope | None, per: str, today: int) -> int:
        return sum(
            video.cost
            for video in self.videos.values()
            if scope in (None, video.scope) and video.counts_for_budget and video.day >= first_day(per, today)
        )


def follow(model: MoneyModel, line: Row, roles: Mapping[UserId, Sequence[int]]) -> None:
    """Goes one ledger line further: a reservation must have fitted, and must name what admitted it as it stood then.

    `roles` are those of each member. Knows reservations, cancellations, grants, resets and quotas.
    """
    scope, member, rule = line["scope"], line["member"], (line["limit_credits"], line["limit_per"])
    match line["kind"], line["reason"]:
        case "reserve", _:
            held, today, cost = roles.get(member, ()), line["day"], -line["credits"]
            assert model.refusal(scope, member, held, cost, today) is None, f"line {line['id']} did not fit"
            quota = Quota(*rule, line["limit_source"], line["role"])
            server_limit = (
                None
                if line["server_limit_credits"] is None
                else (line["server_limit_credits"], line["server_limit_per"])
            )
            assert quota == model.quota(scope, member, held, today), f"line {line['id']} names another rule"
            assert server_limit == model.server_limits.get(scope), f"line {line['id']} names another server limit"
            budget = model.operator.budget
            assert (line["budget_credits"], line["budget_per"]) == (budget.credits, budget.per)
            video = model.reserve(line["job"], scope, member, held, cost, today)
            assert (-line["from_quota"], line["reset_count"]) == (video.from_quota, video.reset_count)
        case "refund", _:
            model.videos[line["job"]].refund = "all" if line["from_budget"] else "member"
            model.videos[line["job"]].state = "over"
        case "grant" | "revoke", _:
            model.bonus[scope, member] = model.bonus.get((scope, member), 0) + line["credits"]
        case "reset", _:
            model.reset_counts[scope, member] = model.reset_counts.get((scope, member), 0) + 1
        case "quota", _ if member is not None:
            _set(model.own, (scope, member), rule)
        case "quota", _ if line["role"] is not None:
            _set(model.roles, (scope, line["role"]), rule)
        case "quota", "default":
            _set(model.defaults, scope, rule)
        case "quota", "server":
            _set(model.server_limits, scope, rule)
        case other:
            raise AssertionError(f"line {line['id']} is not understood: {other}")


def _set(rules: dict[K, Rule], key: K, rule: tuple[int | None, str | None]) -> None:
    credits_, per = rule
    if credits_ is None or per is None:
        del rules[key]
    else:
        rules[key] = credits_, per
