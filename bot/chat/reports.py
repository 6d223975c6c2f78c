"""What admins read: all allowances in pages, usage as text and CSV, status."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter, defaultdict

from bot.catalog import Catalog
from bot.chat import text
from bot.chat.balances import failure_words
from bot.jobs.admin import Status
from bot.models import Allowances, JobState, UsageRow, UserId

ROWS_PER_PAGE = 15
_WITH_VIDEO = (JobState.DELIVERING, JobState.DELIVERED, JobState.UNDELIVERED)
"""A clip that came late keeps what it failed of, and was refunded; it is no clip without a video."""


def allowance_pages(found: Allowances) -> list[str]:
    """Every rule of the server, a page at a time; there is always one page."""
    rules = [
        f"Default: {text.limit(found.default) if found.default else 'the bot’s own'}",
        f"The whole server: {text.limit(found.ceiling) if found.ceiling else 'no ceiling'}",
        *(f"<@&{role}>: {text.limit(limit)}" for role, limit in found.roles),
        *(f"<@{member}>: {text.limit(limit)}" for member, limit in found.members),
    ]
    pages = [rules[start : start + ROWS_PER_PAGE] for start in range(0, len(rules), ROWS_PER_PAGE)]
    return ["\n".join(["**Allowances**", *(f"- {rule}" for rule in page)]) for page in pages]


class Usage:
    """A server's usage over days, summed once."""

    def __init__(self, rows: list[UsageRow], days: int, catalog: Catalog) -> None:
        self._days = days
        self._by_member: dict[UserId, list[UsageRow]] = defaultdict(list)
        for row in rows:
            self._by_member[row.member].append(row)
        self._rows = rows
        self._catalog = catalog

    @property
    def is_long(self) -> bool:
        """More than one message takes: the CSV has all of it."""
        return len("\n".join(self._lines())) > text.MESSAGE

    def screen(self) -> str:
        """The total, then the members who used most."""
        return text.as_much(self._lines(), rest="- and more, in the file")

    def csv(self) -> bytes:
        """One line for each member, clip and outcome; UTF-8 with the mark that spreadsheets look for.

        A member stands as a mention: spreadsheets keep 15 digits of a plain id.
        """
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(
            ["member", "model", "seconds", "size", "state", "failure", "clips", "credits", "refunded", "usd"]
        )
        for row in self._rows:
            money = self._money([row])
            writer.writerow([
                text.somebody(row.member), row.model, row.seconds, row.size or "", row.state, row.failure or "",
                row.clips, row.credits, row.refunded, "" if money is None else f"{money:.2f}",
            ])  # fmt: skip
        return out.getvalue().encode("utf-8-sig")

    def _lines(self) -> list[str]:
        days = "today" if self._days == 1 else f"the last {self._days} days"
        if not self._rows:
            return [f"No clips {days if self._days == 1 else f'in {days}'}."]
        most = sorted(self._by_member.items(), key=lambda item: (-_spent(item[1]), item[0]))
        members = [f"- {text.somebody(member)}: {self._sums(rows)}" for member, rows in most]
        return [f"**Usage, {days}**", f"All: {self._sums(self._rows)}", *members]

    def _sums(self, rows: list[UsageRow]) -> str:
        clips, refunded = sum(row.clips for row in rows), sum(row.refunded for row in rows)
        parts = [f"{clips:,} clip{'' if clips == 1 else 's'}", text.credits_of(_spent(rows))]
        if refunded:
            parts.append(f"{refunded:,} refunded")
        money = self._money(rows)
        if money is not None:
            parts.append(f"about {money:,.2f} USD")
        failures = Counter[str]()
        for row in rows:
            if row.failure is not None and row.state not in _WITH_VIDEO:
                failures[failure_words(row.failure)] += row.clips
        most = sorted(failures.items(), key=lambda failure: (-failure[1], failure[0]))
        return " · ".join([*parts, *(f"{count:,} × {words}" for words, count in most)])

    def _money(self, rows: list[UsageRow]) -> float | None:
        """For what the provider took; an estimate, since who pays for failures differs. None without prices."""
        prices = [(self._catalog.money(row.model, row.seconds, row.size), row.made) for row in rows if row.made]
        known = [price * made for price, made in prices if price is not None]
        return sum(known) if known else None


def _spent(rows: list[UsageRow]) -> int:
    return sum(row.credits - row.refunded for row in rows)


def status(found: Status, *, latency_s: float, servers: int) -> str:
    """Health in a few lines."""
    server, load = found.server, found.load
    waiting = f"{load.waiting} in line" + (f", {load.waiting_here} of them from here" if load.waiting_here else "")
    used = "no ceiling" if found.ceiling is None else f"{found.used:,} used of {text.limit(found.ceiling)}"
    paused = "taking clips" if server.paused_at is None else f"paused {text.moment(server.paused_at)}"
    reason = f" (“{server.pause_reason}”)" if server.paused_at is not None and server.pause_reason else ""
    delay = f"{latency_s * 1000:.0f} ms" if math.isfinite(latency_s) else "just connected"  # no heartbeat yet
    log = "off" if server.log_channel is None else f"<#{server.log_channel}>"
    others = "allowed" if server.others_allowed else "not allowed"
    return (
        f"**This server**: {paused}{reason} · {used} · log {log} · others' pictures {others}\n"
        f"**Video service**: {load.at_provider} of {load.slots} clips at work · {waiting}\n"
        f"**Discord**: {delay} · {servers} server{'' if servers == 1 else 's'}"
    )
