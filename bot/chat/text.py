"""Every sentence a member or admin reads, apart from cards. Pure; no Discord objects."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from bot.catalog import Catalog, Choice
from bot.errors import ReservationRefused
from bot.jobs.port import Due, Hold, Standing
from bot.models import Balance, FailureKind, Job, Limit, Period, RefusalReason, Source

MESSAGE = 2_000
"""Discord's bound on the characters of a message."""
PROMPT_SHOWN = 300
PROMPT_LOGGED = 1_500
URL_SHOWN = 1_500
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

NO_ANSWER = "Something went wrong on our side, and nothing was charged. Please try again in a minute."
STORE_SLOW = (
    "The bot cannot keep its books right now, so nothing was started and nothing was charged. "
    "Please try again in a minute."
)
STOPPING = "The bot is restarting. Nothing was charged; please try again in a minute."
NOT_HERE = "This bot is not open to this server. Ask whoever runs it to add the server to its list."
ONLY_GUILD_INSTALL = "This works only in a server that has added the bot. Ask an admin of the server to add it."
UNKNOWN_VALUE = "One of your choices does not exist here any more. Please choose it anew."
SHOWN_AGAIN = "Here is your clip. Only you see it; save it if you want to keep it."
PICTURE_UNUSABLE = "The picture could not be used."
UNKNOWN_BUTTON = "This button does nothing any more."
ALREADY_SHOWN = "That one is over, and there is nothing more to show."
FORM_LOST = "This form was open for too long, or the bot has restarted since. Nothing was charged; please open it anew."
NO_PICTURE = "There is no picture in that message. Choose one with a JPEG, PNG, WebP or GIF."
ONLY_OWN_PICTURES = (
    "On this server you can animate the pictures of your own messages. "
    "An admin can allow others' with `/animate-admin others`."
)
ONLY_OWN_PICTURES_HERE = "Here you can animate the pictures of your own messages only."
CARD_STAYS = "The message could not be taken away. Please delete it by hand, or ask a moderator."
UNKNOWN_COMMAND = "This command has changed. Please close Discord, open it again, and try once more."

_PER = {Period.DAY: "a day", Period.WEEK: "a week", Period.MONTH: "a month", Period.EVER: "in all"}
_RENEWS = {Period.DAY: "today", Period.WEEK: "this week", Period.MONTH: "this month", Period.EVER: "so far"}

_CARD_LINES: dict[FailureKind, str] = {
    FailureKind.MODERATED: "No video came of this one.",
    FailureKind.PERSON: "No video came of this one.",
    FailureKind.BAD_REQUEST: "The video service did not take this request.",
    FailureKind.TOO_LARGE: "The video service did not take a picture of this size.",
    FailureKind.KEY: "The video service does not accept this bot's key. Whoever runs the bot has to look at it.",
    FailureKind.BALANCE: "The video service turned the bot away. Whoever runs the bot has to look at its account.",
    FailureKind.MODEL: "The video service no longer has this model. Please choose another one.",
    FailureKind.BUSY: "The video service could not be reached for ten minutes. Please try again later.",
    FailureKind.PROVIDER: "The video service could not make this video. Please try again, perhaps with another prompt.",
    FailureKind.TIMED_OUT: "The video service did not finish in time. If the video still comes, it is shown here.",
    FailureKind.LOST_ANSWER: (
        "The video service's answer was lost, so nobody knows whether it made this video. It will not be sent again."
    ),
    FailureKind.RESULT_GONE: "The video was made, but the video service no longer had the file. Please try again.",
    FailureKind.PICTURE: PICTURE_UNUSABLE,
    FailureKind.LINE: "Nothing came free for two hours. Please try again later.",
    FailureKind.NO_CARD: "This was cancelled.",
    FailureKind.CANCELLED: "This was cancelled.",
    FailureKind.BLOCKED: "This was cancelled.",
}

_PRIVATE: dict[FailureKind, str] = {
    FailureKind.MODERATED: (
        "The video service refused your clip under its content rules. "
        "Try another picture, or other words in the prompt."
    ),
    FailureKind.PERSON: (
        "The video service does not animate pictures of people. Try a picture without a person in it."
    ),
}


def credits_of(count: int) -> str:
    """ "1 credit", "4 credits"."""
    return f"{count:,} credit" if count == 1 else f"{count:,} credits"


