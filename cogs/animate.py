"""/animate: a picture and a prompt become a card. Lists have only what fits what is chosen already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.catalog import Catalog, choices
from bot.catalog.choices import MOST_TAKES
from bot.catalog.offer import Sound
from bot.catalog.styles import NO_STYLE
from bot.chat import prices, text
from bot.chat.client import AnimateBot
from bot.chat.command_translator import localized
from bot.chat.discord_limits import MAX_CHOICES
from bot.chat.interaction_info import picture_of
from bot.chat.modals import LONGEST_PROMPT
from bot.chat.spendable_credits import WITHIN_S
from bot.chat.video_requests import VideoRequest, VideoRequests
from bot.errors import BotError, StoreUnavailable, UserError
from bot.i18n.marking import N_
from bot.i18n.translations import TranslationCatalog, Translations, translations_of
from bot.models import Show, VideoSpec

Listed = Callable[[Catalog, VideoSpec, VideoSpec | None], list[tuple[Any, VideoSpec]]]
Named = Callable[[Translations, Any, VideoSpec], str]
SOUNDS = {"on": True, "off": False}


class Animate(commands.Cog):
    """One command. Options that no model on offer can do anything with are left out of it."""

    def __init__(self, translation_catalog: TranslationCatalog, catalog: Catalog, requests: VideoRequests) -> None:
        self._catalog = catalog
        self._requests = requests
        shows = [
            app_commands.Choice(name=localized(translation_catalog, partial(text.show_label, show)), value=show.value)
            for show in Show
        ]
        app_commands.choices(show=shows)(self.animate)
        self._params = dict(self.animate._params)  # noqa: SLF001 - discord.py has no options that come and go
        self.offer()

    def offer(self) -> None:
        """Leaves in the command what the models on offer can."""
        models = self._catalog.models
        has_last = any(model.last_image for model in models)
        is_there = {
            "style": bool(self._catalog.styles),
            "last_image": has_last,
            "loop": has_last,
            "takes": self._requests.most_takes > 1,
            "sound": any(model.sound is not Sound.NEVER for model in models),
        }
        shown = {name: param for name, param in self._params.items() if is_there.get(name, True)}
        self.animate._params = shown  # noqa: SLF001 - as above

    @app_commands.command(name="animate", description=N_("Turn a picture into a video"))
    @app_commands.describe(
        image=N_("The picture to animate"),
        prompt=N_("What should happen in the video"),
        model=N_("Model to use (leave empty for your last choice, or else the first that fits your other options)"),
        seconds=N_("Length in seconds (leave empty for your last choice, or else the model's default)"),
        size=N_("Size (leave empty for the picture's shape, at the price of your last choice or else the cheapest)"),
        last_image=N_("The picture the video ends with (leave empty to let the model decide)"),
        loop=N_("End the video with the picture it starts with, so that it loops"),
        sound=N_("With or without sound (leave empty for your last choice, or else the model's default)"),
        style=N_("Style to add to the prompt (leave empty for your last style, if any)"),
        takes=N_("How many videos to make at once, each at full price (leave empty for one)"),
        show=N_("Who sees the video (leave empty to show it here)"),
    )
    async def animate(
        self,
        interaction: discord.Interaction[Any],
        image: discord.Attachment,
        prompt: app_commands.Range[str, 1, LONGEST_PROMPT],
        model: str | None = None,
        seconds: int | None = None,
        size: str | None = None,
        last_image: discord.Attachment | None = None,
        loop: bool | None = None,
        sound: str | None = None,
        style: str | None = None,
        takes: app_commands.Range[int, 1, MOST_TAKES] | None = None,
        show: str | None = None,
    ) -> None:
        """Takes the request as it was typed."""
        if sound is not None and sound not in SOUNDS:
            raise UserError("There is no such choice for `sound`. Nothing was charged. Choose one from the list.")
        spec = VideoSpec(
            model or "",
            prompt,
            seconds or 0,
            size,
            last_image=None if last_image is None else last_image.url,
            loop=loop or None,
            sound=None if sound is None else SOUNDS[sound],
            takes=takes,
            show=show,
            style=style,
        )
        last = None if last_image is None else picture_of(last_image)
        await self._requests.handle(interaction, VideoRequest(spec, picture_of(image), last_picture=last, is_open=True))

    @animate.autocomplete("model")
    async def models(self, interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
        """Those that make what is chosen beside them."""

        def name(translations: Translations, _: str, spec: VideoSpec) -> str:
            return f"{self._label(spec)} · {prices.length(translations, spec.seconds)}"

        return await self._choices(interaction, "model", current, choices.models, name)

    @animate.autocomplete("seconds")
    async def lengths(self, interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[int]]:
        """Those of the model, or of any."""

        def name(translations: Translations, value: int, _: VideoSpec) -> str:
            return prices.length(translations, value)

        return await self._choices(interaction, "seconds", current, choices.lengths, name)

    @animate.autocomplete("size")
    async def sizes(self, interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
        """Those of the model, or of any."""

        def name(translations: Translations, value: str, _: VideoSpec) -> str:
            return prices.size(translations, value)

        return await self._choices(interaction, "size", current, choices.sizes, name)

    @animate.autocomplete("sound")
    async def sounds(self, interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
        """With sound and without, with the price of each."""

        def listed(catalog: Catalog, chosen: VideoSpec, last: VideoSpec | None) -> list[tuple[Any, VideoSpec]]:
            words = {value: word for word, value in SOUNDS.items()}
            return [(words[sound], spec) for sound, spec in choices.sounds(catalog, chosen, last)]

        def name(translations: Translations, value: str, _: VideoSpec) -> str:
            return prices.sound(translations, on=SOUNDS[value])

        return await self._choices(interaction, "sound", current, listed, name)

    @animate.autocomplete("style")
    async def styles(self, interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
        """Those of the catalog; and none, where there was one before."""
        last = await self._requests.last_choices(interaction)
        without = translations_of(interaction).gettext("No style")
        found = [(style.label, style.label) for style in self._catalog.styles]
        found += [(without, NO_STYLE)] if last is not None and last.style else []
        typed = current.casefold().strip()
        listed = [app_commands.Choice(name=name, value=value) for name, value in found if typed in name.casefold()]
        return listed[:MAX_CHOICES]

    @animate.autocomplete("takes")
    async def takes(self, interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[int]]:
        """As many as a member may have in progress, with the price of all."""
        listed = partial(choices.takes, at_most=self._requests.most_takes)

        def name(translations: Translations, value: int, _: VideoSpec) -> str:
            return translations.ngettext("{n} video", "{n} videos", value)

        return await self._choices(interaction, "takes", current, listed, name)

    async def _choices(
        self, interaction: discord.Interaction[Any], field: str, current: object, listed: Listed, named: Named
    ) -> list[app_commands.Choice[Any]]:
        """At most as many as Discord shows, those that the member can pay first."""
        try:
            async with asyncio.timeout(WITHIN_S):
                catalog = await self._requests.offered(interaction)
        except (StoreUnavailable, TimeoutError):
            catalog = self._catalog  # a slow store keeps nobody from choosing; the command asks it again
        except BotError:  # nothing can be made here: the command says so
            return []
        left, translations = await self._requests.spendable.of(interaction), translations_of(interaction)
        chosen = choices.known(catalog, _chosen(interaction, field))
        found = listed(catalog, chosen, await self._requests.last_choices(interaction))
        if left is not None:
            found.sort(key=lambda each: each[1].total > left)
        typed, shown = str(current).casefold().strip(), []
        for value, spec in found:
            facts = [] if field == "model" else prices.maker(catalog, spec, chosen)
            label = prices.choice_label(translations, named(translations, value, spec), facts, spec, left)
            if typed in label.casefold() or typed in str(value).casefold():
                shown.append(app_commands.Choice(name=label, value=value))
        return shown[:MAX_CHOICES]

    def _label(self, spec: VideoSpec) -> str:
        model = self._catalog.model(spec.model)
        return spec.model if model is None else model.label


def _chosen(interaction: discord.Interaction[Any], field: str) -> VideoSpec:
    """What was typed or chosen so far, but for the field that a list is shown for."""
    typed = {name: value for name, value in interaction.namespace if name != field}
    seconds, size = typed.get("seconds"), typed.get("size")
    takes, has_last = typed.get("takes"), typed.get("last_image") is not None or typed.get("loop") is True
    return VideoSpec(
        model=str(typed.get("model") or ""),
        seconds=seconds if isinstance(seconds, int) else 0,
        size=size if isinstance(size, str) and size else None,
        loop=has_last or None,  # a last picture asks the same of a model
        sound=SOUNDS.get(str(typed.get("sound"))),
        takes=takes if isinstance(takes, int) and 1 < takes <= MOST_TAKES else None,
    )


async def setup(bot: AnimateBot, catalog: Catalog, requests: VideoRequests) -> None:
    """Adds the command."""
    cog = Animate(bot.translation_catalog, catalog, requests)
    await bot.add_cog(cog)
    bot.offers.append(cog.offer)
