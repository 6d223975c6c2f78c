"""Progress on cards: one edit in flight per card, newest state wins, only on change, never faster than set."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import discord

from bot.chat.cards import Cards, Face, Shown, elapsed_s
from bot.chat.discord_errors import TROUBLE, ErrorKind, Transport, error_kind_of, told
from bot.chat.edit_rate_limit import EditRateLimit
from bot.chat.global_rate_limit import is_progress
from bot.chat.transports import Transports
from bot.jobs.chat_protocol import Progress, ProgressView
from bot.log_context import about_job
from bot.models import ChannelId, Job, JobId

log = logging.getLogger(__name__)

OLD_AFTER = timedelta(hours=1)
"""Discord allows 3 edits in 6 s a channel for messages over an hour old: only the last edit is made there."""
LEAVE_BEFORE = timedelta(seconds=60)
"""So long before its end a token makes its last edit, where nothing else reaches the card."""
LEAVE_WITHIN_S = 10.0
"""One try of that edit. It is made again, after 0.5, 1, 2, 4, 5, 5 … s, until it is made or the token has ended."""
LEAVE_PAUSES_S = 5.0
SLOWED_AT_MOST_S = 300.0
"""A card whose edits fail is edited half as often after each failure, down to this."""
CROWDED_S = 1.0
"""Each further card in a channel makes all of them move so much more seldom: about 60 edits a minute by tokens."""


@dataclass(eq=False, slots=True)
class _Card:
    """What is known of a card while it changes. `wanted` is how it is to look; None where nothing is to be done."""

    newest: Shown
    wanted: Shown | None = None
    face: Face | None = None  # as it looks at Discord
    edited_at: float = -1e9
    misses: int = 0  # edits in a row that failed
    plain: bool = False  # Discord refused it with its prompt
    pause: asyncio.TimerHandle | None = None  # until it may wait for its turn
    task: asyncio.Task[None] | None = None  # one edit
    before_edit: bool = False  # its task waits for room in the channel
    leaving: asyncio.TimerHandle | None = None
    ended: bool = False  # its last edit is somebody else's
    over: bool = False  # forgotten, but for the edit in flight


class Edits:
    """Owns one task for each edit that is made, and one more. `last` must come before a card's final edit.

    A card that is to change pauses by a timer, then waits for its turn in an ordered dict: thousands may, and a task
    for each would cost more than 2 KB. `_give_turns` starts their edits in that order, as the rate limit permits.
    """

    def __init__(
        self,
        transports: Transports,
        cards: Cards,
        rate_limit: EditRateLimit,
        *,
        every_s: float,
        now: Callable[[], datetime],
    ) -> None:
        self._transports = transports
        self._drawn = cards
        self._rate_limit = rate_limit
        self.is_current: Callable[[], bool] = lambda: True
        self._every_s = every_s
        self._now = now
        self._cards: dict[JobId, _Card] = {}
        self._closed: set[JobId] = set()
        self._crowd: Counter[ChannelId] = Counter()
        self._takes: dict[JobId, dict[JobId, Shown]] = {}  # what is known of those that share a card, by the first
        self._turns: OrderedDict[_Card, None] = OrderedDict()
        self._giving: asyncio.Task[None] | None = None

    def show(self, job: Job, progress_view: ProgressView | None) -> None:
        """Wants the card to look so; returns at once."""
        if job.card.message is None or job.card.finished or (job.card.request or job.id) in self._closed:
            return
        counts_time = isinstance(progress_view, Progress) and progress_view.due is None
        shown = Shown(job, progress_view, elapsed_s(job, self._now()) if counts_time else 0)
        if job.card.request is None:
            self._show(shown)
            return
        self._takes.setdefault(job.card.request, {})[job.id] = shown
        card = self._cards.get(job.card.request)
        if card is not None and not card.over:  # else whoever carries the first take draws it
            takes = tuple(shown if take.job.id == job.id else take for take in card.newest.takes)
            self._show(replace(takes[0], takes=takes))

    def show_takes(self, takes: Sequence[Job]) -> None:
        """Wants the card that these share to look so, with what is known of each one's progress; returns at once."""
        first, known = takes[0], self._takes.get(takes[0].id, {})
        if first.card.message is None or first.card.finished or first.id in self._closed:
            return
        shown = []
        for take in takes:
            before = known.get(take.id)
            is_same = before is not None and before.job.state is take.state
            shown.append(replace(before, job=take) if before is not None and is_same else Shown(take))
        self._show(replace(shown[0], takes=tuple(shown)))

    def _show(self, shown: Shown) -> None:
        job = shown.job
        card = self._cards.get(job.id)
        if card is None:
            card = self._cards[job.id] = _Card(shown)
            self._crowd[job.card.channel] += 1
            self._rate_limit.begun(job.card.channel, job.id)
        if shown.face.states != card.newest.face.states:
            _end_pause(card)  # a new state does not wait as long as a bar that moves; its turn it keeps
        card.newest, card.ended, card.over = shown, False, False
        if card.leaving is None and self._transports.only_token(job):
            left = (job.card.token_ends_at - LEAVE_BEFORE - self._now()).total_seconds()
            card.leaving = asyncio.get_running_loop().call_later(max(0.0, left), self._leave, job.id)
        card.wanted = None if shown.face == card.face else shown
        self._start(card)

    async def last(self, job: Job) -> None:
        """No more progress on this card; waits for the edit in flight, so that none lands after the final one.

        Whatever comes before an edit is not waited for: a finished video does not wait behind it.
        """
        self._closed.add(job.id)
        card = self._cards.get(job.id)
        if card is None:
            return
        card.wanted, card.ended = None, True
        self._interrupt(card)
        if card.task is not None:
            await asyncio.wait({card.task})

    def forget(self, job: Job) -> None:
        """The card is done."""
        self._closed.discard(job.id)
        self._forget_takes(job)
        self._rate_limit.finished(job.card.channel, job.id)
        card = self._cards.get(job.id)
        if card is None:
            return
        card.wanted, card.over = None, True
        if card.leaving is not None:
            card.leaving.cancel()
            card.leaving = None
        self._interrupt(card)
        if card.task is None:
            self._drop(card)

    def _forget_takes(self, job: Job) -> None:
        """One of several; what is known of the others stays until each of them is done."""
        request = job.card.request
        if request is not None and (known := self._takes.get(request)) is not None:
            known.pop(job.id, None)
            if not known:
                del self._takes[request]

    async def close(self) -> None:
        """Drops what is wanted and ends every task."""
        self._turns.clear()
        tasks = [] if self._giving is None else [self._giving]
        for card in self._cards.values():
            card.wanted = None
            _end_pause(card)
            if card.leaving is not None:
                card.leaving.cancel()
            if card.task is not None:
                tasks.append(card.task)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, card: _Card) -> None:
        """An edit of what is wanted, after a pause and in its turn; nothing where the card is on its way to one."""
        if card.wanted is None or card.task is not None or card.pause is not None or card in self._turns:
            return
        pause_s = self._pause_s(card, card.wanted)
        card.pause = asyncio.get_running_loop().call_later(max(0.0, pause_s), self._paused, card)

    def _paused(self, card: _Card) -> None:
        card.pause = None
        if card.wanted is None:
            return
        if card.wanted.leaving:
            self._begin(card)
            return
        self._turns[card] = None
        if self._giving is None or self._giving.done():
            self._giving = asyncio.create_task(self._give_turns(), name="card-turns")

    async def _give_turns(self) -> None:
        while self._turns:
            await self._rate_limit.anywhere()
            if self._turns:
                card, _ = self._turns.popitem(last=False)
                self._begin(card)
            await asyncio.sleep(0)  # one card drawn, then whatever else the event loop has to do

    def _begin(self, card: _Card) -> None:
        card.task = asyncio.create_task(self._run(card), name=f"card-{card.newest.job.id}")
        card.task.add_done_callback(partial(self._ended, card))

    def _interrupt(self, card: _Card) -> None:
        """Ends whatever comes before an edit; one in flight goes on. What is wanted then starts again."""
        _end_pause(card)
        self._turns.pop(card, None)
        if card.before_edit and card.task is not None:
            card.task.cancel()

    def _ended(self, card: _Card, task: asyncio.Task[None]) -> None:
        card.task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("job=%s its card could not be drawn", card.newest.job.id, exc_info=error)
        if card.over:
            self._drop(card)
        elif error is None:
            self._start(card)

    def _drop(self, card: _Card) -> None:
        channel = card.newest.job.card.channel
        del self._cards[card.newest.job.id]
        self._crowd[channel] -= 1
        if not self._crowd[channel]:
            del self._crowd[channel]

    def _leave(self, job_id: JobId) -> None:
        """The token is about to expire and nothing else reaches the card: its last edit leaves a button."""
        card = self._cards.get(job_id)
        if card is None or job_id in self._closed:
            return
        self._closed.add(job_id)
        card.wanted, card.misses = replace(card.newest, leaving=True), 0
        self._interrupt(card)
        self._start(card)

    async def _run(self, card: _Card) -> None:
        """One edit, to what is wanted once there is room for it."""
        about_job(card.newest.job)  # whoever has started this task may work on another
        is_progress.set(not (card.wanted is not None and card.wanted.leaving))
        card.before_edit = True
        try:
            transport = None if card.wanted is None else await self._transport(card.wanted)
        finally:
            card.before_edit = False
        wanted, card.wanted = card.wanted, None
        if wanted is None or transport is None:
            return
        card.edited_at = asyncio.get_running_loop().time()
        if not self.is_current():
            card.wanted = wanted if card.wanted is None and not (card.ended or card.over) else card.wanted
            return
        error_kind = await self._edit(wanted if not card.plain else replace(wanted, plain=True), transport)
        if error_kind is None:
            card.face, card.misses = wanted.face, 0
        else:
            self._failed(card, wanted, error_kind)

    def _failed(self, card: _Card, wanted: Shown, error_kind: ErrorKind) -> None:
        """What nothing newer follows is made again, ever more seldom, for as long as a transport is open."""
        card.misses += 1
        may_pass = error_kind is not ErrorKind.REFUSED or not card.plain
        card.plain = card.plain or error_kind is ErrorKind.REFUSED
        if may_pass and card.wanted is None and not (card.ended or card.over):
            card.wanted = wanted

    async def _transport(self, wanted: Shown) -> Transport | None:
        """By which transport the card is edited, once its channel has room; None where it may not be any more."""
        job = wanted.job
        transports = self._transports.open(job)
        if not transports or self._now() - job.created_at > OLD_AFTER:
            if wanted.leaving:
                log.warning("job=%s its card stays without its button: it cannot be edited any more", job.id)
            return None
        if transports[0] is Transport.BOT:
            await self._rate_limit.progress(job.card.channel)
        return transports[0]

    def _pause_s(self, card: _Card, wanted: Shown) -> float:
        """Until the card may be edited, or wait for its turn; below 0 where it might have been before."""
        if wanted.leaving:
            return min(0.25 * 2**card.misses, LEAVE_PAUSES_S) if card.misses else 0.0
        return card.edited_at + self._gap_s(card, wanted) - asyncio.get_running_loop().time()

    def _gap_s(self, card: _Card, wanted: Shown) -> float:
        """Between two edits of a card."""
        gap_s = self._every_s
        if card.face is not None and card.face.states == wanted.face.states:
            gap_s = max(gap_s, CROWDED_S * (self._crowd[wanted.job.card.channel] - 1))
        slowed_s = self._every_s * float(2 ** min(card.misses, 10))
        return max(gap_s, min(slowed_s, SLOWED_AT_MOST_S))

    async def _edit(self, wanted: Shown, transport: Transport) -> ErrorKind | None:
        """One try; None where it is made."""
        job = wanted.job
        try:
            async with asyncio.timeout(LEAVE_WITHIN_S if wanted.leaving else None):
                await self._transports.edit(job, transport, self._drawn.progress(wanted))
        except TROUBLE as error:
            error_kind = error_kind_of(error)
            log.info("job=%s progress edit by %s: %s (%s)", job.id, transport.name, error_kind.name, told(error))
            if isinstance(error, discord.HTTPException) and error.status < 500:
                self._rate_limit.refused()
            if error_kind in (
                ErrorKind.TRANSPORT_DEAD,
                ErrorKind.NOT_PERMITTED,
            ):  # without a file there is no smaller edit to try
                await self._transports.mark_dead(job, transport)
            elif error_kind is ErrorKind.REMOVED:
                await self._transports.removed(job)
            return error_kind
        return None


def _end_pause(card: _Card) -> None:
    if card.pause is not None:
        card.pause.cancel()
        card.pause = None
