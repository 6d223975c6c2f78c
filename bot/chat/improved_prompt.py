"""The message with an improved prompt, and the prompt read back out of it: so it works after a restart, too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import discord
from discord import ui

from bot.chat import text
from bot.chat.buttons import USE, JobButton
from bot.chat.modals import LONGEST_PROMPT
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import JobId, VideoSpec

HEAD = N_("**Improved prompt.** No video is made until you send the form.")
_BLOCK = re.compile(r"```\n(.+)\n```", re.DOTALL)


def offered(translations: Translations, job: JobId, words: str) -> ui.LayoutView:
    """The words as they go into the form, and the button that opens it."""
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay(translations.gettext(HEAD)))
    view.add_item(ui.TextDisplay(text.prompt_block(words, cut=LONGEST_PROMPT)))
    view.add_item(ui.ActionRow(JobButton(USE, job, translations)))
    return view


def words_in(message: discord.Message | None) -> str | None:
    """The words that such a message shows."""
    found = (_BLOCK.fullmatch(words) for words in _texts(() if message is None else message.components))
    return next((match[1] for match in found if match is not None), None)


def with_words(spec: VideoSpec, words: str) -> VideoSpec:
    """The same video of other words."""
    return replace(spec, prompt=words)


def _texts(components: Iterable[object]) -> Iterator[str]:
    for component in components:
        if isinstance(component, discord.TextDisplay):
            yield component.content
        yield from _texts(getattr(component, "children", ()))
