"""What a card looks like in each state: a Components V2 view, built anew for every edit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import discord
from discord import ui

from bot.catalog import Catalog
from bot.chat import text
from bot.chat.buttons import AGAIN, EDIT, HIDE, REMOVE, SHOW, STOP, JobButton
from bot.jobs.port import Outlook, Progress, Standing
from bot.models import Clip, FailureKind, Job, JobState

BAR_CELLS = 12
OVER = (AGAIN, EDIT, REMOVE)
"""What can be done from a card that has had its last edit."""
REENCODED = "-# Re-encoded to fit what can be uploaded here."
LEAVING = "This takes longer than Discord lets the bot change this message. Press the button when you want to look."
GREY = discord.Colour(0x80848E)
BLUE = discord.Colour(0x5865F2)
GREEN = discord.Colour(0x23A55A)
RED = discord.Colour(0xDA373C)

_KEY_LINE = re.compile(r"clip `([0-9a-z]+)`")


class Face(NamedTuple):
    """All that one sees of a card under way: two equal ones need no second edit."""

    state: JobState
    clip: Clip
    outlook: Outlook | None
    elapsed_s: int
    leaving: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """How a card is to look now."""

    job: Job
    outlook: Outlook | None = None
    elapsed_s: int = 0  # counted where nothing is foretold
    plain: bool = False  # without prompt, after Discord refused the full card
    leaving: bool = False  # the last edit before the card is out of reach: a button brings it back

    @property
    def face(self) -> Face:
        """What of it is seen."""
        return Face(self.job.state, self.job.clip, self.outlook, self.elapsed_s, self.leaving)


def key_of(message: discord.Message) -> str | None:
    """The job key a card of ours shows, or None."""
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
    """Draws cards; knows the labels of the catalog and nothing of routes."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def progress(self, shown: Shown) -> ui.LayoutView:
        """A job under way."""
        job = shown.job
        match job.state:
            case JobState.WAITING:
                return self._view(shown, GREY, "### ⏳ In line", _standing(shown), actions=(STOP,))
            case JobState.SUBMITTING:
                return self._view(shown, BLUE, "### 📤 Handing over", "The picture goes to the video service.")
            case JobState.DELIVERING:
                return self._view(shown, BLUE, "### 📦 Finished, on its way", f"{bar(99)} fetching the video")
            case _:
                return self._view(shown, BLUE, "### 🎬 Rendering", _progress(shown))

    def delivered(self, job: Job, filename: str, *, plain: bool = False, reencoded: bool = False) -> ui.LayoutView:
        """The video as an uploaded file, and the provider's address as text."""
        note = [REENCODED] if reencoded else []
        gallery: ui.Item[ui.LayoutView] = ui.MediaGallery(discord.MediaGalleryItem(f"attachment://{filename}"))
        return self._view(
            Shown(job, plain=plain), GREEN, "### ✅ Here is your clip", gallery, *note, *_address(job), actions=OVER
        )

    def posted(self, job: Job) -> ui.LayoutView:
        """The video stands beside the card, in a message of its own."""
        line = "The video is in the next message."
        return self._view(Shown(job, plain=True), GREEN, "### ✅ Here is your clip", line, actions=OVER)

    def link_only(self, job: Job, size_bytes: int, *, plain: bool = False) -> ui.LayoutView:
        """The video is over this place's upload limit."""
        megabytes = f"{size_bytes / 1_048_576:.1f} MiB"
        limit = f"{job.card.upload_limit_bytes / 1_048_576:.0f} MiB"
        address = _address(job)
        where = (
            "Download it before the link dies:"
            if address
            else "Whoever runs the bot has kept the file and can hand it to you."
        )
        line = f"The video has {megabytes}, and only {limit} can be uploaded here. {where}"
        return self._view(Shown(job, plain=plain), GREEN, "### ✅ Your clip is ready", line, *address, actions=OVER)

    def ended(self, job: Job, *, plain: bool = False) -> ui.LayoutView:
        """No video came of it."""
        kind = job.failure or FailureKind.PROVIDER
        line = text.card_line(kind, job.clip.credits)
        head = "### 🚫 Cancelled" if job.state is JobState.CANCELLED else "### ⚠️ No video"
        may_still_come = job.state is JobState.TIMED_OUT
        actions = (AGAIN, EDIT, HIDE) if may_still_come else OVER
        return self._view(Shown(job, plain=plain), RED, head, line, actions=actions)

    def _view(
        self,
        shown: Shown,
        colour: discord.Colour,
        head: str,
        *parts: str | ui.Item[ui.LayoutView],
        actions: tuple[str, ...] = (HIDE,),
    ) -> ui.LayoutView:
        view = ui.LayoutView(timeout=None)
        box: ui.Container[ui.LayoutView] = ui.Container(accent_colour=colour)
        box.add_item(ui.TextDisplay(head))
        if shown.leaving:
            parts, actions = (LEAVING,), (SHOW,)
        if not shown.plain and shown.job.clip.prompt:
            box.add_item(ui.TextDisplay(text.prompt_block(shown.job.clip.prompt)))
        for part in parts:
            box.add_item(ui.TextDisplay(part) if isinstance(part, str) else part)
        box.add_item(ui.TextDisplay(self._foot(shown.job)))
        row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
        for action in actions:
            row.add_item(JobButton(action, shown.job.id))
        box.add_item(row)
        view.add_item(box)
        return view

    def _foot(self, job: Job) -> str:
        model = self._catalog.model(job.clip.model)
        label = job.clip.model if model is None else model.label
        size = f" · {job.clip.size}" if job.clip.size else ""
        return (
            f"-# <@{job.member}> · {label} · {job.clip.seconds} s{size} · {text.credits_of(job.clip.credits)}"
            f" · AI-generated · clip `{job.key}`"
        )


def bar(percent: int) -> str:
    """A bar of fixed width, never full before the end."""
    cells = min(BAR_CELLS - 1, max(0, percent) * BAR_CELLS // 100)
    return "`" + "█" * cells + "░" * (BAR_CELLS - cells) + "`"


def _standing(shown: Shown) -> str:
    return text.standing(shown.outlook if isinstance(shown.outlook, Standing) else Standing())


def _progress(shown: Shown) -> str:
    progress = shown.outlook if isinstance(shown.outlook, Progress) else Progress(0)
    begun = shown.job.submitted_at or shown.job.created_at
    end = clock(shown.elapsed_s) if progress.due is None else text.due(progress.due, progress.due_at or begun, begun)
    return f"{bar(progress.percent)} {progress.percent} % · {end}"


def clock(seconds: int) -> str:
    """ "1:05", "1:02:09"."""
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _address(job: Job) -> list[str]:
    url = text.shown_url(job.result_url)
    if url is None:
        return []
    dies = "" if job.result_expires_at is None else f" (dies {text.moment(job.result_expires_at)})"
    return [f"{url}{dies}"]


def elapsed_s(job: Job, now: datetime) -> int:
    """Whole seconds since the provider was asked, or since the job was taken."""
    return int((now - (job.submitted_at or job.created_at)).total_seconds())
