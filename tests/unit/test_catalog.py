"""The catalog: what is on offer, what it costs, and what a wrong file is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from bot.catalog import Catalog, load_catalog
from bot.catalog.read import packaged
from bot.catalog.sizes import size_of
from bot.errors import SettingsError, UserError
from bot.models import VideoSpec
from bot.wire_config import PictureForm
from tests.builders import seed_catalog

SEED = {
    "sora-2": {"720x1280": 1, "1280x720": 1},
    "sora-2-pro": {"720x1280": 3, "1280x720": 3, "1024x1792": 5, "1792x1024": 5},
}
"""Credits per second: DESIGN, “Money”."""
PROVIDER = '[providers.p]\nwire = "openai"\nurl = "http://127.0.0.1:1/v1"\n'


@pytest.fixture(name="catalog")
def _catalog() -> Catalog:
    return seed_catalog()


def written(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text)
    return path


class TestPackaged:
    @pytest.mark.parametrize("name", packaged())
    def test_each_catalog_that_comes_with_the_bot_can_be_read_and_offers_something(self, name: str) -> None:
        catalog = load_catalog(name)

        assert catalog.models
        assert catalog.complete(VideoSpec()).credits > 0
        for model in catalog.models:
            assert all(model.usd.get(size, 0.0) <= price / 10 + 1e-9 for size, price in model.sizes.items()), model.id

    def test_there_is_one_for_each_way_to_start(self) -> None:
        assert packaged() == ["comfy-router", "comfyui", "fal", "gptproto", "litellm", "openrouter"]

    def test_the_seeds_models_are_sent_as_the_seed_says_to_its_own_address(self, catalog: Catalog) -> None:
        first = next(iter(catalog.providers.values()))

        assert (first.wire, first.url, first.key, first.auth) == (
            "openai", "https://gptproto.com/v1", "GPTPROTO_API_KEY", "auto",
        )  # fmt: skip
        for model in catalog.models:
            assert (model.provider, model.wire.name, model.wire.picture) == (first.name, model.id, PictureForm.FILE)

    def test_at_gptproto_the_seeds_models_have_ended_and_others_stand_in_for_them(self) -> None:
        catalog = load_catalog("gptproto")

        assert {model.id for model in catalog.models}.isdisjoint(SEED)
        assert all(model.unproven and model.provider == "gptproto-v3" for model in catalog.models)
        with pytest.raises(UserError) as caught:
            catalog.complete(VideoSpec("sora-2"))
        assert str(caught.value) == (
            "Sora 2 is no longer available. Nothing was charged. Choose one of these instead: Wan 2.6 and Kling 3.0."
        )
        known = catalog.model("sora-2")
        assert known is not None
        assert known.label == "Sora 2"

    def test_it_has_the_eighteen_videos_of_the_seed_at_their_prices(self, catalog: Catalog) -> None:
        found = {
            (model.id, seconds, size): catalog.complete(VideoSpec(model.id, "", seconds, size)).credits
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
        choice = catalog.complete(VideoSpec())

        assert (choice.model, choice.seconds, choice.size, choice.credits) == ("sora-2", 4, None, 4)

    @pytest.mark.parametrize("model", SEED)
    @pytest.mark.parametrize("seconds", [4, 8, 12])
    @pytest.mark.parametrize("picture", [(3000, 4000), (4000, 3000), (500, 500)])
    def test_a_video_without_a_size_costs_what_the_size_costs_that_the_picture_gives_it(
        self, catalog: Catalog, model: str, seconds: int, picture: tuple[int, int]
    ) -> None:
        of = catalog.model(model)
        assert of is not None

        choice = catalog.complete(VideoSpec(model, "", seconds))

        assert choice.credits == catalog.complete(replace(choice, size=of.size_for(*picture))).credits

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
        model = f'{PROVIDER}[[models]]\nid = "m"\nseconds = [4]\nsizes = ["720x1280"]\ncredits = 1\n'

        assert catalog.max_enlargement == 4
        assert load_catalog(written(tmp_path, model)).max_enlargement == 4
        assert load_catalog(written(tmp_path, "max_enlargement = 1.5\n" + model)).max_enlargement == 1.5
        for wrong in ('"4"', "0", "0.5", "nan", "true"):
            with pytest.raises(SettingsError, match="line 1: max_enlargement is wrong: it should be a number"):
                load_catalog(written(tmp_path, f"max_enlargement = {wrong}\n{model}"))


class TestRefusals:
    @pytest.mark.parametrize(
        ("model", "seconds", "size", "sentence"),
        [
            (
                "sora-2", 4, "1792x1024",
                ("Sora 2 does not make this size: 1792×1024. Nothing was charged. "
                 "Choose one of these sizes: 720×1280 and 1280×720. Models that make 1792×1024: Sora 2 Pro."),
            ),
            (
                "sora-2", 4, "640x480",
                ("Sora 2 does not make this size: 640×480. Nothing was charged. "
                 "Choose one of these sizes: 720×1280 and 1280×720."),
            ),
            (
                "sora-2", 5, None,
                ("Sora 2 does not make this length: 5 s. Nothing was charged. "
                 "Choose one of these lengths: 4, 8 and 12 s."),
            ),
            (
                "sora-3", 4, None,
                ("There is no model “sora-3” here. Nothing was charged. "
                 "Choose one of these: Sora 2 and Sora 2 Pro."),
            ),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_refused_with_what_would(
        self, catalog: Catalog, model: str, seconds: int, size: str | None, sentence: str
    ) -> None:
        with pytest.raises(UserError) as caught:
            catalog.complete(VideoSpec(model, "", seconds, size))

        assert str(caught.value) == sentence


GOOD = f"""{PROVIDER}
[[models]]
id = "a"
seconds = [5, 3]
sizes = ["10x20", "20x10"]
credits = {{ "10x20" = 2, "20x10" = 1 }}

