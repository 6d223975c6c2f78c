"""Starting from a copy of the database: nothing in it is paid again, and no delivered video is taken away."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import discord

from bot.chat.client import AnimateBot
from bot.chat.discord_errors import ErrorKind, error_kind_of
from bot.models import Job
from bot.store import backup, jobs
from bot.store.database import Store

log = logging.getLogger(__name__)


async def settle_copy(store: Store, *, restored: bool) -> None:
    """A database that is an older copy of itself: what waited in it may have been sent since, so it never is again."""
    if not (restored or await store.read(backup.is_backup)):
        return
    settled = await store.write(backup.settle(now=datetime.now(UTC)))
    log.warning(
        "started from a copy of the database: %s waiting cancelled, %s submitting unknown, all refunded; %s carried on",
        settled.cancelled,
        settled.unknown,
        settled.carried_on,
    )


async def spare_finished_cards(store: Store, bot: AnimateBot) -> None:
    """The copy does not know what was delivered since it was made: an edit would take such a video off its card."""
    if not await store.read(backup.is_settled):
        return
    shown = [job for job in await store.read(jobs.to_resume()) if await _shows_video(bot, job)]
    await store.write(backup.keep(shown, now=datetime.now(UTC)))
    log.warning("%s cards show their video already and are left as they are", len(shown))


async def _shows_video(bot: AnimateBot, job: Job) -> bool:
    if job.card.message is None:
        return False
    try:
        message = await bot.http.get_message(job.card.channel, job.card.message)
    except discord.HTTPException as error:
        if error_kind_of(error) in (ErrorKind.REMOVED, ErrorKind.ROUTE_DEAD, ErrorKind.NOT_PERMITTED):
            return False
        raise  # an edge's page, say, tells nothing of the card: better no start than a video taken away
    return bool(message["attachments"]) or _has_gallery(message.get("components", ()))


def _has_gallery(components: Iterable[Mapping[str, Any]]) -> bool:
    """A file that is shown in place is listed there alone."""
    return any(
        part["type"] == discord.ComponentType.media_gallery.value or _has_gallery(part.get("components", ()))
        for part in components
    )
