"""Credits in words: /quota and the admins' view of a member."""

from __future__ import annotations

from bot.catalog import Catalog, Model
from bot.chat import text
from bot.jobs.service import Account
from bot.models import Balance, FailureKind, LedgerKind, LedgerLine

_KINDS = {
    LedgerKind.GRANT: "granted",
    LedgerKind.RESET: "use reset",
    LedgerKind.PAUSE: "pause changed",
    LedgerKind.BLOCK: "block changed",
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
    FailureKind.BLOCKED: "blocked",
}


def own_balance(balance: Balance, catalog: Catalog) -> str:
    """What /quota says."""
    prices = "\n".join(f"- {_prices(model)}" for model in catalog.models)
    return f"{_summary(balance)}\n**What a clip costs**\n{prices}"


def account(member: int, found: Account) -> str:
    """What an admin reads of a member."""
    lines = "\n".join(f"- {_line(line)}" for line in found.lines) or "- nothing yet"
    return f"<@{member}>\n{_summary(found.balance)}\n**Latest**\n{lines}"


def failure_words(kind: FailureKind) -> str:
    """A failure in a few words, as lists show it."""
    return _FAILURES[kind]


def _summary(balance: Balance) -> str:
    renews = "" if balance.renews_at is None else f" · renews {text.moment(balance.renews_at)}"
    granted = f"\nGranted on top: {text.credits_of(balance.granted)}." if balance.granted else ""
    running = {0: "", 1: "\nUnder way: 1 clip."}.get(balance.running, f"\nUnder way: {balance.running} clips.")
    return (
        f"**{text.credits_of(balance.left)} left** of {text.limit(balance.limit)} · {text.used(balance)}{renews}\n"
        f"Allowance {text.source(balance.limit)}.{granted}{running}"
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


def _line(line: LedgerLine) -> str:
    when = text.moment(line.at)
    clip = f" · clip {line.job_key}" if line.job_key else ""
    match line.kind:
        case LedgerKind.RESERVE:
            return f"{line.credits:+,} · {when}{clip}"
        case LedgerKind.REFUND:
            why = "" if line.failure is None else f": {_FAILURES[line.failure]}"
            return f"{line.credits:+,} back · {when}{clip}{why}"
        case LedgerKind.ALLOWANCE:
            what = "allowance cleared" if line.limit is None else f"allowance {text.limit(line.limit)}"
        case _:
            what = f"{line.credits:+,} {_KINDS[line.kind]}" if line.credits else _KINDS[line.kind]
    by = f" by <@{line.actor}>" if line.actor else ""
    reason = f" (“{line.reason}”)" if line.reason else ""
    return f"{what} · {when}{by}{reason}"