[[models]]
id = "b"
label = "The B"
seconds = [8]
sizes = ["30x30"]
credits = 9
"""


class TestOwnCatalog:
    def test_it_is_read_and_its_default_comes_first(self, tmp_path: Path) -> None:
        catalog = load_catalog(written(tmp_path, f'default = "b"\n{GOOD}'))

        assert [(model.id, model.label) for model in catalog.models] == [("b", "The B"), ("a", "a")]
        assert catalog.seconds == [3, 5, 8]
        assert set(catalog.sizes) == {"10x20", "20x10", "30x30"}
        assert catalog.complete(VideoSpec()).credits == 72

    def test_without_a_default_the_first_model_is_it_and_its_first_length(self, tmp_path: Path) -> None:
        choice = load_catalog(written(tmp_path, GOOD)).complete(VideoSpec())

        assert (choice.model, choice.seconds, choice.credits) == ("a", 5, 5)

    def test_where_only_one_orientation_is_cheapest_every_picture_takes_it(self, tmp_path: Path) -> None:
        model = load_catalog(written(tmp_path, GOOD)).model("a")

        assert model is not None
        assert (model.size_for(3, 4), model.size_for(4, 3)) == ("20x10", "20x10")

    @pytest.mark.parametrize(
        ("given", "line", "sentence"),
        [
            ("", None, "providers is missing: it should be a table for each provider, such as [providers.openrouter]"),
            ("models = []", None, "providers is missing"),
            (f"models = []\n{PROVIDER}", 1, "models is wrong: it should be one [[models]] table for each model"),
            (PROVIDER, None, "models is missing: it should be one [[models]] table for each model"),
            (f"{PROVIDER}[models]\nid = 'a'", 4, "models is wrong"),
            (GOOD.replace('wire = "openai"', 'wire = "smoke"'), 2, "wire is wrong: it should be openai, openrouter"),
            (GOOD.replace('url = "http', 'url = "ftp'), 3, "url is wrong: it should be an http(s) address"),
            (GOOD.replace("url =", 'dialect = "fal"\nurl ='), 3, "dialect should be fal or comfy-router with the wire"),
            (GOOD.replace("url =", 'auth = "key"\nurl ='), 3, "with the wire openai auth should be auto, raw, bearer"),
            (GOOD.replace("seconds = [5, 3]\n", ""), 5, "seconds is missing: it should be whole numbers above 0"),
            (GOOD.replace("[5, 3]", "[]"), 7, "seconds is wrong: it should be whole numbers above 0, such as [4, 8]"),
            (GOOD.replace("[5, 3]", "[5, 0]"), 7, "seconds is wrong"),
            (GOOD.replace("[5, 3]", "['5']"), 7, "seconds is wrong"),
            (GOOD.replace("[5, 3]", "[5.0]"), 7, "seconds is wrong"),
            (GOOD.replace("credits = 9", "credits = 0"), 16, "credits is wrong: it should be whole credits above 0"),
            (GOOD.replace("credits = 9", "credits = 0.5"), 16, "credits is wrong"),
            (GOOD.replace("credits = 9", 'credits = { "720p" = 9 }'), 16, 'credits has "720p", which is no size or'),
            (GOOD.replace(', "20x10" = 1', ""), 9, "credits has no price for 20x10"),
            (GOOD.replace("credits = 9", ""), 11, "credits is missing"),
            (GOOD.replace('["30x30"]', '["big"]'), 15, '"big" is not a size, such as 720x1280'),
            (GOOD.replace('sizes = ["30x30"]', ""), 11, "the model needs sizes, or aspect_ratios and perhaps"),
            (GOOD.replace('30x30"]', '30x30"]\naspect_ratios = ["1:1"]'), 15, "a model has sizes, or aspect_ratios"),
            (GOOD.replace('sizes = ["30x30"]', 'aspect_ratios = ["wide"]'), 15, '"wide" is not an aspect ratio'),
            (GOOD.replace('sizes = ["30x30"]', 'aspect_ratios = ["1:1"]\nresolutions = ["hd"]'), 16, '"hd" is not a'),
            (f'defualt = "b"\n{GOOD}', 1, "defualt means nothing here"),
            (GOOD.replace("label", "lable"), 13, "lable means nothing here"),
            (f'default = "c"\n{GOOD}', 1, 'default = "c" names no model of the file'),
            (GOOD.replace('"b"', '"a"'), 12, 'two models are called "a"'),
            (f'{GOOD}provider = "q"', 17, "provider should be one of p"),
            (f'{GOOD}fallback = ["z"]', 17, 'fallback names "z", and there is no such model in the file'),
            (f'{GOOD}retired = {{ on = 2026-01-01, instead = ["z"] }}', 17, 'retired names "z"'),
            (f'{GOOD}retired = "yesterday"', 17, "retired is wrong"),
            (f'{GOOD}picture = "url"', 17, "with the wire openai picture should be file or data-uri or object"),
            (GOOD.replace('"openai"', '"queue"'), 5, "with the wire queue a model needs body"),
            (GOOD.replace('"openai"', '"comfyui"'), 5, "with the wire comfyui a model needs a workflow file"),
            (f"{GOOD}body = {{ day = 2026-01-01 }}", 17, "body should hold nothing but what JSON has"),
            (f"{GOOD}body = {{ strength = [nan] }}", 17, "body should hold nothing but what JSON has"),
            (GOOD.replace("[5, 3]", "[9999999999]"), 7, "seconds is wrong"),
            (f'{GOOD}workflow = "mine.json"', 17, "there is no mine.json beside the catalog, nor is one packaged"),
        ],
    )  # fmt: skip
    def test_a_wrong_file_is_told_in_one_sentence_with_line_and_key(
        self, tmp_path: Path, given: str, line: int | None, sentence: str
    ) -> None:
        path = written(tmp_path, given)

        with pytest.raises(SettingsError) as caught:
            load_catalog(path)

        (told,) = caught.value.sentences
        where = "" if line is None else f", line {line}"
        assert told.startswith(f"VIDEO_CATALOG: {path}{where}: {sentence}")
        assert told.endswith(".")
        assert "\n" not in told

    @pytest.mark.parametrize(
        "content",
        [b"[[model", b"\xff\xfe", b"a = " + b"[" * 5_000, b"a = " + b"9" * 5_000],
        ids=lambda c: str(c)[:9],
    )
    def test_a_file_that_cannot_be_read_is_told_in_one_sentence(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "catalog.toml"
        path.write_bytes(content)

        with pytest.raises(SettingsError) as caught:
            load_catalog(path)

        (sentence,) = caught.value.sentences
        assert sentence.startswith(f"VIDEO_CATALOG: {path} cannot be read as TOML (")

    def test_a_file_that_is_not_there_is_told_with_the_names_of_the_packaged_ones(self, tmp_path: Path) -> None:
        path = tmp_path / "catalog.toml"

        with pytest.raises(SettingsError) as caught:
            load_catalog(path)

        (sentence,) = caught.value.sentences
        assert sentence.startswith(
            f"VIDEO_CATALOG: there is no file {path}. It should be a path, or one of comfy-router,"
        )

    def test_a_path_that_there_cannot_be_is_told_in_one_sentence(self) -> None:
        with pytest.raises(SettingsError, match=r"VIDEO_CATALOG: a.b cannot be read as TOML \("):
            load_catalog("a\0b")

    def test_a_workflow_that_is_too_deep_is_told_in_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "deep.json").write_text('{"a":' + "[" * 100_000)
        given = GOOD.replace('"openai"', '"comfyui"').replace("seconds", 'workflow = "deep.json"\nseconds')

        with pytest.raises(SettingsError, match=r"deep\.json cannot be read as JSON \("):
            load_catalog(written(tmp_path, given))

    def test_discords_token_is_nobodys_key(self, tmp_path: Path) -> None:
        given = GOOD.replace('wire = "openai"', 'wire = "openai"\nkey = "DISCORD_TOKEN"')

        with pytest.raises(SettingsError, match=r"line \d: key should not be DISCORD_TOKEN: the token is for Discord"):
            load_catalog(written(tmp_path, given))

    def test_a_name_that_no_catalog_has_is_told_with_those_that_there_are(self) -> None:
        with pytest.raises(SettingsError, match=r'no catalog "opnrouter"\. It should be a path, or one of comfy'):
            load_catalog("opnrouter")

    def test_there_may_be_more_models_than_discord_shows_at_once(self, tmp_path: Path) -> None:
        models = "".join(
            f'[[models]]\nid = "m{n}"\nseconds = [4]\nsizes = ["720x1280"]\ncredits = 1\n' for n in range(60)
        )

        assert len(load_catalog(written(tmp_path, PROVIDER + models)).models) == 60


class TestShapes:
    @pytest.mark.parametrize(
        ("ratio", "resolution", "size"),
        [
            ("9:16", "720p", "720x1280"),
            ("16:9", "1080P", "1920x1080"),
            ("16:9", "480p", "854x480"),
            ("1:1", None, "720x720"),
            ("3:4", "512", "512x682"),
            ("21:9", "720p", "1680x720"),
            ("16:9", "4K", "3840x2160"),
        ],
    )
    def test_an_aspect_ratio_and_a_resolution_are_a_size(self, ratio: str, resolution: str | None, size: str) -> None:
        assert size_of(ratio, resolution) == size

    def test_a_model_of_aspect_ratios_has_sizes_to_choose_and_prices_by_resolution(self, tmp_path: Path) -> None:
        text = f"""{PROVIDER}
