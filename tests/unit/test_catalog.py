"""The catalog: what is on offer, what it costs, and what a broken file is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.catalog import Catalog, load_catalog
from bot.errors import SettingsError, UserError

SEED = {
    "sora-2": {"720x1280": 1, "1280x720": 1},
    "sora-2-pro": {"720x1280": 3, "1280x720": 3, "1024x1792": 5, "1792x1024": 5},
}
"""Credits per second: DESIGN, “Money”."""


@pytest.fixture(name="catalog")
def _catalog() -> Catalog:
    return load_catalog(None)


def written(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text)
    return path


class TestPackaged:
    def test_it_has_the_eighteen_clips_of_the_seed_at_their_prices(self, catalog: Catalog) -> None:
        found = {
            (model.id, seconds, size): catalog.choose(model.id, seconds, size).credits
            for model in catalog.models
            for seconds in model.seconds
            for size in model.sizes
        }

        assert found == {
            (model, seconds, size): seconds * price
            for model, sizes in SEED.items()
            for size, price in sizes.items()
            for seconds in (4, 8, 12)
        }
        assert len(found) == 18

    def test_sora_2_and_four_seconds_are_the_default(self, catalog: Catalog) -> None:
        choice = catalog.choose(None, None, None)

        assert (choice.model.id, choice.seconds, choice.size, choice.credits) == ("sora-2", 4, None, 4)

    @pytest.mark.parametrize("model", SEED)
    @pytest.mark.parametrize("seconds", [4, 8, 12])
    @pytest.mark.parametrize("picture", [(3000, 4000), (4000, 3000), (500, 500)])
    def test_a_clip_without_a_size_costs_what_the_size_costs_that_the_picture_gives_it(
        self, catalog: Catalog, model: str, seconds: int, picture: tuple[int, int]
    ) -> None:
        choice = catalog.choose(model, seconds, None)

        assert choice.credits == catalog.choose(model, seconds, choice.model.size_for(*picture)).credits

    @pytest.mark.parametrize("model", SEED)
    @pytest.mark.parametrize(
        ("picture", "size"),
        [
            ((3000, 4000), "720x1280"),
            ((4000, 3000), "1280x720"),
            ((500, 500), "720x1280"),
            ((501, 500), "1280x720"),
            ((1, 10_000), "720x1280"),
        ],
    )
    def test_the_size_follows_the_picture_and_a_square_stands_upright(
        self, catalog: Catalog, model: str, picture: tuple[int, int], size: str
    ) -> None:
        found = catalog.model(model)

        assert found is not None
        assert found.size_for(*picture) == size

    def test_a_picture_may_be_enlarged_four_times_unless_the_file_says_otherwise(
        self, catalog: Catalog, tmp_path: Path
    ) -> None:
        model = '[[model]]\nid = "m"\nseconds = [4]\nsizes = { "720x1280" = 1 }\n'

        assert catalog.max_enlargement == 4
        assert load_catalog(written(tmp_path, model)).max_enlargement == 4
        assert load_catalog(written(tmp_path, "max_enlargement = 1.5\n" + model)).max_enlargement == 1.5
        for wrong in ('"4"', "0", "0.5", "nan", "true"):
            with pytest.raises(SettingsError, match="max_enlargement is a number, 1 or more"):
                load_catalog(written(tmp_path, f"max_enlargement = {wrong}\n{model}"))


class TestRefusals:
    @pytest.mark.parametrize(
        ("model", "seconds", "size", "sentence"),
        [
            (
                "sora-2", 4, "1792x1024",
                "Sora 2 makes 720x1280 and 1280x720, not 1792x1024. For 1792x1024, choose the model Sora 2 Pro.",
            ),
            ("sora-2", 4, "640x480", "Sora 2 makes 720x1280 and 1280x720, not 640x480."),
            ("sora-2", 5, None, "Sora 2 makes clips of 4, 8 and 12 seconds, not 5."),
            ("sora-3", 4, None, "There is no model “sora-3” here. On offer: sora-2 and sora-2-pro."),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_refused_with_what_would(
        self, catalog: Catalog, model: str, seconds: int, size: str | None, sentence: str
    ) -> None:
        with pytest.raises(UserError) as caught:
            catalog.choose(model, seconds, size)

        assert str(caught.value) == sentence


GOOD = """
[[model]]
id = "a"
seconds = [5, 3]
sizes = { "10x20" = 2, "20x10" = 1 }

