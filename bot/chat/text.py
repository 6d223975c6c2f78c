"""Every sentence a member or admin reads, apart from cards. Pure; no Discord objects."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from bot.errors import PictureRefused
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.jobs.protocols import Due, HoldReason, QueuePosition
from bot.models import Balance, FailureKind, Job, Limit, Period, Source

MESSAGE = 2_000
"""Discord's bound on the characters of a message."""
PROMPT_SHOWN = 300
PROMPT_LOGGED = 1_500
URL_SHOWN = 1_500
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

NO_ANSWER = N_("Something went wrong on our side, and nothing was charged. Please try again in a minute.")
STORE_SLOW = N_(
    "The bot cannot keep its books right now, so nothing was started and nothing was charged. "
    "Please try again in a minute."
)
STOPPING = N_("The bot is restarting. Nothing was charged; please try again in a minute.")
NOT_HERE = N_("This bot is not open to this server. Ask whoever runs it to add the server to its list.")
ONLY_GUILD_INSTALL = N_("This works only in a server that has added the bot. Ask an admin of the server to add it.")
UNKNOWN_VALUE = N_("One of your choices does not exist here any more. Please choose it anew.")
SHOWN_AGAIN = N_("Here is your clip, AI-generated. Only you see it; save it if you want to keep it.")
PICTURE_UNUSABLE = N_("The picture could not be used.")
UNKNOWN_BUTTON = N_("This button does nothing any more.")
ALREADY_SHOWN = N_("That one is over, and there is nothing more to show.")
FORM_LOST = N_(
    "This form was open for too long, or the bot has restarted since. Nothing was charged; please open it anew."
)
NO_PICTURE = N_("There is no picture in that message. Choose one with a JPEG, PNG, WebP or GIF.")
ONLY_OWN_PICTURES = N_(
    "On this server you can animate the pictures of your own messages. "
    "An admin can allow others' with `/animate-admin others`."
)
ONLY_OWN_PICTURES_HERE = N_("Here you can animate the pictures of your own messages only.")
CARD_STAYS = N_("The message could not be taken away. Please delete it by hand, or ask a moderator.")
HIDDEN = N_("The card is hidden. The video will be in `/videos`.")
HIDDEN_BY_OTHER = N_("The card is hidden. The video goes only to the member who asked for it.")
REMOVED = N_("The message is deleted.")
REMOVED_FOR_MEMBER = N_(
    "The message is deleted. The member who asked for the video can find it in `/videos` for 7 days."
)
VIDEO_NOT_KEPT = N_(
    "The video could not be saved for the member who asked for it, so the message stays. "
    "Please try again in a minute, "
    "or delete the message in Discord itself."
)
ASK_DELETE = N_("Delete this video for good? The message, the prompt, the picture and the file cannot be restored.")
DELETED = N_("The video is deleted.")
NOT_DELETED = N_("Nothing was deleted.")
UNKNOWN_COMMAND = N_("This command has changed. Please close Discord, open it again, and try once more.")

_CARD_LINES: dict[FailureKind, str] = {
    FailureKind.MODERATED: N_("No video came of this one."),
    FailureKind.PERSON: N_("No video came of this one."),
    FailureKind.BAD_REQUEST: N_("The video service did not take this request."),
    FailureKind.TOO_LARGE: N_("The video service did not take a picture of this size."),
    FailureKind.KEY: N_("The video service does not accept this bot's key. Whoever runs the bot has to look at it."),
    FailureKind.BALANCE: N_("The video service turned the bot away. Whoever runs the bot has to look at its account."),
    FailureKind.MODEL: N_("The video service no longer has this model. Please choose another one."),
    FailureKind.OVER_PRICE: N_("The video service now asks more for this video than you were told. Nothing was spent."),
    FailureKind.BUSY: N_("The video service could not be reached for ten minutes. Please try again later."),
    FailureKind.PROVIDER: N_(
        "The video service could not make this video. Please try again, perhaps with another prompt."
    ),
    FailureKind.TIMED_OUT: N_("The video service did not finish in time."),
    FailureKind.GONE: N_("The video service has lost this video."),
    FailureKind.LOST_ANSWER: N_(
        "The video service's answer was lost, so nobody knows whether it made this video. It will not be sent again."
    ),
    FailureKind.RESULT_GONE: N_(
        "The video service said that the video was ready, but never sent it. Please try again."
    ),
    FailureKind.PICTURE: PICTURE_UNUSABLE,
    FailureKind.QUEUE_TIMEOUT: N_("Nothing came free for two hours. Please try again later."),
    FailureKind.NO_CARD: N_("This was cancelled."),
    FailureKind.CANCELLED: N_("This was cancelled."),
    FailureKind.BLOCKED: N_("This was cancelled."),
}

