"""What a card looks like in each state: a Components V2 view, built again for every edit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import discord
from discord import ui

from bot.catalog import Catalog
from bot.chat import failures, text
from bot.chat.buttons import AGAIN, CANCEL, CONTINUE, DELETE, EDIT, HIDE, IMPROVE, SHOW, JobButton
from bot.i18n.marking import N_
from bot.i18n.translations import TranslationCatalog, Translations
from bot.jobs.chat_protocol import Progress, ProgressView, QueuePosition
from bot.models import KEPT_FOR, UNFINISHED, FailureKind, Job, JobState, VideoSpec
from bot.sizes import megabytes

BAR_CELLS = 12
MOST_BUTTONS = 5
"""Discord's bound on those of one row."""
OVER = (AGAIN, EDIT, DELETE)
"""What can be done from a card that has had its last edit."""
WITH_VIDEO = (AGAIN, EDIT, CONTINUE, DELETE)
"""And where there is a video."""
REENCODED = N_("-# Converted so that it plays on Discord.")
OVER_WITH_LINK = N_(
    "The video is too large to upload here ({size} MB). Find it in `/videos` until {when}, or download it here:"
)
OVER_AND_KEPT = N_("The video is too large to upload here ({size} MB). Find it in `/videos` until {when}.")
KEPT_HERE = N_("The video could not be posted here. Find it in `/videos` until {when}.")
NOT_FETCHED = N_(
    "The video is ready, but the bot cannot download it yet. The bot keeps trying and will show the video "
    "here or in `/videos`."
)
DOWNLOAD_HERE = N_("Until then, you can download it here:")
GREY = discord.Colour(0x80848E)
BLUE = discord.Colour(0x5865F2)
GREEN = discord.Colour(0x23A55A)
RED = discord.Colour(0xDA373C)

_KEY_LINE = re.compile(r"-# .* · [^·`\n]*`([0-9a-z]+)`")
"""The last line, in every language, or the line of the first of several takes; nothing else on it is in backticks."""


class Face(NamedTuple):
    """All that one sees of a card under way: two equal ones need no second edit."""

    state: JobState
    spec: VideoSpec
    progress_view: ProgressView | None
    elapsed_s: int
    leaving: bool
    fetched: bool = False
    failure: FailureKind | None = None
    takes: tuple[Face, ...] = ()

    @property
    def states(self) -> list[JobState]:
        """Of each take, or of the job alone."""
        return [each.state for each in self.takes or (self,)]


@dataclass(frozen=True, slots=True)
class Shown:
    """How a card is to look now."""

    job: Job
    progress_view: ProgressView | None = None
    elapsed_s: int = 0  # counted where nothing is estimated
    plain: bool = False  # without prompt, after Discord refused the full card
    leaving: bool = False  # the last edit before the card is out of reach: a button brings it back
    takes: tuple[Shown, ...] = ()  # where several share the card; `job` is the first of them

    @property
    def face(self) -> Face:
        """What of it is seen."""
        job, takes = self.job, tuple(take.face for take in self.takes)
        elapsed_s = 0 if takes else self.elapsed_s
        return Face(job.state, job.spec, self.progress_view, elapsed_s, self.leaving, job.fetched, job.failure, takes)


def key_of(message: discord.Message) -> str | None:
    """The job key a card of ours shows, the first of several, or None."""
    for item in _texts(message.components):
        found = _KEY_LINE.search(item)
        if found:
            return found[1]
    return None


def _texts(components: object) -> list[str]:
    found: list[str] = []
    for component in components if isinstance(components, list) else []:
        if isinstance(component, discord.TextDisplay):
            found.append(component.content)
        found += _texts(getattr(component, "children", None))
    return found


