"""Several processes of the bot on one PostgreSQL server, with the shards shared among them, in the sandbox."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from sandbox.environment import Environment
from sandbox.process import BOT, BotProcess
from sandbox.providers.base import LocalProvider
from tests.e2e.stage import Stage
from tests.ledger_audit import differences

READY_WITHIN_S = 20.0
TAKEOVER_S = 4


class Processes(Environment):
    """Several processes, `bots` by their number, one shard each; in front of an environment.

    `share` says first on which empty database, and how many.
    """

    def share(self, address: str, *, processes: int, roles: Sequence[str] = ()) -> None:
        self.address = address
        self.processes = processes
        self.roles = list(roles) or ["all"] * processes
        self.gateways = sum(role != "worker" for role in self.roles)
        self.discord.shards = self.gateways
        self.discord.gateway.max_concurrency = max(1, self.gateways)
        self.bots: dict[int, BotProcess] = {}

    def shared(self) -> dict[str, str]:
        """Settings that all of them have."""
        return {
            "DATABASE_URL": self.address,
            "SHARD_COUNT": str(self.gateways),
            "TAKEOVER_SECONDS": str(TAKEOVER_S),
        }

    def settings_of(self, number: int) -> dict[str, str]:
        """What the process with this number is started with."""
        own = {**self.settings(), **self.shared(), "ROLE": self.roles[number]}
        if self.roles[number] == "worker":
            return own
        return own | {"SHARD_IDS": str(self.shard_of(number))}

    def shard_of(self, number: int) -> int:
        """The shard of the process with this number."""
        return sum(role != "worker" for role in self.roles[:number])

    async def start_process(self, number: int) -> BotProcess:
        """Starts it, again after it has ended; it may not be connected yet."""
        folder = self.folder / f"process-{number}"
        folder.mkdir(exist_ok=True)
        bot = self.bots[number] = BotProcess(folder, self.settings_of(number), self.arguments, spawn=self.spawn)
        await bot.start()
        return bot

    async def wait_connected(self) -> None:
        """Until every shard is there."""

        def shards() -> set[int]:
            return {session.shard[0] for session in self.discord.gateway.live}

        await self.discord.wait_for(lambda: len(shards()) >= self.gateways, READY_WITHIN_S, "every shard")

    def seen(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query answers."""
        with psycopg.connect(self.address) as connection:
            return connection.execute(sql).fetchall()

    def logs(self) -> str:
        """Of all processes."""
        return "\n".join(f"--- process {number}\n{bot.log()}" for number, bot in self.bots.items())

    async def stop(self) -> None:
        try:
            for bot in self.bots.values():
                bot.terminate()
            for bot in self.bots.values():
                if bot.is_running:
                    await bot.stop(30)
        finally:
            await super().stop()


class Cluster(Processes, Stage):
    """`start` starts the servers and then all processes. `address` is that of an empty database.

    `own` are settings that a process has for itself, by its number.
    """

    def __init__(
        self,
        address: str,
        *,
        processes: int = 2,
        settings: Mapping[str, str] | None = None,
        roles: Sequence[str] = (),
        own: Mapping[int, Mapping[str, str]] | None = None,
        render_s: float | None = 0.1,
        provider: LocalProvider | None = None,
        arguments: Sequence[str] = BOT,
    ) -> None:
        super().__init__(settings, arguments=arguments, render_s=render_s, provider=provider)
        self._own = own or {}
        self.share(address, processes=processes, roles=roles)

    def settings_of(self, number: int) -> dict[str, str]:
        """What the process with this number is started with."""
        return super().settings_of(number) | dict(self._own.get(number, {}))

    async def start(self, *, bot: bool = True) -> None:
        await super().start(bot=False)
        if bot:
            for number in range(self.processes):
                await self.start_one(number, wait=False)
            await self.wait_connected()

    async def start_one(self, number: int, *, wait: bool = True) -> BotProcess:
        """Starts it, again after it has ended."""
        bot = await self.start_process(number)
        if wait:
            await self.wait_connected()
        return bot

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """As `seen`, for whatever a stage waits for."""
        return self.seen(sql)

    def faults(self) -> list[str]:
        """Where the books disagree."""
        with psycopg.connect(self.address) as connection:
            return differences(connection)


async def timed(waiting: Any) -> float:
    """Seconds that it takes."""
    began = time.monotonic()
    await waiting
    return time.monotonic() - began