def as_much(lines: Sequence[str], *, rest: str) -> str:
    """As many of the lines as one message takes; `rest` stands for those that are left out."""
    room = MESSAGE - len(rest)
    ends = itertools.accumulate(len(line) + 1 for line in lines)
    fitting = [line for line, end in zip(lines, ends, strict=True) if end <= room]
    return "\n".join(lines if len(fitting) == len(lines) else [*fitting, rest])


def per(period: Period) -> str:
    """ "a day", "in all"."""
    return _PER[period]


def moment(at: datetime, style: str = "R") -> str:
    """A timestamp that Discord shows in the reader's own zone and words."""
    return f"<t:{int(at.timestamp())}:{style}>"


def standing(where: Standing) -> str:
    """Where a waiting clip stands."""
    match where.hold:
        case Hold.PAUSED:
            return "Clips are paused on this server. Yours keeps its place and starts when they go on."
        case Hold.SHUT:
            return "The video service is out of order. Your clip starts when it works again."
        case Hold.RETRY:
            when = "soon" if where.starts_at is None else moment(where.starts_at)
            return f"The video service has no room right now. The next try is {when}."
        case None:
            place = "" if where.place is None else f"{ordinal(where.place)} in line"
            if place and where.starts_at is not None:
                return f"{place}, starts {moment(where.starts_at)}."
            return f"{place}. Your clip starts as soon as there is room.".removeprefix(". ")


def ordinal(place: int) -> str:
    """ "1st", "22nd", "13th"."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10 if place % 100 // 10 != 1 else 0, "th")
    return f"{place:,}{ending}"


def due(stands: Due, due_at: datetime, begun_at: datetime) -> str:
    """When a clip is expected, and what is said once that is past."""
    match stands:
        case Due.AHEAD:
            return f"expected {moment(due_at)}"
        case Due.NOW:
            return "due at any moment"
        case Due.LATE:
            return f"takes longer than usual, started {moment(begun_at)}"


def card_line(kind: FailureKind, credits: int) -> str:  # noqa: A002 - the word of the domain
    """What everybody reads on the card of a job without a video."""
    return f"{_CARD_LINES[kind]} {_back(credits)}"


def private_line(kind: FailureKind, credits: int) -> str | None:  # noqa: A002 - the word of the domain
    """What the member alone reads, where there is more to say."""
    line = _PRIVATE.get(kind)
    return None if line is None else f"{line} {_back(credits)}"


def picture_refused(sentence: str, credits: int) -> str:  # noqa: A002 - the word of the domain
    """What the member alone reads when the picture cannot be used."""
    return f"{sentence} {_back(credits)}"


def _back(count: int) -> str:
    return f"{'Your credit is' if count == 1 else f'The {credits_of(count)} are'} back."


def log_line(job: Job) -> str:
    """A job in a server's log channel: who, what, where."""
    card = job.card
    link = f"https://discord.com/channels/{card.guild}/{card.channel}/{card.message}"
    size = f" · {job.clip.size}" if job.clip.size else ""
    return (
        f"<@{job.member}> · {job.clip.model} · {job.clip.seconds} s{size} · {credits_of(job.clip.credits)}"
        f" · clip `{job.key}` · {link}\n{prompt_block(job.clip.prompt, cut=PROMPT_LOGGED)}"
    )


def provider_shut(kind: FailureKind) -> str:
    """Nothing is taken for now, and nothing was charged."""
    if kind is FailureKind.LOST_ANSWER:
        return "The video service does not answer at the moment. Nothing was charged; please try again in some minutes."
    return (
        "The video service takes nothing from this bot at the moment, and whoever runs the bot has to look at it. "
        "Nothing was charged; please try again later."
    )


def too_large_here(job: Job) -> str:
    """A kept video that this place does not take either."""
    url = shown_url(job.result_url)
    dies = "" if url is None or job.result_expires_at is None else f" (dies {moment(job.result_expires_at)})"
    return "The video is over the upload limit here too." + (f" {url}{dies}" if url else "")


def somebody(person: int | None) -> str:
    """A mention; who had their data deleted has no name any more."""
    return f"<@{person}>" if person is not None and person > 0 else "somebody who left no name"


def ping(job: Job) -> str:
    """The one message that notifies the member."""
    return f"<@{job.member}> Your clip is ready."


