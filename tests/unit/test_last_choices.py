"""What a member chose last fills in what they leave out, where it fits; and styles are words of the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.catalog import Catalog, Style, choices, last_choices, styles
from bot.catalog.last_choices import with_last
from bot.errors import UserError
from bot.models import VideoSpec
from tests.builders import seed_catalog

CATALOG = seed_catalog()
CATALOG.styles = (Style("Noir", "black and white, film grain"),)
PRO = VideoSpec("sora-2-pro", seconds=12, rate=5, style="Noir")


def taken(typed: VideoSpec, last: VideoSpec = PRO, catalog: Catalog = CATALOG) -> VideoSpec:
    return catalog.complete(with_last(catalog, typed, last))


def test_what_is_left_out_is_as_it_was_last() -> None:
    spec = taken(VideoSpec(prompt="a hat"))

    assert (spec.model, spec.seconds, spec.credits, spec.style) == ("sora-2-pro", 12, 60, "Noir")


def test_what_is_chosen_comes_first_and_what_does_not_fit_to_it_is_left_to_the_model() -> None:
    assert taken(VideoSpec("sora-2")).credits == 12
    assert taken(VideoSpec(size="720x1280")).credits == 36
    assert taken(VideoSpec(), replace(PRO, seconds=7)).seconds == 4
    assert taken(VideoSpec(), replace(PRO, model="gone", seconds=8)).model == "sora-2"
    assert taken(VideoSpec(), replace(PRO, style="gone")).style is None


def test_a_size_is_remembered_by_its_price_so_that_the_picture_decides_which() -> None:
    typed = VideoSpec("sora-2-pro", "a secret prompt", 8, "1792x1024", style="noir")
    kept = last_choices.as_json(typed, CATALOG.complete(styles.styled(CATALOG, typed)))

    assert "secret" not in kept
    assert last_choices.from_json(kept) == VideoSpec("sora-2-pro", seconds=8, rate=5, style="Noir")
    assert last_choices.from_json('{"model": "sora-2", "mood": "merry"}') == VideoSpec("sora-2")


def test_lists_have_the_prices_of_what_will_be_made() -> None:
    lists: dict[str, Any] = {"seconds": choices.lengths, "model": choices.models, "size": choices.sizes}
    for field, listed in lists.items():
        for value, spec in listed(CATALOG, VideoSpec(), PRO):
            assert taken(VideoSpec(**{field: value})).credits == spec.credits


def test_a_style_adds_its_words_to_what_is_sent_and_may_be_left_out_again() -> None:
    spec = styles.styled(CATALOG, VideoSpec(prompt="a hat", style="noir"))

    assert styles.prompt_of(CATALOG, spec) == "a hat\nblack and white, film grain"
    assert styles.prompt_of(CATALOG, replace(spec, style="gone")) == "a hat"
    assert styles.styled(CATALOG, VideoSpec(style=styles.NO_STYLE)).style is None
    assert with_last(CATALOG, VideoSpec(style=styles.NO_STYLE), PRO).style == styles.NO_STYLE
    with pytest.raises(UserError, match="There is no style"):
        styles.styled(CATALOG, VideoSpec(style="Rococo"))
