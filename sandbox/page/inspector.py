"""What happened: the provider's jobs, each request with its check, the bot's ledger and log."""

import functools
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sandbox.contracts import discord as discord_contract
from sandbox.discord.exchange import Exchange as DiscordExchange
from sandbox.discord.exchange import Phase
from sandbox.discord.wire import Wire
from sandbox.environment import Environment
from sandbox.page.view import Piece, plain
from sandbox.providers.base import LocalProvider
from sandbox.providers.exchange import Exchange as ProviderExchange
from sandbox.providers.jobs import VideoJob

KEPT_REQUESTS = 200
KEPT_EXCHANGES = 1_000
"""The local Discord keeps every request for tests; a page that is open all day must not."""
KEPT_JOBS = 30
LEDGER_LINES = 60
LOG_BYTES = 24 * 1024
COLUMNS = ("id", "at", "kind", "credits", "member", "role", "actor", "reason", "key")
IDS = {"id", "member", "role", "actor"}
LEDGER = """
    SELECT ledger.id, ledger.at, ledger.kind, ledger.credits, ledger.member, ledger.role, ledger.actor,
           ledger.reason, jobs.key
    FROM ledger LEFT JOIN jobs ON jobs.id = ledger.job ORDER BY ledger.id DESC LIMIT :lines
"""


@dataclass(slots=True)
class _Seen:
    """A request: as it is under way, then as it was told once it is over."""

    number: int
    exchange: DiscordExchange | ProviderExchange | None
    provider: LocalProvider | None
    told: Wire | None = None


class Inspector:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._count = 0
        self._requests: deque[_Seen] = deque(maxlen=KEPT_REQUESTS)
        self._log: tuple[int, str] = (-1, "")
        self._booked: tuple[object, list[Wire] | None] = (None, None)
        environment.discord.on_exchange(self._note_discord)
        for provider in environment.providers:
            self.watch(provider)

    def watch(self, provider: LocalProvider) -> None:
        """Shows its requests from now on."""
        provider.on_exchange(functools.partial(self._note_provider, provider))

    def pieces(self) -> Iterator[tuple[str, Piece]]:
        """Everything, by a key of its own."""
        for provider in self._environment.providers:
            for job in list(provider.jobs.values())[-KEPT_JOBS:]:
                yield f"job:{job.id}", plain(_job(job))
        for seen in self._requests:
            yield f"request:{seen.number}", plain(self._told(seen))
        yield "ledger", plain(self._ledger())
        yield "log", plain(self._tail())

    async def _note_discord(self, phase: Phase, exchange: DiscordExchange) -> None:
        if phase == "before" and exchange.part == "api":
            self._note(exchange)
            del self._environment.discord.requests[:-KEPT_EXCHANGES]

    async def _note_provider(self, provider: LocalProvider, phase: Phase, exchange: ProviderExchange) -> None:
        if phase == "before":
            self._note(exchange, provider)

    def _note(self, exchange: DiscordExchange | ProviderExchange, provider: LocalProvider | None = None) -> None:
        self._count += 1
        self._requests.append(_Seen(self._count, exchange, provider))

    def _told(self, seen: _Seen) -> Wire:
        """The check is made once, when the request is over, and its body let go."""
        if seen.told is not None:
            return seen.told
        exchange = seen.exchange
        assert exchange is not None
        is_discord = isinstance(exchange, DiscordExchange)
        over = exchange.status != 0 or exchange.cut
        told: Wire = {
            "number": seen.number,
            "at": exchange.at,
            "to": "Discord" if is_discord else "Video service",
            "method": exchange.method,
            "path": (exchange.route or exchange.path) if is_discord else exchange.path,
            "status": exchange.status,
            "over": over,
            "faults": self._faults(exchange, seen.provider) if over else [],
            "played": exchange.fault if isinstance(exchange, ProviderExchange) else None,
        }
        if over:
            seen.told, seen.exchange = told, None
        return told

    def _faults(self, exchange: DiscordExchange | ProviderExchange, provider: LocalProvider | None) -> list[str]:
        if isinstance(exchange, DiscordExchange):
            return discord_contract.violations(exchange)
        return provider.violations(exchange) if provider else []

    def _ledger(self) -> list[Wire] | None:
        """None where there is no database of the bot's, or none that is understood."""
        path = self._environment.database
        changed = [file.stat().st_mtime_ns for file in (path, path.with_name(f"{path.name}-wal")) if file.exists()]
        if changed != self._booked[0]:
            self._booked = (changed, _read_ledger(path) if changed else None)
        return self._booked[1]

    def _tail(self) -> str:
        bot = self._environment.bot
        path = bot.log_path if bot is not None else None
        if path is None or not path.exists():
            return ""
        size = path.stat().st_size
        if size != self._log[0]:
            with path.open("rb") as log:
                log.seek(max(0, size - LOG_BYTES))
                text = log.read().decode("utf-8", "replace")
            self._log = (size, text if size <= LOG_BYTES else text.partition("\n")[2])
        return self._log[1]


def _read_ledger(path: Path) -> list[Wire] | None:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.2)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(LEDGER, {"lines": LEDGER_LINES}).fetchall()
    except sqlite3.Error:
        return None
    # A browser's numbers are too short for ids.
    return [{name: str(row[name]) if name in IDS and row[name] else row[name] for name in COLUMNS} for row in rows]


def _job(job: VideoJob) -> Wire:
    return {
        "id": job.id,
        "prompt": job.prompt,
        "what": f"{job.model} · {job.seconds} s · {job.size}",
        "state": job.state,
        "progress": job.progress,
        "error": job.error.message if job.error else None,
        "at": job.created_at,
        "deleted": job.is_deleted,
    }
