"""Why nothing was started, and what to do: limits, bars, and a provider that takes nothing."""

from __future__ import annotations

from bot.catalog import Catalog
from bot.chat import prices, text
from bot.errors import CircuitOpen, ReservationRefused
from bot.i18n.translations import Translations
from bot.models import Balance, FailureKind, RefusalReason, VideoSpec


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
            return translations.ngettext(
                "You can have only {n} more video in progress right now. Nothing was charged. Choose a smaller number "
                "for `takes`.",
                "You can have only {n} more videos in progress right now. Nothing was charged. Choose a smaller number "
                "for `takes`.",
                error.room,
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
        case RefusalReason.SERVER_LIMIT if spec.takes is not None:
            return translations.gettext(
                "These videos would exceed the server limit. Nothing was charged. Try again later or with a smaller "
                "number for `takes`, or ask an admin to raise the limit."
            )
        case RefusalReason.SERVER_LIMIT:
            return translations.gettext(
                "This video would exceed the server limit. Nothing was charged. Try again later, or ask an "
                "admin to raise the limit."
            )
        case RefusalReason.BUDGET if spec.takes is not None:
            return translations.gettext(
                "These videos would exceed what the bot may spend right now. Nothing was charged. Try again later or "
                "with a smaller number for `takes`."
            )
        case RefusalReason.BUDGET:
            return translations.gettext(
                "This video would exceed what the bot may spend right now. Nothing was charged. Try again later."
            )


def ineligible(translations: Translations, error: ReservationRefused) -> str:
    """Why the member can make no video at all for now, as /quota says it."""
    return translations.paragraph(*_ineligible(translations, error))


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
    at_most = balance.limit.credits + balance.bonus
    fitting = catalog.best_within(balance.spendable, spec.model)
    if fitting is not None:
        sentences.append(_would_fit(translations, fitting, spec, catalog))
    if spec.total <= at_most and balance.renews_at is not None:
        sentences.append(translations.gettext("Your quota renews {when}.", when=text.moment(balance.renews_at)))
    elif catalog.best_within(at_most, spec.model) is None or balance.renews_at is None:
        sentences.append(translations.gettext("Ask an admin for a larger quota."))
    elif fitting is None:
        when = text.moment(balance.renews_at)
        sentences.append(
            translations.gettext("Your quota renews {when} and is then enough for a cheaper video.", when=when)
        )
    return translations.paragraph(*sentences)


def _would_fit(translations: Translations, fitting: VideoSpec, asked: VideoSpec, catalog: Catalog) -> str:
    """The cheapest size would, which need not cost what the one asked for does."""
    model = catalog.model(fitting.model)
    assert model is not None
    video = f"{model.label} · {prices.price(translations, fitting.seconds, fitting.credits)}"
    if asked.size is None or model.sizes.get(asked.size) == model.cheapest:
        return translations.gettext("You can make this now: {video}.", video=video)
    return translations.gettext("You can make this now, with `size` left empty: {video}.", video=video)
