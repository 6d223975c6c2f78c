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
from bot.chat.tongue import Tongue
from bot.models import JobId, Keeping
from bot.wording import mark

Personal = Callable[[discord.Interaction[Any]], Awaitable[None]]
"""What a press does for whoever pressed, and for nobody else. Raises what a command may raise."""

EXPORT = "export"
DELETE = "delete"
ERASE = "erase"
BACK = "back"
QUIET = "quiet"
LOUD = "loud"
_LABELS = {
    EXPORT: mark("Export my data"),
    DELETE: mark("Delete my data"),
    ERASE: mark("Yes, delete my data"),
    BACK: mark("No, keep it"),
    QUIET: mark("No more pings"),
    LOUD: mark("Ping me again"),
}
_DANGERS = (DELETE, ERASE)

NO_MORE_PINGS = mark("You get no more pings from this bot, anywhere. `/privacy` turns them on again.")
NOT_PINGED = mark("Only the member who was pinged can turn their pings off. `/privacy` has a button for yours.")
EXPORTED = mark("Here is all that this bot keeps about you. Only you see it.")
STAYS = mark(
    "**Stays:** your id beside credits and times, until no limit counts them any more: that is next month, or "
    "as long as a server’s credits never renew or you go on using it there. An allowance of your own, extra credits, "
    "a block, and a wish for no pings stay yours."
)
OUT_OF_REACH = mark(
    "**Out of reach:** what the video service at {host} keeps; messages in group chats and in servers "
    "without this bot, and those that only you see; what a server’s admins have listed in a channel of theirs; and "
    "what others have saved."
)


class PrivacyButton(ui.DynamicItem[ui.Button[Any]], template=r"privacy:(?P<action>[a-z]{1,10})"):
    """Does something about the data of whoever presses it."""

    def __init__(self, action: str, tongue: Tongue | None = None) -> None:
        """Without a tongue it has no label: only a press of it is wanted."""
        label = None if tongue is None else tongue.say(_LABELS[action])
        style = discord.ButtonStyle.danger if action in _DANGERS else discord.ButtonStyle.secondary
        super().__init__(ui.Button(label=label, style=style, custom_id=f"privacy:{action}"))
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


def quiet(tongue: Tongue, job: JobId) -> ui.View:
    """The button of a ping."""
    return ui.View(timeout=None).add_item(JobButton(SILENCE, job, tongue))


def first_line(tongue: Tongue, endpoint: str) -> str:
    """What a member alone reads below their first card, once."""
    return tongue.say(
        "Your first clip: picture and prompt go to the video service at {host}, not to Discord alone. "
        "`/privacy` tells what is kept and for how long, and deletes it.",
        host=_host(endpoint),
    )


def about(tongue: Tongue, endpoint: str, keeping: Keeping, *, silent: bool, policy: str | None) -> ui.LayoutView:
    """What is kept, where it goes, how long."""
    whoever = tongue.say("-# Whoever runs this bot can read what is kept here.")
    if policy:
        whoever = tongue.say(
            "-# Whoever runs this bot can read what is kept here; their policy: {policy}.", policy=f"<{policy}>"
        )
    return _view(
        tongue,
        tongue.say("### What this bot keeps about you"),
        tongue.say(
            "**Where it goes.** Picture and prompt go to the video service at {host}, which makes the video "
            "and keeps them by rules of its own. Cards and videos stand at Discord until somebody deletes them there.",
            host=_host(endpoint),
        ),
        tongue.say(
            "**What is kept here.** Of each clip: who asked for it, the prompt, where picture and video were to be "
            "had, where its card stands, times and credits. Of you: your allowance, extra credits and blocks with the "
            "admins’ reasons, your language, and whether you want pings."
        ),
        _how_long(tongue, keeping),
        whoever,
        buttons=(EXPORT, DELETE, LOUD if silent else QUIET),
    )


def _how_long(tongue: Tongue, keeping: Keeping) -> str:
    words = tongue.say("until you delete them") if keeping.words is None else _days(tongue, keeping.words)
    pictures = _days(tongue, max(keeping.pictures, timedelta(days=1)))
    return "\n".join([
        tongue.say("**How long**"),
        tongue.say("- Prompts and addresses: {days}.", days=words),
        tongue.say("- Pictures: while the clip is being made, and {days} at most after that.", days=pictures),
        tongue.say("- Videos: until they are posted on Discord permanently, otherwise for 7 days."),
        tongue.say(
            "- The key that Discord gives for changing your card: works for 15 minutes, and goes within a day."
        ),
        tongue.say("- Who used how many credits, and when: as long as a limit counts it."),
        tongue.say("- A server’s data: 30 days after it has removed the bot."),
    ])  # fmt: skip


def confirm(tongue: Tongue, endpoint: str) -> ui.LayoutView:
    """What deleting means, before it is done."""
    return _view(
        tongue,
        tongue.say("### Delete your data?"),
        tongue.say(
            "**Goes now:** prompts, pictures, videos that are kept here, addresses, and where your cards stand. "
            "Clips that wait are cancelled, and their credits are back."
        ),
        tongue.say(
            "**Goes bit by bit:** this bot’s messages with your clips, and its pings, in its direct messages to you "
            "and wherever it is a member of the server and sees the channel."
        ),
        tongue.say(
            "**Goes later:** a clip that is being made is paid for. It is finished and shown, and then deleted here; "
            "its message stays until you delete it."
        ),
        tongue.say(STAYS),
        tongue.say(OUT_OF_REACH, host=_host(endpoint)),
        tongue.say("There is no way back."),
        buttons=(ERASE, BACK),
    )


def erased(tongue: Tongue, endpoint: str, running: int) -> ui.LayoutView:
    """What was deleted, and what was not."""
    goes_on = tongue.counted(
        "**{n} clip is still being made.** What comes of it is shown where you asked for it, then deleted here.",
        "**{n} clips are still being made.** What comes of them is shown where you asked for it, then deleted here.",
        running,
    )
    return _view(
        tongue,
        tongue.say("### Your data is deleted"),
        tongue.say(
            "Prompts, pictures, videos, addresses and the places of your cards are gone from here. "
            "The messages that this bot can reach are being deleted, one after another."
        ),
        *([goes_on] if running else []),
        tongue.say(STAYS),
        tongue.say(OUT_OF_REACH, host=_host(endpoint)),
        buttons=(),
    )


def _view(tongue: Tongue, *paragraphs: str, buttons: tuple[str, ...]) -> ui.LayoutView:
    view = ui.LayoutView(timeout=None)
    for paragraph in paragraphs:
        view.add_item(ui.TextDisplay(paragraph))
    if buttons:
        view.add_item(ui.ActionRow(*(PrivacyButton(action, tongue) for action in buttons)))
    return view


def _host(endpoint: str) -> str:
    return f"`{urlsplit(endpoint).hostname or endpoint}`"


def _days(tongue: Tongue, length: timedelta) -> str:
    return tongue.counted("{n} day", "{n} days", length.days)