class Cards:
    """Draws cards, each in the language of its readers; knows the labels of the catalog and nothing of transports."""

    def __init__(
        self, catalog: Catalog, translation_catalog: TranslationCatalog, helps: Callable[[], bool] = lambda: False
    ) -> None:
        """`helps`: whether a prompt can be improved."""
        self._catalog = catalog
        self._helps = helps
        self._translation_catalog = translation_catalog

    def progress(self, shown: Shown) -> ui.LayoutView:
        """A job under way."""
        job, translations = shown.job, self.translations_of(shown.job)
        match job.state:
            case JobState.WAITING:
                line = queue_position(translations, shown)
                return self.view(shown, GREY, translations.gettext("### ⏳ In the queue"), line, actions=(CANCEL,))
            case JobState.SUBMITTING:
                line = translations.gettext("The picture is being sent to the video service.")
                return self.view(shown, BLUE, translations.gettext("### 📤 Sending"), line)
            case JobState.DELIVERING:
                line = translations.gettext("{bar} downloading the video", bar=progress_bar(99))
                return self.view(shown, BLUE, translations.gettext("### 📦 Almost ready"), line)
            case _:
                parts, actions = progress_lines(translations, shown), (CANCEL, HIDE) if can_cancel(shown) else (HIDE,)
                return self.view(shown, BLUE, translations.gettext("### 🎬 Rendering"), *parts, actions=actions)

    def delivered(
        self, job: Job, filename: str, *, plain: bool = False, reencoded: bool = False, alone: bool = False
    ) -> ui.LayoutView:
        """The video as an uploaded file, and the provider's address as text; `alone`: the member alone reads it."""
        translations = self._translation_catalog.of(job.card.member_locale if alone else job.card.locale)
        note = [translations.gettext(REENCODED)] if reencoded else []
        if job.card.ephemeral and not alone:
            note.append(only_you(translations))
        alt = None if plain else text.alt_text(job.spec.prompt)
        item = discord.MediaGalleryItem(f"attachment://{filename}", description=alt, spoiler=job.picture.spoiler)
        gallery: ui.Item[ui.LayoutView] = ui.MediaGallery(item)
        parts = [*note, *text.address(translations, job)]
        return self.view(
            Shown(job, plain=plain),
            GREEN,
            here(translations),
            gallery,
            *parts,
            translations=translations,
            actions=WITH_VIDEO,
            shows_video=True,
        )

    def posted(self, job: Job) -> ui.LayoutView:
        """The video stands in a message of its own: beside the card, or in the member's direct messages."""
        translations = self.translations_of(job)
        if job.card.shown_channel == job.card.channel:
            line = translations.gettext("The video is in the next message.")
        else:
            line = translations.gettext("The video was sent as a direct message.")
        return self.view(Shown(job, plain=True), GREEN, ready(translations), line, actions=WITH_VIDEO)

    def link_only(self, job: Job, size_bytes: int, until: datetime, *, plain: bool = False) -> ui.LayoutView:
        """The video is over this place's upload limit."""
        translations = self.translations_of(job)
        address = text.address(translations, job)
        sentence = OVER_WITH_LINK if address else OVER_AND_KEPT
        line = translations.gettext(sentence, size=megabytes(size_bytes), when=text.moment(until, "f"))
        head, links_video = ready(translations), bool(address)
        return self.view(
            Shown(job, plain=plain), GREEN, head, line, *address, actions=WITH_VIDEO, shows_video=links_video
        )

    def kept(self, job: Job, until: datetime, *, plain: bool = False) -> ui.LayoutView:
        """No transport takes the video now. A press brings a fresh token, which may."""
        translations = self.translations_of(job)
        line = translations.gettext(KEPT_HERE, when=text.moment(until, "f"))
        return self.view(Shown(job, plain=plain), GREEN, ready(translations), line, actions=(SHOW, *WITH_VIDEO))

    def not_fetched(self, job: Job, *, plain: bool = False) -> ui.LayoutView:
        """The provider is done, and the file cannot be had yet."""
        translations = self.translations_of(job)
        address = text.address(translations, job)
        lines = [NOT_FETCHED, *([DOWNLOAD_HERE] if address else [])]
        parts = [*map(translations.gettext, lines), *address]
        head, links_video = ready(translations), bool(address)
        return self.view(Shown(job, plain=plain), GREEN, head, *parts, actions=OVER, shows_video=links_video)

    def ended(self, job: Job, *, plain: bool = False) -> ui.LayoutView:
        """No video came of it."""
        translations = self.translations_of(job)
        line = failures.card_line(translations, job.failure or FailureKind.PROVIDER, job.spec.credits)
        head = (canceled if job.state is JobState.CANCELLED else no_video)(translations)
        may_still_come = job.state is JobState.TIMED_OUT
        actions: tuple[str, ...] = (AGAIN, EDIT, HIDE) if may_still_come else OVER
        lines = [line]
        if may_still_come:
            lines.append(translations.gettext("If the video arrives later, you can find it here or in `/videos`."))
            if not job.card.bot_reaches:
                actions = (SHOW, *actions)  # nothing else brings the video here once the token has ended
        return self.view(Shown(job, plain=plain), RED, head, *lines, actions=actions)

    def translations_of(self, job: Job) -> Translations:
        """Of the card's readers."""
        return self._translation_catalog.of(job.card.locale)

    def view(
        self,
        shown: Shown,
        colour: discord.Colour,
        head: str,
        *parts: str | ui.Item[ui.LayoutView],
        translations: Translations | None = None,
        actions: tuple[str, ...] = (HIDE,),
        shows_video: bool = False,
        numbered: Sequence[tuple[int, Job]] = (),
    ) -> ui.LayoutView:
        """The whole card; the videos of the `numbered` can be continued, each by a button with its number."""
        translations = translations or self.translations_of(shown.job)
        view = ui.LayoutView(timeout=None)
        box: ui.Container[ui.LayoutView] = ui.Container(accent_colour=colour)
        box.add_item(ui.TextDisplay(head))
        if shown.leaving:
            parts, actions = (_leaving(translations, len(shown.takes) or 1),), (SHOW,)
        if not shown.plain and shown.job.spec.prompt:
            box.add_item(ui.TextDisplay(text.prompt_block(shown.job.spec.prompt)))
        if HIDE in actions or CANCEL in actions:
            parts = (*parts, *_outlives(translations, shown))
        for part in parts:
            box.add_item(ui.TextDisplay(part) if isinstance(part, str) else part)
        box.add_item(ui.TextDisplay(self._foot(translations, shown, shows_video=shows_video)))
        row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
        if EDIT in actions and len(actions) < MOST_BUTTONS and self._helps() and shown.job.spec.prompt:
            after = actions.index(EDIT) + 1
            actions = (*actions[:after], IMPROVE, *actions[after:])
        for action in actions:
            row.add_item(JobButton(action, shown.job.id, translations))
        box.add_item(row)
        if numbered:
            buttons = [JobButton(CONTINUE, job.id, translations, number=number) for number, job in numbered]
            box.add_item(ui.ActionRow(*buttons))
        view.add_item(box)
        return view

    def _foot(self, translations: Translations, shown: Shown, *, shows_video: bool) -> str:
        facts = text.video_facts(translations, shown.job, self._maker(translations, shown.job))
        facts += self.refunded(translations, shown)
        marks = [translations.gettext("AI-generated")] if shows_video else []
        return f"-# {' · '.join([*facts, *marks, *self.keys(translations, shown)])}"

    def refunded(self, _translations: Translations, _shown: Shown) -> list[str]:
        """How many of the credits are back, where no line above says it of all."""
        return []

    def keys(self, translations: Translations, shown: Shown) -> list[str]:
        """What the last line calls the video."""
        return [text.video_key(translations, shown.job.key)]

    def _maker(self, translations: Translations, job: Job) -> str:
        """The model that makes it, and the one asked for where that could not."""
        label = self._label(job.spec.model)
        if not job.fallback_from:
            return label
        asked = self._label(job.fallback_from.split(",")[0])
        return translations.gettext("{model} instead of {asked}", model=label, asked=asked)

    def _label(self, model_id: str) -> str:
        model = self._catalog.model(model_id)
        return model_id if model is None else model.label


