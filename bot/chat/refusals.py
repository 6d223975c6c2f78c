"""Why nothing was started, and what to do: limits, bars, and a provider that takes nothing."""

from __future__ import annotations

from bot.catalog import Catalog
from bot.chat import text
from bot.errors import CircuitOpen, ReservationRefused
from bot.i18n.translations import Translations
from bot.models import Balance, FailureKind, RefusalReason, VideoSpec


def circuit_open(translations: Translations, error: CircuitOpen) -> str:
    """Nothing is taken for now, and nothing was charged."""
    if error.is_being_tried:
        return translations.gettext(
            "The video service had a problem, and the bot is checking whether it works again. "
            "Nothing was charged. Please try again in a minute."
        )
    if error.kind in (FailureKind.LOST_ANSWER, FailureKind.TIMED_OUT):
        return translations.gettext(
            "The video service does not answer at the moment. Nothing was charged; please try again in some minutes."
        )
    return translations.gettext(
        "The video service takes nothing from this bot at the moment, and whoever runs the bot has to look at it. "
        "Nothing was charged; please try again later."
    )


def refusal(translations: Translations, error: ReservationRefused, spec: VideoSpec, catalog: Catalog) -> str:
    """Why nothing was started, and what to do."""
    balance = error.balance
    match error.reason:
        case RefusalReason.PAUSED | RefusalReason.BLOCKED | RefusalReason.TOO_MANY_REFUNDS:
            return barred(translations, error)
        case RefusalReason.TOO_MANY_JOBS:
            return translations.ngettext(
                "You have {n} clip under way. Please wait for one to finish; nothing was charged.",
                "You have {n} clips under way. Please wait for one to finish; nothing was charged.",
                balance.running,
            )
        case RefusalReason.AGAIN_UNDER_WAY:
            return translations.gettext(
                "Another try of that clip is under way already. Please wait for it to finish; nothing was charged."
            )
        case RefusalReason.QUOTA:
            return _too_dear(translations, balance, spec, catalog)
        case RefusalReason.SERVER_LIMIT:
            return translations.gettext(
                "This server has used up what its admins allow for now. Nothing was charged; please try again later."
            )
        case RefusalReason.BUDGET:
            return translations.gettext(
                "This bot has used up its budget for now. Nothing was charged; please try again later."
            )


def barred(translations: Translations, error: ReservationRefused) -> str:
    """Why the member gets no video at all for now."""
    why = text.because(translations, error.detail)
    match error.reason:
        case RefusalReason.PAUSED:
            return translations.gettext(
                "Clips are paused on this server{because}. Please try again later.", because=why
            )
        case RefusalReason.BLOCKED:
            return translations.gettext(
                "You cannot make clips on this server{because}. Ask an admin about it.", because=why
            )
        case _:
            return translations.gettext(
                "Five of your clips of today failed at the video service after it had taken them. "
                "Please try again tomorrow, with other pictures or prompts."
            )


def _too_dear(translations: Translations, balance: Balance, spec: VideoSpec, catalog: Catalog) -> str:
    sentences = [_what_is_left(translations, balance, spec.credits)]
    at_most = balance.limit.credits + balance.bonus
    fitting = catalog.best_within(balance.spendable, spec.model)
    if fitting is not None:
        sentences.append(_would_fit(translations, fitting, spec, catalog))
    if spec.credits <= at_most and balance.renews_at is not None:
        sentences.append(translations.gettext("Your allowance renews {when}.", when=text.moment(balance.renews_at)))
    elif catalog.best_within(at_most, spec.model) is None or balance.renews_at is None:
        sentences.append(translations.gettext("Ask an admin for a larger allowance."))
    elif fitting is None:
        when = text.moment(balance.renews_at)
        sentences.append(
            translations.gettext("Your allowance renews {when}, for cheaper clips than this one.", when=when)
        )
    return " ".join(sentences)


def _what_is_left(translations: Translations, balance: Balance, cost: int) -> str:
    price, of = text.credits_of(translations, cost), text.limit(translations, balance.limit)
    if not balance.bonus:
        return translations.gettext(
            "This clip costs {price}, and you have {left} left of {limit}.",
            price=price,
            left=balance.spendable,
            limit=of,
        )
    return translations.gettext(
        "This clip costs {price}, and you have {left} left of {limit} and {granted} granted.",
        price=price,
        left=balance.spendable,
        limit=of,
        granted=balance.bonus,
    )


def _would_fit(translations: Translations, fitting: VideoSpec, asked: VideoSpec, catalog: Catalog) -> str:
    """The cheapest size would, which need not cost what the one asked for does."""
    of = catalog.model(fitting.model)
    assert of is not None
    model, seconds, price = of.label, str(fitting.seconds), text.credits_of(translations, fitting.credits)
    if asked.size is None or of.sizes.get(asked.size) == of.cheapest:
        return translations.gettext(
            "{model} for {seconds} seconds ({price}) would fit.", model=model, seconds=seconds, price=price
        )
    return translations.gettext(
        "{model} for {seconds} seconds without `size` ({price}) would fit.", model=model, seconds=seconds, price=price
    )
