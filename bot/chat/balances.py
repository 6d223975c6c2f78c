"""A balance in words: /quota and the admins' view of a member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.catalog import Catalog
from bot.chat import limits, prices, refusals, text
from bot.errors import ReservationRefused, UserError
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.jobs.service import Account
from bot.models import Balance, FailureKind, LedgerKind, RefusalReason
from bot.report_models import LedgerLine

REASON_SHOWN = 60
"""Ten lines with the longest reasons would be more than the 2,000 characters of a message."""
_FAILURES = {
    FailureKind.MODERATED: N_("video refused under the content rules"),
    FailureKind.PERSON: N_("person in the picture"),
    FailureKind.BAD_REQUEST: N_("request not accepted"),
    FailureKind.TOO_LARGE: N_("picture file too large"),
    FailureKind.KEY: N_("bot's key not accepted"),
    FailureKind.BALANCE: N_("bot's account refused"),
    FailureKind.MODEL: N_("model no longer available"),
    FailureKind.OVER_PRICE: N_("price higher than expected"),
    FailureKind.BUSY: N_("video not started in time"),
    FailureKind.PROVIDER: N_("video service error"),
    FailureKind.TIMED_OUT: N_("video not finished in time"),
    FailureKind.GONE: N_("video lost by the video service"),
    FailureKind.LOST_ANSWER: N_("no answer from the video service"),
    FailureKind.RESULT_GONE: N_("video file not available"),
    FailureKind.PICTURE: N_("picture not usable"),
    FailureKind.QUEUE_TIMEOUT: N_("two-hour limit in the queue reached"),
    FailureKind.NO_CARD: N_("video canceled"),
    FailureKind.CANCELLED: N_("video canceled by the member"),
    FailureKind.BLOCKED: N_("video canceled (member blocked)"),
}


def own_balance(
    translations: Translations,
    balance: Balance,
    catalog: Catalog,
    refusal: ReservationRefused | None,
    *,
    shared: Sequence[ReservationRefused] = (),
    barred: UserError | None = None,
) -> str:
    """What /quota says.

    `catalog` is what the member may use there, `barred` why no video can be made there, and `shared` the limits for
    all of which less is left than the member has.
    """
    why = [
        None if barred is None else text.explain(translations, barred),
        None if refusal is None else refusals.ineligible(translations, refusal),
        *(refusals.exceeded(translations, each, catalog) for each in shared),
    ]
    summary = _summary(translations, balance)
    lines = ["\n".join([*filter(None, why), summary])]
    if catalog.models:
        lines.append(translations.gettext("**What a video costs**"))
    costs = [f"- {line}" for model in catalog.models for line in prices.lines(translations, model)]
    return text.as_much([*lines, *costs], rest=translations.gettext("- More are listed in `/animate`."))


def account(translations: Translations, member: int, found: Account, refusal: ReservationRefused | None) -> str:
    """What an admin reads of a member."""
    refusal_line = [] if refusal is None else [_refusal_line(translations, refusal)]
    lines = [f"- {line}" for line in _lines(translations, found.lines)] or [translations.gettext("- Nothing yet")]
    latest = translations.gettext("**History**")
    return "\n".join([f"<@{member}>", *refusal_line, _summary(translations, found.balance), latest, *lines])


def failure_words(translations: Translations, kind: FailureKind) -> str:
    """A failure in a few words, as lists show it."""
    return translations.gettext(_FAILURES[kind])


def _refusal_line(translations: Translations, refusal: ReservationRefused) -> str:
    why = short_reason(translations, refusal.detail)
    match refusal.reason:
        case RefusalReason.PAUSED:
            return translations.gettext("Videos are paused in this server{because}.", because=why)
        case RefusalReason.BLOCKED:
            return translations.gettext("This member is blocked{because}.", because=why)
        case _:
            return translations.gettext(
                "Five of this member's videos failed at the video service today, so this member cannot make more until "
                "tomorrow. To allow it now, use `/animate-admin quota reset`."
            )


def _summary(translations: Translations, balance: Balance) -> str:
    left = translations.ngettext("**{n} credit left**", "**{n} credits left**", balance.spendable)
    if balance.bonus:
        # Translators: what the credits left are made of.
        parts = translations.gettext(
            "(quota: {quota}, bonus credits: {bonus})", quota=balance.left, bonus=balance.bonus
        )
        left = f"{left} {parts}"
    facts = [
        left,
        limits.used(translations, balance.used, balance.limit.per),
    ]
    if balance.renews_at is not None:
        facts.append(translations.gettext("renews {when}", when=text.moment(balance.renews_at)))
    quota = translations.gettext("Quota: {limit}.", limit=limits.limit(translations, balance.limit))
    lines = [" · ".join(facts), translations.paragraph(quota, limits.source(translations, balance.limit))]
    if balance.running:
        lines.append(translations.gettext("Videos in progress: {n}", n=balance.running))
    return "\n".join(lines)


def _lines(translations: Translations, lines: Sequence[LedgerLine]) -> Iterator[str]:
    """Newest first. A refund stands with its reservation, where that is among the lines too."""
    reserved = {line.job_key for line in lines if line.kind is LedgerKind.RESERVE}
    backs = {line.job_key: _back(translations, line) for line in lines if line.kind is LedgerKind.REFUND}
    for line in lines:
        when = text.moment(line.at)
        # Translators: a ledger names a video so, without backticks.
        video = translations.gettext("video {key}", key=str(line.job_key))
        match line.kind:
            case LedgerKind.RESERVE:
                back = [backs[line.job_key]] if line.job_key in backs else []
                yield " · ".join([_credits(translations, line.credits), when, video, *back])
            case LedgerKind.REFUND:
                if line.job_key not in reserved:
                    yield " · ".join([video, _back(translations, line), when])
            case _:
                actor = text.somebody(translations, line.actor)
                yield translations.gettext(
                    "{what} · {when} · by {actor}", what=_what(translations, line), when=when, actor=actor
                )


def _credits(translations: Translations, change: int) -> str:
    """ "+4 credits"; a label, to stand behind a colon or between dots."""
    words = translations.change(change)
    return translations.ngettext("{change} credit", "{change} credits", abs(change), change=words)


def _back(translations: Translations, line: LedgerLine) -> str:
    change = _credits(translations, line.credits)
    if line.failure is None:
        return translations.gettext("refund: {credits}", credits=change)
    return translations.gettext(
        "refund: {credits}, {failure}", credits=change, failure=failure_words(translations, line.failure)
    )


def _what(translations: Translations, line: LedgerLine) -> str:
    if line.is_undo:
        return _by_undo(translations, line)
    match line.kind:
        case LedgerKind.GRANT:
            why = short_reason(translations, line.reason)
            return translations.ngettext(
                "{change} bonus credit given{because}",
                "{change} bonus credits given{because}",
                line.credits,
                change=translations.change(line.credits),
                because=why,
            )
        case LedgerKind.REVOKE:
            why = short_reason(translations, line.reason)
            return translations.ngettext(
                "{n} bonus credit taken back{because}",
                "{n} bonus credits taken back{because}",
                -line.credits,
                because=why,
            )
        case LedgerKind.RESET:
            return translations.gettext(text.USAGE_RESET)
        case LedgerKind.QUOTA:
            if line.limit is None:
                return translations.gettext("own quota removed")
            return translations.gettext("own quota: {limit}", limit=limits.limit(translations, line.limit))
        case _:
            return _bar_changed(translations, line.reason or "")


def _by_undo(translations: Translations, line: LedgerLine) -> str:
    """Undo sets a quota or a block back as a command would; of credits and resets, the line says that it was Undo."""
    match line.kind:
        case LedgerKind.GRANT:
            return translations.ngettext(
                "{n} bonus credit given back by Undo", "{n} bonus credits given back by Undo", line.credits
            )
        case LedgerKind.REVOKE:
            return translations.ngettext(
                "{n} bonus credit taken back by Undo", "{n} bonus credits taken back by Undo", -line.credits
            )
        case _:
            return translations.gettext(text.RESET_UNDONE)


def _bar_changed(translations: Translations, said: str) -> str:
    """The store writes what was done to a member, and behind a colon an admin's words."""
    done, colon, reason = said.partition(": ")
    match done, colon:
        case "unblocked", "":
            return translations.gettext("member unblocked")
        case "blocked", _:
            return translations.gettext("member blocked{because}", because=short_reason(translations, reason))
        case _:
            return _cut(said)


def short_reason(translations: Translations, reason: str | None) -> str:
    """As `text.because`, of a reason that may be long."""
    return text.because(translations, reason and _cut(reason))


def _cut(reason: str) -> str:
    return reason if len(reason) <= REASON_SHOWN else f"{reason[: REASON_SHOWN - 1]}…"
