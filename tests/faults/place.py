"""Where a run takes place: an environment with clocks that jump, a volume that fills, a keeper of the bot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_bytes

import psycopg

from sandbox.discord.server import LocalDiscord
from sandbox.environment import Environment
from sandbox.process import BOT, BotProcess
from sandbox.providers.base import LocalProvider
from sandbox.providers.comfy_router import ComfyRouterSettings
from sandbox.providers.comfy_workflow import ComfySettings
from sandbox.providers.jobs import VideoJob
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.registry import DEFAULT_PROVIDER, make_provider
from tests import catalogs
from tests.e2e.test_health import free_port
from tests.faults.clocked_bot import SECONDS
from tests.forkserver import spawn
from tests.ledger_audit import Connection

VOLUME_BYTES = 260 * 1024 * 1024
"""The bot submits nothing under 200 MB free; tmpfs takes memory only for what is written."""
CREDITS_SECRET = "a-shops-secret-of-more-than-32-characters"
STORE_ERRORS = (sqlite3.Error, psycopg.Error)
"""The store is locked or away right now."""
CLOCKED_BOT = (str(Path(__file__).with_name("clocked_bot.py")),)
FAST = {
    "POLL_SECONDS": "0.05",
    "PROGRESS_SECONDS": "0.05",
    "QUOTA_DEFAULT_CREDITS": "24",
    "DIRECT_CREDITS": "24",
    "CREDITS_SECRET": CREDITS_SECRET,
    "SSL_CERT_FILE": os.devnull,  # nothing here speaks TLS, and reading certificates is a tenth of a bot's start
}


class JumpingClock:
    """The real time and what it was put forward by."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


