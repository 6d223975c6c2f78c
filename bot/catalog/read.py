"""Reads a catalog: a packaged one by its name, or a file by its path. Every fault is one sentence with line and key."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from bot.catalog import entries
from bot.catalog.offer import Catalog, Model, ProviderEntry, Retired, Shape, Sound, Style, utc_today
from bot.catalog.sizes import size_of
from bot.errors import SettingsError
from bot.sizes import parse_size
from bot.wire_config import ModelWire, PictureForm

PACKAGED = "gptproto"
"""What is read where VIDEO_CATALOG is empty."""
_DIALECTS = {"queue": ("fal", "comfy-router"), "comfyui": ("comfyui", "api-v2")}
_PICTURES = {
    "openai": (PictureForm.FILE, PictureForm.DATA_URI, PictureForm.OBJECT),
    "openrouter": (PictureForm.DATA_URI, PictureForm.URL),
    "queue": (PictureForm.DATA_URI, PictureForm.URL),
    "comfyui": (PictureForm.FILE,),
}
"""The ways a wire can be given the picture, its own first."""

_SOUNDS: dict[bool | str, Sound] = {True: Sound.CHOSEN, False: Sound.NEVER, "always": Sound.ALWAYS}
_TOP = ("", 0)
"""Above the first table."""

T = TypeVar("T")
Place = tuple[str | int, ...]
"""The keys that lead to a value, as pydantic tells them."""


class _Wrong(Exception):
    """Something in the file at `place`."""

    def __init__(self, place: Place, sentence: str) -> None:
        super().__init__(sentence)
        self.place = place
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class _Source:
    """A catalog's text, what it is called in sentences, and where its workflows lie."""

    shown: str
    text: str
    folder: Traversable


