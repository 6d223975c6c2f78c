"""What is on offer: models with their lengths, sizes and prices, and which one a request means."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

from bot.errors import UserError
from bot.i18n.marking import N_
from bot.models import VideoSpec
from bot.sizes import parse_size, shown_size
from bot.wire_config import ModelWire

MAX_ENLARGEMENT = 4.0
"""How many times a picture may be enlarged to fill the video; above, nothing but blur would be animated."""


def utc_today() -> date:
    """The day it is now, in UTC."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """A provider as the catalog has it; `key` is the name of the variable that holds the key, None where none is."""

    name: str
    wire: str
    url: str
    key: str | None = None
    auth: str = "auto"
    dialect: str | None = None
    concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class Retired:
    """A model's end at its provider, and what to use in its place; elsewhere than at the host `at` it may live on."""

    on: date
    at: str | None = None
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Style:
    """Words that a member can add to a prompt."""

    label: str
    words: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What is sent in place of a size in pixels."""

    aspect_ratio: str
    resolution: str | None


class Misfit(enum.Enum):
    """What of a request a model does not make."""

    SECONDS = enum.auto()
    SIZE = enum.auto()
    SOUND = enum.auto()
    SILENCE = enum.auto()
    LAST_IMAGE = enum.auto()


class Sound(enum.Enum):
    """Whether a model's videos have sound."""

    NEVER = enum.auto()
    CHOSEN = enum.auto()
    ALWAYS = enum.auto()


_AS_ITS_ID = ModelWire("")


@dataclass(frozen=True, slots=True)
class Model:
    """One model: `sizes` maps "WIDTHxHEIGHT" to credits per second, `usd` to US dollars per second where known.

    `sound_sizes` and `sound_usd` are those with sound, where it costs more. The first length is the default. `shapes`
    has the sizes that the provider knows by aspect ratio and resolution.
    """

    id: str
    label: str
    seconds: tuple[int, ...]
    sizes: Mapping[str, int]
    usd: Mapping[str, float]
    provider: str = ""
    wire: ModelWire = _AS_ITS_ID
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    sound: Sound = Sound.NEVER
    sound_sizes: Mapping[str, int] = field(default_factory=dict)
    sound_usd: Mapping[str, float] = field(default_factory=dict)
    last_image: bool = False
    seed: bool = False
    negative_prompt: bool = False
    retired: Retired | None = None
    fallback: tuple[str, ...] = ()
    unproven: bool = False

    @property
    def wire_of_it(self) -> ModelWire:
        """What its wire is told of it; without a name of the provider's own, its id is that."""
        return self.wire if self.wire.name else replace(self.wire, name=self.id)

    @property
    def cheapest(self) -> int:
        """Credits per second of the cheapest size."""
        return min(self.sizes.values())

    def misfit(self, spec: VideoSpec) -> Misfit | None:
        """The first thing that was chosen and this model does not make; None where it makes all of it."""
        if spec.seconds and spec.seconds not in self.seconds:
            return Misfit.SECONDS
        if spec.size is not None and spec.size not in self.sizes:
            return Misfit.SIZE
        if spec.sound is True and self.sound is Sound.NEVER:
            return Misfit.SOUND
        if spec.sound is False and self.sound is Sound.ALWAYS:
            return Misfit.SILENCE
        if (spec.last_image or spec.loop) and not self.last_image:
            return Misfit.LAST_IMAGE
        return None

    def sound_of(self, spec: VideoSpec) -> bool | None:
        """What its provider is told of the sound, None if nothing; where it costs more, it is made only if chosen."""
        if self.sound is not Sound.CHOSEN:
            return None
        return False if spec.sound is None and self.sound_sizes else spec.sound

    def rates(self, sound: bool | None) -> Mapping[str, int]:  # noqa: FBT001 - the option's value
        """Credits per second of each size."""
        return self.sound_sizes if sound and self.sound_sizes else self.sizes

    def made(self, spec: VideoSpec) -> VideoSpec:
        """The whole video, with its price, of a request that fits; whatever size a picture will decide, it holds."""
        seconds, sound = spec.seconds or self.seconds[0], self.sound_of(spec)
        rates = self.rates(sound)
        rate = min(rates.values())
        if spec.size is not None:
            rate = rates[spec.size]
        elif spec.rate is not None and spec.rate in rates.values():
            rate = spec.rate
        seed = spec.seed if self.seed else None
        return replace(spec, model=self.id, seconds=seconds, credits=rate * seconds, sound=sound, seed=seed)

    def size_for(self, width: int, height: int) -> str:
        """The cheapest size of the orientation of a picture of this many pixels, upright; a square goes upright."""
        size = self.size_at(self.cheapest, width, height)
        assert size is not None
        return size

    def size_at(self, price: float, width: int, height: int, *, sound: bool | None = None) -> str | None:
        """As `size_for`, among the sizes of this price in credits per second; None where there is none any more."""
        wide = width > height
        affordable = [size for size, of_size in self.rates(sound).items() if of_size == price]
        fitting = [size for size in affordable if _is_wide(size) == wide]
        return next(iter(fitting or affordable), None)


