"""Buttons that act on one job. Their ids hold the job, so they work after a restart and a week later."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

import discord
from discord import ui

from bot.chat import text
from bot.errors import UserError
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import JobId

Action = Callable[[discord.Interaction[Any], JobId], Awaitable[None]]
"""What a press does. Checks itself whose job it is; raises what a command may raise."""

SHOW = "show"
KEPT = "kept"
CANCEL = "cancel"
DELETE = "delete"
DROP = "drop"
STAY = "stay"
"""In the member's list, which each of them shows anew; the last two answer the question before a video is deleted."""
STOP = "stop"
HIDE = "hide"
AGAIN = "again"
EDIT = "edit"
REMOVE = "remove"
"""On the card itself."""
ERASE = "erase"
KEEP = "keep"
"""Of the question that Delete on a card asks."""
SILENCE = "silence"
"""On the ping."""
_STYLES = {SHOW: discord.ButtonStyle.primary} | dict.fromkeys((DELETE, REMOVE, DROP, ERASE), discord.ButtonStyle.danger)
_LABELS = {
    SHOW: N_("Show my video"),
    KEPT: N_("Show again"),
    CANCEL: N_("Cancel"),
    STOP: N_("Cancel"),
    HIDE: N_("Hide"),
    AGAIN: N_("Again"),
    EDIT: N_("Edit"),
    DELETE: N_("Delete"),
    REMOVE: N_("Delete"),
    DROP: N_("Delete"),
    ERASE: N_("Delete"),
    STAY: N_("Keep it"),
    KEEP: N_("Keep it"),
    SILENCE: N_("No more pings"),
}


class JobButton(ui.DynamicItem[ui.Button[Any]], template=r"job:(?P<action>[a-z]{1,10}):(?P<job>[0-9]{1,20})"):
    """One action on one job."""

    def __init__(self, action: str, job: JobId, translations: Translations | None = None) -> None:
        """Without a language it has no label: only a press of it is wanted."""
        label = None if translations is None else translations.gettext(_LABELS[action])
        style = _STYLES.get(action, discord.ButtonStyle.secondary)
        super().__init__(ui.Button(label=label, style=style, custom_id=f"job:{action}:{job}"))
        self.action = action
        self.job = job

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """From what Discord sends back on a press."""
        return cls(match["action"], JobId(int(match["job"])))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Does it, or says that no such button is known any more."""
        client = interaction.client

        async def work() -> None:
            action = client.actions.get(self.action)
            if action is None:
                raise UserError(text.UNKNOWN_BUTTON)
            await action(interaction, self.job)

        await client.press(interaction, work)
