"""Tells the operator what needs them, once each: a refused key, an empty account, the budget, the disk, lost videos.

Nothing is queued. A look compares what is wrong now with what was told (`store.operator_alerts`); what is new goes out
in one message, and is noted once it was taken. So a restart repeats nothing, a message that did not go out is tried
again, and what is well again may be told again. Jobs never wait for any of this.

Where several processes share the store, all of them look, and whoever finds something claims it before it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from shutil import disk_usage
from uuid import uuid4

from bot.errors import ChatUnavailable, StoreError
from bot.jobs import backoff
from bot.jobs.context import JobContext
from bot.models import FailureKind, JobState, Limit, Period
from bot.store import leases, operator_alerts
from bot.store.jobs import Moved
from bot.store.ledger import Booked
from bot.store.operator_alerts import Look, Trouble
from bot.store.row_mapping import first_day

log = logging.getLogger(__name__)

EVERY_S, SHARED_EVERY_S = 60.0, 10.0
"""Looked at so often when nothing happens here: for the disk, and for what other processes have seen."""
BETWEEN_S = 2.0
"""Between two looks, however much happens."""
TOLD_WITHIN_S = 30.0
CLAIMED_FOR = timedelta(seconds=60)
"""A process that claimed what is to be told, and is gone since, keeps it from the operator for no longer."""
JOBS_SINCE = timedelta(days=7)
LEAST_FREE_BYTES, WELL_FREE_BYTES = 1_000_000_000, 1_200_000_000
"""Told below the first, well again above the second: a figure that wavers is told once."""
MOST_CHARS = 1_900
_WHEN = {Period.DAY: "today", Period.WEEK: "this week", Period.MONTH: "this month", Period.TOTAL: "so far"}
_KINDS = (FailureKind.KEY, FailureKind.BALANCE)

Send = Callable[[str], Awaitable[None]]
"""Gives the operator a message of up to 2,000 characters. Raises ChatUnavailable where it was not taken."""


class OperatorAlerts:
    """Owns one task. What bounds it: one look at a time, one message a look, `TOLD_WITHIN_S` for each."""

    def __init__(self, context: JobContext, *, budget: Limit, folders: list[Path], send: Send) -> None:
        self._context = context
        self._budget = budget
        self._folders = folders
        self._send = send
        self._id = uuid4().hex
        self._woken = asyncio.Event()
        self._taken: set[str] = set()  # names of circuits that a job has gone through since the last look
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins with a look; returns at once."""
        self._context.store.observe(self._notice)
        self._task = asyncio.create_task(self._run(), name="operator-alerts")

    async def stop(self) -> None:
        """What was not told is told after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _notice(self, event: object) -> None:
        """Called by the store with each move and booking: no more than a note."""
        if isinstance(event, Moved) and event.job.state is JobState.RENDERING:
            job = event.job
            self._taken |= {f"key:{job.provider}", *(f"balance:{job.provider}:{of}" for of in ("", job.spec.model))}
        if isinstance(event, Moved | Booked):
            self._woken.set()

    async def _run(self) -> None:
        failed = 0
        while True:
            self._woken.clear()
            try:
                await self._look()
                failed = 0
            except (StoreError, ChatUnavailable, TimeoutError) as error:
                failed += 1
                log.warning("the operator could not be told, trying again: %s", str(error) or "no answer in time")
            except Exception:  # at the edge of a task, which goes on
                failed += 1
                log.exception("the operator could not be told, trying again")
            if failed:
                await self._context.clock.sleep(_pause_s(failed, self._context.rng))
                continue
            await self._context.clock.sleep(BETWEEN_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHARED_EVERY_S if self._context.store.is_shared else EVERY_S):
                    await self._woken.wait()
            await (
                self._context.interaction_priority.wait_until_idle()
            )  # what woke it may be a reservation, with its answer to come

    async def _look(self) -> None:
        """Raises StoreError, ChatUnavailable, TimeoutError."""
        store, now = self._context.store, self._context.clock.now()
        look = operator_alerts.look(self._budget, now=now, since=now - JOBS_SINCE)
        found = await store.read(look)
        free_bytes = await asyncio.to_thread(self._free_bytes)
        taken, self._taken = self._taken, set()
        wrong = self._wrong(found, free_bytes)
        well = [name for name in found.told - wrong.keys() if not name.startswith(_CIRCUITS) or name in taken]
        if well:
            await store.write(operator_alerts.forget(well))
        if not found.new and wrong.keys() <= found.told:
            return
        if not store.is_shared:
            await self._tell(found, wrong)
            return
        mine = await store.write(operator_alerts.claim(look, self._id, now=now, ends_at=now + CLAIMED_FOR))
        if mine is None:
            return
        try:
            await self._tell(mine, self._wrong(mine, free_bytes))
        finally:
            await store.write(leases.release(operator_alerts.LEASE, self._id))

    async def _tell(self, found: Look, wrong: dict[str, str]) -> None:
        """What is new of it. Raises as `_look`."""
        now = self._context.clock.now()
        new = {name: words for name, words in wrong.items() if name not in found.told}
        lines = [words for words in new.values() if words] + list(_of_jobs(found.new))
        if lines:
            async with asyncio.timeout(TOLD_WITHIN_S):
                await self._send(_cut("\n".join(f"⚠️ {line}" for line in lines)))
        remember = operator_alerts.remember(new, found.new, now=now, since=now - 2 * JOBS_SINCE)
        await self._context.store.write(remember)

    def _wrong(self, found: Look, free_bytes: int | None) -> dict[str, str]:
        """What is wrong beside jobs, by its name, in words."""
        return {**self._circuits(found), **self._budget_words(found), **_disk_words(found, free_bytes)}

    def _free_bytes(self) -> int | None:
        """The least of the disks that are written to; None where none can be asked."""
        free = []
        for folder in self._folders:
            with contextlib.suppress(OSError):
                free.append(disk_usage(folder).free)
        return min(free, default=None)

    def _circuits(self, found: Look) -> dict[str, str]:
        """Shared ones as the store has them: what this process knows may be a moment older than what was told."""
        breakers = self._context.circuit_breakers
        not_closed = found.circuits if self._context.store.is_shared else breakers.not_closed()
        wrong = {}
        for provider, model, kind in not_closed:
            if kind in _KINDS:
                name = f"key:{provider}" if kind is FailureKind.KEY else f"balance:{provider}:{model}"
                wrong[name] = _circuit_words(provider, model, kind)
        return wrong

    def _budget_words(self, found: Look) -> dict[str, str]:
        """Once in each period, for each limit: what is given back and spent again is not told again."""
        limit = self._budget
        if not limit.credits:
            return {}
        which = f"{first_day(limit.per, self._context.clock.now())}:{limit.credits}"
        least = min((model.cheapest * min(model.seconds) for model in self._context.catalog.models), default=1)
        is_used_up = limit.credits - found.budget_used < least
        used = f"{found.budget_used:,} of the budget's {limit.credits:,} credits are used {_WHEN[limit.per]}"
        words = {}
        if is_used_up or f"budget-100:{which}" in found.told:
            words[f"budget-100:{which}"] = (
                f"{used}, so nobody can make a video. To allow more, raise BUDGET_CREDITS and restart the bot."
            )
        if is_used_up or found.budget_used * 5 >= limit.credits * 4 or f"budget-80:{which}" in found.told:
            words[f"budget-80:{which}"] = (
                "" if is_used_up else f"{used}. `python -m bot usage` shows who used them; BUDGET_CREDITS is the limit."
            )
        return words


_CIRCUITS = ("key:", "balance:")
"""Begin the names of what only a job that was taken proves to be well again: a restart forgets circuits."""


def _pause_s(failed: int, rng: random.Random) -> float:
    """Seconds before it is tried again: some minutes of shorter pauses, then ever longer ones, up to a day."""
    quick = 7
    return backoff.chat_pause(failed + 4, 0.0, rng) if failed <= quick else backoff.redeliver_pause(failed - quick)


def _circuit_words(provider: str, model: str, kind: FailureKind) -> str:
    if kind is FailureKind.KEY:
        return (
            f"The provider {provider} does not accept the key, so nothing is sent to it. Correct the key and restart "
            "the bot."
        )
    which = f"for {model}" if model else "for any model"
    return (
        f"The provider {provider} refuses payment {which}, so nothing is sent to it. Look at your balance there; the "
        "bot tries again by itself."
    )


def _disk_words(found: Look, free_bytes: int | None) -> dict[str, str]:
    least = WELL_FREE_BYTES if "disk" in found.told else LEAST_FREE_BYTES
    if free_bytes is None or free_bytes >= least:
        return {}
    free = f"{free_bytes // 1_000_000:,} MB"
    return {
        "disk": f"Only {free} are free on the disk. Below 200 MB no new video is started. Make room: "
        "KEEP_PICTURES_DAYS and BACKUP_KEEP say what the bot keeps."
    }


def _of_jobs(troubles: list[Trouble]) -> Iterator[str]:
    lost = [trouble for trouble in troubles if trouble.state is JobState.UNKNOWN]
    if lost:
        providers = ", ".join(sorted({trouble.provider for trouble in lost}))
        yield (
            f"No answer came to the request for {_named(lost)}, so the credits are back, and nothing was sent again. "
            f"Check at {providers} whether a video was made and charged: "
            "docs/operations.md, “A job is unknown: did I pay?”"
        )
    undelivered = [trouble for trouble in troubles if trouble.state is JobState.UNDELIVERED]
    if undelivered:
        yield (
            f"Discord did not take {_named(undelivered)}. Nothing is lost: the bot tries again for 7 days, and the "
            "member finds it in `/videos`. docs/operations.md, “A member says the video never arrived”"
        )


def _named(troubles: list[Trouble]) -> str:
    """A video by the key that its card shows, with the server it was asked for in."""
    each = [f"{trouble.key}" + (f" (server {trouble.guild})" if trouble.guild else "") for trouble in troubles[:10]]
    more = [f"{len(troubles) - 10} more"] if len(troubles) > 10 else []
    return f"{'videos' if len(troubles) > 1 else 'video'} {', '.join([*each, *more])}"


def _cut(words: str) -> str:
    return words if len(words) <= MOST_CHARS else f"{words[:MOST_CHARS]}…"
