"""Private lists in pages. The buttons' ids hold the page, so they work after a restart too."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

import discord
from discord import ui

from bot.i18n.translations import Translations

ShowPage = Callable[[discord.Interaction[Any], int], Awaitable[None]]
"""Shows a page of a list in place of the one that stands there, as it is now. Raises what a command may raise."""


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
        client = interaction.client

        async def work() -> None:
            await client.pages[self.name](interaction, self.page)

        await client.run_interaction(interaction, work)


def page_buttons(name: str, page: int, pages: int) -> list[PageButton]:
    """Back and on, as far as there are pages."""
    back = [PageButton(name, page - 1, "<")] if page > 0 else []
    return [*back, *([PageButton(name, page + 1, ">")] if page < pages - 1 else [])]


def page_line(translations: Translations, page: int, pages: int) -> str:
    """Which page it is, counted from 1 for the reader."""
    return translations.gettext("-# Page {page} of {pages}", page=page + 1, pages=pages)


def text_page(translations: Translations, name: str, pages: list[str], page: int) -> tuple[str, ui.View | None]:
    """One page of a list of texts, the nearest there is, and its buttons; no buttons for a single page."""
    page = min(page, len(pages) - 1)
    if len(pages) == 1:
        return pages[0], None
    view = ui.View(timeout=None)
    for button in page_buttons(name, page, len(pages)):
        view.add_item(button)
    return f"{pages[page]}\n{page_line(translations, page, len(pages))}", view
