"""Puts the bot together, runs it, and takes it apart again in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import discord

import cogs.admin
import cogs.animate
import cogs.animate_this
import cogs.card_buttons
import cogs.improve_prompt
import cogs.membership
import cogs.privacy
import cogs.quota
import cogs.videos
from bot import file_permissions, garbage_collection
from bot.catalog import Catalog
from bot.chat.client import AnimateBot, set_api_base
from bot.chat.clock import DiscordClock, DiscordTime
from bot.chat.connection import Connection
from bot.chat.connection_errors import ended
from bot.chat.discord_chat import DiscordChat
from bot.chat.discord_errors import told
from bot.chat.operator_messages import OperatorMessages
from bot.chat.posted_video import shows_video
from bot.chat.take_cards import TakeCards
from bot.chat.video_requests import VideoRequests
from bot.cluster.assembly import open_dispatch, shards_of, worker_of
from bot.errors import SettingsError, StoreUnavailable
from bot.http_services import hosted_pictures, serve_http, signed_credits
from bot.i18n.translations import TranslationCatalog
from bot.images.fitter import Fitter
from bot.jobs import restored_copy
from bot.jobs.backups import Backups
from bot.jobs.chat_memory import StoredCards, StoredCommands, StoredSessions
from bot.jobs.context import Clock, JobContext, Timing, log_move, not_served
from bot.jobs.files import FOLDERS, Files
from bot.jobs.operator_alerts import OperatorAlerts
from bot.jobs.prompt_help import PromptHelp
from bot.jobs.provider_breakers import CircuitBreakers
from bot.jobs.providers import Providers
from bot.jobs.queue import JobQueue
from bot.jobs.retention import Retention
from bot.jobs.service import Service
from bot.jobs.worker import Worker
from bot.provider_settings import Offer, former, offer
from bot.providers.wires import connect
from bot.reload import Reloader
from bot.settings import Settings
from bot.store.database import Store
from bot.transcode.transcoder import Transcoder

if TYPE_CHECKING:
    from bot.cluster.job_dispatch import ClusterDispatch
    from bot.hosted_pictures import HostedPictures
    from bot.metrics import Metrics
    from bot.providers.protocols import Provider
    from bot.wire_config import ProviderConfig

log = logging.getLogger(__name__)

CLOSE_WITHIN_S = 4.0
STARTED_WITHIN_S = 300.0
"""Later than this the bot counts as started, also without Discord: 100,000 jobs are taken up in 140 s."""


@dataclass(frozen=True, slots=True)
class App:
    """Everything that lives as long as the process."""

    bot: AnimateBot
    worker: Worker
    service: Service
    reloader: Reloader
    frozen: asyncio.Event = field(default_factory=asyncio.Event)
    """This process stood still, and others may have taken its jobs over."""
    none_left: asyncio.Event | None = None
    """It carries what there was when it started; None where it does so before it is ready, or carries nothing."""


@contextlib.asynccontextmanager
async def assemble(
    settings: Settings, *, writer: Callable[..., Any] | None = None, force_sync: bool = False, restored: bool = False
) -> AsyncIterator[App]:
    """Opens what the bot needs and closes it again, also when the start fails midway.

    `restored`: the database is an older copy, also where it bears no mark. Raises SettingsError, StoreError, OSError.
    """
    on_offer, clock = offer(settings), DiscordTime(discord_clock := DiscordClock())
    catalog = on_offer.catalog
    files = _data_folder(settings, clock)
    metrics = _metrics(settings, catalog, clock)
    set_api_base(settings.discord_api_url)
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(settings.database, writer=writer)
        stack.push_async_callback(store.close)
        store.observe(log_move)
        if metrics is not None:
            metrics.measure(store)
        await restored_copy.reconcile_copy(store, restored=restored)
        dispatch = await open_dispatch(settings, store, clock, stack)
        providers = _providers(settings, on_offer, connect if metrics is None else metrics.connecting(connect))
        stack.push_async_callback(providers.close)
        translation_catalog = TranslationCatalog()
        prompt_help = PromptHelp(store, clock, settings.prompt_helper)
        cards = TakeCards(catalog, translation_catalog, lambda: prompt_help.is_on)
        bot = AnimateBot(
            api_url=settings.discord_api_url,
            allowed_guilds=settings.allowed_guilds,
            memory=StoredCommands(store),
            sessions=StoredSessions(store, clock),
            connection=Connection(
                settings.discord_api_url, discord_clock, *([] if metrics is None else [metrics.listen])
            ),
            translation_catalog=translation_catalog,
            add_commands=lambda bot: add_cogs(bot, service, VideoRequests(service, cards), prompt_help),
            resume=lambda: _resume(store, bot, worker, retention, backups, alerts),
            direct_is_open=settings.limits.direct.credits > 0,
            force_sync=force_sync,
            shards=shards_of(settings, store, clock),
        )
        chat = DiscordChat(
            bot,
            cards,
            StoredCards(store),
            translation_catalog,
            cloudflare_block=bot.cloudflare_block,
            progress_s=settings.progress_seconds,
            now=clock.now,
        )
        stack.push_async_callback(chat.close)
        pictures = hosted_pictures(settings, store, files, clock)
        context = _context(settings, store, providers, chat, files, catalog, clock, pictures, dispatch)
        worker = worker_of(settings, context, dispatch, chat, bot)
        retention = Retention(context, worker, keeping=settings.keeping, limits=settings.limits)
        backups = _backups(settings, clock)
        if backups is not None:
            stack.push_async_callback(backups.stop)
        alerts = _operator_alerts(settings, stack, bot, context)
        service = _service(settings, context, worker, retention)
        stack.push_async_callback(service.close)
        if metrics is not None:
            stack.push_async_callback(metrics.close)
            metrics.watch(
                bot, context, settings.data_dir, settings.database_path, lambda: discord_clock.ahead_s, backups
            )
            from_outside = signed_credits(settings, bot, service, clock)
            await serve_http(settings, stack, bot, context, pictures, metrics, backups, from_outside)
        for note in on_offer.notes:
            log.warning("%s", note)
        reloader = Reloader(settings, context, worker, bot, prompt_help)
        if dispatch is None:
            yield App(bot, worker, service, reloader)
        else:
            takes_up = settings.role != "gateway"
            yield App(bot, worker, service, reloader, dispatch.frozen, dispatch.none_left if takes_up else None)


async def add_cogs(bot: AnimateBot, service: Service, requests: VideoRequests, prompt_help: PromptHelp) -> None:
    """Every command and button; Discord is sent the commands in this order."""
    await cogs.animate.setup(bot, service.catalog, requests)
    await cogs.animate_this.setup(bot, requests)
    await cogs.card_buttons.setup(bot, service.library, requests)
    await cogs.improve_prompt.setup(bot, service.library, requests, prompt_help)
    await cogs.quota.setup(bot, service)
    await cogs.videos.setup(bot, service.library, service.catalog)
    await cogs.privacy.setup(bot, service.personal_data, lambda: service.endpoints, lambda: prompt_help.endpoint)
    await cogs.membership.setup(bot, service.retention)
    await cogs.admin.setup(bot, service)


async def _resume(
    store: Store,
    bot: AnimateBot,
    worker: Worker,
    retention: Retention,
    backups: Backups | None,
    alerts: OperatorAlerts | None,
) -> None:
    """Once Discord has taken the token, and told the time: the jobs of before go on."""
    await restored_copy.spare_finished_cards(store, partial(shows_video, bot))
    resumed = await worker.start()
    log.info("resumed %s jobs", resumed)
    if bot.stopping.is_set():  # meanwhile: nobody would end what begins now
        return
    retention.start()
    if backups is not None:
        backups.start()
    if alerts is not None:
        alerts.start()


def _operator_alerts(
    settings: Settings, stack: contextlib.AsyncExitStack, bot: AnimateBot, context: JobContext
) -> OperatorAlerts | None:
    """None where the operator wants to be told nothing."""
    webhook = settings.operator_webhook_url
    if webhook is None and settings.operator_direct_messages == "off":
        return None
    messages = OperatorMessages(bot, None if webhook is None else webhook.get_secret_value())
    stack.push_async_callback(messages.close)
    folders = [settings.data_dir, *([] if settings.database_path is None else [settings.database_path.parent])]
    alerts = OperatorAlerts(context, budget=settings.limits.budget, folders=folders, send=messages.send)
    stack.push_async_callback(alerts.stop)
    return alerts


def _backups(settings: Settings, clock: Clock) -> Backups | None:
    """None where the operator wants none."""
    if settings.backup_every is None or settings.database_path is None:
        return None
    return Backups(settings.database_path, every=settings.backup_every, keep=settings.backup_keep, clock=clock)


def _data_folder(settings: Settings, clock: Clock) -> Files:
    """The folder for pictures and videos, made and found to be ours. Raises SettingsError."""
    files = Files(settings.data_dir, now=lambda: clock.now().timestamp())
    try:
        files.prepare(shared=settings.database_path is None)
    except OSError as error:
        raise SettingsError([f"DATA_DIR is wrong: {settings.data_dir} cannot be written to ({error})."]) from error
    _check_folders(settings.data_dir)
    file_permissions.tighten(settings.data_dir, FOLDERS, settings.database_path)
    return files


def _check_folders(data_dir: Path) -> None:
    """A folder that is there may still belong to somebody else. Nothing is written: the disk may be full."""
    for folder in (data_dir / name for name in FOLDERS):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError([f"DATA_DIR is wrong: {folder} cannot be written to by this user."])


def _metrics(settings: Settings, catalog: Catalog, clock: Clock) -> Metrics | None:
    """What counts for Prometheus, where somebody can ask for it."""
    if not settings.http_port:
        return None
    from bot.metrics import Metrics  # a web server takes a while to load

    return Metrics(catalog, api_url=settings.discord_api_url, now=clock.now, budget=settings.limits.budget)


def _providers(settings: Settings, on_offer: Offer, connect: Callable[[ProviderConfig], Provider]) -> Providers:
    """Raises SettingsError for one that cannot be used."""
    try:
        return Providers(on_offer.providers, connect, partial(former, settings))
    except ValueError as error:
        raise SettingsError([f"VIDEO_CATALOG: {error}."]) from error


def _context(
    settings: Settings,
    store: Store,
    providers: Providers,
    chat: DiscordChat,
    files: Files,
    catalog: Catalog,
    clock: Clock,
    pictures: HostedPictures | None,
    dispatch: ClusterDispatch | None,
) -> JobContext:
    loop = asyncio.get_running_loop()
    circuit_breakers = CircuitBreakers(loop.time, loop.call_later)
    return JobContext(
        store=store,
        providers=providers,
        chat=chat,
        files=files,
        fitter=Fitter(),
        transcoder=Transcoder(),
        catalog=catalog,
        queue=JobQueue(settings.max_concurrent_jobs, circuit_breakers, catalog.concurrent),
        circuit_breakers=circuit_breakers,
        timing=Timing(
            settings.poll_seconds,
            timedelta(minutes=settings.job_timeout_minutes),
            intent_for=None if dispatch is None else timedelta(seconds=settings.takeover_seconds / 2),
        ),
        dispatch=dispatch,
        clock=clock,
        picture_url=pictures.address if pictures else not_served,
    )


def _service(settings: Settings, context: JobContext, worker: Worker, retention: Retention) -> Service:
    return Service(
        store=context.store,
        worker=worker,
        files=context.files,
        catalog=context.catalog,
        limits=settings.limits,
        providers=context.providers,
        clock=context.clock,
        interaction_priority=context.interaction_priority,
        circuit_breakers=context.circuit_breakers,
        retention=retention,
        entering=(lambda unit: unit) if context.dispatch is None else context.dispatch.entering,
    )


async def run(
    settings: Settings, *, writer: Callable[..., Any] | None = None, force_sync: bool = False, restored: bool = False
) -> None:
    """Runs the bot until SIGTERM or SIGINT.

    Raises SettingsError when Discord refuses the token, and whatever ended the connection for good: the service that
    runs this process starts it again.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    hung_up = asyncio.Event()  # while the bot starts: the catalog may have been read before it was changed
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    async with assemble(settings, writer=writer, force_sync=force_sync, restored=restored) as app:
        loop.add_signal_handler(signal.SIGHUP, app.reloader.ask)
        if hung_up.is_set():
            app.reloader.ask()
        starting = asyncio.create_task(app.bot.start(settings.discord_token.get_secret_value()), name="discord")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        freezing = asyncio.create_task(app.frozen.wait(), name="frozen")
        starts = [app.bot.ready] if app.none_left is None else [app.bot.ready, app.none_left]
        gc_freezing = asyncio.create_task(_freeze_when_started(starts), name="gc-freeze")
        reloading = asyncio.create_task(_reload(app), name="reload")
        try:
            await asyncio.wait({starting, stopping, freezing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            freezing.cancel()
            gc_freezing.cancel()
            reloading.cancel()
            await _stop(app, starting)
        if app.frozen.is_set() and not stop.is_set():
            raise StoreUnavailable("this process stood still, and others may have taken its jobs over; start it again")
        if starting.done() and not starting.cancelled() and not stop.is_set():
            _raise_for(starting, settings.discord_api_url)


async def _freeze_when_started(starts: Iterable[asyncio.Event], within_s: float = STARTED_WITHIN_S) -> None:
    """Once all of it is there, the start is over: from here on garbage is collected, of what is new."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            for part in starts:
                await part.wait()
    garbage_collection.freeze()


async def _reload(app: App) -> None:
    """From the login on: before it, there are no commands to renew."""
    await app.bot.ready.wait()
    await app.reloader.run()


async def _stop(app: App, starting: asyncio.Task[None]) -> None:
    """Intake first, then the jobs, then Discord; with the gateway down `start()` never ends by itself."""
    log.info("stopping")
    app.bot.stop_answering()
    if app.frozen.is_set():  # it may answer nothing: what it would hear from now on is for the next process
        await app.bot.former.leave(can_answer=False)
    await app.service.interaction_priority.wait_until_idle()  # what is being reserved gets its card
    await app.service.retention.stop()
    await app.worker.stop()
    await app.bot.former.leave(can_answer=not app.frozen.is_set())
    try:
        async with asyncio.timeout(CLOSE_WITHIN_S):
            await app.bot.close()
    except (
        TimeoutError,
        AttributeError,
        discord.DiscordException,
    ) as error:  # AttributeError: closed before its set-up
        log.warning("Discord's connection did not close cleanly: %s", told(error))
    starting.cancel()
    await asyncio.wait({starting}, timeout=CLOSE_WITHIN_S)
    if starting.done() and not starting.cancelled() and (ended_by := starting.exception()) is not None:
        log.info("the connection to Discord ended by %s", told(ended_by))  # seen here: else asyncio prints it
    log.info("stopped")


def _raise_for(starting: asyncio.Task[None], api_url: str) -> None:
    error = starting.exception()
    if error is None:
        return
    if (said := ended(error, api_url)) is not None:
        raise said from error
    raise error
