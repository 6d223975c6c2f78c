"""What admins read: all quotas in pages, usage as text and CSV, status."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter, defaultdict
from datetime import date, timedelta

from bot.catalog import Catalog
from bot.chat import limits, prices, text
from bot.chat.balances import failure_words, short_reason
from bot.i18n.translations import Translations
from bot.jobs.admin import Status
from bot.models import JobState, Limit, UserId
from bot.report_models import Quotas, UsageRow

ROWS_PER_PAGE = 15
DAYS_SHOWN = 7
_WITH_VIDEO = (JobState.DELIVERING, JobState.DELIVERED, JobState.UNDELIVERED)
"""A video that came late keeps what it failed of, and was refunded; it is not counted as one without a video."""


def quota_pages(translations: Translations, found: Quotas) -> list[str]:
    """Every rule of the server, a page at a time; there is always one page."""
    facts = [limits.limit(translations, each) for each in (found.default or found.bots_default,) if each is not None]
    default = " · ".join(facts if found.default else [*facts, translations.gettext(limits.BOTS_DEFAULT)])
    whole = translations.gettext(limits.NO_LIMIT)
    if found.server_limit:
        whole = limits.limit(translations, found.server_limit)
    rules = [
        translations.gettext("Default quota: {limit}", limit=default),
        translations.gettext("Server limit: {limit}", limit=whole),
        *(translations.labeled(f"<@&{role}>", limits.limit(translations, limit)) for role, limit in found.roles),
        *(translations.labeled(f"<@{member}>", limits.limit(translations, limit)) for member, limit in found.members),
        *(translations.labeled(f"<@{member}>", _bonus(translations, count)) for member, count in found.bonus),
        *(translations.labeled(f"<@{member}>", _blocked(translations, reason)) for member, reason in found.blocked),
    ]
    pages = [rules[start : start + ROWS_PER_PAGE] for start in range(0, len(rules), ROWS_PER_PAGE)]
    return [
        "\n".join([translations.gettext("**Quotas in this server**"), *(f"- {rule}" for rule in page)])
        for page in pages
    ]


def _bonus(translations: Translations, count: int) -> str:
    return translations.ngettext("{n} bonus credit", "{n} bonus credits", count)


def _blocked(translations: Translations, reason: str | None) -> str:
    return translations.gettext("blocked{because}", because=short_reason(translations, reason))


class Usage:
    """A server's usage over days, summed once. `limit` is what counts against the server limit, where there is one."""

    def __init__(
        self,
        translations: Translations,
        rows: list[UsageRow],
        days: int,
        catalog: Catalog,
        limit: tuple[Limit, int] | None = None,
    ) -> None:
        self._limit = limit
        self._translations = translations
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
        return text.as_much(self._lines(), rest=self._translations.gettext("- The full list is in the file."))

    def csv(self) -> bytes:
        """One line for each member, video and outcome; UTF-8 with the mark that spreadsheets look for.

        A member stands as a mention: spreadsheets keep 15 digits of a plain id.
        """
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([
            "day", "member", "model", "seconds", "size", "state", "failure", "videos_requested", "videos_made",
            "credits", "refunded", "usd",
        ])  # fmt: skip
        for row in self._rows:
            money = self._money([row])
            writer.writerow([
                _day(row.day), text.somebody(self._translations, row.member), row.model, row.seconds, row.size or "",
                row.state, row.failure or "", row.videos, _made(row), row.credits, row.refunded,
                "" if money is None else f"{money:.2f}",
            ])  # fmt: skip
        return out.getvalue().encode("utf-8-sig")

    def _lines(self) -> list[str]:
        translations, days = self._translations, self._days
        if not self._rows:
            if days == 1:
                return [translations.gettext("No videos today.")]
            return [translations.gettext("No videos in the last {n} days.", n=days)]
        most = sorted(self._by_member.items(), key=lambda item: (-_spent(item[1]), item[0]))
        members = [
            f"- {translations.labeled(text.somebody(translations, member), self._sums(rows))}" for member, rows in most
        ]
        head = translations.gettext("**Usage today**")
        if days > 1:
            head = translations.gettext("**Usage in the last {n} days**", n=days)
        total = translations.gettext("Total: {sums}", sums=self._sums(self._rows))
        return [head, total, *self._limits(), *self._by_model(), *self._by_day(), *members]

    def _limits(self) -> list[str]:
        if self._limit is None:
            return []
        limit, used = self._limit
        words = limits.limit(self._translations, limit)
        facts = [self._translations.gettext("Server limit: {limit}", limit=words)]
        return [" · ".join([*facts, limits.used(self._translations, used, limit.per)])]

    def _by_model(self) -> list[str]:
        """Where there are several, most credits first."""
        groups: dict[str, list[UsageRow]] = defaultdict(list)
        for row in self._rows:
            groups[row.model].append(row)
        if len(groups) < 2:
            return []
        found = [(self._catalog.model(name), name, rows) for name, rows in groups.items()]
        labels = [(name if model is None else model.label, rows) for model, name, rows in found]
        labels.sort(key=lambda each: (-_spent(each[1]), each[0]))
        return [f"- {self._translations.labeled(label, self._sums(rows))}" for label, rows in labels]

    def _by_day(self) -> list[str]:
        """Where there are several, the newest first."""
        groups: dict[int, list[UsageRow]] = defaultdict(list)
        for row in self._rows:
            groups[row.day].append(row)
        newest = sorted(groups, reverse=True)[:DAYS_SHOWN]
        if len(newest) < 2:
            return []
        return [f"- {self._translations.labeled(_day(day), self._sums(groups[day]))}" for day in newest]

    def _sums(self, rows: list[UsageRow]) -> str:
        requested, refunded = sum(row.videos for row in rows), sum(row.refunded for row in rows)
        made = sum(_made(row) for row in rows)
        translations = self._translations
        parts = [
            translations.ngettext("{n} video requested", "{n} videos requested", requested),
            translations.ngettext("{n} video made", "{n} videos made", made),
            prices.credits_of(translations, _spent(rows)),
        ]
        if refunded:
            parts.append(translations.ngettext("{n} credit refunded", "{n} credits refunded", refunded))
        money, told = self._money(rows), sum(row.told_usd for row in rows)
        if money is not None:
            parts.append(translations.gettext("about {money} USD", money=translations.number(money, digits=2)))
        if any(row.untold < row.made for row in rows):
            parts.append(
                translations.gettext(
                    "{money} USD of it reported by the video service", money=translations.number(told, digits=2)
                )
            )
        failures = Counter[str]()
        for row in rows:
            if row.failure is not None and row.state not in _WITH_VIDEO:
                failures[failure_words(translations, row.failure)] += row.videos
        most = sorted(failures.items(), key=lambda failure: (-failure[1], failure[0]))
        return " · ".join([*parts, *(f"{translations.number(count)} × {words}" for words, count in most)])

    def _money(self, rows: list[UsageRow]) -> float | None:
        """What the provider told, and for the rest an estimate, since who pays for failures differs.

        None where nothing is known of any.
        """
        prices = [(self._catalog.money(row.model, row.seconds, row.size), row.untold) for row in rows if row.untold]
        known = [price * untold for price, untold in prices if price is not None]
        told = [row.told_usd for row in rows if row.untold < row.made]
        return sum(known) + sum(told) if known or told else None


