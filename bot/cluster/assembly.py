"""Puts together what a process needs to work beside others; nothing of it is loaded where the store is not shared."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bot.chat.client import AnimateBot
from bot.chat.discord_chat import DiscordChat
from bot.chat.shards import Shards
from bot.jobs.context import Clock, JobContext
from bot.jobs.identify_turns import IdentifyTurns
from bot.jobs.shared_worker import SharedWorker
from bot.jobs.worker import Worker
from bot.settings import Settings
from bot.store.database import Store

if TYPE_CHECKING:
    from bot.cluster.job_dispatch import ClusterDispatch


def shards_of(settings: Settings, store: Store, clock: Clock) -> Shards:
    """Those of this process; where others have the rest, all of them identify in turn."""
    turn = IdentifyTurns(store, clock).wait if settings.shard_ids else None
    ids = tuple(sorted(settings.shard_ids))
    return Shards(ids, settings.shard_count, has_gateway=settings.role != "worker", turn=turn)


async def open_dispatch(
    settings: Settings, store: Store, clock: Clock, stack: contextlib.AsyncExitStack
) -> ClusterDispatch | None:
    """None where no other process shares the store. Raises SettingsError, StoreUnavailable."""
    if not store.is_shared:
        return None
    from bot.cluster.job_dispatch import ClusterDispatch  # its driver is an extra
    from bot.cluster.shard_check import OwnShards
    from bot.cluster.shared_folder import check_folder
    from bot.store.postgres import with_defaults

    await check_folder(store, settings.data_dir)
    address = with_defaults(settings.database_url)
    shards = None if settings.role == "worker" else OwnShards(settings.shard_ids, settings.shard_count)
    dispatch = ClusterDispatch(store, address, clock, shards, takeover_s=settings.takeover_seconds)
    stack.push_async_callback(dispatch.close)
    await dispatch.open()
    return dispatch


def worker_of(
    settings: Settings, context: JobContext, dispatch: ClusterDispatch | None, chat: DiscordChat, bot: AnimateBot
) -> Worker:
    """Carries all jobs, or those that the dispatch gives this process."""
    if dispatch is None:
        return Worker(context)
    worker = SharedWorker(context, dispatch, carries=settings.role != "gateway")
    sync = dispatch.begin(context, worker)
    sync.counted, sync.servers = chat.share, lambda: len(bot.guilds)
    sync.processes_counted, sync.pause_discord = bot.rate_limit.share, bot.rate_limit.pause_for
    bot.rate_limit.refused = sync.discord_refused
    chat.edits_if(dispatch.is_current)
    bot.cloudflare_block.may_send = dispatch.has_run
    return worker
