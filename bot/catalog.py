"""Models on offer and what their clips cost. Read once from TOML; knows nothing of any API."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from bot.errors import SettingsError, UserError
from bot.models import parse_size

MAX_ENLARGEMENT = 4.0
"""How many times a picture may be enlarged to fill the video; above, nothing but blur would be animated."""
CHOICES = 25
"""Discord's bound on the choices of one option."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model: `sizes` maps "WIDTHxHEIGHT" to credits per second, `usd` to US dollars per second where known.

    The first length is the default.
    """

    id: str
    label: str
    seconds: tuple[int, ...]
    sizes: dict[str, int]
    usd: dict[str, float]

    @property
    def cheapest(self) -> int:
        """Credits per second of the cheapest size."""
        return min(self.sizes.values())

    def size_for(self, width: int, height: int) -> str:
        """The cheapest size of the orientation of a picture of this many pixels, upright; a square goes upright."""
        size = self.size_at(self.cheapest, width, height)
        assert size is not None
        return size

    def size_at(self, price: float, width: int, height: int) -> str | None:
        """As `size_for`, among the sizes of this price in credits per second; None where there is none any more."""
        wide = width > height
        affordable = [size for size, of_size in self.sizes.items() if of_size == price]
        fitting = [size for size in affordable if _is_wide(size) == wide]
        return next(iter(fitting or affordable), None)


@dataclass(frozen=True, slots=True)
class Choice:
    """A clip that can be made: `size` is None where the picture will decide; `credits` holds either way."""

    model: Model
    seconds: int
    size: str | None
    credits: int


class Catalog:
    """All models, the default one first."""

    def __init__(self, models: list[Model], default: str, max_enlargement: float = MAX_ENLARGEMENT) -> None:
        self.max_enlargement = max_enlargement
        self._models = {model.id: model for model in sorted(models, key=lambda model: model.id != default)}

    @property
    def models(self) -> list[Model]:
        """The default model first."""
        return list(self._models.values())

    @property
    def seconds(self) -> list[int]:
        """Every length of any model, shortest first."""
        return sorted({seconds for model in self.models for seconds in model.seconds})

    @property
    def sizes(self) -> list[str]:
        """Every size of any model."""
        return list(dict.fromkeys(size for model in self.models for size in model.sizes))

    def model(self, model_id: str) -> Model | None:
        """The model, or None where it is no longer on offer."""
        return self._models.get(model_id)

    def best_within(self, credits: int, preferred: str) -> Choice | None:  # noqa: A002 - the word of the domain
        """The dearest clip for at most so many credits, of the preferred model if it has one; None if none."""
        fitting = [
            Choice(model, seconds, None, model.cheapest * seconds)
            for model in self.models
            for seconds in model.seconds
            if model.cheapest * seconds <= credits
        ]
        return max(fitting, key=lambda choice: (choice.model.id == preferred, choice.credits), default=None)

    def money(self, model_id: str, seconds: int, size: str | None) -> float | None:
        """What the provider asks for such a clip in US dollars, where the catalog knows."""
        model = self._models.get(model_id)
        price = None if model is None or size is None else model.usd.get(size)
        return None if price is None else price * seconds

    def choose(self, model_id: str | None, seconds: int | None, size: str | None) -> Choice:
        """The clip these options mean. Raises UserError, saying what would work, where they do not fit together."""
        model = self.models[0] if model_id is None else self._models.get(model_id)
        if model is None:
            raise UserError(
                "There is no model “{model}” here. On offer: {models}.", model=str(model_id), models=list(self._models)
            )
        length = model.seconds[0] if seconds is None else seconds
        if length not in model.seconds:
            raise UserError(
                "{model} makes clips of {lengths} seconds, not {seconds}.",
                model=model.label,
                lengths=[str(n) for n in model.seconds],
                seconds=str(length),
            )
        if size is not None and size not in model.sizes:
            raise self._wrong_size(model, size)
        price = model.cheapest if size is None else model.sizes[size]
        return Choice(model, length, size, price * length)

    def _wrong_size(self, model: Model, size: str) -> UserError:
        others = [other.label for other in self.models if size in other.sizes]
        if not others:
            return UserError(
                "{model} makes {sizes}, not {size}.", model=model.label, sizes=list(model.sizes), size=size
            )
        return UserError(
            "{model} makes {sizes}, not {size}. For {size}, choose the model {models}.",
            model=model.label,
            sizes=list(model.sizes),
            size=size,
            models=others,
        )


def load_catalog(path: Path | None) -> Catalog:
    """Reads the catalog at `path`, or the packaged one. Raises SettingsError naming VIDEO_CATALOG."""
    try:
        text = (path or resources.files("bot") / "catalog.toml").read_text("utf-8")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([f"VIDEO_CATALOG: {path} cannot be read as TOML ({error})."]) from error
    try:
        _check_names(raw, ("default", "max_enlargement", "model"), "the file")
        if not isinstance(raw["model"], list) or not raw["model"]:
            raise ValueError("it needs at least one [[model]]")  # noqa: TRY301
        models = [_model(entry) for entry in raw["model"]]
        default = raw.get("default", models[0].id)
        if default not in {model.id for model in models}:
            raise ValueError(f'default = "{default}" names no model of the file')  # noqa: TRY301
        offered = (models, {n for model in models for n in model.seconds}, {s for model in models for s in model.sizes})
        if max(map(len, offered)) > CHOICES:
            raise ValueError(f"Discord shows at most {CHOICES} models, lengths and sizes")  # noqa: TRY301
        if len({model.id for model in models}) < len(models):
            raise ValueError("two models have the same id")  # noqa: TRY301
        max_enlargement = raw.get("max_enlargement", MAX_ENLARGEMENT)
        if type(max_enlargement) not in (int, float) or not max_enlargement >= 1:
            raise ValueError("max_enlargement is a number, 1 or more")  # noqa: TRY301
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError([f"VIDEO_CATALOG: {path} is not a catalog: {_reason(error)}."]) from error
    return Catalog(models, default, max_enlargement)


def _check_names(table: dict[str, Any], known: tuple[str, ...], place: str) -> None:
    """A name that nothing reads is one spelled wrong, and what it should have set would be left as it is."""
    for name in table:
        if name not in known:
            raise ValueError(f'"{name}" means nothing here; {place} may have {", ".join(known)}')


def _model(entry: dict[str, Any]) -> Model:
    _check_names(entry, ("id", "label", "seconds", "sizes", "usd"), f'model "{entry["id"]}"')
    seconds = tuple(entry["seconds"])
    sizes = dict(entry["sizes"])
    if not seconds or not all(type(n) is int and n > 0 for n in seconds):
        raise ValueError(f'model "{entry["id"]}" needs seconds, as whole numbers above 0')
    if not sizes or not all(type(price) is int and price > 0 for price in sizes.values()):
        raise ValueError(f'model "{entry["id"]}" needs sizes, each with whole credits above 0 per second')
    for size in sizes:
        parse_size(size)
    usd = {str(size): float(price) for size, price in entry.get("usd", {}).items()}
    return Model(str(entry["id"]), str(entry.get("label", entry["id"])), seconds, sizes, usd)


def _reason(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)


def _is_wide(size: str) -> bool:
    width, height = parse_size(size)
    return width > height
