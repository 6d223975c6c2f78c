"""What members read of a video that was not made: on its card, and alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.errors import PictureRefused
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import FailureKind

_Line = tuple[str, ...]
"""What happened and, where there is something, what to do; that the credits are back stands between them."""
PICTURE_UNUSABLE = N_("The picture could not be used.")
_NOT_MADE = N_("This video could not be made.")
_CANCELED = N_("This video was canceled.")
_OPERATOR_HAS_TO = N_("The person who runs this bot has to fix the problem.")
_LATER = N_("Try again later.")

_CARD_LINES: dict[FailureKind, _Line] = {
    FailureKind.MODERATED: (_NOT_MADE,),
    FailureKind.PERSON: (_NOT_MADE,),
    FailureKind.BAD_REQUEST: (
        N_("The video service did not accept this request."),
        N_("Try again with other options."),
    ),
    FailureKind.TOO_LARGE: (
        N_("The picture file was too large for the video service."),
        N_("Choose a smaller video size, or another model."),
    ),
    FailureKind.KEY: (N_("The video service did not accept this bot's key."), _OPERATOR_HAS_TO),
    FailureKind.BALANCE: (N_("The video service refused this bot's account."), _OPERATOR_HAS_TO),
    FailureKind.MODEL: (N_("The video service no longer has this model."), N_("Choose another model.")),
    FailureKind.OVER_PRICE: (
        N_("This video would cost more at the video service than the bot expected, so it was not made."),
        _OPERATOR_HAS_TO,
    ),
    FailureKind.BUSY: (N_("The video service did not start this video within ten minutes."), _LATER),
    FailureKind.PROVIDER: (
        N_("The video service could not make this video."),
        N_("Try again, perhaps with another prompt."),
    ),
    FailureKind.TIMED_OUT: (N_("The video service did not finish this video in time."),),
    FailureKind.GONE: (N_("The video service lost this video."),),
    FailureKind.LOST_ANSWER: (
        N_("The video service's answer was lost, so it is not known whether this video was made."),
        N_("The bot will not send the request again by itself."),
    ),
    FailureKind.RESULT_GONE: (
        N_("The video service said that this video was ready, but never sent it."),
        N_("Try again."),
    ),
    FailureKind.PICTURE: (PICTURE_UNUSABLE,),
    FailureKind.QUEUE_TIMEOUT: (N_("This video could not start within two hours."), _LATER),
    FailureKind.NO_CARD: (_CANCELED,),
    FailureKind.CANCELLED: (_CANCELED,),
    FailureKind.BLOCKED: (_CANCELED,),
}

_PRIVATE: dict[FailureKind, _Line] = {
    FailureKind.MODERATED: (
        N_("The video service refused this video under its content rules."),
        N_("Try another picture, or other words in the prompt."),
    ),
    FailureKind.PERSON: (
        N_("The video service refused this picture because it shows a person."),
        N_("Try a picture without people."),
    ),
    FailureKind.BLOCKED: (
        N_("This video was canceled because an admin blocked you in this server."),
        N_("Ask an admin about it."),
    ),
}


def card_line(translations: Translations, kind: FailureKind, credits: int) -> str:  # noqa: A002 - the word of the domain
    """What everybody reads on the card of a job without a video."""
    return _failed(translations, _CARD_LINES[kind], credits)


def card_lines(translations: Translations, ends: Sequence[tuple[FailureKind, int]]) -> list[str]:
    """As `card_line`, of several on one card: what to do stands once, with the last that it is about."""
    advice = [_CARD_LINES[kind][1:] for kind, _ in ends]
    return [
        _failed(translations, _CARD_LINES[kind][:1] if advice[number] in advice[number + 1 :] else _CARD_LINES[kind], n)
        for number, (kind, n) in enumerate(ends)
    ]


def private_line(translations: Translations, kind: FailureKind, credits: int) -> str | None:  # noqa: A002 - the word of the domain
    """What the member alone reads, where there is more to say."""
    line = _PRIVATE.get(kind)
    return None if line is None else _failed(translations, line, credits)


def picture_refused(translations: Translations, refused: PictureRefused | None, credits: int) -> str:  # noqa: A002 - the word of the domain
    """What the member alone reads when the picture cannot be used."""
    sentence = translations.gettext(PICTURE_UNUSABLE) if refused is None else translations.explain(refused)
    return translations.paragraph(sentence, _back(translations, credits))


def _failed(translations: Translations, line: _Line, credits: int) -> str:  # noqa: A002 - the word of the domain
    """What happened, that the credits are back, what to do."""
    happened, *to_do = map(translations.gettext, line)
    return translations.paragraph(happened, _back(translations, credits), *to_do)


def _back(translations: Translations, count: int) -> str:
    return translations.ngettext("Your {n} credit is back.", "Your {n} credits are back.", count)