_PRIVATE: dict[FailureKind, str] = {
    FailureKind.MODERATED: N_(
        "The video service refused your clip under its content rules. "
        "Try another picture, or other words in the prompt."
    ),
    FailureKind.PERSON: N_(
        "The video service does not animate pictures of people. Try a picture without a person in it."
    ),
}


def credits_of(translations: Translations, count: int) -> str:
    """ "1 credit", "4 credits"."""
    return translations.ngettext("{n} credit", "{n} credits", count)


def as_much(lines: Sequence[str], *, rest: str) -> str:
    """As many of the lines as one message takes; `rest` stands for those that are left out."""
    room = MESSAGE - len(rest)
    ends = itertools.accumulate(len(line) + 1 for line in lines)
    fitting = [line for line, end in zip(lines, ends, strict=True) if end <= room]
    return "\n".join(lines if len(fitting) == len(lines) else [*fitting, rest])


def moment(at: datetime, style: str = "R") -> str:
    """A timestamp that Discord shows in the reader's own zone and words."""
    return f"<t:{int(at.timestamp())}:{style}>"


def queue_position(translations: Translations, where: QueuePosition) -> str:
    """Where a waiting video is in the queue."""
    match where.hold:
        case HoldReason.PAUSED:
            return translations.gettext(
                "Clips are paused on this server. Yours keeps its place and starts when they go on."
            )
        case HoldReason.CIRCUIT_OPEN:
            return translations.gettext("The video service is out of order. Your clip starts when it works again.")
        case HoldReason.KEY:
            return translations.gettext(
                "The video service has not accepted this bot's key yet, so nothing was sent. "
                "Whoever runs the bot has to look at it."
            )
        case HoldReason.RETRY:
            if where.starts_at is None:
                return translations.gettext("The video service has no room right now. The next try is soon.")
            when = moment(where.starts_at)
            return translations.gettext("The video service has no room right now. The next try is {when}.", when=when)
        case None:
            return _position(translations, where)


def _position(translations: Translations, where: QueuePosition) -> str:
    if where.position is None:
        return translations.gettext("Your clip starts as soon as there is room.")
    # Translators: {place} is "3rd" in English and 3 in every other language.
    place = translations.place(where.position)
    if where.starts_at is None:
        return translations.gettext("{place} in line. Your clip starts as soon as there is room.", place=place)
    return translations.gettext("{place} in line, starts {when}.", place=place, when=moment(where.starts_at))


def due(translations: Translations, stands: Due, due_at: datetime, begun_at: datetime) -> str:
    """When a video is expected, and what is said once that is past."""
    match stands:
        case Due.AHEAD:
            return translations.gettext("expected {when}", when=moment(due_at))
        case Due.NOW:
            return translations.gettext("due at any moment")
        case Due.LATE:
            return translations.gettext("takes longer than usual, started {when}", when=moment(begun_at))


def video_key(translations: Translations, key: str) -> str:
    """How a video is called: "video `7k3m9qz`"."""
    return translations.gettext("clip {key}", key=f"`{key}`")


def length(translations: Translations, seconds: int) -> str:
    """ "4 s"."""
    return translations.gettext("{seconds} s", seconds=str(seconds))


def card_line(translations: Translations, kind: FailureKind, credits: int) -> str:  # noqa: A002 - the word of the domain
    """What everybody reads on the card of a job without a video."""
    return f"{translations.gettext(_CARD_LINES[kind])} {_back(translations, credits)}"


def private_line(translations: Translations, kind: FailureKind, credits: int) -> str | None:  # noqa: A002 - the word of the domain
    """What the member alone reads, where there is more to say."""
    line = _PRIVATE.get(kind)
    return None if line is None else f"{translations.gettext(line)} {_back(translations, credits)}"


def picture_refused(translations: Translations, refused: PictureRefused | None, credits: int) -> str:  # noqa: A002 - the word of the domain
    """What the member alone reads when the picture cannot be used."""
    sentence = translations.gettext(PICTURE_UNUSABLE) if refused is None else translations.explain(refused)
    return f"{sentence} {_back(translations, credits)}"


def _back(translations: Translations, count: int) -> str:
    return translations.ngettext("Your credit is back.", "The {n} credits are back.", count)


def log_line(translations: Translations, job: Job) -> str:
    """A job in a server's log channel: who, what, where."""
    card = job.card
    link = f"https://discord.com/channels/{card.guild}/{card.channel}/{card.message}"
    facts = [*video_facts(translations, job, job.spec.model), video_key(translations, job.key), link]
    return f"{' · '.join(facts)}\n{prompt_block(job.spec.prompt, cut=PROMPT_LOGGED)}"


def video_facts(translations: Translations, job: Job, model: str) -> list[str]:
    """Whose video it is, by which model, how long, in which size, and what it costs."""
    size = [job.spec.size] if job.spec.size else []
    spec = job.spec
    return [
        f"<@{job.member}>",
        model,
        length(translations, spec.seconds),
        *size,
        credits_of(translations, spec.credits),
    ]


