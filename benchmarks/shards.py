"""64 shards in four processes, 20,000 servers with channels the bot may not view, on the local gateway.

    uv run python benchmarks/shards.py [--servers 20000] [--shards 64] [--processes 4] [--max-concurrency 16]

Each process is the real bot with its part of the shards; all share a PostgreSQL server that is made for this. The
gateway takes one IDENTIFY of each bucket in five seconds and refuses others, as Discord does. Afterwards somebody uses
`/quota` in one server of each shard.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from sandbox.discord.gateway import IDENTIFY_PAUSE_S
from sandbox.discord.permissions import Permission
from sandbox.discord.server import LocalDiscord
from sandbox.discord.world import ChannelType, Guild
from sandbox.environment import Environment
from sandbox.process import BotProcess
from tests.postgres_server import PostgresServer

SHARD_SHIFT = 22
KINDS = (ChannelType.TEXT, ChannelType.VOICE, ChannelType.FORUM, ChannelType.STAGE)
ANSWERED_WITHIN_S = 10.0


def fill(discord: LocalDiscord, servers: int) -> None:
    """So many servers, each with a channel that the bot sees and four that it does not."""
    world = discord.world
    owner = world.people["admin"]
    for number in range(servers - 1):
        guild = world.add_guild(f"Server {number}", owner=owner)
        for kind in KINDS:
            world.add_channel("hidden", guild=guild, kind=kind).deny(world.bot, Permission.VIEW_CHANNEL)


def by_shard(discord: LocalDiscord, shards: int) -> dict[int, Guild]:
    """One server of each shard, where it has any."""
    found: dict[int, Guild] = {}
    for guild in discord.world.guilds.values():
        if guild.has_bot:
            found.setdefault((guild.id >> SHARD_SHIFT) % shards, guild)
    return found


def spread(discord: LocalDiscord, shards: int) -> None:
    """Ids made in one second lie close together: each server gets one as if it were made at a time of its own."""
    world = discord.world
    guilds = [guild for guild in world.guilds.values() if guild.has_bot]
    for number, guild in enumerate(guilds):
        old = guild.id
        guild.id = ((old >> SHARD_SHIFT) - (len(guilds) - number)) << SHARD_SHIFT | number & 0xFFF
        guild.roles[guild.id] = guild.roles.pop(old)
        guild.roles[guild.id].id = guild.id
        world.guilds[guild.id] = world.guilds.pop(old)
    assert len(by_shard(discord, shards)) == min(shards, len(guilds))


async def ask(discord: LocalDiscord, guild: Guild) -> float:
    """Seconds until the owner's `/quota` there is answered."""
    began = time.monotonic()
    used = await discord.invoke(discord.world.people["admin"], "quota", channel=guild.general)
    await used.answer(timeout=ANSWERED_WITHIN_S)
    return time.monotonic() - began


async def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a bot whose shards are spread over processes.")
    parser.add_argument("--servers", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--max-concurrency", type=int, default=16)
    options = parser.parse_args()
    discord = LocalDiscord()
    discord.shards, gateway = options.shards, discord.gateway
    gateway.max_concurrency, gateway.identify_pause_s = options.max_concurrency, IDENTIFY_PAUSE_S
    fill(discord, options.servers)
    spread(discord, options.shards)
    environment = Environment(discord=discord, settings={"LOG_LEVEL": "WARNING"})
    await environment.start(bot=False)
    server = PostgresServer.make()
    bots: list[BotProcess] = []
    each = -(-options.shards // options.processes)
    try:
        began = time.monotonic()
        for number in range(options.processes):
            folder = Path(tempfile.mkdtemp(prefix="shards-", dir=environment.folder))
            last = min((number + 1) * each, options.shards) - 1
            settings = environment.settings() | {
                "SHARD_COUNT": str(options.shards),
                "SHARD_IDS": f"{number * each}-{last}",
                "DATABASE_URL": server.address(),
            }
            bot = BotProcess(folder, settings)
            await bot.start()
            bots.append(bot)
        await discord.wait_for(lambda: len(gateway.live) >= options.shards, 1_800, "every shard")
        took_s = time.monotonic() - began
        print(f"{options.shards} shards of {options.processes} processes: all identified in {took_s:.1f} s")
        print(f"IDENTIFY refused by the gateway: {gateway.refused_identifies}")
        await asyncio.sleep(10)
        used: dict[int, int] = defaultdict(int)
        for number, bot in enumerate(bots):
            used[number] = psutil.Process(bot.pid).memory_info().rss
        each_mib = [rss / 2**20 for rss in used.values()]
        told = ", ".join(f"{mib:.0f}" for mib in each_mib)
        print(f"memory of each process: {told} MiB; {sum(each_mib) / options.shards:.1f} MiB a shard")
        took = sorted([await ask(discord, guild) for guild in by_shard(discord, options.shards).values()])
        p50_ms, slowest_ms = 1000 * took[len(took) // 2], 1000 * took[-1]
        print(f"a command to a server of each of {len(took)} shards: all answered", end=", ")
        print(f"p50 {p50_ms:.0f} ms, slowest {slowest_ms:.0f} ms")
    finally:
        for bot in bots:
            if bot.is_running:
                await bot.stop(30)
        await environment.stop()
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