def here(translations: Translations, count: int = 1) -> str:
    """The head of a card with so many videos."""
    return translations.ngettext("### ✅ Here is your video", "### ✅ Here are your videos", count)


def ready(translations: Translations, count: int = 1) -> str:
    """The head of a card whose videos are elsewhere."""
    return translations.ngettext("### ✅ Your video is ready", "### ✅ Your videos are ready", count)


def canceled(translations: Translations, count: int = 1) -> str:
    """The head of a card whose videos were all canceled."""
    return translations.ngettext("### 🚫 Video canceled", "### 🚫 Videos canceled", count)


def no_video(translations: Translations, count: int = 1) -> str:
    """The head of a card of which no video came."""
    return translations.ngettext("### ⚠️ No video", "### ⚠️ No videos", count)


def kept_until(job: Job) -> datetime:
    """When a video that could not be shown is deleted."""
    return (job.state_at if job.state in (JobState.UNDELIVERED, JobState.DELIVERED) else datetime.now(UTC)) + KEPT_FOR


def only_you(translations: Translations, count: int = 1) -> str:
    """Below so many videos on a private card."""
    return translations.ngettext(
        "-# Only you can see this message. The video also stays in `/videos` until {when}.",
        "-# Only you can see this message. The videos also stay in `/videos` until {when}.",
        count,
        when=text.moment(datetime.now(UTC) + KEPT_FOR, "f"),
    )


