"""Where a run with several processes takes place: they share a PostgreSQL server, and each has a shard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence

import psycopg

from sandbox.discord.world import Channel, Guild
from sandbox.process import BotProcess
from tests.cluster import Processes
from tests.e2e.test_health import free_port
from tests.faults.keepers import shard_of
from tests.faults.place import Place
from tests.ledger_audit import Connection
from tests.postgres_server import PostgresServer

MEMBERS = tuple(f"member{number}" for number in range(8))


class ClusterPlace(Processes, Place):
    """As for one process. `guilds` has one server of each shard, by its number; all `MEMBERS` are in all of them."""

    def __init__(
        self,
        server: PostgresServer,
        settings: Mapping[str, str],
        *,
        processes: int,
        providers: Sequence[str],
        render_s: float,
    ) -> None:
        super().__init__(settings, providers=providers, render_s=render_s)
        self.share(server.address(), processes=processes)
        self.spawn = asyncio.create_subprocess_exec  # a start as it is, imports and all
        self._server = server
        self._ports = [free_port() for _ in range(processes)]
        self._asked_for_credits = 0
        self.guilds: list[Guild] = []

    def settings_of(self, number: int) -> dict[str, str]:
        return super().settings_of(number) | {"HTTP_PORT": str(self._ports[number])}

    async def open(self) -> None:
        await super().open()
        world = self.discord.world
        found = {shard_of(world.guild.id, self.processes): world.guild}
        while len(found) < self.processes:
            guild = world.add_guild(f"server {len(world.guilds)}", owner=world.people["admin"])
            found.setdefault(shard_of(guild.id, self.processes), guild)
            await asyncio.sleep(0.003)
        self.guilds = [found[number] for number in range(self.processes)]
        for guild in self.guilds:
            for name in (*MEMBERS, "zoe"):
                world.add_member(name, guild=guild)

    def general(self, number: int) -> Channel:
        """The general channel of the server of that shard."""
        return self.guilds[number].general

    @property
    def credits_url(self) -> str:
        """Of one process after the other, as a load balancer does it."""
        self._asked_for_credits += 1
        return f"http://127.0.0.1:{self._ports[self._asked_for_credits % self.processes]}/credits"

    def process(self, number: int) -> BotProcess | None:
        return self.bots.get(number)

    def hears(self, number: int) -> bool:
        return any(session.shard[0] == number for session in self.discord.gateway.live)

    @contextlib.contextmanager
    def store(self) -> Iterator[Connection]:
        with psycopg.connect(self.address, connect_timeout=5) as connection:
            yield connection

    def has_entries(self, connection: Connection) -> bool:
        return list(connection.execute("SELECT COUNT(*) FROM procrastinate_jobs")) != [(0,)]

    def stored(self) -> dict[str, bytes]:
        address = ("-h", "127.0.0.1", "-p", self._server.port, "-U", "bot", "postgres")
        return {"the database": self._server.run("pg_dump", *address).encode()}

    def log(self) -> str:
        return self.logs()
