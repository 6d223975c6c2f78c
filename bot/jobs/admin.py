"""What admins do, behind `Service.admin`: allowances, pause, blocks, reports. Who may is Discord's to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.errors import ReservationRefused
from bot.jobs.desk import Clock
from bot.jobs.worker import Load, Worker
from bot.models import Allowances, Balance, ChannelId, Limit, Limits, Period, Scope, Server, Source, UsageRow, UserId
from bot.store import allowances, reserve, servers, usage, use
from bot.store.allowances import By
from bot.store.database import Store, Tx, Unit

T = TypeVar("T")

ANSWER_WITHIN_S = 2.0
"""Discord wants its first answer within 3 s: a store slower than this means a refusal."""


@dataclass(frozen=True, slots=True)
class Status:
    """Health as an admin sees it; `used` counts against the ceiling, in its period."""

    server: Server
    ceiling: Limit | None
    used: int
    load: Load


class Admin:
    """One method a command. All raise StoreUnavailable."""

    def __init__(self, *, store: Store, worker: Worker, limits: Limits, clock: Clock) -> None:
        self._store = store
        self._worker = worker
        self._limits = limits
        self._clock = clock

    def by(self, scope: Scope, actor: UserId) -> By:
        """Who acts where, now."""
        return By(scope, actor, self._clock.now())

    async def set_member(self, by: By, member: UserId, credits: int, per: Period) -> Limit:  # noqa: A002 - the option
        """An allowance of a member's own."""
        limit = Limit(credits, per, Source.OWN)
        await self._write(allowances.set_member(by, member, limit))
        return limit

    async def set_role(self, by: By, role: int, credits: int, per: Period) -> Limit:  # noqa: A002 - the option
        """An allowance of all who have the role."""
        limit = Limit(credits, per, Source.ROLE, role)
        await self._write(allowances.set_role(by, role, limit))
        return limit

    async def set_default(self, by: By, credits: int, per: Period) -> Limit:  # noqa: A002 - the option
        """The allowance of everybody else."""
        limit = Limit(credits, per, Source.SERVER)
        await self._write(allowances.set_default(by, limit))
        return limit

    async def set_ceiling(self, by: By, credits: int, per: Period) -> Limit:  # noqa: A002 - the option
        """What the whole server may spend."""
        limit = Limit(credits, per, Source.SERVER)
        await self._write(allowances.set_ceiling(by, limit))
        return limit

    async def grant(self, by: By, member: UserId, credits: int, reason: str | None) -> None:  # noqa: A002 - the option
        """Extra credits."""
        await self._write(allowances.grant(by, member, credits, reason))

    async def reset(self, by: By, member: UserId) -> None:
        """Forgets the use so far."""
        await self._write(allowances.reset(by, member))

    async def clear_member(self, by: By, member: UserId) -> bool:
        """Removes a member's own allowance; False where there was none."""
        return await self._write(allowances.clear_member(by, member))

    async def clear_role(self, by: By, role: int) -> bool:
        """Removes a role's allowance; False where there was none."""
        return await self._write(allowances.clear_role(by, role))

    async def forget_roles(self, by: By, existing: Sequence[int]) -> list[int]:
        """Removes the allowances of roles that are gone; returns those."""
        known = {role for role, _ in (await self.every(by.scope)).roles}
        if known <= set(existing):
            return []
        return await self._store.write(allowances.forget_roles(by, existing))

    async def every(self, scope: Scope) -> Allowances:
        """All allowances of the server."""
        return await self._store.read(allowances.every(scope))

    async def pause(self, by: By, reason: str | None) -> None:
        """No new jobs; those waiting are held, those at the provider run on."""
        await self._write(servers.pause(by, reason))
        self._worker.hold(by.scope)

    async def resume(self, by: By) -> None:
        """Takes jobs again."""
        await self._write(servers.resume(by))
        self._worker.let_go(by.scope)

    async def block(self, by: By, member: UserId, reason: str | None) -> int:
        """Shuts a member out; tells how many waiting jobs were cancelled and refunded."""
        cancelled = await self._write(servers.block(by, member, reason))
        for job in cancelled:
            if job.card.message is not None:  # else its task is about to store the card, and to see the job as it is
                await self._worker.recheck(job.id)
        return len(cancelled)

    async def unblock(self, by: By, member: UserId) -> None:
        """Lets a member in again."""
        await self._write(servers.unblock(by, member))

    async def set_log_channel(self, by: By, channel: ChannelId | None) -> None:
        """Where each job is listed; None for nowhere."""
        await self._write(servers.set_log_channel(by, channel))

    async def allow_others(self, by: By, *, allowed: bool) -> None:
        """Whether members may animate pictures that other people posted."""
        await self._write(servers.allow_others(by, allowed=allowed))

    async def others_allowed(self, scope: Scope) -> bool:
        """Whether members of this server may animate other people's pictures."""
        return (await self._store.read(servers.server(scope))).others_allowed

    async def bar(self, scope: Scope, member: UserId, balance: Balance) -> ReservationRefused | None:
        """The refusal that would meet the member here now, whatever the clip; None where credits alone decide."""
        return await self._store.read(reserve.bar(scope, member, balance, self._clock.now()))

    async def usage(self, scope: Scope, days: int) -> list[UsageRow]:
        """The jobs of the last days, today among them."""
        return await self._store.read(usage.usage(scope, days, self._clock.now()))

    async def status(self, scope: Scope) -> Status:
        """How the bot and this server stand."""
        now = self._clock.now()

        def unit(tx: Tx) -> Status:
            ceiling = use.ceiling_in(tx, scope)
            per = Period.DAY if ceiling is None else ceiling.per
            used = use.server_used(tx, scope, per, now)
            return Status(servers.server(scope)(tx), ceiling, used, self._worker.load(scope))

        return await self._store.read(unit)

    async def _write(self, unit: Unit[T]) -> T:
        return await self._store.write(unit, start_within_s=ANSWER_WITHIN_S)