[[models]]
id = "m"
seconds = [5]
aspect_ratios = ["9:16", "16:9"]
resolutions = ["480p", "720p"]
credits = {{ "480p" = 1, "720p" = 2 }}
usd = {{ "480p" = 0.05 }}
"""
        catalog = load_catalog(written(tmp_path, text))

        (model,) = catalog.models
        assert model.sizes == {"480x854": 1, "854x480": 1, "720x1280": 2, "1280x720": 2}
        assert model.usd == {"480x854": 0.05, "854x480": 0.05}
        assert (model.shapes["1280x720"].aspect_ratio, model.shapes["1280x720"].resolution) == ("16:9", "720p")
        assert catalog.complete(VideoSpec("m", "", 5, "1280x720")).credits == 10
        assert model.size_for(4000, 3000) == "854x480"


class TestEnds:
    TEXT = f"""{GOOD}retired = {{ on = 2026-03-04, at = "gone.example", instead = ["a"] }}\n"""

    @pytest.mark.parametrize(
        ("day", "url", "offered"),
        [
            (date(2026, 3, 3), "https://gone.example/v1", ["a", "b"]),
            (date(2026, 3, 4), "https://gone.example/v1", ["a"]),
            (date(2026, 3, 4), "http://127.0.0.1/v1", ["a", "b"]),
        ],
    )
    def test_a_model_is_on_offer_until_its_day_and_after_it_only_elsewhere(
        self, tmp_path: Path, day: date, url: str, offered: list[str]
    ) -> None:
        catalog = load_catalog(written(tmp_path, self.TEXT), today=lambda: day).offered_by({"p": url})

        assert [model.id for model in catalog.models] == offered

    def test_what_is_made_by_nobody_that_can_be_asked_is_not_on_offer(self, tmp_path: Path) -> None:
        catalog = load_catalog(written(tmp_path, GOOD)).offered_by({})

        assert catalog.models == []
        with pytest.raises(UserError):
            catalog.complete(VideoSpec())