def _leaving(translations: Translations, count: int) -> str:
    return translations.ngettext(
        "The video is not ready yet, and the bot can no longer update this message. Press the button to check on your "
        "video.",
        "Not all of your videos are ready yet, and the bot can no longer update this message. Press the button to "
        "check on your videos.",
        count,
    )


def _outlives(translations: Translations, shown: Shown) -> list[str]:
    if not _may_outlive(shown):
        return []
    sentence = translations.ngettext(
        "-# The bot can update this message for 15 minutes only. If the video takes longer, this message will have a "
        "button that shows the video.",
        "-# The bot can update this message for 15 minutes only. If the videos take longer, this message will have a "
        "button that shows them.",
        len(shown.takes) or 1,
    )
    return [sentence]


def progress_bar(percent: int) -> str:
    """A bar of fixed width, never full before the end."""
    cells = min(BAR_CELLS - 1, max(0, percent) * BAR_CELLS // 100)
    return "`" + "█" * cells + "░" * (BAR_CELLS - cells) + "`"


def _may_outlive(shown: Shown) -> bool:
    """Whether the video may come after the last transport to its card is gone, for all that is estimated."""
    if shown.takes:
        return any(take.job.state in UNFINISHED and not take.job.fetched and _may_outlive(take) for take in shown.takes)
    card, progress_view = shown.job.card, shown.progress_view
    if card.bot_reaches and not card.ephemeral:
        return False
    due_at = progress_view.due_at if isinstance(progress_view, Progress) else None
    return due_at is None or due_at > card.token_ends_at


def queue_position(translations: Translations, shown: Shown) -> str:
    """Where a waiting video is in the queue."""
    return text.queue_position(
        translations, shown.progress_view if isinstance(shown.progress_view, QueuePosition) else QueuePosition()
    )


def can_cancel(shown: Shown) -> bool:
    """Whether the provider of a render may still cancel it."""
    return isinstance(shown.progress_view, Progress) and shown.progress_view.can_cancel


def progress_lines(translations: Translations, shown: Shown) -> list[str]:
    """How far a render is, and when its end is expected."""
    progress = shown.progress_view if isinstance(shown.progress_view, Progress) else Progress(0)
    begun = shown.job.last_sent_at or shown.job.created_at
    end = clock(shown.elapsed_s)
    if progress.due is not None:
        end = text.due(translations, progress.due, progress.due_at or begun, begun)
    lines = [f"{progress_bar(progress.percent)} {translations.percent(progress.percent)} · {end}"]
    if progress.queue_position is not None:
        position = translations.number(progress.queue_position)
        lines.append(translations.gettext("Position in the queue of the video service: {position}", position=position))
    return lines


def clock(seconds: int) -> str:
    """ "1:05", "1:02:09"."""
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def elapsed_s(job: Job, now: datetime) -> int:
    """Whole seconds since the provider was asked, or since the job was taken."""
    return int((now - (job.last_sent_at or job.created_at)).total_seconds())
