"""Servers that the bot is, or was, a member of, and what goes when it has been away for long.

Where only the commands are installed the bot is no member: such a server is not listed here, and nothing of it goes.
A server is listed by its first card that the bot itself can reach (`bot.store.cards.place`), at a start, or on leaving.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.models import GuildId, JobId, Scope, UserId
from bot.store import server_rules, sql
from bot.store.database import Tx, Unit
from bot.store.erasure import PLACE_ERASED, TEXTS_ERASED
from bot.store.jobs import UNENDED
from bot.store.pseudonyms import ADMIN_ACTS
from bot.store.row_mapping import to_ms

HandlesGuild = Callable[[int], bool]
"""Whether a process is told of a server: one of several knows nothing of the others' servers."""


def everywhere(_guild: int) -> bool:
    """One process is told of all."""
    return True


def joined(guild: GuildId) -> Unit[None]:
    """The bot is a member of it; having been away is forgotten."""
    return lambda tx: sql.put(tx, "guilds", {"guild": guild}, left_at=None)


def left(guild: GuildId, *, now: datetime) -> Unit[None]:
    """The bot is no member of it any more."""

    def unit(tx: Tx) -> None:
        tx.changed(
            "INSERT INTO guilds (guild, left_at) VALUES (:guild, :now)"
            " ON CONFLICT (guild) DO UPDATE SET left_at = excluded.left_at WHERE guilds.left_at IS NULL",
            guild=guild,
            now=to_ms(now),
        )

    return unit


@dataclass(frozen=True, slots=True)
class _News:
    """What is otherwise than it was written down."""

    there: Sequence[GuildId]
    gone: Sequence[GuildId]


def is_news(there: Collection[GuildId], handles_guild: HandlesGuild = everywhere) -> Unit[bool]:
    """Whether `seen` would have anything to write."""

    def unit(tx: Tx) -> bool:
        news = _news(tx, there, handles_guild)
        return bool(news.there or news.gone)

    return unit


def seen(there: Collection[GuildId], handles_guild: HandlesGuild = everywhere, *, now: datetime) -> Unit[list[GuildId]]:
    """Exactly these have the bot as a member now, of all that the process handles; returns those it has left."""

    def unit(tx: Tx) -> list[GuildId]:
        news = _news(tx, there, handles_guild)
        for guild in news.there:
            joined(guild)(tx)
        for guild in news.gone:
            left(guild, now=now)(tx)
        return list(news.gone)

    return unit


def _news(tx: Tx, there: Collection[GuildId], handles_guild: HandlesGuild) -> _News:
    """Of servers that something is kept of."""
    known = {GuildId(row["guild"]): row["left_at"] for row in tx.all("SELECT guild, left_at FROM guilds")}
    kept = {GuildId(row["scope"]) for row in tx.all("SELECT scope FROM servers")}
    back = [guild for guild in there if (guild in kept and guild not in known) or known.get(guild) is not None]
    gone = [
        guild for guild, left_at in known.items() if left_at is None and guild not in there and handles_guild(guild)
    ]
    return _News(back, gone)


def to_purge(*, left_before: datetime) -> Unit[list[GuildId]]:
    """Servers left that long ago, with no job under way and not used since: by then the commands are there again.

    Nor one with a video that came later than that and could not be shown: its file may still be wanted.
    """
    return lambda tx: [
        GuildId(row["guild"])
        for row in tx.all(
            "SELECT guild FROM guilds WHERE left_at < :before"
            " AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.scope = guilds.guild"
            f" AND (jobs.state IN ({UNENDED}) OR (jobs.state = 'undelivered' AND jobs.state_at >= :before)))"
            " AND NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.scope = guilds.guild AND ledger.at > guilds.left_at"
            " AND ledger.kind <> 'refund') ORDER BY guild",
            before=to_ms(left_before),
        )
    ]


def people_of(guild: GuildId) -> Unit[list[UserId]]:
    """Everybody the server's books know by name."""
    return lambda tx: [
        UserId(row["member"])
        for row in tx.all("SELECT member FROM members WHERE scope = :guild ORDER BY member", guild=guild)
    ]


def purge(guild: GuildId) -> Unit[list[JobId]]:
    """Texts, places and rules of the server go; the numbers stay, for the budget. Returns the jobs.

    The names come off before (`bot.store.pseudonyms`).
    """

    def unit(tx: Tx) -> list[JobId]:
        scope = Scope(guild)
        found = [
            JobId(row["id"]) for row in tx.all("SELECT id FROM jobs WHERE scope = :scope ORDER BY id", scope=scope)
        ]
        tx.changed(
            f"UPDATE cards SET {PLACE_ERASED} WHERE job IN (SELECT id FROM jobs WHERE scope = :scope)", scope=scope
        )
        tx.changed(
            f"UPDATE jobs SET deleted_at = COALESCE(deleted_at, state_at), {TEXTS_ERASED} WHERE scope = :scope",
            scope=scope,
        )
        tx.changed(f"UPDATE ledger SET actor = NULL, reason = NULL WHERE scope = :scope AND {ADMIN_ACTS}", scope=scope)
        for table in ("roles", "members", "model_rules", "admin_acts", "role_gifts", "role_gifts_given", "servers"):
            tx.changed(f"DELETE FROM {table} WHERE scope = :scope", scope=scope)
        tx.note(server_rules.Changed(scope))
        tx.changed("DELETE FROM guilds WHERE guild = :guild", guild=guild)
        return found

    return unit