def too_large_here(translations: Translations, job: Job) -> str:
    """A kept video that this place does not take either."""
    sentence = translations.gettext("The video is over the upload limit here too.")
    return " ".join([sentence, *address(translations, job)])


def address(translations: Translations, job: Job) -> list[str]:
    """Where the provider has the video, and until when; nothing where that is not fit to be shown."""
    url = shown_url(job.result_url)
    if url is None or job.result_expires_at is None:
        return [] if url is None else [url]
    return [translations.gettext("{link} (expires {when})", link=url, when=moment(job.result_expires_at))]


def beside(translations: Translations, job: Job) -> str:
    """Over a video that stands in a message of its own."""
    marks = [translations.gettext("AI-generated"), video_key(translations, job.key)]
    return f"-# {' · '.join(marks)}"


def somebody(translations: Translations, person: int | None) -> str:
    """A mention; who had their data deleted has no name any more."""
    return f"<@{person}>" if person is not None and person > 0 else translations.gettext("somebody who left no name")


def mention(translations: Translations, job: Job) -> str:
    """The one message that notifies the member."""
    return translations.gettext("{member} Your clip is ready.", member=f"<@{job.member}>")


def over(translations: Translations, job: Job) -> str:
    """That no video came of a job, to its member in public."""
    return f"<@{job.member}> {card_line(translations, job.failure or FailureKind.PROVIDER, job.spec.credits)}"


def prompt_block(prompt: str, *, cut: int = PROMPT_SHOWN) -> str:
    """The prompt in a code block, where nothing in it is a mention, a link or a command.

    Bidi controls go, backticks become primes, other control characters spaces; cut after that.
    """
    plain = _BIDI.sub("", prompt).replace("`", "ˋ")
    plain = "".join(" " if unicodedata.category(char) == "Cc" and char != "\n" else char for char in plain).strip()
    if len(plain) > cut:
        plain = plain[: cut - 1].rstrip() + "…"
    return f"```\n{plain}\n```"


def typed(translations: Translations, prompt: str) -> str:
    """What somebody wrote into a form that came to nothing, to be copied."""
    return "\n".join([translations.gettext("Your prompt was:"), prompt_block(prompt, cut=PROMPT_LOGGED)])


def shown_url(url: str | None) -> str | None:
    """The provider's URL as text, where it is fit to be shown."""
    if url is None or len(url) >= URL_SHOWN or not url.startswith(("https://", "http://")):
        return None
    if any(char.isspace() or char in "<>`" or not char.isprintable() for char in url):
        return None
    return f"<{url}>"


def because(translations: Translations, reason: str | None) -> str:
    """An admin's words, to stand behind a statement; nothing where there are none."""
    if not reason:
        return ""
    # Translators: stands for {because} in other sentences, right behind a word.
    return translations.gettext(" (“{reason}”)", reason=reason)


def limit(translations: Translations, value: Limit) -> str:
    """ "20 a day"."""
    match value.per:
        case Period.DAY:
            return translations.gettext("{credits} a day", credits=value.credits)
        case Period.WEEK:
            return translations.gettext("{credits} a week", credits=value.credits)
        case Period.MONTH:
            return translations.gettext("{credits} a month", credits=value.credits)
        case Period.TOTAL:
            return translations.gettext("{credits} in all", credits=value.credits)


def quota(translations: Translations, value: Limit) -> str:
    """ "1 credit a day", "20 credits in all"."""
    match value.per:
        case Period.DAY:
            return translations.ngettext("{n} credit a day", "{n} credits a day", value.credits)
        case Period.WEEK:
            return translations.ngettext("{n} credit a week", "{n} credits a week", value.credits)
        case Period.MONTH:
            return translations.ngettext("{n} credit a month", "{n} credits a month", value.credits)
        case Period.TOTAL:
            return translations.ngettext("{n} credit in all", "{n} credits in all", value.credits)


def source(translations: Translations, value: Limit) -> str:
    """Where a quota comes from, as a member is told of their own."""
    match value.source:
        case Source.OWN:
            return translations.gettext("Allowance set for you by an admin.")
        case Source.ROLE:
            return translations.gettext("Allowance from the role {role}.", role=f"<@&{value.role}>")
        case Source.SERVER:
            return translations.gettext("Allowance this server's default.")
        case Source.SETTING:
            return translations.gettext("Allowance this bot's default.")


def used(translations: Translations, value: Balance) -> str:
    """ "8 used today"."""
    match value.limit.per:
        case Period.DAY:
            return translations.gettext("{used} used today", used=value.used)
        case Period.WEEK:
            return translations.gettext("{used} used this week", used=value.used)
        case Period.MONTH:
            return translations.gettext("{used} used this month", used=value.used)
        case Period.TOTAL:
            return translations.gettext("{used} used so far", used=value.used)