class HostClock:
    """By how much the clock of the bot's own host is off; kept in a file that the bot's process looks into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ahead_s = 0.0
        self.set(0.0)

    def set(self, ahead_s: float) -> None:
        """From now on, also under a bot that runs."""
        self.ahead_s = ahead_s
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.write(SECONDS.pack(ahead_s))


class Place(Environment):
    """An environment of its own for one run.

    One provider is used as the packaged catalogs have it; several, or with `own_catalog`, by a catalog that has a model
    of each, and with `falls_back` each of them makes what the one before it does not take. With `volume`, DATA_DIR (and
    the database, if asked) lie on a small tmpfs; with `own_clock`, the host's clock can be set.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        providers: Sequence[str] = (DEFAULT_PROVIDER,),
        own_catalog: bool = False,
        falls_back: bool = False,
        render_s: float,
        volume: bool = False,
        database_on_volume: bool = False,
        own_clock: bool = False,
    ) -> None:
        self.discord_clock, self.videos_clock = JumpingClock(), JumpingClock()
        self._render_s = render_s
        first, *others = map(self._provider, providers)
        super().__init__(
            settings={**FAST, **settings},
            discord=LocalDiscord(clock=self.discord_clock),
            provider=first,
            more_providers=others,
            arguments=CLOCKED_BOT if own_clock else BOT,
            # Another clock has to be there before anything is imported.
            spawn=asyncio.create_subprocess_exec if own_clock else spawn,
        )
        world = self.discord.world
        world.add_member("ben", installed=True)
        world.add_member("zoe", installed=True)
        for name in ("lounge", "studio"):
            world.add_channel(name)
        world.add_thread("cats")
        self.has_own_catalog = own_catalog or bool(others)
        self.models: dict[str, str | None] = {}
        """Ids of models that are not those of `catalogs`; None for a model that has left the catalog."""
        self.left: set[str] = set()
        """Providers that have left the catalog."""
        self._falls_back = falls_back
        self.replaced: list[LocalProvider] = []
        """Providers that the operator does not use any more."""
        self.tokens = [self.discord.token]
        self.keys = [each.key for each in self.providers]
        self._port = free_port()
        self.host_clock = HostClock(self.folder / "clock")
        self.volume = self.folder / "volume" if volume else None
        self._database_on_volume = volume and database_on_volume
        self._data = (self.volume or self.folder) / "data"
        self.use(
            {"HTTP_PORT": str(self._port), "DATA_DIR": str(self._data), "DATABASE_URL": f"sqlite:///{self.database}"}
        )
        self.use({"HOST_CLOCK": str(self.host_clock.path)} if own_clock else {})

    def _provider(self, name: str) -> LocalProvider:
        provider = type(make_provider(name))(render=unlike_any_other, clock=self.videos_clock)
        provider.name = name
        provider.settings.render_seconds = self._render_s
        if isinstance(provider.settings, ComfySettings):
            provider.settings.wants_key = True
        if isinstance(provider.settings, ComfyRouterSettings):
            provider.settings.poll_after = None
        return provider

    @property
    def every_provider(self) -> list[LocalProvider]:
        """Those that were replaced, too."""
        return [*self.providers, *self.replaced]

    def provider_at(self, endpoint: str | None) -> LocalProvider | None:
        """The one at an address that the bot has stored."""
        return next((each for each in self.every_provider if endpoint and endpoint.startswith(each.origin)), None)

    def model_of(self, name: str) -> str | None:
        """The id by which a provider's model was offered at first; None for the default of a packaged catalog."""
        return f"on-{name}" if self.has_own_catalog else None

    def settings_of_yours(self, *, provider: bool = True) -> dict[str, str]:
        """Of one provider, those that it names itself."""
        if not self.has_own_catalog:
            return super().settings_of_yours(provider=provider)
        discord = super().settings_of_yours(provider=False)
        return {**discord, **catalogs.settings(self.providers), "VIDEO_CATALOG": str(self.write_catalog())}

    def write_catalog(self) -> Path:
        """As it is now; the bot reads it at its start, or when it is told to."""
        offered = [each for each in self.providers if each.name not in self.left]
        ids = [self.models.get(each.name, f"on-{each.name}") for each in offered]
        chain = {each.name: other for each, other in zip(offered, ids[1:] + ids[:1], strict=True) if other}
        more = {name: f'fallback = ["{other}"]' for name, other in chain.items() if self._falls_back and len(ids) > 1}
        path = self.folder / "catalog.toml"
        path.write_text(catalogs.catalog(offered, models=self.models, more=more))
        return path

    async def replace(self, provider: LocalProvider) -> LocalProvider:
        """Another of the same kind in its place, with a key of its own, from the bot's next start on."""
        other = self._provider(provider.name)
        await other.start()
        self.keys.append(other.key)
        self.exchange(provider, other)
        return other

    def exchange(self, provider: LocalProvider, other: LocalProvider) -> None:
        """The other one is used from the bot's next start on, and this one is not."""
        self.replaced = [each for each in (*self.replaced, provider) if each is not other]
        self.more_providers = [other if each is provider else each for each in self.more_providers]
        self.provider = other if self.provider is provider else self.provider

    def reset_token(self) -> None:
        """The old one is refused from now on; the bot is started with the new one next time."""
        self.discord.reset_token()
        self.tokens.append(self.discord.token)

    def change_key(self, provider: LocalProvider) -> None:
        """As `reset_token`, for the key of a provider."""
        provider.key = f"sk-local-{token_bytes(16).hex()}"
        self.keys.append(provider.key)

    def made(self) -> Iterator[VideoJob]:
        """All that was made, by whichever provider."""
        for provider in self.every_provider:
            yield from provider.jobs.values()

    @property
    def database(self) -> Path:
        """The bot's SQLite file."""
        on_volume = self._database_on_volume and self.volume is not None
        return (self.volume if on_volume and self.volume is not None else self.folder) / "animate.db"

    @property
    def videos_kept(self) -> Path:
        """Where the bot keeps videos that are not at Discord."""
        return self._data / "videos"

    @property
    def credits_url(self) -> str:
        """Where a shop sends its requests."""
        return f"http://127.0.0.1:{self._port}/credits"

    def process(self, number: int) -> BotProcess | None:
        """The bot; of several, the process with this number."""
        return self.bot

    async def start_process(self, number: int) -> BotProcess:
        """Starts it, again after it has ended; it may not be connected yet."""
        return await self.start_bot(wait=False)

    def hears(self, number: int) -> bool:
        """Whether it is connected to Discord."""
        return bool(self.discord.gateway.live)

    @contextlib.contextmanager
    def store(self) -> Iterator[Connection]:
        """The bot's store, read beside it. Raises `STORE_ERRORS`."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=1)) as connection:
            yield connection

    def has_entries(self, connection: Connection) -> bool:
        """Whether something is in the queue between processes."""
        return False

    def stored(self) -> dict[str, bytes]:
        """All that the store has on its disk, by the name of the file; the bot has ended."""
        folder, name = self.database.parent, self.database.name
        return {path.name: path.read_bytes() for path in folder.glob(f"{name}*") if path.is_file()}

    def log(self) -> str:
        """All that the bot has written."""
        return self.bot.log() if self.bot is not None else ""

    def states(self) -> list[str]:
        """Every job's state, oldest first; none where the store cannot be read now."""
        try:
            with self.store() as connection:
                return [str(state) for (state,) in connection.execute("SELECT state FROM jobs ORDER BY id")]
        except STORE_ERRORS:
            return []

    async def open(self) -> None:
        """The servers and the volume; the bot is the keeper's to start."""
        if self.volume is not None:
            self.volume.mkdir()
            mounted = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_BYTES}", "faults", str(self.volume)]
            await asyncio.to_thread(subprocess.run, mounted, check=True, capture_output=True)
        await self.start(bot=False)

    async def stop(self) -> None:
        """Everything down, the volume unmounted, nothing left behind."""
        try:
            if self.bot is not None and self.bot.is_running:
                self.bot.kill()
                await self.bot.wait()
        finally:
            if self.volume is not None and self.volume.is_mount():
                unmount = ["umount", "-l", str(self.volume)]
                await asyncio.to_thread(subprocess.run, unmount, check=False, capture_output=True)
            for provider in self.replaced:
                await provider.stop()
            await super().stop()


def can_mount() -> bool:
    """Whether this process may mount a tmpfs; tried once with a folder of its own."""
    if os.geteuid() != 0:
        return False
    probe = Path(f"/tmp/faults-mount-{os.getpid()}")
    probe.mkdir(exist_ok=True)
    try:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "faults", str(probe)]
        if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            return False
        subprocess.run(["umount", str(probe)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    else:
        return True
    finally:
        with contextlib.suppress(OSError):
            probe.rmdir()


def unlike_any_other(*_order: object) -> bytes:
    """A real MP4 whose last box makes it one of a kind, so that two videos that change places are seen."""
    return tiny_mp4() + (24).to_bytes(4, "big") + b"free" + token_bytes(16)


async def until(predicate: Callable[[], bool], within_s: float) -> None:
    """Looks again and again at what tells nobody when it changes. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not predicate():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)
