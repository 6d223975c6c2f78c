"""What a member reads about their data, and the buttons with it. The buttons' ids hold all they need."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlsplit

import discord
from discord import ui

from bot.chat.buttons import SILENCE, JobButton
from bot.models import JobId, Keeping

Personal = Callable[[discord.Interaction[Any]], Awaitable[None]]
"""What a press does for whoever pressed, and for nobody else. Raises what a command may raise."""

EXPORT = "export"
DELETE = "delete"
ERASE = "erase"
BACK = "back"
QUIET = "quiet"
LOUD = "loud"
_LABELS = {
    EXPORT: "Export my data",
    DELETE: "Delete my data",
    ERASE: "Yes, delete my data",
    BACK: "No, keep it",
    QUIET: "No more pings",
    LOUD: "Ping me again",
}
_DANGERS = (DELETE, ERASE)

NO_MORE_PINGS = "You get no more pings from this bot, anywhere. `/privacy` turns them on again."
NOT_PINGED = "Only the member who was pinged can turn their pings off. `/privacy` has a button for yours."
EXPORTED = "Here is all that this bot keeps about you. Only you see it."


class PrivacyButton(ui.DynamicItem[ui.Button[Any]], template=r"privacy:(?P<action>[a-z]{1,10})"):
    """Does something about the data of whoever presses it."""

    def __init__(self, action: str) -> None:
        style = discord.ButtonStyle.danger if action in _DANGERS else discord.ButtonStyle.secondary
        super().__init__(ui.Button(label=_LABELS.get(action, action), style=style, custom_id=f"privacy:{action}"))
        self.action = action

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """From what Discord sends back on a press."""
        return cls(match["action"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Does it; what goes wrong is told in a sentence."""
        client = interaction.client
        await client.press(interaction, lambda: client.personal[self.action](interaction))


def quiet(job: JobId) -> ui.View:
    """The button of a ping."""
    return ui.View(timeout=None).add_item(JobButton(SILENCE, job))


def first_line(endpoint: str) -> str:
    """What a member alone reads below their first card, once."""
    return (
        f"Your first clip: picture and prompt go to the video service at {_host(endpoint)}, not to Discord alone. "
        "`/privacy` tells what is kept and for how long, and deletes it."
    )


def about(endpoint: str, keeping: Keeping, *, silent: bool, policy: str | None) -> ui.LayoutView:
    """What is kept, where it goes, how long."""
    words = "until you delete them" if keeping.words is None else _days(keeping.words)
    pictures = _days(max(keeping.pictures, timedelta(days=1)))
    whoever = "Whoever runs this bot can read what is kept here"
    return _view(
        "### What this bot keeps about you",
        f"**Where it goes.** Picture and prompt go to the video service at {_host(endpoint)}, which makes the video "
        "and keeps them by rules of its own. Cards and videos stand at Discord until somebody deletes them there.",
        "**What is kept here.** Of each clip: who asked for it, the prompt, where picture and video were to be had, "
        "where its card stands, times and credits. Of you: your allowance, extra credits and blocks with the admins’ "
        "reasons, and whether you want pings.",
        "**How long**\n"
        f"- Prompts and addresses: {words}.\n"
        f"- Pictures: while the clip is being made, and {pictures} at most after that.\n"
        "- Videos: until Discord has them; 7 days if it does not take them.\n"
        "- The key that Discord gives for changing your card: works for 15 minutes, and goes within a day.\n"
        "- Who used how many credits, and when: as long as a limit counts it.\n"
        "- A server’s data: 30 days after it has removed the bot.",
        f"-# {whoever}; their policy: <{policy}>." if policy else f"-# {whoever}.",
        buttons=(EXPORT, DELETE, LOUD if silent else QUIET),
    )


def confirm(endpoint: str) -> ui.LayoutView:
    """What deleting means, before it is done."""
    return _view(
        "### Delete your data?",
        "**Goes now:** prompts, pictures, videos that are kept here, addresses, and where your cards stand. "
        "Clips that wait are cancelled, and their credits are back.",
        "**Goes bit by bit:** this bot’s messages with your clips, and its pings, in its direct messages to you and "
        "wherever it is a member of the server and sees the channel.",
        "**Goes later:** a clip that is being made is paid for. It is finished and shown, and then deleted here; "
        "its message stays until you delete it.",
        _STAYS,
        _out_of_reach(endpoint),
        "There is no way back.",
        buttons=(ERASE, BACK),
    )


def erased(endpoint: str, running: int) -> ui.LayoutView:
    """What was deleted, and what was not."""
    clips = "1 clip is" if running == 1 else f"{running} clips are"
    goes_on = (
        [f"**{clips} still being made.** What comes of it is shown where you asked for it, then deleted here."]
        if running
        else []
    )
    return _view(
        "### Your data is deleted",
        "Prompts, pictures, videos, addresses and the places of your cards are gone from here. "
        "The messages that this bot can reach are being deleted, one after another.",
        *goes_on,
        _STAYS,
        _out_of_reach(endpoint),
        buttons=(),
    )


_STAYS = (
    "**Stays:** your id beside credits and times, until no limit counts them any more: that is next month, or "
    "as long as a server’s credits never renew or you go on using it there. An allowance of your own, extra credits, "
    "a block, and a wish for no pings stay yours."
)


def _out_of_reach(endpoint: str) -> str:
    return (
        f"**Out of reach:** what the video service at {_host(endpoint)} keeps; messages in group chats and in servers "
        "without this bot, and those that only you see; what a server’s admins have listed in a channel of theirs; and "
        "what others have saved."
    )


def _view(*paragraphs: str, buttons: tuple[str, ...]) -> ui.LayoutView:
    view = ui.LayoutView(timeout=None)
    for paragraph in paragraphs:
        view.add_item(ui.TextDisplay(paragraph))
    if buttons:
        view.add_item(ui.ActionRow(*(PrivacyButton(action) for action in buttons)))
    return view


def _host(endpoint: str) -> str:
    return f"`{urlsplit(endpoint).hostname or endpoint}`"


def _days(length: timedelta) -> str:
    return "1 day" if length.days == 1 else f"{length.days:,} days"
