"""Puts the bot together, runs it, and takes it apart again in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord

import cogs.admin
import cogs.animate
import cogs.quota
import cogs.videos
from bot.catalog import load_catalog
from bot.chat.cards import Cards
from bot.chat.client import AnimateBot, point_at
from bot.chat.delivery import DiscordChat
from bot.errors import ChatUnavailable, SettingsError, StoreError
from bot.health import Health
from bot.images import Fitter
from bot.jobs.breaker import Breaker
from bot.jobs.desk import Clock, Desk, Timing
from bot.jobs.files import Files
from bot.jobs.line import Line
from bot.jobs.service import Service
from bot.jobs.worker import Worker
from bot.models import Job, JobId
from bot.settings import Settings
from bot.shrink import Shrinker
from bot.store import backup, commands, jobs
from bot.store import cards as stored_cards
from bot.store.database import Store, Unit, Writer
from bot.video.client import OpenAIVideos

log = logging.getLogger(__name__)

CLOSE_WITHIN_S = 4.0


class StoreMemory:
    """Keeps in the store which commands were synced."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def synced_hash(self, application: int, api: str) -> str | None:
        """Hash of the payload, or None."""
        return await self._store.read(commands.synced_hash(application, api))

    async def remember_hash(self, application: int, api: str, payload_hash: str) -> None:
        """Discord took this payload."""
        await self._store.write(commands.remember_hash(application, api, payload_hash))


class StoredCards:
    """Keeps in the store what is learnt of the ways to a card; what cannot be kept is learnt again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def token_died(self, job: JobId) -> None:
        """The interaction's token is dead."""
        await self._keep(stored_cards.drop_token(job))

    async def bot_barred(self, job: JobId) -> None:
        """The bot's own token cannot reach the card any more."""
        await self._keep(stored_cards.bar_bot(job))

    async def card_removed(self, job: JobId) -> None:
        """Somebody deleted the card."""
        await self._keep(stored_cards.mark_removed(job, now=datetime.now(UTC)))

    async def _keep(self, unit: Unit[object]) -> None:
        try:
            await self._store.write(unit)
        except StoreError as error:
            log.warning("a dead way was not kept: %s", error)


@dataclass(frozen=True, slots=True)
class App:
    """Everything that lives as long as the process."""

    bot: AnimateBot
    worker: Worker
    service: Service


@contextlib.asynccontextmanager
async def assemble(
    settings: Settings, *, writer: Callable[..., Writer] = Writer, force_sync: bool = False, restored: bool = False
) -> AsyncIterator[App]:
    """Opens what the bot needs and closes it again, also when the start fails half-way.

    `restored`: the database is an older copy, also where it bears no mark. Raises SettingsError, StoreError, OSError.
    """
    catalog = load_catalog(settings.video_catalog)
    files = Files(settings.data_dir)
    try:
        files.prepare()
    except OSError as error:
        raise SettingsError([f"DATA_DIR is wrong: {settings.data_dir} cannot be written to ({error})."]) from error
    _check_folders(settings.data_dir)
    point_at(settings.discord_api_url)
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(settings.database_path, writer=writer)
        stack.push_async_callback(store.close)
        await _settle_copy(store, restored=restored)
        videos = OpenAIVideos(
            url=settings.video_api_url,
            key=settings.video_api_key.get_secret_value(),
            auth=settings.video_api_auth,
            download_hosts=settings.video_download_hosts,
        )
        stack.push_async_callback(videos.close)
        fitter = Fitter()
        stack.callback(fitter.close)
        cards = Cards(catalog)
        clock = Clock()
        loop = asyncio.get_running_loop()
        breaker = Breaker(loop.time, loop.call_later)

        async def add_commands(bot: AnimateBot) -> None:
            cogs.animate.setup(bot.tree, service, cards)
            cogs.quota.setup(bot.tree, service)
            cogs.videos.setup(bot, service)
            await cogs.admin.setup(bot, service)

        async def on_login() -> None:
            await _spare_finished_cards(store, bot)
            resumed = await worker.start()
            log.info("resumed %s jobs", resumed)

        bot = AnimateBot(
            api_url=settings.discord_api_url,
            allowed_guilds=settings.allowed_guilds,
            memory=StoreMemory(store),
            add_commands=add_commands,
            on_login=on_login,
            direct_is_open=settings.limits.direct.credits > 0,
            force_sync=force_sync,
        )
        chat = DiscordChat(bot, cards, StoredCards(store), progress_s=settings.progress_seconds)
        stack.push_async_callback(chat.close)
        desk = Desk(
            store=store,
            videos=videos,
            chat=chat,
            files=files,
            fitter=fitter,
            shrinker=Shrinker(),
            catalog=catalog,
            line=Line(settings.max_concurrent_jobs, breaker),
            breaker=breaker,
            timing=Timing(settings.poll_seconds, timedelta(minutes=settings.job_timeout_minutes)),
            clock=clock,
        )
        worker = Worker(desk)
        service = Service(
            store=store,
            worker=worker,
            files=files,
            catalog=catalog,
            limits=settings.limits,
            endpoint=videos.endpoint,
            clock=clock,
            answering=desk.answering,
            breaker=breaker,
        )
        stack.push_async_callback(service.close)
        if settings.http_port:
            health = Health(
                faults=lambda: breaker.faults() + ([] if bot.is_connected else ["not connected to Discord"]),
                jobs=lambda: store.read(jobs.counts()),
                gauges=lambda: {"line_waiting": desk.line.waiting, "at_provider": desk.line.at_provider},
            )
            stack.push_async_callback(health.close)
            await health.start(settings.http_host, settings.http_port)
        yield App(bot, worker, service)


