"""The button below a confirmation that undoes the change. Its id names the change, so it works after a restart."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

import discord
from discord import ui

from bot.i18n.translations import Translations

Undo = Callable[[discord.Interaction[Any], int], Awaitable[None]]
"""What a press does: undoes the change of this id. Raises what a command may raise."""


class UndoButton(ui.DynamicItem[ui.Button[ui.View]], template=r"undo:(?P<act>[0-9]{1,20})"):
    """Undoes one change of an admin."""

    def __init__(self, act: int, translations: Translations | None = None) -> None:
        """Without a language it has no label: only a press of it is wanted."""
        label = None if translations is None else translations.gettext("Undo")
        super().__init__(ui.Button(label=label, custom_id=f"undo:{act}"))
        self.act = act

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """From what Discord sends back on a press."""
        return cls(int(match["act"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Undoes it; what goes wrong is told in a sentence."""
        client = interaction.client
        await client.run_interaction(interaction, lambda: client.undo(interaction, self.act))
