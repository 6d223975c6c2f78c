"""A member's videos as a private list: state, where each is, and what can be done with it."""

from __future__ import annotations

import re
from typing import Any, Self

import discord
from discord import ui

from bot.catalog import Catalog
from bot.chat import text
from bot.chat.balances import failure_words
from bot.chat.buttons import CANCEL, DELETE, KEPT, JobButton
from bot.models import Job, JobState

PER_PAGE = 4
MOST = 100
"""So many of the newest are listed."""
PROMPT_LISTED = 80
WORDS_GONE = "-# The prompt is no longer kept."
NOTHING = "You have no videos yet. `/animate` makes one."

_STATES = {
    JobState.WAITING: "⏳ in line",
    JobState.SUBMITTING: "📤 being handed over",
    JobState.RENDERING: "🎬 rendering",
    JobState.DELIVERING: "📦 on its way",
    JobState.DELIVERED: "✅ done",
    JobState.UNDELIVERED: "📥 done, and kept for you",
    JobState.CANCELLED: "🚫 cancelled",
    JobState.UNKNOWN: "❔ answer lost, refunded",
    JobState.TIMED_OUT: "⌛ late, refunded",
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


def video_list(jobs: list[Job], page: int, catalog: Catalog) -> ui.LayoutView:
    """One page, the nearest there is."""
    view = ui.LayoutView(timeout=None)
    pages = max(1, -(-len(jobs) // PER_PAGE))
    page = min(page, pages - 1)
    if not jobs:
        view.add_item(ui.TextDisplay(NOTHING))
    for job in jobs[page * PER_PAGE : (page + 1) * PER_PAGE]:
        view.add_item(ui.TextDisplay(_entry(job, catalog)))
        buttons = _buttons(job)
        if buttons:
            view.add_item(ui.ActionRow(*buttons))
    turns = [PageOfVideos(page - 1, "<")] if page > 0 else []
    turns += [PageOfVideos(page + 1, ">")] if page < pages - 1 else []
    if turns:
        view.add_item(ui.ActionRow(*turns))
        view.add_item(ui.TextDisplay(f"-# page {page + 1} of {pages}"))
    return view


def link_of(job: Job) -> str | None:
    """Where the video, or its card, stands."""
    place = job.card.place
    if place is None:
        return None
    guild = "@me" if job.card.guild is None or place[0] != job.card.channel else job.card.guild
    return f"https://discord.com/channels/{guild}/{place[0]}/{place[1]}"


def _entry(job: Job, catalog: Catalog) -> str:
    model = catalog.model(job.clip.model)
    state = _STATES.get(job.state) or f"⚠️ {failure_words(job.failure) if job.failure else 'no video'}, refunded"
    label = job.clip.model if model is None else model.label
    line = f"**{state}** · {label} · {job.clip.seconds} s · {text.moment(job.created_at)} · clip `{job.key}`"
    words = text.prompt_block(job.clip.prompt, cut=PROMPT_LISTED) if job.clip.prompt else WORDS_GONE
    return f"{line}\n{words}"


def _buttons(job: Job) -> list[ui.Item[Any]]:
    found: list[ui.Item[Any]] = []
    link = link_of(job)
    if link is not None:
        found.append(ui.Button(label="Go to it", url=link))
    if job.state is JobState.UNDELIVERED:
        found.append(JobButton(KEPT, job.id))
    if job.state is JobState.WAITING:
        found.append(JobButton(CANCEL, job.id))
    if not job.state.needs_work:
        found.append(JobButton(DELETE, job.id))
    return found
