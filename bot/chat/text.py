"""What members and admins read that has no module of its own: short answers, the queue, facts. Pure."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from bot.chat import failures, prices
from bot.errors import PictureRefused, UserError
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.jobs.chat_protocol import Due, HoldReason, QueuePosition
from bot.models import FailureKind, Job, Show, VideoSpec

MESSAGE = 2_000
"""Discord's bound on the characters of a message."""
PROMPT_SHOWN = 300
ALT_TEXT = 1_024
"""Discord's bound on the description of a file, of a gallery's item, and of a thumbnail."""
PROMPT_LOGGED = 1_500
URL_SHOWN = 1_500
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

NO_ANSWER = N_("Something went wrong in the bot. Nothing was charged. Try again in a minute.")
STORE_SLOW = N_("The bot cannot save anything right now. Nothing was charged. Try again in a minute.")
STOPPING = N_("The bot is restarting. Nothing was charged. Try again in a minute.")
NOT_HERE = N_("This bot is not available in this server. Ask the person who runs this bot to allow the server.")
ONLY_GUILD_INSTALL = N_("This command works only in servers that have added the bot. Ask a server admin to add it.")
UNKNOWN_VALUE = N_("One of your choices no longer exists. Choose again.")
SHOWN_AGAIN = N_("Here is your video (AI-generated). Only you can see it. Save it if you want to keep it.")
NOTHING_CHARGED = N_("Nothing was charged.")
UNKNOWN_BUTTON = N_("This button no longer works.")
ALREADY_SHOWN = N_("There is nothing more to show for this video.")
FORM_LOST = N_("This form was open too long, or the bot has restarted. Nothing was charged. Open the form again.")
NO_PICTURE = N_("There is no picture in this message. Choose a message with a JPEG, PNG, WebP, GIF or HEIC.")
ONLY_OWN_PICTURES = N_(
    "In this server, you can only animate pictures from your own messages. Nothing was charged. An admin can "
    "allow other people's pictures with `/animate-admin others`."
)
ONLY_OWN_PICTURES_HERE = N_("Here, you can only animate pictures from your own messages. Nothing was charged.")
CARD_STAYS = N_("The bot could not delete the message. Delete it in Discord, or ask a moderator.")
TAKES_STAY = N_(
    "The bot's message still shows this video, together with the others that you asked for. To delete all of them, "
    "press Delete there."
)
HIDDEN = N_("The message is hidden. You can find the video in `/videos` when it is ready.")
HIDDEN_BY_OTHER = N_("The message is hidden. Only the member who asked for the video will see the video.")
REMOVED = N_("The message is deleted.")
REMOVED_FOR_MEMBER = N_(
    "The message is deleted. The member who asked for the video can find the video in `/videos` for 7 days."
)
VIDEO_NOT_KEPT = N_(
    "The video could not be saved for the member who asked for it, so the message stays. Try again in a "
    "minute, or delete the message in Discord."
)
ASK_DELETE = N_("Delete this video for good? Its message, prompt, picture and file cannot be restored.")
ASK_DELETE_ALL = N_("Delete all these videos for good? Their messages, prompt, picture and files cannot be restored.")
DELETED = N_("The video is deleted.")
ALL_DELETED = N_("The videos are deleted.")
NOT_DELETED = N_("Nothing was deleted.")
UNKNOWN_COMMAND = N_("This command has changed. Restart Discord, then try again.")


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
    match where.hold_reason:
        case HoldReason.PAUSED:
            return translations.gettext(
                "Videos are paused in this server. Yours keeps its place in the queue and starts when an admin "
                "resumes them."
            )
        case HoldReason.CIRCUIT_OPEN:
            return translations.gettext(
                "The video service is not working right now. Your video starts when the service works again."
            )
        case HoldReason.KEY:
            return translations.gettext(
                "The video service has not accepted this bot's key yet, so nothing was sent. The person who "
                "runs this bot has to check the key."
            )
        case HoldReason.RETRY:
            if where.starts_at is None:
                return translations.gettext(
                    "The video service has not accepted the request yet. The bot will try again soon."
                )
            when = moment(where.starts_at)
            return translations.gettext(
                "The video service has not accepted the request yet. The bot will try again {when}.", when=when
            )
        case None:
            return _position(translations, where)


def _position(translations: Translations, where: QueuePosition) -> str:
    if where.position is None:
        return translations.gettext("Your video starts as soon as possible.")
    # Translators: {place} is "3rd" in English and 3 in every other language.
    place = translations.place(where.position)
    if where.starts_at is None:
        return translations.gettext("{place} in the queue. Your video starts as soon as possible.", place=place)
    return translations.gettext(
        "{place} in the queue. Your video starts {when}.", place=place, when=moment(where.starts_at)
    )


def due(translations: Translations, stands: Due, due_at: datetime, begun_at: datetime) -> str:
    """When a video is expected, and what is said once that is past."""
    match stands:
        case Due.AHEAD:
            return translations.gettext("expected {when}", when=moment(due_at))
        case Due.NOW:
            return translations.gettext("ready any moment now")
        case Due.LATE:
            return translations.gettext("taking longer than usual · started {when}", when=moment(begun_at))