class Catalog:
    """All models, the default one first. Those that have ended by `today` are known and not on offer."""

    def __init__(
        self,
        models: Sequence[Model],
        default: str,
        max_enlargement: float = MAX_ENLARGEMENT,
        *,
        providers: Sequence[ProviderEntry] = (),
        styles: Sequence[Style] = (),
        today: Callable[[], date] = utc_today,
    ) -> None:
        self.max_enlargement = max_enlargement
        self.providers = {provider.name: provider for provider in providers}
        self.styles = tuple(styles)
        self._default = default
        self.today = today
        self._models = {model.id: model for model in sorted(models, key=lambda model: model.id != default)}
        self._urls: Mapping[str, str] | None = {each.name: each.url for each in providers} or None

    def offered_by(self, urls: Mapping[str, str]) -> Catalog:
        """The same, offering only what these providers make, each reached at its address."""
        catalog = Catalog(
            list(self._models.values()),
            self._default,
            self.max_enlargement,
            providers=list(self.providers.values()),
            styles=self.styles,
            today=self.today,
        )
        catalog._urls = dict(urls)
        return catalog

    def only(self, allowed: Collection[str] | None) -> Catalog:
        """The same as it is now, offering these models alone; None for all."""
        if allowed is None:
            return self
        catalog = Catalog(
            [model for name, model in self._models.items() if name in allowed],
            self._default,
            self.max_enlargement,
            providers=list(self.providers.values()),
            styles=self.styles,
            today=self.today,
        )
        catalog._urls = self._urls
        return catalog

    def become(self, other: Catalog) -> None:
        """Everybody who has this one sees the other's models from now on."""
        self.max_enlargement, self.providers, self.styles = other.max_enlargement, other.providers, other.styles
        self._default, self._models, self._urls = other._default, other._models, other._urls

    @property
    def models(self) -> list[Model]:
        """Those on offer, the default model first."""
        return [model for model in self._models.values() if self._is_offered(model)]

    @property
    def ended(self) -> list[Model]:
        """Those of its providers that have ended there."""
        providers = {model.provider for model in self._models.values()} if self._urls is None else self._urls
        return [model for model in self._models.values() if model.provider in providers and not self._is_offered(model)]

    @property
    def seconds(self) -> list[int]:
        """Every length of any model, shortest first."""
        return sorted({seconds for model in self.models for seconds in model.seconds})

    @property
    def sizes(self) -> list[str]:
        """Every size of any model."""
        return list(dict.fromkeys(size for model in self.models for size in model.sizes))

    def model(self, model_id: str) -> Model | None:
        """The model, also one that is no longer on offer; None where the catalog does not know it."""
        return self._models.get(model_id)

    def offered(self, typed: str) -> Model | None:
        """The model of this id, or of this label, which somebody may type; None where it is not on offer."""
        found = self._models.get(typed)
        if found is None:
            found = next((model for model in self.models if model.label.casefold() == typed.casefold()), None)
        return found if found is not None and self._is_offered(found) else None

    @property
    def concurrent(self) -> dict[str, int]:
        """How many videos at once each provider makes, where it has a limit."""
        return {name: entry.concurrent for name, entry in self.providers.items() if entry.concurrent is not None}

    def models_of(self, provider: str) -> list[Model]:
        """What this provider makes, of those on offer."""
        return [model for model in self.models if model.provider == provider]

    def best_within(self, credits: int, preferred: str) -> VideoSpec | None:  # noqa: A002 - the word of the domain
        """The dearest video for at most so many credits, of the preferred model if it has one; None if none."""
        fitting = [
            VideoSpec(model.id, seconds=seconds, credits=model.cheapest * seconds)
            for model in self.models
            for seconds in model.seconds
            if model.cheapest * seconds <= credits
        ]
        return max(fitting, key=lambda spec: (spec.model == preferred, spec.credits), default=None)

    def money(self, model_id: str, seconds: int, size: str | None, *, sound: bool | None = None) -> float | None:
        """What the provider asks for it in US dollars, where the catalog knows; with sound unless that is off."""
        model = self._models.get(model_id)
        if model is None or size is None:
            return None
        price = model.usd.get(size) if sound is False else model.sound_usd.get(size, model.usd.get(size))
        return None if price is None else price * seconds

    def complete(self, spec: VideoSpec) -> VideoSpec:
        """The video that was meant, with its price; the price holds whatever size a picture will decide.

        Where no model was chosen, it is the first that makes what was. Raises UserError, saying what would work, where
        what was chosen does not fit together.
        """
        if spec.takes is not None and spec.takes <= 1:
            spec = replace(spec, takes=None)
        if spec.last_image and spec.loop:
            raise UserError("Choose `last_image` or `loop`, not both. Nothing was charged.")
        found = self.possible(spec)
        if found is not None:
            return found
        model = self._chosen(spec.model)
        raise self._misfitting(model, spec, model.misfit(spec))

    def possible(self, spec: VideoSpec) -> VideoSpec | None:
        """As `complete`; None where what was chosen does not fit together. Raises UserError for an unknown model."""
        models = [self._chosen(spec.model)] if spec.model else self.models
        return next((model.made(spec) for model in models if model.misfit(spec) is None), None)

    def _chosen(self, model_id: str) -> Model:
        offered = self.models
        if not offered:
            raise UserError(
                "No model is available right now. Nothing was charged. The person who runs this bot has to fix the "
                "problem."
            )
        if not model_id:
            return offered[0]
        model = self.offered(model_id)
        if model is not None:
            return model
        model = self._models.get(model_id)
        if model is not None and model.retired is not None:
            instead = [each.label for each in offered if each.id in model.retired.instead] or [offered[0].label]
            raise UserError(
                "{model} is no longer available. Nothing was charged. Choose one of these instead: {models}.",
                model=model.label,
                models=instead,
            )
        raise UserError(
            "There is no model “{model}” here. Nothing was charged. Choose one of these: {models}.",
            model=model_id,
            models=[each.label for each in offered],
        )

    def _is_offered(self, model: Model) -> bool:
        """Without any providers, everything is: so it is in tests of the catalog alone."""
        urls = {model.provider: ""} if self._urls is None else self._urls
        if model.provider not in urls:
            return False
        end = model.retired
        if end is None or self.today() < end.on:
            return True
        return end.at is not None and urlsplit(urls[model.provider]).hostname != end.at

    def _misfitting(self, model: Model, spec: VideoSpec, misfit: Misfit | None) -> UserError:
        """What does not fit, and what would."""
        match misfit:
            case Misfit.SIZE:
                return self._wrong_size(model, spec.size or "")
            case Misfit.SOUND | Misfit.LAST_IMAGE:
                asked = VideoSpec(sound=spec.sound) if misfit is Misfit.SOUND else VideoSpec(loop=True)
                others = [other.label for other in self.models if other.misfit(asked) is None]
                return _lacking(model, misfit, others)
            case Misfit.SILENCE:
                return UserError(
                    "{model} always makes sound. Nothing was charged. Leave `sound` empty.", model=model.label
                )
            case _:
                return UserError(
                    "{model} does not make this length: {seconds} s. Nothing was charged. "
                    "Choose one of these lengths: {lengths} s.",
                    model=model.label,
                    lengths=[str(n) for n in model.seconds],
                    seconds=str(spec.seconds),
                )

    def _wrong_size(self, model: Model, size: str) -> UserError:
        others = [other.label for other in self.models if size in other.sizes]
        if not others:
            return UserError(
                "{model} does not make this size: {size}. Nothing was charged. Choose one of these sizes: {sizes}.",
                model=model.label,
                sizes=[shown_size(each) for each in model.sizes],
                size=shown_size(size),
            )
        return UserError(
            "{model} does not make this size: {size}. Nothing was charged. Choose one of these sizes: {sizes}. "
            "Models that make {size}: {models}.",
            model=model.label,
            sizes=[shown_size(each) for each in model.sizes],
            size=shown_size(size),
            models=others,
        )


def _is_wide(size: str) -> bool:
    width, height = parse_size(size)
    return width > height


def _lacking(model: Model, misfit: Misfit, others: Sequence[str]) -> UserError:
    if misfit is Misfit.SOUND:
        lack = N_("{model} cannot make sound. Nothing was charged.")
        would = N_("{model} cannot make sound. Nothing was charged. These models can: {models}.")
    else:
        lack = N_("{model} cannot end a video with a picture you choose. Nothing was charged.")
        would = N_(
            "{model} cannot end a video with a picture you choose. Nothing was charged. These models can: {models}."
        )
    return UserError(would, model=model.label, models=others) if others else UserError(lack, model=model.label)
