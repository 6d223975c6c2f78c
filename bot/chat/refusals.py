"""Why nothing was started, and what to do: limits, bars, and a provider that takes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.catalog import Catalog
from bot.chat import limits, prices, text
from bot.errors import CircuitOpen, ReservationRefused
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import Balance, FailureKind, RefusalReason, VideoSpec


@dataclass(frozen=True, slots=True)
class _Renewal:
    """What is said of a limit that a video exceeds."""

    renews: str
    renews_for_cheaper: str
    ask: str


_QUOTA = _Renewal(
    N_("Your quota renews {when}."),
    N_("Your quota renews {when} and is then enough for a cheaper video."),
    N_("Ask an admin for a larger quota."),
)
_SERVER_LIMIT = _Renewal(
    N_("The server limit renews {when}."),
    N_("The server limit renews {when} and is then enough for a cheaper video."),
    N_("Ask an admin to raise the server limit."),
)


def circuit_open(translations: Translations, error: CircuitOpen) -> str:
    """Nothing is taken for now, and nothing was charged."""
    if error.is_being_tried:
        return translations.gettext(
            "The video service had a problem, and the bot is checking whether the service works again. Nothing was "
            "charged. Try again in a minute."
        )
    if error.kind in (FailureKind.LOST_ANSWER, FailureKind.TIMED_OUT):
        return translations.gettext(
            "The video service does not answer right now. Nothing was charged. Try again in a few minutes."
        )
    return translations.gettext(
        "The video service does not accept anything from this bot right now. Nothing was charged. The person "
        "who runs this bot has to fix the problem. Try again later."
    )


def refusal(translations: Translations, error: ReservationRefused, spec: VideoSpec, catalog: Catalog) -> str:
    """Why nothing was started, and what to do."""
    balance = error.balance
    match error.reason:
        case RefusalReason.PAUSED | RefusalReason.BLOCKED | RefusalReason.TOO_MANY_REFUNDS:
            wrong, to_do = _ineligible(translations, error)
            return translations.paragraph(wrong, translations.gettext(text.NOTHING_CHARGED), to_do)
        case RefusalReason.TOO_MANY_JOBS if error.room > 0:
            return translations.paragraph(
                _room(translations, error.room, balance.running),
                translations.gettext(text.NOTHING_CHARGED),
                _fewer(translations, error.room),
            )
        case RefusalReason.TOO_MANY_JOBS:
            return translations.ngettext(
                "You already have {n} video in progress. Nothing was charged. Wait for it to finish, then try again.",
                "You already have {n} videos in progress. Nothing was charged. Wait for one to finish, then try again.",
                balance.running,
            )
        case RefusalReason.AGAIN_UNDER_WAY:
            return translations.gettext(
                "This video is already being made again. Nothing was charged. Wait for it to finish, then try again."
            )
        case RefusalReason.QUOTA:
            return _too_dear(translations, balance, spec, catalog)
        case RefusalReason.SERVER_LIMIT:
            return _over_server_limit(translations, error, spec, catalog)
        case RefusalReason.BUDGET:
            return _over_budget(translations, error, spec, catalog)


def ineligible(translations: Translations, error: ReservationRefused) -> str:
    """Why the member can make no video at all for now, as /quota says it."""
    return translations.paragraph(*_ineligible(translations, error))


def exceeded(translations: Translations, error: ReservationRefused, catalog: Catalog) -> str | None:
    """That less is left of the server limit than the member has, or of the budget than any video costs; for /quota."""
    assert error.limit is not None
    fits_now = catalog.best_within(error.left, "") is not None
    fits_later = catalog.best_within(error.limit.credits, "") is not None
    renews_at = error.renews_at if fits_later else None
    if error.reason is RefusalReason.BUDGET:
        if fits_now or catalog.best_within(error.balance.spendable, "") is None:
            return None
        wrong = translations.gettext("Any video would exceed what the bot may spend right now.")
        return translations.paragraph(wrong, _try_again(translations, renews_at))
    sentences = [_left_of_server_limit(translations, error.left)]
    if renews_at is not None:
        sentences.append(translations.gettext(_SERVER_LIMIT.renews, when=text.moment(renews_at)))
    elif not fits_now:
        sentences.append(translations.gettext(_SERVER_LIMIT.ask))
    return translations.paragraph(*sentences)


def _ineligible(translations: Translations, error: ReservationRefused) -> tuple[str, str]:
    """What is wrong, and what to do."""
    why = text.because(translations, error.detail)
    match error.reason:
        case RefusalReason.PAUSED:
            return (
                translations.gettext("Videos are paused in this server{because}.", because=why),
                translations.gettext("Try again later."),
            )
        case RefusalReason.BLOCKED:
            return (
                translations.gettext("You cannot make videos in this server{because}.", because=why),
                translations.gettext("Ask an admin about it."),
            )
        case _:
            return (
                translations.gettext(
                    "Five of your videos failed at the video service today, so you cannot make more until tomorrow."
                ),
                translations.gettext("Try other pictures or prompts then."),
            )


def _too_dear(translations: Translations, balance: Balance, spec: VideoSpec, catalog: Catalog) -> str:
    sentences = [
        translations.ngettext("This video costs {n} credit.", "This video costs {n} credits.", spec.credits)
        if spec.takes is None
        else translations.ngettext("These videos cost {n} credit.", "These videos cost {n} credits.", spec.total),
        translations.ngettext("You have {n} credit left.", "You have {n} credits left.", balance.spendable),
        translations.gettext(text.NOTHING_CHARGED),
    ]
    fitting = _what_fits(translations, balance.spendable, spec, catalog)
    whole = balance.limit.credits + balance.bonus
    later = _later(translations, _QUOTA, whole, balance.renews_at, spec, catalog, fits_now=bool(fitting))
    return translations.paragraph(*sentences, *fitting, *later)


def _over_server_limit(translations: Translations, error: ReservationRefused, spec: VideoSpec, catalog: Catalog) -> str:
    assert error.limit is not None
    if spec.total > error.limit.credits:
        whole = limits.limit(translations, error.limit)
        wrong = [
            translations.gettext("This video costs more than the whole server limit: {limit}.", limit=whole)
            if spec.takes is None
            else translations.gettext("These videos cost more than the whole server limit: {limit}.", limit=whole)
        ]
    else:
        wrong = [
            translations.gettext("This video would exceed the server limit.")
            if spec.takes is None
            else translations.gettext("These videos would exceed the server limit."),
            _left_of_server_limit(translations, error.left),
        ]
    fitting = _what_fits(translations, error.left, spec, catalog)
    later = _later(
        translations, _SERVER_LIMIT, error.limit.credits, error.renews_at, spec, catalog, fits_now=bool(fitting)
    )
    return translations.paragraph(*wrong, translations.gettext(text.NOTHING_CHARGED), *fitting, *later)


def _left_of_server_limit(translations: Translations, left: int) -> str:
    return translations.ngettext(
        "{n} credit of the server limit is left.", "{n} credits of the server limit are left.", left
    )


def _over_budget(translations: Translations, error: ReservationRefused, spec: VideoSpec, catalog: Catalog) -> str:
    """Without amounts, which are the operator's matter."""
    assert error.limit is not None
    wrong = (
        translations.gettext("This video would exceed what the bot may spend right now.")
        if spec.takes is None
        else translations.gettext("These videos would exceed what the bot may spend right now.")
    )
    whole = error.limit.credits
    fewer = (error.left if spec.total <= whole else whole) // spec.credits
    if spec.takes is not None and fewer:
        to_do = _fewer(translations, fewer)
    elif spec.total > whole and catalog.best_within(whole, spec.model) is not None:
        to_do = translations.gettext("Choose a cheaper video.")
    else:
        to_do = _try_again(translations, error.renews_at if spec.total <= whole else None)
    return translations.paragraph(wrong, translations.gettext(text.NOTHING_CHARGED), to_do)


