"""The form for a video: which picture, the prompt, the video with its price, its shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import discord
from discord import ui

from bot.catalog import Catalog, choices
from bot.catalog.choices import VideoOption
from bot.chat import prices, text
from bot.chat.discord_limits import MAX_CHOICES, MAX_LABEL_LENGTH
from bot.chat.interaction_info import picture_of
from bot.chat.pictures import Found
from bot.i18n.marking import N_
from bot.i18n.translations import Translations, translations_of
from bot.models import Picture, VideoSpec

OPEN_FOR_S = 15 * 60.0
"""An unsubmitted form is kept no longer: discord.py would keep it for ever."""
AS_PICTURE = "auto"
LONGEST_PROMPT = 2_000
_SHAPES = {"portrait": N_("Portrait"), "landscape": N_("Landscape"), "square": N_("Square")}


@dataclass(frozen=True, slots=True)
class Filled:
    """What was submitted, as it was chosen: not yet held against the catalog."""

    picture: int
    spec: VideoSpec
    last_picture: Picture | None = None


Submitted = Callable[[discord.Interaction[Any], Filled], Awaitable[None]]


class VideoForm(ui.Modal):
    """Asks for what is not clear yet. With `spec` its words and choices are filled in.

    A form cannot change while it is filled in. So model, length and price are one choice, which always fits, and the
    shapes are those that all of these videos have. It lives as long as this process; `AnimateBot.on_interaction`
    answers those that come later.
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
        left: int | None = None,
    ) -> None:
        """`left` are the credits that the member has, where that is known."""
        super().__init__(title=title, timeout=OPEN_FOR_S)
        self._submitted = submitted
        self._spec = (spec or VideoSpec()).alone
        self._picture: ui.Select[Any] | None = None
        if len(pictures) > 1:
            self._picture = _select("picture", {str(n): _numbered(n, one.label) for n, one in enumerate(pictures)}, "0")
            self.add_item(ui.Label(text=translations.gettext("Picture"), component=self._picture))
        self._prompt: ui.TextInput[Any] = ui.TextInput(
            custom_id="prompt",
            style=discord.TextStyle.paragraph,
            default=self._spec.prompt or None,
            min_length=1,
            max_length=LONGEST_PROMPT,
        )
        what = translations.gettext("What should happen in the video")
        self.add_item(ui.Label(text=translations.gettext("Prompt"), description=what, component=self._prompt))
        self._video_options = choices.video_options(catalog, self._spec, MAX_CHOICES)
        self._video: ui.Select[Any] | None = None
        if self._video_options:
            self._add_video(translations, left)
        self._shape: ui.Select[Any] | None = None
        shapes = choices.shapes(self._video_options)
        if len(shapes) > 1:
            words = {shape: translations.gettext(_SHAPES[shape]) for shape in shapes}
            size = self._spec.size
            chosen = AS_PICTURE if size is None or choices.shape_of(size) not in shapes else choices.shape_of(size)
            self._shape = _select("size", {AS_PICTURE: translations.gettext("Same as the picture")} | words, chosen)
            self.add_item(ui.Label(text=translations.gettext("Size"), component=self._shape))
        self._last: ui.FileUpload[Any] | None = None
        able = list(dict.fromkeys(option.model.label for option in self._video_options if option.model.last_image))
        if able:
            self._last = ui.FileUpload(custom_id="last_image", required=False, max_values=1)
            with_which = translations.gettext("Only with: {models}", models=translations.either(able))[
                :MAX_LABEL_LENGTH
            ]
            self.add_item(
                ui.Label(text=translations.gettext("Last picture"), description=with_which, component=self._last)
            )

    def _add_video(self, translations: Translations, left: int | None) -> None:
        options = [
            discord.SelectOption(
                label=prices.video_option_label(translations, option, left),
                value=str(number),
                description=_sizes(translations, option),
            )
            for number, option in enumerate(self._video_options)
        ]
        options[_default(self._video_options, self._spec, left)].default = True
        self._video = ui.Select(custom_id="video", options=options, required=True)
        have = None
        if left is not None:
            have = translations.ngettext("You have {n} credit left.", "You have {n} credits left.", left)
        self.add_item(ui.Label(text=translations.gettext("Video"), description=have, component=self._video))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Takes it; on a refusal the prompt is handed back, so that nobody types it twice."""
        spec = self._spec
        if self._video is not None:
            shape = AS_PICTURE if self._shape is None else self._shape.values[0]
            spec = self._video_options[int(self._video.values[0])].of_shape(None if shape == AS_PICTURE else shape)
        spec, last = replace(spec, prompt=self._prompt.value), self._last.values if self._last is not None else []
        if last:
            spec = replace(spec, last_image=last[0].url, loop=None)
        picture = 0 if self._picture is None else int(self._picture.values[0])
        filled = Filled(picture, spec, picture_of(last[0]) if last else None)
        await interaction.client.run_interaction(
            interaction,
            lambda: self._submitted(interaction, filled),
            typed=text.typed(translations_of(interaction), spec.prompt),
        )


def _default(video_options: Sequence[VideoOption], spec: VideoSpec, left: int | None) -> int:
    """What was chosen before; else the first that the member can pay, else the first."""
    chosen = next((n for n, option in enumerate(video_options) if option.is_chosen(spec)), None)
    if chosen is not None:
        return chosen
    return next((n for n, option in enumerate(video_options) if left is None or option.spec.total <= left), 0)


def _sizes(translations: Translations, option: VideoOption) -> str:
    """ "Portrait 720×1280 or Landscape 1280×720", as far as there is room."""
    sizes = translations.either([prices.size(translations, size) for size in option.sizes])
    return sizes[:MAX_LABEL_LENGTH]


def _select(name: str, labels: dict[str, str], chosen: str) -> ui.Select[Any]:
    options = [
        discord.SelectOption(label=label, value=value, default=value == chosen) for value, label in labels.items()
    ]
    return ui.Select(custom_id=name, options=options, required=True)


def _numbered(number: int, label: str) -> str:
    return f"{number + 1} · {label}"[:MAX_LABEL_LENGTH]
