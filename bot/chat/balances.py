"""Credits in words: /quota and the admins' view of a member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.catalog import Catalog, Model
from bot.chat import refusals, text
from bot.chat.tongue import Tongue
from bot.errors import ReservationRefused
from bot.jobs.service import Account
from bot.models import Balance, FailureKind, LedgerKind, LedgerLine, RefusalReason, Source
from bot.wording import mark

REASON_SHOWN = 60
"""Ten lines with the longest reasons would be more than the 2,000 characters of a message."""
_FAILURES = {
    FailureKind.MODERATED: mark("refused by moderation"),
    FailureKind.PERSON: mark("a person in the picture"),
    FailureKind.BAD_REQUEST: mark("not taken by the service"),
    FailureKind.TOO_LARGE: mark("picture too large for the service"),
    FailureKind.KEY: mark("the bot's key was refused"),
    FailureKind.BALANCE: mark("the bot's account was refused"),
    FailureKind.MODEL: mark("model gone"),
    FailureKind.BUSY: mark("service out of reach"),
    FailureKind.PROVIDER: mark("failed at the service"),
    FailureKind.TIMED_OUT: mark("not finished in time"),
    FailureKind.GONE: mark("lost by the service"),
    FailureKind.LOST_ANSWER: mark("answer lost"),
    FailureKind.RESULT_GONE: mark("file gone at the service"),
    FailureKind.PICTURE: mark("picture unusable"),
    FailureKind.LINE: mark("two hours in line"),
    FailureKind.NO_CARD: mark("cancelled"),
    FailureKind.CANCELLED: mark("cancelled by the member"),
    FailureKind.BLOCKED: mark("blocked"),
}


def own_balance(tongue: Tongue, balance: Balance, catalog: Catalog, barred: ReservationRefused | None) -> str:
    """What /quota says."""
    bar = [] if barred is None else [refusals.barred(tongue, barred)]
    summary = _summary(tongue, balance, text.source(tongue, balance.limit))
    lines = ["\n".join([*bar, summary]), tongue.say("**What a clip costs**")]
    prices = [f"- {_prices(tongue, model)}" for model in catalog.models]
    return text.as_much([*lines, *prices], rest=tongue.say("- and more in `/animate`"))


def account(tongue: Tongue, member: int, found: Account, barred: ReservationRefused | None) -> str:
    """What an admin reads of a member."""
    limit = found.balance.limit
    own = limit.source is Source.OWN
    source = tongue.say("Allowance set by an admin.") if own else text.source(tongue, limit)
    bar = [] if barred is None else [_bar(tongue, barred)]
    lines = [f"- {line}" for line in _lines(tongue, found.lines)] or [tongue.say("- nothing yet")]
    latest = tongue.say("**Latest**")
    return "\n".join([f"<@{member}>", *bar, _summary(tongue, found.balance, source), latest, *lines])


def failure_words(tongue: Tongue, kind: FailureKind) -> str:
    """A failure in a few words, as lists show it."""
    return tongue.say(_FAILURES[kind])


def _bar(tongue: Tongue, barred: ReservationRefused) -> str:
    why = _words(tongue, barred.detail)
    match barred.reason:
        case RefusalReason.PAUSED:
            return tongue.say("This server is paused{because}.", because=why)
        case RefusalReason.BLOCKED:
            return tongue.say("Blocked{because}.", because=why)
        case _:
            return tongue.say("Five clips refunded today after the service had taken them: refused until a reset.")


def _summary(tongue: Tongue, balance: Balance, source: str) -> str:
    left = text.credits_of(tongue, balance.left)
    facts = [
        tongue.say("**{credits} left** of {limit}", credits=left, limit=text.limit(tongue, balance.limit)),
        text.used(tongue, balance),
    ]
    if balance.renews_at is not None:
        facts.append(tongue.say("renews {when}", when=text.moment(balance.renews_at)))
    lines = [" · ".join(facts), source]
    if balance.granted:
        lines.append(tongue.say("Granted on top: {credits}.", credits=text.credits_of(tongue, balance.granted)))
    if balance.running:
        lines.append(tongue.counted("Under way: {n} clip.", "Under way: {n} clips.", balance.running))
    return "\n".join(lines)


def _prices(tongue: Tongue, model: Model) -> str:
    by_price: dict[int, list[str]] = {}
    for size, price in model.sizes.items():
        by_price.setdefault(price, []).append(size)
    parts = [
        ", ".join(f"{text.length(tongue, n)} {price * n}" for n in model.seconds) + f" ({tongue.either(sizes)})"
        for price, sizes in by_price.items()
    ]
    return f"{model.label}: {'; '.join(parts)}"


def _lines(tongue: Tongue, lines: Sequence[LedgerLine]) -> Iterator[str]:
    """Newest first. A refund stands with its reservation, where that is among the lines too."""
    reserved = {line.job_key for line in lines if line.kind is LedgerKind.RESERVE}
    backs = {line.job_key: _back(tongue, line) for line in lines if line.kind is LedgerKind.REFUND}
    for line in lines:
        when = text.moment(line.at)
        # Translators: a ledger names a clip so, without backticks.
        clip = tongue.say("clip {key}", key=str(line.job_key))
        match line.kind:
            case LedgerKind.RESERVE:
                back = [backs[line.job_key]] if line.job_key in backs else []
                yield " · ".join([tongue.change(line.credits), when, clip, *back])
            case LedgerKind.REFUND:
                if line.job_key not in reserved:
                    yield " · ".join([clip, _back(tongue, line), when])
            case _:
                actor = text.somebody(tongue, line.actor)
                yield tongue.say("{what} · {when} by {actor}", what=_what(tongue, line), when=when, actor=actor)


def _back(tongue: Tongue, line: LedgerLine) -> str:
    change = tongue.change(line.credits)
    if line.failure is None:
        return tongue.say("{credits} back", credits=change)
    return tongue.say("{credits} back: {failure}", credits=change, failure=failure_words(tongue, line.failure))


def _what(tongue: Tongue, line: LedgerLine) -> str:
    match line.kind:
        case LedgerKind.GRANT:
            why = _words(tongue, line.reason)
            return tongue.say("{credits} granted{because}", credits=tongue.change(line.credits), because=why)
        case LedgerKind.REVOKE:
            why = _words(tongue, line.reason)
            return tongue.counted(
                "{change} bonus credit taken back{because}",
                "{change} bonus credits taken back{because}",
                -line.credits,
                change=tongue.change(line.credits),
                because=why,
            )
        case LedgerKind.RESET:
            return tongue.say("use forgotten")
        case LedgerKind.ALLOWANCE:
            if line.limit is None:
                return tongue.say("own allowance taken away")
            return tongue.say("own allowance {limit}", limit=text.limit(tongue, line.limit))
        case _:
            return _bar_changed(tongue, _cut(line.reason or ""))


def _bar_changed(tongue: Tongue, said: str) -> str:
    """The store writes what was done to a member, and behind a colon an admin's words."""
    done, colon, reason = said.partition(": ")
    match done, colon:
        case "unblocked", "":
            return tongue.say("unblocked")
        case "blocked", "":
            return tongue.say("blocked")
        case "blocked", _:
            return tongue.say("blocked: {reason}", reason=reason)
        case _:
            return said


def _words(tongue: Tongue, reason: str | None) -> str:
    return text.because(tongue, reason and _cut(reason))


def _cut(reason: str) -> str:
    return reason if len(reason) <= REASON_SHOWN else f"{reason[: REASON_SHOWN - 1]}…"