def _check_folders(data_dir: Path) -> None:
    """A folder that is there may still belong to somebody else. Nothing is written: the disk may be full."""
    for folder in (data_dir / "pictures", data_dir / "videos"):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError([f"DATA_DIR is wrong: {folder} cannot be written to by this user."])


async def _settle_copy(store: Store, *, restored: bool) -> None:
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


async def _spare_finished_cards(store: Store, bot: AnimateBot) -> None:
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
    except (discord.Forbidden, discord.NotFound):
        return False
    return bool(message["attachments"]) or _has_gallery(message.get("components", ()))


def _has_gallery(components: Iterable[Mapping[str, Any]]) -> bool:
    """A file that is shown in place is listed there alone."""
    return any(
        part["type"] == discord.ComponentType.media_gallery.value or _has_gallery(part.get("components", ()))
        for part in components
    )


async def run(
    settings: Settings, *, writer: Callable[..., Writer] = Writer, force_sync: bool = False, restored: bool = False
) -> None:
    """Runs the bot until SIGTERM or SIGINT.

    Raises SettingsError when Discord refuses the token, and whatever ended the connection for good: the service that
    runs this process starts it again.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with assemble(settings, writer=writer, force_sync=force_sync, restored=restored) as app:
        starting = asyncio.create_task(app.bot.start(settings.discord_token.get_secret_value()), name="discord")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await _stop(app, starting)
        if starting.done() and not starting.cancelled() and not stop.is_set():
            _raise_for(starting, settings.discord_api_url)


async def _stop(app: App, starting: asyncio.Task[None]) -> None:
    """Intake first, then the jobs, then Discord; with the gateway down `start()` never ends by itself."""
    log.info("stopping")
    app.bot.stopping = True
    await app.worker.stop()
    try:
        async with asyncio.timeout(CLOSE_WITHIN_S):
            await app.bot.close()
    except (
        TimeoutError,
        AttributeError,
        discord.DiscordException,
    ) as error:  # AttributeError: closed before its set-up
        log.warning("Discord's connection did not close cleanly: %r", error)
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting}, timeout=CLOSE_WITHIN_S)
    log.info("stopped")


def _raise_for(starting: asyncio.Task[None], api_url: str) -> None:
    error = starting.exception()
    if isinstance(error, discord.LoginFailure):
        raise SettingsError(["DISCORD_TOKEN is wrong: Discord refuses it. Copy it anew from the developer portal."])
    if isinstance(error, OSError | TimeoutError | discord.GatewayNotFound | discord.DiscordServerError):
        raise ChatUnavailable(f"Discord cannot be reached at {api_url}: {error}") from error
    if error is not None:
        raise error