[[model]]
id = "b"
label = "The B"
seconds = [8]
sizes = { "30x30" = 9 }
"""
NEEDS_SECONDS = 'model "a" needs seconds, as whole numbers above 0'
NEEDS_SIZES = 'model "a" needs sizes, each with whole credits above 0 per second'


class TestOwnCatalog:
    def test_it_is_read_and_its_default_comes_first(self, tmp_path: Path) -> None:
        catalog = load_catalog(written(tmp_path, f'default = "b"\n{GOOD}'))

        assert [(model.id, model.label) for model in catalog.models] == [("b", "The B"), ("a", "a")]
        assert catalog.seconds == [3, 5, 8]
        assert set(catalog.sizes) == {"10x20", "20x10", "30x30"}
        assert catalog.choose(None, None, None).credits == 72

    def test_without_a_default_the_first_model_is_it_and_its_first_length(self, tmp_path: Path) -> None:
        choice = load_catalog(written(tmp_path, GOOD)).choose(None, None, None)

        assert (choice.model.id, choice.seconds, choice.credits) == ("a", 5, 5)

    def test_where_only_one_orientation_is_cheapest_every_picture_takes_it(self, tmp_path: Path) -> None:
        model = load_catalog(written(tmp_path, GOOD)).model("a")

        assert model is not None
        assert (model.size_for(3, 4), model.size_for(4, 3)) == ("20x10", "20x10")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "'model' is missing"),
            ("model = []", None),
            ("[model]\nid = 'a'", None),
            ("model = 5", None),
            ("[[model]]\nid = 'a'\nsizes = { '1x1' = 1 }", "'seconds' is missing"),
            ("[[model]]\nid = 'a'\nseconds = [4]", "'sizes' is missing"),
            ("[[model]]\nseconds = [4]\nsizes = { '1x1' = 1 }", "'id' is missing"),
            ("[[model]]\nid = 'a'\nseconds = []\nsizes = { '1x1' = 1 }", NEEDS_SECONDS),
            ("[[model]]\nid = 'a'\nseconds = [0]\nsizes = { '1x1' = 1 }", NEEDS_SECONDS),
            ("[[model]]\nid = 'a'\nseconds = ['4']\nsizes = { '1x1' = 1 }", NEEDS_SECONDS),
            ("[[model]]\nid = 'a'\nseconds = [4.0]\nsizes = { '1x1' = 1 }", NEEDS_SECONDS),
            ("[[model]]\nid = 'a'\nseconds = [4]\nsizes = {}", NEEDS_SIZES),
            ("[[model]]\nid = 'a'\nseconds = [4]\nsizes = { '1x1' = 0 }", NEEDS_SIZES),
            ("[[model]]\nid = 'a'\nseconds = [4]\nsizes = { '1x1' = 0.5 }", NEEDS_SIZES),
            ("[[model]]\nid = 'a'\nseconds = [4]\nsizes = { '0x1' = 1 }", '"0x1" is not a size, such as 720x1280'),
            ("[[model]]\nid = 'a'\nseconds = [4]\nsizes = { 'big' = 1 }", None),
            (f'defualt = "b"\n{GOOD}',
             '"defualt" means nothing here; the file may have default, max_enlargement, model'),
            (GOOD.replace("label", "lable"),
             '"lable" means nothing here; model "b" may have id, label, seconds, sizes, usd'),
            (f'default = "c"\n{GOOD}', 'default = "c" names no model of the file'),
            (GOOD.replace('"b"', '"a"'), "two models have the same id"),
        ],
    )  # fmt: skip
    def test_a_file_that_is_no_catalog_is_told_in_one_sentence(
        self, tmp_path: Path, text: str, reason: str | None
    ) -> None:
        path = written(tmp_path, text)

        with pytest.raises(SettingsError) as caught:
            load_catalog(path)

        (sentence,) = caught.value.sentences
        assert sentence.startswith(f"VIDEO_CATALOG: {path} is not a catalog: ")
        assert "\n" not in sentence
        if reason is not None:
            assert sentence == f"VIDEO_CATALOG: {path} is not a catalog: {reason}."

    @pytest.mark.parametrize("content", [b"[[model", b"\xff\xfe", None])
    def test_a_file_that_cannot_be_read_is_told_in_one_sentence(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "catalog.toml"
        if content is not None:
            path.write_bytes(content)

        with pytest.raises(SettingsError) as caught:
            load_catalog(path)

        (sentence,) = caught.value.sentences
        assert sentence.startswith(f"VIDEO_CATALOG: {path} cannot be read as TOML (")
