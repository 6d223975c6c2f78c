"""The card that several takes of one request share: a line for each, and in the end all videos in one gallery."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import discord
from discord import ui

from bot.chat import failures, text
from bot.chat.buttons import AGAIN, CANCEL, DELETE, EDIT, HIDE, SHOW
from bot.chat.cards import (
    BLUE,
    GREEN,
    GREY,
    KEPT_HERE,
    NOT_FETCHED,
    OVER,
    RED,
    Cards,
    Shown,
    can_cancel,
    canceled,
    here,
    kept_until,
    no_video,
    only_you,
    progress_bar,
    progress_lines,
    queue_position,
    ready,
)
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import FailureKind, Job, JobId, JobState

_HEADS = (
    (JobState.RENDERING, N_("### 🎬 Rendering"), BLUE),
    (JobState.SUBMITTING, N_("### 📤 Sending"), BLUE),
    (JobState.WAITING, N_("### ⏳ In the queue"), GREY),
)
_Say = Callable[[Translations, Shown, Mapping[JobId, str]], list[str]]
"""How a take stands, from the sentences about those of which no video came."""
_ENDED = (JobState.FAILED, JobState.CANCELLED, JobState.UNKNOWN, JobState.TIMED_OUT)
_TO_COME = (JobState.TIMED_OUT, JobState.DELIVERING, JobState.UNDELIVERED)
_SENT = (JobState.SUBMITTING, JobState.RENDERING, JobState.DELIVERING, JobState.UNDELIVERED)


class TakeCards(Cards):
    """Draws every card; those that takes share by the states of all of them."""

    def progress(self, shown: Shown) -> ui.LayoutView:
        """A job under way, or takes of which one is."""
        if not shown.takes:
            return super().progress(shown)
        translations = self.translations_of(shown.job)
        states = [take.job.state for take in shown.takes]
        head, colour = N_("### 📦 Almost ready"), BLUE
        for state, words, its_colour in _HEADS:
            if state in states:
                head, colour = words, its_colour
                break
        is_cancelable = any(take.job.state is JobState.WAITING or can_cancel(take) for take in shown.takes)
        actions = (CANCEL,) if is_cancelable else ()
        if any(state in _SENT for state in states):
            actions = (*actions, HIDE)
        lines = _lines(translations, shown.takes, _under_way)
        return self.view(_whole(shown), colour, translations.gettext(head), *lines, actions=actions or (HIDE,))

    def together(self, takes: Sequence[Job], files: Mapping[JobId, str], *, plain: bool = False) -> ui.LayoutView:
        """The videos of these, by the names of their uploaded files; what became of the other takes is said below."""
        first, shown = takes[0], tuple(map(Shown, takes))
        translations = self.translations_of(first)
        items = [
            discord.MediaGalleryItem(
                f"attachment://{files[take.id]}",
                description=None if plain else _alt_text(translations, take, number, len(takes)),
                spoiler=take.picture.spoiler,
            )
            for number, take in enumerate(takes, start=1)
            if take.id in files
        ]
        gallery: ui.Item[ui.LayoutView] = ui.MediaGallery(*items)
        note = []
        if first.card.ephemeral:
            note.append(only_you(translations, len(items)))
        lines = _lines(translations, shown, _outcome, files)
        return self.view(
            _whole(Shown(first, plain=plain, takes=shown)),
            GREEN,
            here(translations, len(items)),
            gallery,
            *note,
            *lines,
            actions=OVER,
            shows_video=True,
            numbered=[(number, take) for number, take in enumerate(takes, start=1) if take.id in files],
        )

    def ended_takes(self, takes: Sequence[Job], *, plain: bool = False) -> ui.LayoutView:
        """None of the videos is on the card: how each take ended, or where its video is."""
        first, shown = takes[0], tuple(map(Shown, takes))
        translations = self.translations_of(first)
        count = ready_count(takes)
        head, colour = ready(translations, count), GREEN
        if not count:
            is_canceled = all(take.state is JobState.CANCELLED for take in takes)
            head, colour = (canceled if is_canceled else no_video)(translations, len(takes)), RED
        may_still_come = any(take.state in _TO_COME and not take.deleted for take in takes)
        actions: tuple[str, ...] = (AGAIN, EDIT, HIDE if may_still_come and not count else DELETE)
        if may_still_come and (count or not first.card.bot_reaches):
            actions = (SHOW, *actions)
        lines = _lines(translations, shown, _outcome)
        return self.view(_whole(Shown(first, plain=plain, takes=shown)), colour, head, *lines, actions=actions)

    def refunded(self, translations: Translations, shown: Shown) -> list[str]:
        """Of the credits of all takes."""
        if count := sum(take.job.spec.credits for take in shown.takes if take.job.state in _ENDED):
            return [translations.ngettext("{n} credit refunded", "{n} credits refunded", count)]
        return []

    def keys(self, translations: Translations, shown: Shown) -> list[str]:
        """Each take has a line with its own, but where the card can no longer be edited."""
        if not shown.takes:
            return super().keys(translations, shown)
        return [text.video_key(translations, take.job.key) for take in shown.takes] if shown.leaving else []


def ready_count(takes: Sequence[Job]) -> int:
    """Of so many the provider has made the video, and their member has not deleted it."""
    return sum(take.state not in _ENDED and not take.deleted for take in takes)


def _whole(shown: Shown) -> Shown:
    """What is said of the request as a whole: its model, its length, and the credits of all takes."""
    spec = shown.job.spec
    spec = replace(spec.alone, seed=None, credits=sum(take.job.spec.credits for take in shown.takes))
    return replace(shown, job=shown.job.evolve(spec=spec))


def _lines(translations: Translations, takes: Sequence[Shown], say: _Say, files: Collection[JobId] = ()) -> list[str]:
    """Which take each is, and how it stands; of one that is shown, which it is."""
    ended = [take.job for take in takes if take.job.state in _ENDED]
    said = failures.card_lines(translations, [(job.failure or FailureKind.PROVIDER, job.spec.credits) for job in ended])
    failed = {job.id: line for job, line in zip(ended, said, strict=True)}
    lines = []
    for number, take in enumerate(takes, start=1):
        spec = replace(take.job.spec, take=number, takes=len(takes))
        seed = [] if spec.seed is None else [translations.gettext("seed {seed}", seed=str(spec.seed))]
        facts = [*text.take_of(translations, spec), *seed, f"`{take.job.key}`"]
        stands = [] if take.job.id in files else say(translations, take, failed)
        lines.append("\n".join([f"-# {' · '.join(facts)}", *stands]))
    return lines


def _under_way(translations: Translations, take: Shown, failed: Mapping[JobId, str]) -> list[str]:
    match take.job.state:
        case JobState.WAITING:
            return [queue_position(translations, take)]
        case JobState.SUBMITTING:
            return [translations.gettext("The picture is being sent to the video service.")]
        case JobState.RENDERING if take.progress_view is not None:
            return progress_lines(translations, take)
        case JobState.RENDERING:  # by another process, which knows how far it is
            return [translations.gettext(N_("🎬 rendering"))]
        case JobState.DELIVERING if not take.job.fetched:
            return [translations.gettext("{bar} downloading the video", bar=progress_bar(99))]
        case JobState.DELIVERING | JobState.DELIVERED:
            return [translations.gettext(N_("✅ done"))]
        case _:
            return _outcome(translations, take, failed)


def _outcome(translations: Translations, take: Shown, failed: Mapping[JobId, str]) -> list[str]:
    job = take.job
    if job.state in _ENDED:
        line = failed[job.id]
        if job.state is not JobState.TIMED_OUT or job.deleted:
            return [line]
        return [line, translations.gettext("If the video arrives later, you can find it here or in `/videos`.")]
    if job.deleted:
        return [translations.gettext(text.DELETED)]
    if job.state is JobState.UNDELIVERED and not job.fetched:
        return [translations.gettext(NOT_FETCHED)]
    if job.card.shown_message is None:
        return [translations.gettext(KEPT_HERE, when=text.moment(kept_until(job), "f"))]
    if job.card.shown_channel == job.card.channel:
        return [translations.gettext("The video is in the next message.")]
    return [translations.gettext("The video was sent as a direct message.")]


def _alt_text(translations: Translations, take: Job, number: int, count: int) -> str | None:
    """What a screen reader says of one of several videos."""
    alt = text.alt_text(take.spec.prompt)
    (which,) = text.take_of(translations, replace(take.spec, take=number, takes=count))
    return which if alt is None else translations.labeled(which, alt)[: text.ALT_TEXT]
