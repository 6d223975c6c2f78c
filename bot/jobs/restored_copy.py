"""Starting from a copy of the database: nothing in it is paid again, and no delivered video is removed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from bot.models import Job
from bot.store import backup, jobs
from bot.store.database import Store

log = logging.getLogger(__name__)


async def reconcile_copy(store: Store, *, restored: bool) -> None:
    """A database that is an older copy of itself: what waited in it may have been sent since, so it never is again."""
    if not (restored or await store.read(backup.is_backup)):
        return
    reconciled = await store.write(backup.reconcile(now=datetime.now(UTC)))
    log.warning(
        "started from a copy of the database: %s waiting cancelled, %s submitting unknown, all refunded; %s continue",
        reconciled.cancelled,
        reconciled.unknown,
        reconciled.carried_on,
    )


async def spare_finished_cards(store: Store, shows_video: Callable[[Job], Awaitable[bool]]) -> None:
    """The copy does not know what was delivered since it was made: an edit would take such a video off its card.

    `shows_video` tells what a job's card shows at Discord now.
    """
    if not await store.read(backup.is_reconciled):
        return
    shown = [job for job in await store.read(jobs.to_resume()) if await shows_video(job)]
    await store.write(backup.keep(shown, now=datetime.now(UTC)))
    if shown:
        log.warning("%s cards show their video already and are left as they are", len(shown))
