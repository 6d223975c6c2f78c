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
JOIN = "join"
CANCEL = "cancel"
HIDE = "hide"
AGAIN = "again"
EDIT = "edit"
IMPROVE = "words"
"""On a card, where there is a chat model to ask."""
USE = "use"
"""Below an improved prompt."""
CONTINUE = "continue"
DELETE = "delete"
"""On a card, or in the member's list."""
ERASE = "erase"
KEEP = "keep"
"""Of the question that Delete asks."""
SILENCE = "silence"
"""Below the message that mentions the member."""
IN_LIST = ":list"
"""Ends the id of a button that stands in the member's list, or in a question in its place: the list is shown again."""
_STYLES = dict.fromkeys((SHOW, USE), discord.ButtonStyle.primary) | dict.fromkeys(
    (DELETE, ERASE), discord.ButtonStyle.danger
)
_LABELS = {
    SHOW: N_("Show my video"),
    KEPT: N_("Show again"),
    JOIN: N_("Join"),
    CANCEL: N_("Cancel"),
    HIDE: N_("Hide"),
    AGAIN: N_("Again"),
    EDIT: N_("Edit"),
    IMPROVE: N_("Improve prompt"),
    USE: N_("Use this prompt"),
    CONTINUE: N_("Continue"),
    DELETE: N_("Delete"),
    ERASE: N_("Delete"),
    KEEP: N_("Keep it"),
    SILENCE: N_("Mute mentions"),
}


class JobButton(
    ui.DynamicItem[ui.Button[Any]],
    template=rf"job:(?P<action>[a-z]{{1,10}}):(?P<job>[0-9]{{1,20}})(?P<in_list>{IN_LIST})?",
):
    """One action on one job."""

    def __init__(
        self,
        action: str,
        job: JobId,
        translations: Translations | None = None,
        *,
        in_list: bool = False,
        number: int | None = None,
    ) -> None:
        """Without a language it has no label: only a press of it is wanted. `number`: which take it is about."""
        label = None if translations is None else translations.gettext(_LABELS[action])
        style = _STYLES.get(action, discord.ButtonStyle.secondary)
        custom_id = f"job:{action}:{job}{IN_LIST if in_list else ''}"
        emoji = None if number is None else f"{number}\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP}"
        super().__init__(ui.Button(label=label, style=style, custom_id=custom_id, emoji=emoji))
        self.action = action
        self.job = job
        self.in_list = in_list

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """From what Discord sends back on a press."""
        return cls(match["action"], JobId(int(match["job"])), in_list=match["in_list"] is not None)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Does it, or says that no such button is known any more."""
        client = interaction.client
        interaction.extras[IN_LIST] = self.in_list
        if self.in_list:
            client.leave_list(interaction.user.id)

        async def work() -> None:
            action = client.actions.get(self.action)
            if action is None:
                raise UserError(text.UNKNOWN_BUTTON)
            await action(interaction, self.job)

        await client.run_interaction(interaction, work)


def is_in_list(interaction: discord.Interaction[Any]) -> bool:
    """Whether the pressed button stands in the member's list, or in a question in its place."""
    return bool(interaction.extras.get(IN_LIST))
