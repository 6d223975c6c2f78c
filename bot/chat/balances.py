"""Credits in words: /quota and the admins' view of a member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.catalog import Catalog, Model
from bot.chat import text
from bot.errors import ReservationRefused
from bot.jobs.service import Account
from bot.models import Balance, FailureKind, LedgerKind, LedgerLine, RefusalReason, Source

REASON_SHOWN = 60
"""Ten lines with the longest reasons would be more than the 2,000 characters of a message."""
_BARS = {
    RefusalReason.PAUSED: "This server is paused",
    RefusalReason.BLOCKED: "Blocked",
    RefusalReason.TOO_MANY_REFUNDS: "Five clips refunded today after the service had taken them: refused until a reset",
}
_FAILURES = {
    FailureKind.MODERATED: "refused by moderation",
    FailureKind.PERSON: "a person in the picture",
    FailureKind.BAD_REQUEST: "not taken by the service",
    FailureKind.TOO_LARGE: "picture too large for the service",
    FailureKind.KEY: "the bot's key was refused",
    FailureKind.BALANCE: "the bot's account was refused",
    FailureKind.MODEL: "model gone",
    FailureKind.BUSY: "service out of reach",
    FailureKind.PROVIDER: "failed at the service",
    FailureKind.TIMED_OUT: "not finished in time",
    FailureKind.LOST_ANSWER: "answer lost",
    FailureKind.RESULT_GONE: "file gone at the service",
    FailureKind.PICTURE: "picture unusable",
    FailureKind.LINE: "two hours in line",
    FailureKind.NO_CARD: "cancelled",
    FailureKind.CANCELLED: "cancelled by the member",
    FailureKind.BLOCKED: "blocked",
}


def own_balance(balance: Balance, catalog: Catalog, barred: ReservationRefused | None) -> str:
    """What /quota says."""
    bar = "" if barred is None else f"{text.barred(barred)}\n"
    lines = [f"{bar}{_summary(balance, text.source(balance.limit))}", "**What a clip costs**"]
    return text.as_much([*lines, *(f"- {_prices(model)}" for model in catalog.models)], rest="- and more in `/animate`")


def account(member: int, found: Account, barred: ReservationRefused | None) -> str:
    """What an admin reads of a member."""
    bar = "" if barred is None else f"\n{_BARS[barred.reason]}{_words(barred.detail)}."
    limit = found.balance.limit
    source = "set by an admin" if limit.source is Source.OWN else text.source(limit)
    lines = "\n".join(f"- {line}" for line in _lines(found.lines)) or "- nothing yet"
    return f"<@{member}>{bar}\n{_summary(found.balance, source)}\n**Latest**\n{lines}"


def failure_words(kind: FailureKind) -> str:
    """A failure in a few words, as lists show it."""
    return _FAILURES[kind]


def _summary(balance: Balance, source: str) -> str:
    renews = "" if balance.renews_at is None else f" · renews {text.moment(balance.renews_at)}"
    granted = f"\nGranted on top: {text.credits_of(balance.granted)}." if balance.granted else ""
    running = {0: "", 1: "\nUnder way: 1 clip."}.get(balance.running, f"\nUnder way: {balance.running} clips.")
    return (
        f"**{text.credits_of(balance.left)} left** of {text.limit(balance.limit)} · {text.used(balance)}{renews}\n"
        f"Allowance {source}.{granted}{running}"
    )


def _prices(model: Model) -> str:
    by_price: dict[int, list[str]] = {}
    for size, price in model.sizes.items():
        by_price.setdefault(price, []).append(size)
    parts = [
        ", ".join(f"{n} s {price * n}" for n in model.seconds) + f" ({' or '.join(sizes)})"
        for price, sizes in by_price.items()
    ]
    return f"{model.label}: {'; '.join(parts)}"


def _lines(lines: Sequence[LedgerLine]) -> Iterator[str]:
    """Newest first. A refund stands with its reservation, where that is among the lines too."""
    reserved = {line.job_key for line in lines if line.kind is LedgerKind.RESERVE}
    backs = {line.job_key: _back(line) for line in lines if line.kind is LedgerKind.REFUND}
    for line in lines:
        when = text.moment(line.at)
        match line.kind:
            case LedgerKind.RESERVE:
                back = f" · {backs[line.job_key]}" if line.job_key in backs else ""
                yield f"{line.credits:+,} · {when} · clip {line.job_key}{back}"
            case LedgerKind.REFUND:
                if line.job_key not in reserved:
                    yield f"clip {line.job_key} · {_back(line)} · {when}"
            case _:
                yield f"{_what(line)} · {when} by {text.somebody(line.actor)}"


def _back(line: LedgerLine) -> str:
    return f"{line.credits:+,} back" + ("" if line.failure is None else f": {_FAILURES[line.failure]}")


def _what(line: LedgerLine) -> str:
    match line.kind:
        case LedgerKind.GRANT:
            return f"{line.credits:+,} granted{_words(line.reason)}"
        case LedgerKind.RESET:
            return "use forgotten"
        case LedgerKind.ALLOWANCE:
            return "own allowance taken away" if line.limit is None else f"own allowance {text.limit(line.limit)}"
        case _:
            return _cut(line.reason or "")


def _words(reason: str | None) -> str:
    return f" (“{_cut(reason)}”)" if reason else ""


def _cut(reason: str) -> str:
    return reason if len(reason) <= REASON_SHOWN else f"{reason[: REASON_SHOWN - 1]}…"
