"""Private lists in pages. The buttons' ids hold the page, so they work after a restart too."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

import discord
from discord import ui

from bot.i18n.translations import Translations, translations_of

PageSource = Callable[[discord.Interaction[Any]], Awaitable[list[str]]]
"""Makes the pages anew, as they are now; None of them is kept. Raises what a command may raise."""


class PageButton(
    ui.DynamicItem[ui.Button[ui.View]], template=r"pages:(?P<name>[a-z]{1,20}):(?P<page>[0-9]{1,4}):(?P<label>[<>])"
):
    """Turns to a page of the list called `name`."""

    def __init__(self, name: str, page: int, label: str) -> None:
        arrow = {"<": "◀", ">": "▶"}[label]
        super().__init__(ui.Button(label=arrow, custom_id=f"pages:{name}:{page}:{label}"))
        self.name = name
        self.page = page

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """From what Discord sends back on a press."""
        return cls(match["name"], int(match["page"]), match["label"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Turns; what goes wrong is told in a sentence."""
        await interaction.client.press(interaction, lambda: self._turn(interaction))

    async def _turn(self, interaction: discord.Interaction[Any]) -> None:
        """Shows the page in place of the one that stands there."""
        pages = await interaction.client.pages[self.name](interaction)
        content, view = page_of(translations_of(interaction), self.name, pages, self.page)
        await interaction.response.edit_message(
            content=content, view=view, allowed_mentions=discord.AllowedMentions.none()
        )


def page_of(translations: Translations, name: str, pages: list[str], page: int) -> tuple[str, ui.View | None]:
    """One page, the nearest there is, and its buttons; no buttons for a single page."""
    page = min(page, len(pages) - 1)
    if len(pages) == 1:
        return pages[0], None
    view = ui.View(timeout=None)
    if page > 0:
        view.add_item(PageButton(name, page - 1, "<"))
    if page < len(pages) - 1:
        view.add_item(PageButton(name, page + 1, ">"))
    return f"{pages[page]}\n{page_line(translations, page, len(pages))}", view


def page_line(translations: Translations, page: int, pages: int) -> str:
    """Which page it is, counted from 1 for the reader."""
    return translations.gettext("-# page {page} of {pages}", page=page + 1, pages=pages)


async def answer_in_pages(interaction: discord.Interaction[Any], name: str) -> None:
    """Answers privately with the first page of a list."""
    pages = await interaction.client.pages[name](interaction)
    content, view = page_of(translations_of(interaction), name, pages, 0)
    await interaction.response.send_message(
        content,
        view=view or discord.utils.MISSING,
        ephemeral=True,
        allowed_mentions=discord.AllowedMentions.none(),
    )
