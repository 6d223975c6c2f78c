"""What admins do, behind `Service.admin`: quotas, pause, blocks, reports. Who may is Discord's to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.errors import ReservationRefused, UserError
from bot.i18n.marking import N_
from bot.jobs.context import Clock
from bot.jobs.server_rules import RulesOfServers
from bot.jobs.worker import Worker
from bot.models import (
    Balance,
    Bonus,
    Change,
    ChangeContext,
    ChannelId,
    FailureKind,
    Job,
    Limit,
    Limits,
    Period,
    Scope,
    Server,
    Source,
    UserId,
)
from bot.report_models import ActKind, AdminActs, QueueCounts, Quotas, UsageRow
from bot.server_rules import RuleTarget, ServerRules
from bot.store import (
    admin_acts,
    balances,
    credit_requests,
    queued_jobs,
    quotas,
    reservations,
    role_gifts,
    server_rules,
    server_settings,
    shared_state,
    usage,
)
from bot.store.admin_acts import Refusal, Subject, Undone
from bot.store.credit_requests import Granted
from bot.store.database import Store, Tx, Unit
from bot.store.server_rules import ModelsChange

T = TypeVar("T")

ANSWER_WITHIN_S = 2.0
"""Discord wants its first answer within 3 s: a store slower than this means a refusal."""

_NOT_UNDONE = {
    Refusal.UNKNOWN: N_("This change cannot be undone. Nothing was changed."),
    Refusal.ALREADY: N_("This change is already undone. Nothing was changed."),
    Refusal.TOO_LATE: N_(
        "It is too late to undo this change. Nothing was changed. Changes can be undone for ten minutes."
    ),
    Refusal.CHANGED: N_(
        "This change can no longer be undone, because what it set has been changed or used since then. Nothing was "
        "undone."
    ),
}


@dataclass(frozen=True, slots=True)
class Status:
    """Health as an admin sees it; `used` counts against the server limit, in its period.

    `jobs` are those of the whole bot, `slots` how many may be at the providers, and `refused` the models for which
    nothing is sent for now, and why. `servers` are those of all processes; None where one is alone.
    """

    server: Server
    server_limit: Limit | None
    used: int
    jobs: QueueCounts
    slots: int
    refused: Mapping[str, FailureKind]
    servers: int | None = None


class Admin:
    """One method a command. All raise StoreUnavailable."""

    def __init__(
        self,
        *,
        store: Store,
        worker: Worker,
        limits: Limits,
        clock: Clock,
        refused: Callable[[], Mapping[str, FailureKind]],
        rules: RulesOfServers,
    ) -> None:
        self._store = store
        self._worker = worker
        self._limits = limits
        self._clock = clock
        self._refused = refused
        self._rules = rules

    def by(self, scope: Scope, actor: UserId) -> ChangeContext:
        """Who acts where, now."""
        return ChangeContext(scope, actor, self._clock.now())

    async def set_member(
        self,
        by: ChangeContext,
        member: UserId,
        roles: Sequence[int],
        credits: int,  # noqa: A002 - the option
        per: Period,
    ) -> Change:
        """A quota of a member's own; tells what counted before."""
        unit = quotas.set_member(by, member, Limit(credits, per, Source.OWN))
        changing = quotas.changing(by, member, roles, self._limits, unit)
        return await self._record(by, ActKind.MEMBER_QUOTA, changing, member=member)

    async def clear_member(self, by: ChangeContext, member: UserId, roles: Sequence[int]) -> Change | None:
        """Removes a member's own quota and tells what counts instead; None where there was none."""
        unit = quotas.clear_member(by, member)
        changing = quotas.changing(by, member, roles, self._limits, unit)
        change = await self._record(by, ActKind.MEMBER_QUOTA, changing, member=member)
        return None if change.before is None or change.before.source is not Source.OWN else change

    async def set_role(self, by: ChangeContext, role: int, credits: int, per: Period) -> Change:  # noqa: A002 - the option
        """A quota of all who have the role."""
        unit = quotas.set_role(by, role, Limit(credits, per, Source.ROLE, role))
        return await self._record(by, ActKind.ROLE_QUOTA, unit, target=role)

    async def clear_role(self, by: ChangeContext, role: int) -> Limit | None:
        """Removes a role's quota and returns it; None where there was none."""
        return await self._record(by, ActKind.ROLE_QUOTA, quotas.clear_role(by, role), target=role)

    async def set_default(self, by: ChangeContext, credits: int | None, per: Period) -> Change:  # noqa: A002 - the option
        """The quota of everybody else; without credits, the operator's default again."""
        limit = None if credits is None else Limit(credits, per, Source.SERVER)
        change = await self._record(by, ActKind.DEFAULT_QUOTA, quotas.set_default(by, limit))
        return Change(change.before or self._limits.default, change.after or self._limits.default)

    async def set_server_limit(self, by: ChangeContext, credits: int | None, per: Period) -> Change:  # noqa: A002 - the option
        """What the whole server may spend; without credits, no limit of its own any more."""
        limit = None if credits is None else Limit(credits, per, Source.SERVER)
        return await self._record(by, ActKind.SERVER_LIMIT, quotas.set_server_limit(by, limit))

    async def grant(self, by: ChangeContext, member: UserId, credits: int, reason: str | None) -> Bonus:  # noqa: A002 - the option
        """Bonus credits."""
        return await self._record(by, ActKind.BONUS, quotas.grant(by, member, credits, reason), member=member)

    async def grant_once(
        self,
        by: ChangeContext,
        member: UserId,
        credits: int,  # noqa: A002 - the option
        reason: str | None,
        *,
        key: str,
    ) -> Granted | None:
        """As `grant`, once for each key; None where the key was used for something else."""
        return await self._store.write(credit_requests.grant(by, member, credits, reason, key=key))

    async def give_to_role(self, by: ChangeContext, role: int, credits: int | None, reason: str | None) -> None:  # noqa: A002 - the option
        """Bonus credits, or without a number a reset, for all with the role: each gets it at their next use, once."""
        await self._record(by, ActKind.ROLE_GIFT, role_gifts.add(by, role, credits, reason), target=role)

    async def revoke(self, by: ChangeContext, member: UserId, credits: int, reason: str | None) -> Bonus:  # noqa: A002 - the option
        """Takes back bonus credits that are not spent yet."""
        return await self._record(by, ActKind.BONUS, quotas.revoke(by, member, credits, reason), member=member)

    async def reset(self, by: ChangeContext, member: UserId) -> None:
        """Forgets the use so far, if there is any."""
        await self._record(by, ActKind.RESET, quotas.reset_used(by, member), member=member)

    async def forget_roles(self, by: ChangeContext, exists: Callable[[int], bool]) -> list[int]:
        """Removes the quotas of roles that are gone; returns those.

        Which roles have one is read first, and only then which of them exist: a role that is made in between, and gets
        a quota, is not among them. Discord never uses an id twice.
        """
        gone = [role for role, _ in (await self.every(by.scope)).roles if not exists(role)]
        return await self._store.write(quotas.forget_roles(by, gone)) if gone else []

    async def every(self, scope: Scope) -> Quotas:
        """All quotas of the server."""
        return replace(await self._store.read(quotas.every(scope)), bots_default=self._limits.default)

    async def pause(self, by: ChangeContext, reason: str | None) -> None:
        """No new jobs; those waiting are held, those at the provider run on."""
        await self._record(by, ActKind.PAUSE, server_settings.pause(by, reason))
        self._worker.pause(by.scope)

    async def resume(self, by: ChangeContext) -> None:
        """Takes jobs again."""
        await self._record(by, ActKind.PAUSE, server_settings.resume(by))
        self._worker.resume(by.scope)

    async def block(self, by: ChangeContext, member: UserId, reason: str | None) -> int:
        """Shuts a member out; tells how many waiting jobs were cancelled and refunded."""
        cancelled = await self._record(by, ActKind.BLOCK, server_settings.block(by, member, reason), member=member)
        await self._recheck(cancelled)
        return len(cancelled)

    async def _recheck(self, cancelled: Sequence[Job]) -> None:
        for job in cancelled:
            if job.card.message is not None:  # else its task is about to store the card, and to see the job as it is
                await self._worker.recheck(job.id)

    async def unblock(self, by: ChangeContext, member: UserId) -> None:
        """Lets a member in again."""
        await self._record(by, ActKind.BLOCK, server_settings.unblock(by, member), member=member)

    async def set_log_channel(self, by: ChangeContext, channel: ChannelId | None) -> ChannelId | None:
        """Where each job is listed, None for nowhere; tells where it was before."""
        return await self._record(by, ActKind.LOG_CHANNEL, server_settings.set_log_channel(by, channel))

    async def allow_others(self, by: ChangeContext, *, allowed: bool) -> None:
        """Whether members may animate pictures that other people posted."""
        await self._record(by, ActKind.OTHERS, server_settings.allow_others(by, allowed=allowed))

    async def others_allowed(self, scope: Scope) -> bool:
        """Whether members of this server may animate other people's pictures."""
        return (await self._store.read(server_settings.server(scope))).others_allowed

    async def set_models(
        self, by: ChangeContext, kind: RuleTarget, target: int, models: Sequence[str] | None
    ) -> ModelsChange:
        """Which models a role or channel may use, None for all."""
        what = ActKind.ROLE_MODELS if kind is RuleTarget.ROLE else ActKind.CHANNEL_MODELS
        return await self._record(by, what, server_rules.set_models(by, kind, target, models), target=target)

    async def set_rules(
        self, by: ChangeContext, *, age_restricted_only: bool | None, barred_words: Sequence[str] | None
    ) -> tuple[ServerRules, ServerRules]:
        """Changes what is not None; the rules before and after."""
        unit = server_rules.set_server(by, age_restricted_only=age_restricted_only, barred_words=barred_words)
        before = await self._record(by, ActKind.RULES, unit)
        return before, await self._rules.of(by.scope)

    async def undo(self, by: ChangeContext, act: int) -> Undone:
        """Undoes what an admin changed here. Raises UserError where it does not stand any more."""
        found = await self._write(admin_acts.undo(by, act))
        if isinstance(found, Refusal):
            raise UserError(_NOT_UNDONE[found])
        if found.act.what is ActKind.PAUSE:
            (self._worker.resume if found.act.new is None else self._worker.pause)(by.scope)
        await self._recheck(found.cancelled)
        return found

    @property
    def default_quota(self) -> Limit:
        """Of the settings: where no admin has set one."""
        return self._limits.default

    async def acts(self, scope: Scope, first: int, count: int) -> AdminActs:
        """What admins changed here, the newest first."""
        return await self._store.read(admin_acts.page(scope, first, count))

    async def check_eligibility(self, scope: Scope, member: UserId, balance: Balance) -> ReservationRefused | None:
        """The refusal that would meet the member here now, whatever the video; None where credits alone decide."""
        return await self._store.read(reservations.check_eligibility(scope, member, balance, self._clock.now()))

    async def check_shared_limits(self, scope: Scope, balance: Balance) -> list[ReservationRefused]:
        """Where less is left of the server limit, or of the budget, than the member has."""
        return await self._store.read(reservations.check_shared_limits(scope, balance, self._limits, self._clock.now()))

    async def usage(self, scope: Scope, days: int) -> list[UsageRow]:
        """The jobs of the last days, today among them."""
        return await self._store.read(usage.usage(scope, days, self._clock.now()))

    async def status(self, scope: Scope) -> Status:
        """How the bot and this server stand."""
        now = self._clock.now()

        def unit(tx: Tx) -> Status:
            server_limit = balances.server_limit_in(tx, scope)
            per = Period.DAY if server_limit is None else server_limit.per
            used = balances.server_used(tx, scope, per, now)
            return Status(
                server_settings.server(scope)(tx),
                server_limit,
                used,
                queued_jobs.counts(scope)(tx),
                self._worker.slots,
                self._refused(),
                shared_state.servers()(tx) if self._store.is_shared else None,
            )

        return await self._store.read(unit)

    async def _record(
        self,
        by: ChangeContext,
        what: ActKind,
        unit: Unit[T],
        *,
        member: UserId | None = None,
        target: int | None = None,
    ) -> T:
        """Writes, and writes down what has changed by it."""
        return await self._write(admin_acts.recorded(by, Subject(what, member, target), unit))

    async def _write(self, unit: Unit[T]) -> T:
        return await self._store.write(unit, start_within_s=ANSWER_WITHIN_S)
