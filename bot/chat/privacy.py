"""What a member reads about their data, and the buttons with it. The buttons' ids hold all they need."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
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
FORGET = "forget"
REMEMBER = "remember"
LOUD = "loud"
_LABELS = {
    EXPORT: N_("Export my data"),
    DELETE: N_("Delete my data"),
    ERASE: N_("Delete"),
    BACK: N_("Keep it"),
    FORGET: N_("Forget my choices"),
    REMEMBER: N_("Remember my choices"),
    QUIET: N_("Mute mentions"),
    LOUD: N_("Unmute mentions"),
}
_DANGERS = (DELETE, ERASE)

CHOICES_KEPT = N_(
    "Your last choices of model, length, price, sound and style are kept as your defaults until you press *Forget my "
    "choices*."
)
CHOICES_NOT_KEPT = N_("Your last choices are not kept.")
MENTIONS_MUTED = N_("Mentions are muted.")
NO_MORE_MENTIONS = N_(
    "Mentions are muted. The bot no longer mentions you anywhere. Turn mentions on again with `/privacy`."
)
NOT_MENTIONED = N_("Only the member who was mentioned can mute these mentions. Use `/privacy` to mute yours.")
EXPORTED = N_("Here is everything the bot keeps about you. Only you can see this message.")
HELPED = N_(
    "When you press *Improve prompt*, your prompt is also sent to {host}, which has its own rules for what it keeps. "
    "The bot counts how often you press this button each day, and deletes the count the next day."
)
STAYS = N_(
    "**What stays:** the credits you used and when, under your user ID. Your user ID is removed from them next month, "
    "or later if you have bonus credits or a limit that never renews, or if you keep using the bot. Your own "
    "quota, your bonus credits and a block stay too. If you muted mentions or pressed *Forget my choices*, that also "
    "stays."
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
        await client.run_interaction(interaction, lambda: client.personal[self.action](interaction))


def quiet(translations: Translations, job: JobId) -> ui.View:
    """The button of a mention."""
    return ui.View(timeout=None).add_item(JobButton(SILENCE, job, translations))


def first_line(translations: Translations, endpoint: str) -> str:
    """What a member alone reads below their first card, once: where this video is made."""
    return translations.gettext(
        "Your picture and prompt are sent to {host} to make the video. Use `/privacy` to see, export or delete "
        "what the bot keeps.",
        host=_host(endpoint),
    )


def about(
    translations: Translations,
    endpoints: Sequence[str],
    keeping: Keeping,
    *,
    muted: bool,
    remembers: bool,
    helper: str | None = None,
    policy: str | None,
) -> ui.LayoutView:
    """What is kept, where it goes, how long."""
    whoever = translations.gettext("-# The person who runs this bot can read what the bot keeps.")
    if policy:
        whoever = translations.gettext(
            "-# The person who runs this bot can read what the bot keeps. Their privacy policy: {policy}.",
            policy=f"<{policy}>",
        )
    return _view(
        translations,
        translations.gettext("### What the bot keeps about you"),
        _where(translations, endpoints),
        *([translations.gettext(HELPED, host=_host(helper))] if helper else []),
        translations.paragraph(
            translations.gettext(
                "**What the bot keeps.** For each video: who asked for it, the prompt, the links to the picture "
                "and the video, where its card is, times and credits. About you: your quota; your bonus credits and "
                "blocks, with the admins' reasons; your language; and whether you have muted mentions."
            ),
            translations.gettext(CHOICES_KEPT if remembers else CHOICES_NOT_KEPT),
            *([translations.gettext(MENTIONS_MUTED)] if muted else []),
        ),
        _how_long(translations, keeping),
        whoever,
        buttons=(EXPORT, DELETE, LOUD if muted else QUIET, FORGET if remembers else REMEMBER),
    )


def _where(translations: Translations, endpoints: Sequence[str]) -> str:
    hosts = _hosts(endpoints)
    return translations.ngettext(
        "**Where your data goes.** Your picture and prompt are sent to the video service at {host}, which makes "
        "the video and has its own rules for what it keeps. Your cards (the bot's messages about your videos) and "
        "your videos stay on Discord until someone deletes them there.",
        "**Where your data goes.** Your picture and prompt are sent to one or more of the video services at {host}, "
        "which make the videos and have their own rules for what they keep. Your cards (the bot's messages about "
        "your videos) and your videos stay on Discord until someone deletes them there.",
        len(hosts),
        host=hosts,
    )


def _out_of_reach(translations: Translations, endpoints: Sequence[str]) -> str:
    hosts = _hosts(endpoints)
    return translations.ngettext(
        "**What the bot cannot delete:** what the video service at {host} keeps; messages in group chats and in "
        "servers without the bot; messages that only you can see; entries in a server's log channel; and what "
        "other people have saved.",
        "**What the bot cannot delete:** what the video services at {host} keep; messages in group chats and in "
        "servers without the bot; messages that only you can see; entries in a server's log channel; and what "
        "other people have saved.",
        len(hosts),
        host=hosts,
    )


def _how_long(translations: Translations, keeping: Keeping) -> str:
    prompts = translations.gettext("- Prompts and links: until you delete them.")
    if keeping.prompts is not None:
        prompts = translations.ngettext(
            "- Prompts and links: for {n} day.", "- Prompts and links: for {n} days.", keeping.prompts.days
        )
    pictures = max(keeping.pictures, timedelta(days=1))
    return "\n".join([
        translations.gettext("**How long the bot keeps it**"),
        prompts,
        translations.ngettext(
            "- Pictures: until the video is made, then for {n} more day at most.",
            "- Pictures: until the video is made, then for {n} more days at most.",
            pictures.days,
        ),
        translations.gettext("- Videos: until they are in a message that stays on Discord, otherwise for 7 days."),
        translations.gettext("- A small picture of each video in `/videos`: as long as its prompt."),
        translations.gettext(
            "- The key from Discord for updating your card: it works for 15 minutes and is deleted within a day."
        ),
        translations.gettext("- How many credits you used, and when: as long as a limit counts them."),
        translations.gettext("- A server's data: until 30 days after it removes the bot."),
    ])  # fmt: skip


def confirm(translations: Translations, endpoints: Sequence[str]) -> ui.LayoutView:
    """What deleting means, before it is done."""
    return _view(
        translations,
        translations.gettext("### Delete your data?"),
        translations.gettext(
            "**Deleted now:** prompts, pictures, the videos the bot keeps, links, and where your cards are. "
            "Your videos in the queue are canceled and refunded."
        ),
        translations.gettext(
            "**Deleted one after another:** the bot's messages that show your videos or mention you, in your direct "
            "messages with the bot and in every channel that the bot can see."
        ),
        translations.gettext(
            "**Deleted later:** videos that are being made, because they are already paid for. The bot shows them to "
            "you, then deletes what it keeps of them. The messages with these videos stay until you delete them."
        ),
        translations.gettext(STAYS),
        _out_of_reach(translations, endpoints),
        translations.gettext("This cannot be undone."),
        buttons=(ERASE, BACK),
    )


def erased(translations: Translations, endpoints: Sequence[str], running: int) -> ui.LayoutView:
    """What was deleted, and what was not."""
    goes_on = translations.ngettext(
        "**{n} video is still being made.** It is shown where you asked for it, then deleted from the bot.",
        "**{n} videos are still being made.** They are shown where you asked for them, then deleted from the bot.",
        running,
    )
    return _view(
        translations,
        translations.gettext("### Your data is deleted"),
        translations.gettext(
            "The bot has deleted your prompts, pictures, videos and links. It is now deleting the messages it can "
            "reach, one after another."
        ),
        *([goes_on] if running else []),
        translations.gettext(STAYS),
        _out_of_reach(translations, endpoints),
        buttons=(),
    )


def _view(translations: Translations, *paragraphs: str, buttons: tuple[str, ...]) -> ui.LayoutView:
    view = ui.LayoutView(timeout=None)
    for paragraph in paragraphs:
        view.add_item(ui.TextDisplay(paragraph))
    if buttons:
        view.add_item(ui.ActionRow(*(PrivacyButton(action, translations) for action in buttons)))
    return view


def _hosts(endpoints: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(map(_host, endpoints)))


def _host(endpoint: str) -> str:
    return f"`{urlsplit(endpoint).hostname or endpoint}`"