def video_key(translations: Translations, key: str) -> str:
    """How a video is called: "video `7k3m9qz`"."""
    return translations.gettext("video {key}", key=f"`{key}`")


def explain(translations: Translations, error: UserError) -> str:
    """What an error says before anything is charged. The same picture may be refused later, so it does not say that."""
    sentence = translations.explain(error)
    if not isinstance(error, PictureRefused):
        return sentence
    return translations.paragraph(sentence, translations.gettext(NOTHING_CHARGED))


def log_line(translations: Translations, job: Job) -> str:
    """A job in a server's log channel: who, what, where. Of a private one neither the prompt nor its message."""
    card = job.card
    if card.ephemeral:
        facts = [*video_facts(translations, job, job.spec.model), video_key(translations, job.key)]
        return " · ".join([*facts, translations.gettext("shown only to this member")])
    link = f"https://discord.com/channels/{card.guild}/{card.channel}/{card.message}"
    facts = [*video_facts(translations, job, job.spec.model), video_key(translations, job.key), link]
    return f"{' · '.join(facts)}\n{prompt_block(job.spec.prompt, cut=PROMPT_LOGGED)}"


def video_facts(translations: Translations, job: Job, model: str) -> list[str]:
    """Whose video it is, by which model, how long, in which size, and what it costs."""
    dimensions = [prices.size(translations, job.spec.size)] if job.spec.size else []
    spec = job.spec
    return [
        f"<@{job.member}>",
        model,
        prices.length(translations, spec.seconds),
        *dimensions,
        *([spec.style] if spec.style else []),
        *([] if spec.sound is None else [prices.sound(translations, on=spec.sound)]),
        prices.credits_of(translations, spec.credits),
        *take_of(translations, spec),
        *([] if spec.seed is None else [translations.gettext("seed {seed}", seed=str(spec.seed))]),
    ]


def take_of(translations: Translations, spec: VideoSpec) -> list[str]:
    """ "video 2 of 3"; nothing where there is but one."""
    if spec.take is None or spec.takes is None:
        return []
    return [translations.gettext("video {number} of {count}", number=spec.take, count=spec.takes)]


def too_large_here(translations: Translations, job: Job) -> str:
    """A kept video that is too large for this place as well."""
    sentence = translations.gettext("This video is also too large to upload here.")
    return " ".join([sentence, *address(translations, job)])


def address(translations: Translations, job: Job) -> list[str]:
    """Where the provider has the video, and until when; nothing where that is not fit to be shown."""
    url = shown_url(job.result_url)
    if url is None or job.result_expires_at is None:
        return [] if url is None else [url]
    return [translations.gettext("{link} (link valid until {when})", link=url, when=moment(job.result_expires_at, "f"))]


def beside(translations: Translations, job: Job) -> str:
    """Over a video that stands in a message of its own."""
    marks = [translations.gettext("AI-generated"), video_key(translations, job.key)]
    return f"-# {' · '.join(marks)}"


def somebody(translations: Translations, person: int | None) -> str:
    """A mention; who had their data deleted has no name any more."""
    return f"<@{person}>" if person is not None and person > 0 else translations.gettext("Deleted member")


def mention(translations: Translations, job: Job, count: int = 1) -> str:
    """The one message that notifies the member, of so many videos."""
    return translations.ngettext(
        "{member} Your video is ready.", "{member} Your videos are ready.", count, member=f"<@{job.member}>"
    )


def over(translations: Translations, *jobs: Job) -> str:
    """That no video came of these, which share a card, to their member in public: a line for each of several."""
    lines = failures.card_lines(translations, [(job.failure or FailureKind.PROVIDER, job.spec.credits) for job in jobs])
    if len(jobs) == 1:
        return f"<@{jobs[0].member}> {lines[0]}"
    named = [
        translations.labeled(" · ".join(take_of(translations, job.spec)), line)
        for job, line in zip(jobs, lines, strict=True)
    ]
    return "\n".join([f"<@{jobs[0].member}>", *named])


def prompt_block(prompt: str, *, cut: int = PROMPT_SHOWN) -> str:
    """The prompt in a code block, where nothing in it is a mention, a link or a command.

    Bidi controls go, backticks become primes, other control characters spaces; cut after that.
    """
    return f"```\n{_cut(_plain(prompt).replace('`', 'ˋ'), cut)}\n```"


def alt_text(prompt: str) -> str | None:
    """What a screen reader says of a video: its prompt in one line; None where the prompt is not kept any more."""
    return _cut(" ".join(_plain(prompt).split()), ALT_TEXT) or None


def _plain(prompt: str) -> str:
    plain = _BIDI.sub("", prompt)
    return "".join(" " if unicodedata.category(char) == "Cc" and char != "\n" else char for char in plain).strip()


def _cut(words: str, cut: int) -> str:
    return words if len(words) <= cut else words[: cut - 1].rstrip() + "…"


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


USAGE_RESET = N_("usage reset")
"""What was done to a member, in lists; as the next one."""
RESET_UNDONE = N_("usage reset undone")

_SHOWS = {Show.HERE: N_("Here"), Show.SPOILER: N_("Here, as a spoiler"), Show.ME: N_("Only to me")}


def show_label(show: Show, translations: Translations) -> str:
    """Who sees the video."""
    return translations.gettext(_SHOWS[show])