def _try_again(translations: Translations, at: datetime | None) -> str:
    if at is None:
        return translations.gettext("Try again later.")
    return translations.gettext("Try again {when}.", when=text.moment(at))


def _room(translations: Translations, room: int, running: int) -> str:
    """How many videos there is room for, where more were asked for."""
    if not running:
        return translations.ngettext(
            "You can make only {n} video at once.", "You can make at most {n} videos at once.", room
        )
    return translations.ngettext(
        "You can have only {n} more video in progress right now.",
        "You can have only {n} more videos in progress right now.",
        room,
    )


def _fewer(translations: Translations, fitting: int) -> str:
    """What to do where so many videos would do, fewer than were asked for: at least 1."""
    if fitting == 1:
        return translations.gettext("Leave `takes` empty.")
    return translations.gettext("Choose a smaller number for `takes`.")


def _what_fits(translations: Translations, left: int, spec: VideoSpec, catalog: Catalog) -> list[str]:
    """What can be made now with what is left, if anything."""
    if spec.takes is not None and left >= spec.credits:
        return [_fewer(translations, left // spec.credits)]
    fitting = catalog.best_within(left, spec.model)
    return [] if fitting is None else [_would_fit(translations, fitting, spec, catalog)]


def _later(
    translations: Translations,
    words: _Renewal,
    whole: int,
    renews_at: datetime | None,
    spec: VideoSpec,
    catalog: Catalog,
    *,
    fits_now: bool,
) -> list[str]:
    """When the limit is enough, or whom to ask for more; `whole` is all of it."""
    if renews_at is None or (spec.total > whole and catalog.best_within(whole, spec.model) is None):
        return [translations.gettext(words.ask)]
    if spec.total <= whole:
        return [translations.gettext(words.renews, when=text.moment(renews_at))]
    return [] if fits_now else [translations.gettext(words.renews_for_cheaper, when=text.moment(renews_at))]


def _would_fit(translations: Translations, fitting: VideoSpec, asked: VideoSpec, catalog: Catalog) -> str:
    """The cheapest size would, which need not cost what the one asked for does."""
    model = catalog.model(fitting.model)
    assert model is not None
    video = f"{model.label} · {prices.price(translations, fitting.seconds, fitting.credits)}"
    if asked.size is None or model.sizes.get(asked.size) == model.cheapest:
        return translations.gettext("You can make this now: {video}.", video=video)
    return translations.gettext("You can make this now, with `size` left empty: {video}.", video=video)
