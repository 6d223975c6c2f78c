"""The form for a video: which picture, the prompt, the model, the length, the size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import discord
from discord import ui

from bot.catalog import Catalog
from bot.chat import option_labels, text
from bot.chat.pictures import Found
from bot.i18n.translations import Translations, translations_of
from bot.models import VideoSpec

OPEN_FOR_S = 15 * 60.0
"""An unsubmitted form is kept no longer: discord.py would keep it for ever."""
AS_PICTURE = "auto"
LONGEST_PROMPT = 2_000


@dataclass(frozen=True, slots=True)
class Filled:
    """What was submitted, as it was chosen: not yet held against the catalog."""

    picture: int
    spec: VideoSpec


Submitted = Callable[[discord.Interaction[Any], Filled], Awaitable[None]]


class VideoForm(ui.Modal):
    """Asks for what is not clear yet. With `spec` its words and choices are filled in, and a size is asked for too.

    It lives as long as this process; `AnimateBot.on_interaction` answers those that come later.
    """

    def __init__(
        self,
        translations: Translations,
        title: str,
        catalog: Catalog,
        submitted: Submitted,
        *,
        pictures: Sequence[Found] = (),
        spec: VideoSpec | None,
    ) -> None:
        super().__init__(title=title, timeout=OPEN_FOR_S)
        self._submitted = submitted
        self._spec = spec or VideoSpec()
        self._picture: ui.Select[Any] | None = None
        if len(pictures) > 1:
            self._picture = _select("picture", {str(n): _numbered(n, one.label) for n, one in enumerate(pictures)}, "0")
            self.add_item(ui.Label(text=translations.gettext("Picture"), component=self._picture))
        self._prompt: ui.TextInput[Any] = ui.TextInput(
            custom_id="prompt",
            style=discord.TextStyle.paragraph,
            default=None if spec is None else spec.prompt,
            min_length=1,
            max_length=LONGEST_PROMPT,
        )
        what = translations.gettext("What should happen in the video")
        self.add_item(ui.Label(text=translations.gettext("Prompt"), description=what, component=self._prompt))
        model = catalog.models[0] if spec is None else catalog.model(spec.model) or catalog.models[0]
        self._model = _select(
            "model", {each.id: option_labels.model_label(each, translations) for each in catalog.models}, model.id
        )
        self.add_item(ui.Label(text=translations.gettext("Model"), component=self._model))
        seconds = spec.seconds if spec is not None and spec.seconds in catalog.seconds else model.seconds[0]
        lengths = {str(n): option_labels.seconds_label(catalog, n, translations) for n in catalog.seconds}
        self._seconds = _select("seconds", lengths, str(seconds))
        self.add_item(ui.Label(text=translations.gettext("Length"), component=self._seconds))
        self._size: ui.Select[Any] | None = None
        if spec is not None:
            sizes = {
                size: option_labels.size_label(catalog, size, translations)
                for size in catalog.sizes[: option_labels.MOST - 1]
            }
            self._size = _select(
                "size",
                {AS_PICTURE: translations.gettext("Cheapest that fits the picture")} | sizes,
                spec.size or AS_PICTURE,
            )
            self.add_item(ui.Label(text=translations.gettext("Size"), component=self._size))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Takes it; on a refusal the prompt is handed back, so that nobody types it twice."""
        spec = replace(
            self._spec,
            prompt=self._prompt.value,
            model=self._model.values[0],
            seconds=int(self._seconds.values[0]),
            size=None if self._size is None or self._size.values[0] == AS_PICTURE else self._size.values[0],
        )
        filled = Filled(0 if self._picture is None else int(self._picture.values[0]), spec)
        await interaction.client.press(
            interaction,
            lambda: self._submitted(interaction, filled),
            typed=text.typed(translations_of(interaction), spec.prompt),
        )


def _select(name: str, labels: dict[str, str], chosen: str) -> ui.Select[Any]:
    options = [
        discord.SelectOption(label=label, value=value, default=value == chosen) for value, label in labels.items()
    ]
    return ui.Select(custom_id=name, options=options, required=True)


def _numbered(number: int, label: str) -> str:
    return f"{number + 1} · {label}"[: option_labels.LONGEST]