def _day(day: int) -> str:
    """Of a UTC day counted from 1970-01-01, as everybody can read and sort it."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def _made(row: UsageRow) -> int:
    """Videos that there are; the provider may take money for others, too."""
    return row.videos if row.state in _WITH_VIDEO else 0


def _spent(rows: list[UsageRow]) -> int:
    return sum(row.credits - row.refunded for row in rows)


def status(translations: Translations, found: Status, catalog: Catalog, *, latency_s: float, servers: int) -> str:
    """Health in a few lines; `servers` are those of this process, for where the store knows of no other."""
    delay = (
        f"{latency_s * 1000:.0f} ms" if math.isfinite(latency_s) else translations.gettext("just connected")
    )  # no heartbeat yet
    n = servers if found.servers is None else found.servers
    known = translations.ngettext("{n} server", "{n} servers", n)
    return "\n".join([
        translations.gettext("**This server**: {facts}", facts=" · ".join(_server_facts(translations, found))),
        translations.gettext(
            "**Videos**: {busy} of at most {n} being made · {waiting} in the queue ({here} from this server)",
            busy=found.jobs.at_provider,
            n=found.slots,
            waiting=found.jobs.waiting,
            here=found.jobs.waiting_here,
        ),
        *_not_used(translations, found, catalog),
        translations.gettext("**Discord**: {facts}", facts=f"{delay} · {known}"),
    ])  # fmt: skip


def _not_used(translations: Translations, found: Status, catalog: Catalog) -> list[str]:
    """What is not sent for now, and why; one line for all models, or one for each."""
    whys = {model.label: found.refused.get(model.id) for model in catalog.models}
    first = next(iter(whys.values()))
    if first is not None and set(whys.values()) == {first}:
        words = failure_words(translations, first)
        return [translations.gettext("⚠️ No new videos can be made right now: {why}. The bot keeps trying.", why=words)]
    return [
        translations.gettext(
            "⚠️ No new videos can be made with {model} right now: {why}. The bot keeps trying.", model=label, why=words
        )
        for label, words in (
            (label, failure_words(translations, why)) for label, why in whys.items() if why is not None
        )
    ]


def _server_facts(translations: Translations, found: Status) -> list[str]:
    server = found.server
    state = translations.gettext("not paused")
    if found.server_limit is not None and not found.server_limit.credits:
        state = translations.gettext("⚠️ no videos can be made: the server limit is 0")
    if server.paused_at is not None:
        why = text.because(translations, server.pause_reason)
        state = translations.gettext("paused {when}{because}", when=text.moment(server.paused_at), because=why)
    whole = [translations.gettext("no server limit")]
    if (limit := found.server_limit) is not None:
        whole = [
            translations.gettext("server limit: {limit}", limit=limits.limit(translations, limit)),
            limits.used(translations, found.used, limit.per),
        ]
    log = translations.gettext("video log off")
    if server.log_channel is not None:
        log = translations.gettext("video log in {channel}", channel=f"<#{server.log_channel}>")
    allowed = server.others_allowed
    others = (
        translations.gettext("other people's pictures allowed")
        if allowed
        else translations.gettext("other people's pictures not allowed")
    )
    return [state, *whole, log, others]
