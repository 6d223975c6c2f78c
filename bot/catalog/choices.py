"""What can still be chosen, given what is chosen already: whole videos with their prices, each of which can be made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.catalog.last_choices import with_last
from bot.catalog.offer import Catalog, Model
from bot.models import VideoSpec
from bot.sizes import parse_size

T = TypeVar("T")
MOST_TAKES = 4
"""Of one request."""


def known(catalog: Catalog, chosen: VideoSpec) -> VideoSpec:
    """What was chosen, without a model that is not on offer: a list shows what there is in its place."""
    model = catalog.offered(chosen.model)
    return replace(chosen, model="" if model is None else model.id)


def models(catalog: Catalog, chosen: VideoSpec, last: VideoSpec | None = None) -> list[tuple[str, VideoSpec]]:
    """The models that make what is chosen beside it, in the order of the catalog, each with a video of it.

    Here and below, what is not chosen is as it was `last`, where that fits: so is the video that is then made.
    """
    fitting = (model.id for model in catalog.models if model.misfit(chosen) is None)
    return _possible(catalog, fitting, lambda model: replace(chosen, model=model), last)


def lengths(catalog: Catalog, chosen: VideoSpec, last: VideoSpec | None = None) -> list[tuple[int, VideoSpec]]:
    """The shortest first."""
    return _possible(catalog, catalog.seconds, lambda seconds: replace(chosen, seconds=seconds), last)


def sizes(catalog: Catalog, chosen: VideoSpec, last: VideoSpec | None = None) -> list[tuple[str, VideoSpec]]:
    """In pixels."""
    return _possible(catalog, catalog.sizes, lambda size: replace(chosen, size=size), last)


def sounds(catalog: Catalog, chosen: VideoSpec, last: VideoSpec | None = None) -> list[tuple[bool, VideoSpec]]:
    """With sound and without, as far as they can be had."""
    return _possible(catalog, (True, False), lambda sound: replace(chosen, sound=sound), last)


def takes(
    catalog: Catalog, chosen: VideoSpec, last: VideoSpec | None = None, *, at_most: int
) -> list[tuple[int, VideoSpec]]:
    """How many videos of one request."""
    return _possible(catalog, range(2, at_most + 1), lambda count: replace(chosen, takes=count), last)


def _possible(
    catalog: Catalog, values: Iterable[T], asked: Callable[[T], VideoSpec], last: VideoSpec | None
) -> list[tuple[T, VideoSpec]]:
    """Each value with the video that it would be, where there is one."""
    found = ((value, catalog.possible(with_last(catalog, asked(value), last))) for value in values)
    return [(value, spec) for value, spec in found if spec is not None]


@dataclass(frozen=True, slots=True)
class VideoOption:
    """A video as one option of a form has it: model, length and price; the picture, or a shape, decides the size."""

    model: Model
    spec: VideoSpec

    @property
    def sizes(self) -> list[str]:
        """Those among which it is decided."""
        return [size for size, rate in self.model.rates(self.spec.sound).items() if rate == self.spec.rate]

    def is_chosen(self, spec: VideoSpec) -> bool:
        """Whether it is what was asked for before."""
        mine = self.spec.model, self.spec.seconds, self.spec.sound
        has_rate = spec.rate in (None, self.spec.rate) if spec.size is None else spec.size in self.sizes
        return mine == (spec.model, spec.seconds, self.model.sound_of(spec)) and has_rate

    def of_shape(self, shape: str | None) -> VideoSpec:
        """The video in this shape; with None as the picture is. Only a shape that it has."""
        size = None if shape is None else next(size for size in self.sizes if shape_of(size) == shape)
        is_told = size is not None or self.spec.rate == min(self.model.rates(self.spec.sound).values())
        return replace(self.spec, size=size, rate=None if is_told else self.spec.rate)


def video_options(catalog: Catalog, chosen: VideoSpec, at_most: int) -> list[VideoOption]:
    """Every video that fits what is chosen beside model, length and size, in the order of the catalog.

    Where there are more than `at_most`, each model loses its dearest sizes and last lengths; what is chosen stays.
    """
    asked = replace(chosen, seconds=0, size=None, rate=None)
    found = [list(_of_model(model, asked)) for model in catalog.models if model.misfit(asked) is None]
    kept = {
        (at, place)
        for at, of_model in enumerate(found)
        for place, whole in enumerate(of_model)
        if whole.is_chosen(chosen)
    }
    rounds = ((at, place) for place in range(max(map(len, found), default=0)) for at in range(len(found)))
    for at, place in rounds:
        if len(kept) < at_most and place < len(found[at]):
            kept.add((at, place))
    return [
        whole
        for at, of_model in enumerate(found)
        for whole in sorted(
            (whole for place, whole in enumerate(of_model) if (at, place) in kept),
            key=lambda whole: (whole.spec.sound is True, whole.spec.rate or 0, whole.spec.seconds),
        )
    ]


def _of_model(model: Model, asked: VideoSpec) -> Iterator[VideoOption]:
    """The first length of the cheapest sizes first; with sound and without, where that has a price of its own."""
    for sound in (False, True) if model.sound_sizes else (model.sound_of(asked),):
        for rate in sorted(set(model.rates(sound).values())):
            for seconds in model.seconds:
                yield VideoOption(model, model.made(replace(asked, seconds=seconds, rate=rate, sound=sound)))


def shapes(among: Sequence[VideoOption]) -> list[str]:
    """The shapes that every one of these videos can have."""
    found = [[shape_of(size) for size in whole.sizes] for whole in among]
    return [shape for shape in dict.fromkeys(found[0] if found else ()) if all(shape in each for each in found)]


def shape_of(size: str) -> str:
    """ "portrait", "landscape" or "square"."""
    width, height = parse_size(size)
    return "square" if width == height else "landscape" if width > height else "portrait"
