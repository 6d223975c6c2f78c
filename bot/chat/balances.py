"""Credits in words: /quota and the admins' view of a member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.catalog import Catalog, Model
from bot.chat import refusals, text
from bot.errors import ReservationRefused
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.jobs.service import Account
from bot.models import Balance, FailureKind, LedgerKind, LedgerLine, RefusalReason, Source

REASON_SHOWN = 60
"""Ten lines with the longest reasons would be more than the 2,000 characters of a message."""
_FAILURES = {
    FailureKind.MODERATED: N_("refused by moderation"),
    FailureKind.PERSON: N_("a person in the picture"),
    FailureKind.BAD_REQUEST: N_("not taken by the service"),
    FailureKind.TOO_LARGE: N_("picture too large for the service"),
    FailureKind.KEY: N_("the bot's key was refused"),
    FailureKind.BALANCE: N_("the bot's account was refused"),
    FailureKind.MODEL: N_("model gone"),
    FailureKind.OVER_PRICE: N_("costs more than was reserved"),
    FailureKind.BUSY: N_("service out of reach"),
    FailureKind.PROVIDER: N_("failed at the service"),
    FailureKind.TIMED_OUT: N_("not finished in time"),
    FailureKind.GONE: N_("lost by the service"),
    FailureKind.LOST_ANSWER: N_("answer lost"),
    FailureKind.RESULT_GONE: N_("file gone at the service"),
    FailureKind.PICTURE: N_("picture unusable"),
    FailureKind.QUEUE_TIMEOUT: N_("two hours in line"),
    FailureKind.NO_CARD: N_("cancelled"),
    FailureKind.CANCELLED: N_("cancelled by the member"),
    FailureKind.BLOCKED: N_("blocked"),
}


def own_balance(
    translations: Translations, balance: Balance, catalog: Catalog, barred: ReservationRefused | None
) -> str:
    """What /quota says."""
    bar = [] if barred is None else [refusals.barred(translations, barred)]
    summary = _summary(translations, balance, text.source(translations, balance.limit))
    lines = ["\n".join([*bar, summary]), translations.gettext("**What a clip costs**")]
    prices = [f"- {_prices(translations, model)}" for model in catalog.models]
    return text.as_much([*lines, *prices], rest=translations.gettext("- and more in `/animate`"))


def account(translations: Translations, member: int, found: Account, barred: ReservationRefused | None) -> str:
    """What an admin reads of a member."""
    limit = found.balance.limit
    own = limit.source is Source.OWN
    source = translations.gettext("Allowance set by an admin.") if own else text.source(translations, limit)
    bar = [] if barred is None else [_bar(translations, barred)]
    lines = [f"- {line}" for line in _lines(translations, found.lines)] or [translations.gettext("- nothing yet")]
    latest = translations.gettext("**Latest**")
    return "\n".join([f"<@{member}>", *bar, _summary(translations, found.balance, source), latest, *lines])


def failure_words(translations: Translations, kind: FailureKind) -> str:
    """A failure in a few words, as lists show it."""
    return translations.gettext(_FAILURES[kind])


def _bar(translations: Translations, barred: ReservationRefused) -> str:
    why = _words(translations, barred.detail)
    match barred.reason:
        case RefusalReason.PAUSED:
            return translations.gettext("This server is paused{because}.", because=why)
        case RefusalReason.BLOCKED:
            return translations.gettext("Blocked{because}.", because=why)
        case _:
            return translations.gettext(
                "Five clips refunded today after the service had taken them: refused until a reset."
            )


def _summary(translations: Translations, balance: Balance, source: str) -> str:
    left = text.credits_of(translations, balance.left)
    facts = [
        translations.gettext(
            "**{credits} left** of {limit}", credits=left, limit=text.limit(translations, balance.limit)
        ),
        text.used(translations, balance),
    ]
    if balance.renews_at is not None:
        facts.append(translations.gettext("renews {when}", when=text.moment(balance.renews_at)))
    lines = [" · ".join(facts), source]
    if balance.bonus:
        lines.append(
            translations.gettext("Granted on top: {credits}.", credits=text.credits_of(translations, balance.bonus))
        )
    if balance.running:
        lines.append(translations.ngettext("Under way: {n} clip.", "Under way: {n} clips.", balance.running))
    return "\n".join(lines)


def _prices(translations: Translations, model: Model) -> str:
    by_price: dict[int, list[str]] = {}
    for size, price in model.sizes.items():
        by_price.setdefault(price, []).append(size)
    parts = [
        ", ".join(f"{text.length(translations, n)} {price * n}" for n in model.seconds)
        + f" ({translations.either(sizes)})"
        for price, sizes in by_price.items()
    ]
    return f"{model.label}: {'; '.join(parts)}"


def _lines(translations: Translations, lines: Sequence[LedgerLine]) -> Iterator[str]:
    """Newest first. A refund stands with its reservation, where that is among the lines too."""
    reserved = {line.job_key for line in lines if line.kind is LedgerKind.RESERVE}
    backs = {line.job_key: _back(translations, line) for line in lines if line.kind is LedgerKind.REFUND}
    for line in lines:
        when = text.moment(line.at)
        # Translators: a ledger names a video so, without backticks.
        video = translations.gettext("clip {key}", key=str(line.job_key))
        match line.kind:
            case LedgerKind.RESERVE:
                back = [backs[line.job_key]] if line.job_key in backs else []
                yield " · ".join([translations.change(line.credits), when, video, *back])
            case LedgerKind.REFUND:
                if line.job_key not in reserved:
                    yield " · ".join([video, _back(translations, line), when])
            case _:
                actor = text.somebody(translations, line.actor)
                yield translations.gettext(
                    "{what} · {when} by {actor}", what=_what(translations, line), when=when, actor=actor
                )


def _back(translations: Translations, line: LedgerLine) -> str:
    change = translations.change(line.credits)
    if line.failure is None:
        return translations.gettext("{credits} back", credits=change)
    return translations.gettext(
        "{credits} back: {failure}", credits=change, failure=failure_words(translations, line.failure)
    )


def _what(translations: Translations, line: LedgerLine) -> str:
    match line.kind:
        case LedgerKind.GRANT:
            why = _words(translations, line.reason)
            return translations.gettext(
                "{credits} granted{because}", credits=translations.change(line.credits), because=why
            )
        case LedgerKind.REVOKE:
            why = _words(translations, line.reason)
            return translations.ngettext(
                "{change} bonus credit taken back{because}",
                "{change} bonus credits taken back{because}",
                -line.credits,
                change=translations.change(line.credits),
                because=why,
            )
        case LedgerKind.RESET:
            return translations.gettext("use forgotten")
        case LedgerKind.QUOTA:
            if line.limit is None:
                return translations.gettext("own allowance taken away")
            return translations.gettext("own allowance {limit}", limit=text.limit(translations, line.limit))
        case _:
            return _bar_changed(translations, _cut(line.reason or ""))


def _bar_changed(translations: Translations, said: str) -> str:
    """The store writes what was done to a member, and behind a colon an admin's words."""
    done, colon, reason = said.partition(": ")
    match done, colon:
        case "unblocked", "":
            return translations.gettext("unblocked")
        case "blocked", "":
            return translations.gettext("blocked")
        case "blocked", _:
            return translations.gettext("blocked: {reason}", reason=reason)
        case _:
            return said


def _words(translations: Translations, reason: str | None) -> str:
    return text.because(translations, reason and _cut(reason))


def _cut(reason: str) -> str:
    return reason if len(reason) <= REASON_SHOWN else f"{reason[: REASON_SHOWN - 1]}…"
