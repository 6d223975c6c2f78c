"""A card's last edit: made again until Discord takes it, within a bound, by whichever transport is open."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import discord
from discord import ui

from bot.chat.discord_errors import TROUBLE, ErrorKind, Transport, error_kind_of, told
from bot.chat.edit_rate_limit import EditRateLimit
from bot.chat.transports import Transports
from bot.jobs import backoff
from bot.models import Job

log = logging.getLogger(__name__)

UPLOAD_TRIED_FOR_S = 900.0
"""No upload of a video is begun later than so long after the first; then it is kept, and offered again later."""
EDIT_TRIED_FOR_S = 86_400.0
"""An edit without a file costs little, and a card that does not tell the end is worse."""
ASIDE_TRIED_FOR_S = 60.0
"""Where the edit is made again with the next try of the delivery."""


class LastEdit:
    """Knows which transports are open, and marks those that are dead."""

    def __init__(self, transports: Transports, rate_limit: EditRateLimit) -> None:
        self._transports = transports
        self._rate_limit = rate_limit
        self._rng = random.Random()  # noqa: S311 - jitter

    async def make(
        self,
        job: Job,
        view: Callable[[bool], ui.LayoutView],
        videos: Sequence[tuple[Job, Path]] = (),
        *,
        for_s: float = EDIT_TRIED_FOR_S,
    ) -> ErrorKind | None:
        """None where it is made; else what ended it. `view` is handed whether to leave out the prompt.

        PASSING where Discord took it by no transport for so long. What concerns the file alone leaves it open.
        """
        plain, tries, begun = False, 0, asyncio.get_running_loop().time()
        sizes = [(await asyncio.to_thread(video.stat)).st_size for _, video in videos]
        while transports := self._transports.open(job):
            transport = transports[0]
            if max(sizes, default=0) > self._transports.upload_limit(job, transport):
                return ErrorKind.TOO_LARGE  # the member's own limit has ended with their token, say
            if transport is Transport.BOT:
                await self._rate_limit.last(job.card.channel)
            try:
                await self._transports.edit(job, transport, view(plain), videos)
            except TROUBLE as error:
                error_kind = error_kind_of(error)
                log.warning("job=%s last edit by %s: %s (%s)", job.id, transport.name, error_kind.name, told(error))
                if error_kind is ErrorKind.REFUSED and not plain:
                    plain = True
                elif error_kind is ErrorKind.PASSING:
                    pause_s = backoff.chat_pause(tries, asked_s(error), self._rng)
                    tries += 1
                    if asyncio.get_running_loop().time() - begun + pause_s > for_s:
                        return error_kind
                    await asyncio.sleep(pause_s)
                elif not await self._goes_on(job, transport, error_kind, with_file=bool(videos)):
                    return error_kind
            else:
                return None
        return ErrorKind.TRANSPORT_DEAD

    async def _goes_on(self, job: Job, transport: Transport, error_kind: ErrorKind, *, with_file: bool) -> bool:
        """Whether another transport is worth a try."""
        if error_kind is ErrorKind.REMOVED:
            await self._transports.removed(job)
        if error_kind is ErrorKind.TRANSPORT_DEAD or (error_kind is ErrorKind.NOT_PERMITTED and not with_file):
            await self._transports.mark_dead(job, transport)
            return True
        return False


def asked_s(error: BaseException) -> float:
    """The pause that Discord asks for, in seconds."""
    return error.retry_after if isinstance(error, discord.RateLimited) else 0.0