def prompt_block(prompt: str, *, cut: int = PROMPT_SHOWN) -> str:
    """The prompt in a code block, where nothing in it is a mention, a link or a command.

    Bidi controls go, backticks become primes, other control characters spaces; cut after that.
    """
    plain = _BIDI.sub("", prompt).replace("`", "ˋ")
    plain = "".join(" " if unicodedata.category(char) == "Cc" and char != "\n" else char for char in plain).strip()
    if len(plain) > cut:
        plain = plain[: cut - 1].rstrip() + "…"
    return f"```\n{plain}\n```"


def typed(prompt: str) -> str:
    """What somebody wrote into a form that came to nothing, to be copied."""
    return f"Your prompt was:\n{prompt_block(prompt, cut=PROMPT_LOGGED)}"


def shown_url(url: str | None) -> str | None:
    """The provider's URL as text, where it is fit to be shown."""
    if url is None or len(url) >= URL_SHOWN or not url.startswith(("https://", "http://")):
        return None
    if any(char.isspace() or char in "<>`" or not char.isprintable() for char in url):
        return None
    return f"<{url}>"


def refusal(error: ReservationRefused, choice: Choice, catalog: Catalog) -> str:
    """Why nothing was started, and what to do."""
    balance = error.balance
    match error.reason:
        case RefusalReason.PAUSED | RefusalReason.BLOCKED | RefusalReason.TOO_MANY_REFUNDS:
            return barred(error)
        case RefusalReason.TOO_MANY_JOBS:
            clips = "1 clip" if balance.running == 1 else f"{balance.running} clips"
            return f"You have {clips} under way. Please wait for one to finish; nothing was charged."
        case RefusalReason.AGAIN_UNDER_WAY:
            return "Another try of that clip is under way already. Please wait for it to finish; nothing was charged."
        case RefusalReason.ALLOWANCE:
            return _too_dear(balance, choice, catalog)
        case RefusalReason.CEILING:
            return "This server has used up what its admins allow for now. Nothing was charged; please try again later."
        case RefusalReason.BUDGET:
            return "This bot has used up its budget for now. Nothing was charged; please try again later."


def barred(error: ReservationRefused) -> str:
    """Why the member gets no clip at all for now."""
    match error.reason:
        case RefusalReason.PAUSED:
            return f"Clips are paused on this server{_because(error.detail)}. Please try again later."
        case RefusalReason.BLOCKED:
            return f"You cannot make clips on this server{_because(error.detail)}. Ask an admin about it."
        case _:
            return (
                "Five of your clips of today failed at the video service after it had taken them. "
                "Please try again tomorrow, with other pictures or prompts."
            )


def _because(detail: str | None) -> str:
    return f" (“{detail}”)" if detail else ""


def _too_dear(balance: Balance, choice: Choice, catalog: Catalog) -> str:
    of_all = f" of {limit(balance.limit)}" + (f" and {balance.granted:,} granted" if balance.granted else "")
    sentences = [f"This clip costs {credits_of(choice.credits)}, and you have {balance.spendable:,} left{of_all}."]
    at_most = balance.limit.credits + balance.granted
    fitting = catalog.best_within(balance.spendable, choice.model.id)
    if fitting is not None:
        asked_fits = choice.size is None or fitting.model.sizes.get(choice.size) == fitting.model.cheapest
        size = "" if asked_fits else " without `size`"
        sentences.append(
            f"{fitting.model.label} for {fitting.seconds} seconds{size} ({credits_of(fitting.credits)}) would fit."
        )
    if choice.credits <= at_most and balance.renews_at is not None:
        sentences.append(f"Your allowance renews {moment(balance.renews_at)}.")
    elif catalog.best_within(at_most, choice.model.id) is None or balance.renews_at is None:
        sentences.append("Ask an admin for a larger allowance.")
    elif fitting is None:
        sentences.append(f"Your allowance renews {moment(balance.renews_at)}, for cheaper clips than this one.")
    return " ".join(sentences)


def limit(value: Limit) -> str:
    """ "20 a day"."""
    return f"{value.credits:,} {per(value.per)}"


def allowance_set(who: str, value: Limit) -> str:
    """The answer to an admin who set an allowance."""
    return f"{who} may now spend {credits_of(value.credits)} {per(value.per)}."


def source(value: Limit) -> str:
    """Where an allowance comes from."""
    match value.source:
        case Source.OWN:
            return "set for you by an admin"
        case Source.ROLE:
            return f"from the role <@&{value.role}>"
        case Source.SERVER:
            return "this server's default"
        case Source.SETTING:
            return "this bot's default"


def used(value: Balance) -> str:
    """ "8 used today"."""
    return f"{value.used:,} used {_RENEWS[value.limit.per]}"
