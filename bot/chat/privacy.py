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
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
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
    EXPORT: N_("Export my data"),
    DELETE: N_("Delete my data"),
    ERASE: N_("Yes, delete my data"),
    BACK: N_("No, keep it"),
    QUIET: N_("No more pings"),
    LOUD: N_("Ping me again"),
}
_DANGERS = (DELETE, ERASE)

NO_MORE_MENTIONS = N_("You get no more pings from this bot, anywhere. `/privacy` turns them on again.")
NOT_MENTIONED = N_("Only the member who was pinged can turn their pings off. `/privacy` has a button for yours.")
EXPORTED = N_("Here is all that this bot keeps about you. Only you see it.")
STAYS = N_(
    "**Stays:** your id beside credits and times, until no limit counts them any more: that is next month, or "
    "as long as a server’s credits never renew or you go on using it there. An allowance of your own, extra credits, "
    "a block, and a wish for no pings stay yours."
)
OUT_OF_REACH = N_(
    "**Out of reach:** what the video service at {host} keeps; messages in group chats and in servers "
    "without this bot, and those that only you see; what a server’s admins have listed in a channel of theirs; and "
    "what others have saved."
)


class PrivacyButton(ui.DynamicItem[ui.Button[Any]], template=r"privacy:(?P<action>[a-z]{1,10})"):
    """Does something about the data of whoever presses it."""

    def __init__(self, action: str, translations: Translations | None = None) -> None:
        """Without a language it has no label: only a press of it is wanted."""
        label = None if translations is None else translations.gettext(_LABELS[action])
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


def quiet(translations: Translations, job: JobId) -> ui.View:
    """The button of a mention."""
    return ui.View(timeout=None).add_item(JobButton(SILENCE, job, translations))


def first_line(translations: Translations, endpoint: str) -> str:
    """What a member alone reads below their first card, once."""
    return translations.gettext(
        "Your first clip: picture and prompt go to the video service at {host}, not to Discord alone. "
        "`/privacy` tells what is kept and for how long, and deletes it.",
        host=_host(endpoint),
    )


def about(
    translations: Translations, endpoint: str, keeping: Keeping, *, muted: bool, policy: str | None
) -> ui.LayoutView:
    """What is kept, where it goes, how long."""
    whoever = translations.gettext("-# Whoever runs this bot can read what is kept here.")
    if policy:
        whoever = translations.gettext(
            "-# Whoever runs this bot can read what is kept here; their policy: {policy}.", policy=f"<{policy}>"
        )
    return _view(
        translations,
        translations.gettext("### What this bot keeps about you"),
        translations.gettext(
            "**Where it goes.** Picture and prompt go to the video service at {host}, which makes the video "
            "and keeps them by rules of its own. Cards and videos stand at Discord until somebody deletes them there.",
            host=_host(endpoint),
        ),
        translations.gettext(
            "**What is kept here.** Of each clip: who asked for it, the prompt, where picture and video were to be "
            "had, where its card stands, times and credits. Of you: your allowance, extra credits and blocks with the "
            "admins’ reasons, your language, and whether you want pings."
        ),
        _how_long(translations, keeping),
        whoever,
        buttons=(EXPORT, DELETE, LOUD if muted else QUIET),
    )


def _how_long(translations: Translations, keeping: Keeping) -> str:
    words = (
        translations.gettext("until you delete them")
        if keeping.prompts is None
        else _days(translations, keeping.prompts)
    )
    pictures = _days(translations, max(keeping.pictures, timedelta(days=1)))
    return "\n".join([
        translations.gettext("**How long**"),
        translations.gettext("- Prompts and addresses: {days}.", days=words),
        translations.gettext("- Pictures: while the clip is being made, and {days} at most after that.", days=pictures),
        translations.gettext("- Videos: until they are posted on Discord permanently, otherwise for 7 days."),
        translations.gettext(
            "- The key that Discord gives for changing your card: works for 15 minutes, and goes within a day."
        ),
        translations.gettext("- Who used how many credits, and when: as long as a limit counts it."),
        translations.gettext("- A server’s data: 30 days after it has removed the bot."),
    ])  # fmt: skip


def confirm(translations: Translations, endpoint: str) -> ui.LayoutView:
    """What deleting means, before it is done."""
    return _view(
        translations,
        translations.gettext("### Delete your data?"),
        translations.gettext(
            "**Goes now:** prompts, pictures, videos that are kept here, addresses, and where your cards stand. "
            "Clips that wait are cancelled, and their credits are back."
        ),
        translations.gettext(
            "**Goes bit by bit:** this bot’s messages with your clips, and its pings, in its direct messages to you "
            "and wherever it is a member of the server and sees the channel."
        ),
        translations.gettext(
            "**Goes later:** a clip that is being made is paid for. It is finished and shown, and then deleted here; "
            "its message stays until you delete it."
        ),
        translations.gettext(STAYS),
        translations.gettext(OUT_OF_REACH, host=_host(endpoint)),
        translations.gettext("There is no way back."),
        buttons=(ERASE, BACK),
    )


def erased(translations: Translations, endpoint: str, running: int) -> ui.LayoutView:
    """What was deleted, and what was not."""
    goes_on = translations.ngettext(
        "**{n} clip is still being made.** What comes of it is shown where you asked for it, then deleted here.",
        "**{n} clips are still being made.** What comes of them is shown where you asked for it, then deleted here.",
        running,
    )
    return _view(
        translations,
        translations.gettext("### Your data is deleted"),
        translations.gettext(
            "Prompts, pictures, videos, addresses and the places of your cards are gone from here. "
            "The messages that this bot can reach are being deleted, one after another."
        ),
        *([goes_on] if running else []),
        translations.gettext(STAYS),
        translations.gettext(OUT_OF_REACH, host=_host(endpoint)),
        buttons=(),
    )


def _view(translations: Translations, *paragraphs: str, buttons: tuple[str, ...]) -> ui.LayoutView:
    view = ui.LayoutView(timeout=None)
    for paragraph in paragraphs:
        view.add_item(ui.TextDisplay(paragraph))
    if buttons:
        view.add_item(ui.ActionRow(*(PrivacyButton(action, translations) for action in buttons)))
    return view


def _host(endpoint: str) -> str:
    return f"`{urlsplit(endpoint).hostname or endpoint}`"


def _days(translations: Translations, length: timedelta) -> str:
    return translations.ngettext("{n} day", "{n} days", length.days)