def packaged() -> list[str]:
    """The names of the catalogs that come with the bot."""
    names = (file.name for file in _folder().iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_catalog(name: str | Path | None = None, *, today: Callable[[], date] = utc_today) -> Catalog:
    """Reads a packaged catalog or the one at a path. Raises SettingsError naming VIDEO_CATALOG, with line and key."""
    source = _source(str(name or PACKAGED))
    try:
        raw = tomllib.loads(source.text)
    except (ValueError, RecursionError) as error:  # also a number that is too long
        raise SettingsError([f"VIDEO_CATALOG: {source.shown} cannot be read as TOML ({error})."]) from error
    try:
        return _catalog(entries.File.model_validate(raw), source, today)
    except ValidationError as error:
        place, sentence = _sentence(error)
        raise SettingsError([_told(source, place, sentence)]) from error
    except _Wrong as error:
        raise SettingsError([_told(source, error.place, error.sentence)]) from error


def _folder() -> Traversable:
    return resources.files("bot") / "catalogs"


def _source(name: str) -> _Source:
    """A name without a dot or a slash is that of a packaged catalog."""
    is_name = re.fullmatch(r"[a-z0-9-]+", name) is not None
    if is_name and name not in packaged() and not Path(name).is_file():
        known = ", ".join(packaged())
        raise SettingsError([f'VIDEO_CATALOG: there is no catalog "{name}". It should be a path, or one of {known}.'])
    is_packaged = is_name and name in packaged()
    file: Traversable = _folder() / f"{name}.toml" if is_packaged else Path(name)
    try:
        return _Source(name, file.read_text("utf-8"), _folder() if is_packaged else Path(name).parent)
    except FileNotFoundError as error:
        known = ", ".join(packaged())
        raise SettingsError(
            [f"VIDEO_CATALOG: there is no file {name}. It should be a path, or one of {known}."]
        ) from error
    except (OSError, ValueError) as error:
        raise SettingsError([f"VIDEO_CATALOG: {name} cannot be read as TOML ({error})."]) from error


def _catalog(file: entries.File, source: _Source, today: Callable[[], date]) -> Catalog:
    providers = [_provider(name, entry) for name, entry in file.providers.items()]
    ids = [model.id for model in file.models]
    models = [_Reader(number, model, file, source).model() for number, model in enumerate(file.models)]
    for model, times in Counter(ids).items():
        if times > 1:
            raise _Wrong(("models", len(ids) - 1 - ids[::-1].index(model), "id"), f'two models are called "{model}"')
    default = file.default or ids[0]
    if default not in ids:
        raise _Wrong(("default",), f'default = "{default}" names no model of the file')
    styles = [Style(style.label, style.words) for style in file.styles]
    return Catalog(models, default, file.max_enlargement, providers=providers, styles=styles, today=today)


def _provider(name: str, entry: entries.Provider) -> ProviderEntry:
    known: tuple[str, ...] = _DIALECTS.get(entry.wire, ())
    if entry.dialect is not None and entry.dialect not in known:
        raise _Wrong(("providers", name, "dialect"), f"dialect should be {entries.SHOULD_BE['dialect']}")
    if entry.wire == "openai" and entry.auth in ("key", "x-api-key"):
        raise _Wrong(("providers", name, "auth"), "with the wire openai auth should be auto, raw, bearer or none")
    if entry.key == "DISCORD_TOKEN":
        raise _Wrong(("providers", name, "key"), "key should not be DISCORD_TOKEN: the token is for Discord alone")
    dialect = entry.dialect or (known[0] if known else None)
    url = entry.url.rstrip("/")
    return ProviderEntry(name, entry.wire, url, entry.key, entry.auth, dialect, entry.concurrent)


@dataclass(frozen=True, slots=True)
class _Reader:
    """One `[[models]]` entry, in its file."""

    number: int
    entry: entries.Model
    file: entries.File
    source: _Source

    def model(self) -> Model:
        entry, provider = self.entry, self._provider()
        shapes = self._shapes()
        end = entry.retired
        retired = None if end is None else Retired(end.on, end.at, tuple(end.instead))
        self._check_ids("fallback", entry.fallback)
        self._check_ids("retired", retired.instead if retired else ())
        return Model(
            entry.id,
            entry.label or entry.id,
            tuple(dict.fromkeys(entry.seconds)),
            self._by_size("credits", entry.credits, shapes),
            self._by_size("usd", entry.usd, shapes),
            provider=provider,
            wire=self._wire(self.file.providers[provider].wire),
            shapes={size: shape for size, shape in shapes.items() if shape is not None},
            sound=_SOUNDS[entry.sound],
            sound_sizes=self._sound_credits(shapes),
            sound_usd=self._by_size("sound_usd", entry.sound_usd, shapes),
            last_image=entry.last_image,
            seed=entry.seed,
            negative_prompt=entry.negative_prompt,
            retired=retired,
            fallback=tuple(entry.fallback),
            unproven=entry.unproven,
        )

    def _sound_credits(self, shapes: dict[str, Shape | None]) -> dict[str, int]:
        if self.entry.sound_credits is None:
            return {}
        if self.entry.sound is not True:
            raise self._wrong("sound_credits", "sound_credits is for a model whose sound can be chosen: sound = true")
        return self._by_size("sound_credits", self.entry.sound_credits, shapes)

    def _provider(self) -> str:
        providers = self.file.providers
        if self.entry.provider is None and len(providers) == 1:
            return next(iter(providers))
        if self.entry.provider not in providers:
            raise self._wrong("provider", f"provider should be one of {', '.join(providers)}")
        return self.entry.provider

    def _shapes(self) -> dict[str, Shape | None]:
        """Every size in pixels, and what is sent in place of it."""
        entry = self.entry
        try:
            if entry.sizes is not None:
                if entry.aspect_ratios or entry.resolutions:
                    raise self._wrong("sizes", "a model has sizes, or aspect_ratios and resolutions, not both")
                return {"{}x{}".format(*parse_size(size)): None for size in entry.sizes}
            if entry.aspect_ratios is None:
                raise self._wrong(None, "the model needs sizes, or aspect_ratios and perhaps resolutions")
            resolutions: list[str | None] = [*entry.resolutions] if entry.resolutions else [None]
            shapes = [Shape(ratio, each) for each in resolutions for ratio in entry.aspect_ratios]
            return {size_of(shape.aspect_ratio, shape.resolution): shape for shape in shapes}
        except ValueError as error:
            place = "sizes" if entry.sizes is not None else "aspect_ratios"
            raise self._wrong("resolutions" if "resolution" in str(error) else place, str(error)) from error

    def _by_size(self, key: str, given: T | Mapping[str, T], shapes: Mapping[str, Shape | None]) -> dict[str, T]:
        """Prices by size: one for all, or a table by size or by resolution. Credits are needed for every size."""
        if not isinstance(given, Mapping):
            return dict.fromkeys(shapes, given)
        found = {
            size: given[name]
            for size, shape in shapes.items()
            for name in (size, "" if shape is None else shape.resolution or "")
            if name in given
        }
        names = {*shapes, *(shape.resolution for shape in shapes.values() if shape is not None)}
        for name in given:
            if name not in names:
                raise self._wrong(key, f'{key} has "{name}", which is no size or resolution of the model')
        for size in shapes:
            if key.endswith("credits") and size not in found:
                raise self._wrong(key, f"{key} has no price for {size}")
        return found

    def _wire(self, wire: str) -> ModelWire:
        entry = self.entry
        picture = PictureForm(entry.picture) if entry.picture else _PICTURES[wire][0]
        if picture not in _PICTURES[wire]:
            raise self._wrong("picture", f"with the wire {wire} picture should be {' or '.join(_PICTURES[wire])}")
        if wire == "queue" and (entry.body is None or entry.result is None):
            missing = "body" if entry.body is None else "result"
            raise self._wrong(missing, f"with the wire queue a model needs {missing}: {entries.SHOULD_BE[missing]}")
        if entry.unsafe is not None and wire != "queue":
            raise self._wrong("unsafe", "unsafe is for models with the wire queue")
        if wire == "comfyui" and entry.workflow is None:
            raise self._wrong("workflow", f"with the wire comfyui a model needs {entries.SHOULD_BE['workflow']}")
        workflow = None if entry.workflow is None else self._workflow(entry.workflow)
        self._check_carried(wire, json.dumps(workflow if wire == "comfyui" else self._body()))
        return ModelWire(
            name=entry.name or entry.id,
            picture=picture,
            body=self._body(),
            result=entry.result,
            unsafe=entry.unsafe,
            refuses_unsafe=entry.unsafe_then == "refuse",
            workflow=workflow,
            fps=entry.fps,
            charges_refusals=entry.charges_refusals,
            max_picture_side=entry.max_picture_side,
            max_picture_bytes=entry.max_picture_bytes,
        )

    def _check_carried(self, wire: str, template: str) -> None:
        """What a model can is offered to members, so the request has to say it."""
        own = {"openrouter": ("sound", "last_image", "seed"), "openai": ("sound", "seed")}.get(wire, ())
        for option in ("sound", "last_image", "seed"):
            carried = re.search(rf"\{{\s*{option}\b", template) is not None
            if getattr(self.entry, option) is True and option not in own and not carried:
                where = "workflow" if wire == "comfyui" else "body"
                raise self._wrong(option, f"{option} is true, and {where} has no placeholder for it")

    def _body(self) -> dict[str, Any] | None:
        """What cannot be sent is found now, and not at a member's first video."""
        try:
            json.dumps(self.entry.body, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise self._wrong("body", "body should hold nothing but what JSON has: no dates, inf or nan") from error
        return self.entry.body

    def _workflow(self, name: str) -> dict[str, Any]:
        """Beside the catalog, or a packaged one."""
        for folder in (self.source.folder, _folder() / "workflows"):
            file = folder / name
            if file.is_file():
                try:
                    found = json.loads(file.read_text("utf-8"))
                except (OSError, ValueError, RecursionError) as error:
                    raise self._wrong("workflow", f"{name} cannot be read as JSON ({error})") from error
                if not isinstance(found, dict) or not found:
                    raise self._wrong("workflow", f"{name} should be {entries.SHOULD_BE['workflow']}")
                return found
        raise self._wrong("workflow", f"there is no {name} beside the catalog, nor is one packaged")

    def _check_ids(self, key: str, ids: Sequence[str]) -> None:
        known = {model.id for model in self.file.models}
        for each in ids:
            if each not in known:
                raise self._wrong(key, f'{key} names "{each}", and there is no such model in the file')

    def _wrong(self, key: str | None, sentence: str) -> _Wrong:
        place: Place = ("models", self.number) if key is None else ("models", self.number, key)
        return _Wrong(place, sentence)


def _sentence(error: ValidationError) -> tuple[Place, str]:
    """The first fault, in the order of the file's own keys."""
    fault = error.errors(include_url=False, include_context=False)[0]
    place = fault["loc"]
    names = [part for part in place if isinstance(part, str)]
    key = next((name for name in reversed(names) if name in entries.SHOULD_BE), names[-1] if names else "")
    if fault["type"] == "extra_forbidden":
        return place, f"{names[-1]} means nothing here"
    problem = "is missing" if fault["type"] == "missing" else "is wrong"
    return place, f"{key} {problem}: it should be {entries.SHOULD_BE.get(key, 'left out')}"


def _told(source: _Source, place: Place, sentence: str) -> str:
    line = _line_of(source.text, place)
    where = "" if line is None else f", line {line}"
    return f"VIDEO_CATALOG: {source.shown}{where}: {sentence}."


def _line_of(text: str, place: Place) -> int | None:
    """The line of the key, or of the table that it is missing from; None where neither stands on a line of its own."""
    table, keys = _table_of(place)
    name = rf"""\s*[\["']*{re.escape(str(keys[0]))}\b""" if keys else "$"
    found: int | None = None
    for number, header, line in _lines(text):
        if table in (header, _TOP) and re.match(name, line):
            return number
        if header == table != _TOP:
            found = found or number
    return found


def _table_of(place: Place) -> tuple[tuple[str, int], Place]:
    """The table a place is in, by its name and its number among those of the name; and the rest of the place."""
    if place[:1] == ("providers",) and len(place) > 1:
        return (f"providers.{place[1]}", 0), place[2:]
    if place[:1] in (("models",), ("styles",)) and len(place) > 1 and isinstance(place[1], int):
        return (str(place[0]), place[1]), place[2:]
    return _TOP, place


def _lines(text: str) -> Iterator[tuple[int, tuple[str, int], str]]:
    """Every line that says something with its number and the table it is in; a table of a model belongs to it."""
    seen: Counter[str] = Counter()
    table = _TOP
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        header = re.match(r"\[{1,2}\s*([^\]]+?)\s*\]{1,2}", stripped)
        if header is not None and "=" not in stripped.split("#")[0]:
            name = header[1].replace('"', "").replace(" ", "")
            if name.startswith(("models.", "styles.")):
                yield number, table, name.split(".", 1)[1] + " ="
                continue
            table = (name, seen[name])
            seen[name] += 1
        if stripped and not stripped.startswith("#"):
            yield number, table, line
