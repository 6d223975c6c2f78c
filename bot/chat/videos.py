"""A member's videos as a private list: state, where each is, and what can be done with it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Self

import discord
from discord import ui

from bot.catalog import Catalog
from bot.chat import text
from bot.chat.balances import failure_words
from bot.chat.buttons import CANCEL, DELETE, KEPT, JobButton
from bot.chat.paging import page_line
from bot.chat.tongue import Tongue
from bot.models import Job, JobId, JobState
from bot.wording import mark

PER_PAGE = 4
MOST = 100
"""So many of the newest are listed."""
PROMPT_LISTED = 80
WORDS_GONE = mark("-# The prompt is no longer kept.")
NOT_FETCHED = mark("📦 done, still being fetched")
KEPT_NO_LONGER = mark("📭 done, no longer kept here")
NOTHING = mark("You have no videos yet. `/animate` makes one.")

_STATES = {
    JobState.WAITING: mark("⏳ in line"),
    JobState.SUBMITTING: mark("📤 being handed over"),
    JobState.RENDERING: mark("🎬 rendering"),
    JobState.DELIVERING: mark("📦 on its way"),
    JobState.DELIVERED: mark("✅ done"),
    JobState.UNDELIVERED: mark("📥 done, and kept for you"),
    JobState.CANCELLED: mark("🚫 cancelled"),
    JobState.UNKNOWN: mark("❔ answer lost, refunded"),
    JobState.TIMED_OUT: mark("⌛ late, refunded"),
}


class PageOfVideos(ui.DynamicItem[ui.Button[Any]], template=r"videos:(?P<page>[0-9]{1,3}):(?P<label>[<>])"):
    """Turns to a page of the list."""

    def __init__(self, page: int, label: str) -> None:
        super().__init__(ui.Button(label={"<": "◀", ">": "▶"}[label], custom_id=f"videos:{page}:{label}"))
        self.page = page

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """From what Discord sends back on a press."""
        return cls(int(match["page"]), match["label"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Shows the page in place of the one that stands there."""
        client = interaction.client
        await client.press(interaction, lambda: client.show_videos(interaction, self.page))


def video_list(
    tongue: Tongue, jobs: list[Job], page: int, catalog: Catalog, kept: Collection[JobId] = frozenset()
) -> ui.LayoutView:
    """One page, the nearest there is. The videos of the `kept` can be shown again."""
    view = ui.LayoutView(timeout=None)
    pages = max(1, -(-len(jobs) // PER_PAGE))
    page = min(page, pages - 1)
    if not jobs:
        view.add_item(ui.TextDisplay(tongue.say(NOTHING)))
    for job in jobs[page * PER_PAGE : (page + 1) * PER_PAGE]:
        view.add_item(ui.TextDisplay(_entry(tongue, job, catalog, is_kept=job.id in kept)))
        buttons = _buttons(tongue, job, is_kept=job.id in kept)
        if buttons:
            view.add_item(ui.ActionRow(*buttons))
    turns = [PageOfVideos(page - 1, "<")] if page > 0 else []
    turns += [PageOfVideos(page + 1, ">")] if page < pages - 1 else []
    if turns:
        view.add_item(ui.ActionRow(*turns))
        view.add_item(ui.TextDisplay(page_line(tongue, page, pages)))
    return view


def question(tongue: Tongue, job: Job, yes: str, no: str) -> ui.LayoutView:
    """Asks before a finished video is deleted: two buttons, that do `yes` and `no`."""
    view = sentence(tongue, text.ASK_DELETE)
    view.add_item(ui.ActionRow(JobButton(yes, job.id, tongue), JobButton(no, job.id, tongue)))
    return view


def sentence(tongue: Tongue, words: str) -> ui.LayoutView:
    """A sentence alone, where a view stood before: that cannot become a plain message any more."""
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay(tongue.say(words)))
    return view


def link_of(job: Job) -> str | None:
    """Where the video, or its card, stands."""
    place = job.card.place
    if place is None:
        return None
    guild = "@me" if job.card.guild is None or place[0] != job.card.channel else job.card.guild
    return f"https://discord.com/channels/{guild}/{place[0]}/{place[1]}"


def _entry(tongue: Tongue, job: Job, catalog: Catalog, *, is_kept: bool) -> str:
    model = catalog.model(job.clip.model)
    label = job.clip.model if model is None else model.label
    length, key = text.length(tongue, job.clip.seconds), text.clip_key(tongue, job.key)
    line = f"**{_state(tongue, job, is_kept=is_kept)}** · {label} · {length} · {text.moment(job.created_at)} · {key}"
    words = text.prompt_block(job.clip.prompt, cut=PROMPT_LISTED) if job.clip.prompt else tongue.say(WORDS_GONE)
    return f"{line}\n{words}"


def _state(tongue: Tongue, job: Job, *, is_kept: bool) -> str:
    known = _STATES.get(job.state)
    if job.state is JobState.UNDELIVERED and not is_kept:
        known = KEPT_NO_LONGER if job.fetched else NOT_FETCHED
    if known is not None:
        return tongue.say(known)
    if job.failure is None:
        return tongue.say("⚠️ no video, refunded")
    return tongue.say("⚠️ {failure}, refunded", failure=failure_words(tongue, job.failure))


def _buttons(tongue: Tongue, job: Job, *, is_kept: bool) -> list[ui.Item[Any]]:
    found: list[ui.Item[Any]] = []
    link = link_of(job)
    if link is not None:
        found.append(ui.Button(label=tongue.say("Go to it"), url=link))
    if is_kept:
        found.append(JobButton(KEPT, job.id, tongue))
    if job.state is JobState.WAITING:
        found.append(JobButton(CANCEL, job.id, tongue))
    if not job.state.needs_work:
        found.append(JobButton(DELETE, job.id, tongue))
    return found
