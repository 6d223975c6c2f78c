"""What can still be chosen: only what can be made, in whatever order it is chosen, with the price that is charged."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from bot.catalog import Catalog, Model, choices, load_catalog
from bot.catalog.offer import Sound
from bot.catalog.read import packaged
from bot.chat import prices
from bot.i18n.translations import TranslationCatalog
from bot.models import VideoSpec
from tests.builders import seed_catalog

LISTS: dict[str, Any] = {
    "model": choices.models, "seconds": choices.lengths, "size": choices.sizes, "sound": choices.sounds
}  # fmt: skip
ENGLISH = TranslationCatalog().english


def many(count: int) -> Catalog:
    sizes = {f"{720 + 2 * number}x1280": number % 3 + 1 for number in range(4)}
    models = [Model(f"m{n}", f"Model {n}", (4 + n % 7, 12 + n % 5), sizes, {}) for n in range(count)]
    return Catalog(models, "m0")


@pytest.mark.parametrize("name", packaged())
def test_whatever_is_chosen_in_whatever_order_fits_and_costs_what_the_list_said(name: str) -> None:
    catalog = load_catalog(name)
    for order in permutations(LISTS):
        chosen = [VideoSpec()]
        for field in order:
            offered = [
                (replace(before, **{field: value}), spec)
                for before in chosen
                for value, spec in LISTS[field](catalog, before)
            ]
            assert offered
            assert [catalog.complete(picked) for picked, _ in offered] == [spec for _, spec in offered]
            chosen = [picked for picked, _ in offered]


def test_a_length_that_the_default_model_does_not_make_is_made_by_the_first_that_does() -> None:
    catalog = many(3)

    found = choices.lengths(catalog, VideoSpec())

    assert {seconds: spec.model for seconds, spec in found} == {4: "m0", 12: "m0", 5: "m1", 13: "m1", 6: "m2", 14: "m2"}
    assert catalog.complete(VideoSpec(seconds=13)).model == "m1"


def test_an_unknown_model_leaves_every_other_choice_open() -> None:
    catalog = seed_catalog()

    assert choices.known(catalog, VideoSpec("sora 2 PRO")).model == "sora-2-pro"
    assert choices.known(catalog, VideoSpec("nothing")).model == ""


class TestForms:
    @pytest.mark.parametrize("name", packaged())
    def test_every_option_can_be_made_in_each_shape_of_the_form(self, name: str) -> None:
        catalog = load_catalog(name)
        video_options = choices.video_options(catalog, VideoSpec(), 25)
        assert 1 <= len(video_options) <= 25
        for option in video_options:
            for shape in (None, *choices.shapes(video_options)):
                spec = option.of_shape(shape)
                assert catalog.complete(spec).credits == option.spec.credits
                assert shape is None or choices.shape_of(spec.size or "") == shape

    @pytest.mark.parametrize("count", [1, 25, 300])
    def test_a_catalog_of_any_size_fits_and_what_was_chosen_before_stays(self, count: int) -> None:
        catalog = many(count)
        chosen = catalog.complete(VideoSpec(f"m{count - 1}", size="722x1280"))

        video_options = choices.video_options(catalog, chosen, 25)

        assert len(video_options) == min(25, 6 * count)
        assert sum(option.is_chosen(chosen) for option in video_options) == 1

    def test_the_dearer_sizes_keep_their_price_when_the_picture_decides(self) -> None:
        catalog = seed_catalog()
        (dear,) = (w for w in choices.video_options(catalog, VideoSpec(), 25) if w.spec.credits == 40)

        assert catalog.complete(dear.of_shape(None)).credits == 40
        assert dear.of_shape("landscape").size == "1792x1024"

    def test_sound_with_a_price_of_its_own_is_a_choice_of_the_form_and_what_was_chosen_is_there(self) -> None:
        sizes, dear = {"720x1280": 1}, {"720x1280": 2}
        able = Model("able", "Able", (4, 8), sizes, {}, sound=Sound.CHOSEN, sound_sizes=dear)
        catalog = Catalog([able, Model("plain", "Plain", (4,), sizes, {})], "able")

        fresh = choices.video_options(catalog, VideoSpec(), 25)
        edited = choices.video_options(catalog, catalog.complete(VideoSpec("able", seconds=8, sound=True)), 25)

        assert [(w.spec.model, w.spec.sound, w.spec.total) for w in fresh] == [
            ("able", False, 4), ("able", False, 8), ("able", True, 8), ("able", True, 16), ("plain", None, 4)
        ]  # fmt: skip
        chosen = catalog.complete(VideoSpec("able", seconds=8, sound=True))
        assert [(w.spec.sound, w.spec.total) for w in edited if w.is_chosen(chosen)] == [(True, 16)]


class TestLabels:
    def test_it_says_the_price_and_what_is_left(self) -> None:
        spec = VideoSpec("sora-2", seconds=8, credits=8)

        def label(left: int | None) -> str:
            return prices.choice_label(ENGLISH, "8 s", [], spec, left)

        assert label(12) == "8 s · 8 credits · you have 12"
        assert label(7) == "8 s · 8 credits · not enough credits: you have 7"
        assert label(None) == "8 s · 8 credits"

    def test_a_long_name_loses_its_end_and_the_price_stays(self) -> None:
        label = prices.choice_label(ENGLISH, "x" * 200, [], VideoSpec(credits=8), 12)

        assert len(label) == 100
        assert label.endswith("x · 8 credits · you have 12")

    def test_a_long_name_of_a_model_takes_nothing_from_the_length_and_the_price(self) -> None:
        label = prices.choice_label(ENGLISH, "8 s", ["m" * 100], VideoSpec(credits=8), 12)

        assert len(label) == 100
        assert label.startswith("8 s · mmm")
        assert label.endswith("m · 8 credits · you have 12")
