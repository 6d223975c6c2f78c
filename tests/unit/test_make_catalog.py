"""OpenRouter's list as a catalog: prices in all their forms, and only what Discord can offer."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bot.__main__ import parser
from bot.catalog import Catalog, load_catalog
from bot.catalog.offer import Sound
from bot.make_catalog.openrouter import Entries, entries_of
from bot.make_catalog.prices import Price, UnpricedError, credits_for, price_of
from bot.make_catalog.toml import text_of

HD = (1280, 720)


def usd(skus: Any, resolution: str | None = "720p", *, shortest_s: int = 5) -> float:
    return price_of(skus, resolution, HD, shortest_s).usd


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf"])
def test_a_price_of_a_credit_that_is_none_is_a_wrong_argument(value: str) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["catalog", "openrouter", f"--usd-per-credit={value}"])

    assert ended.value.code == 2


class TestPrices:
    @pytest.mark.parametrize(
        ("skus", "resolution", "expected"),
        [
            ({"duration_seconds": "0.13"}, "720p", 0.13),
            ({"duration_seconds_480p": "0.05", "duration_seconds_720p": "0.10"}, "720p", 0.10),
            ({"duration_seconds": "0.40", "duration_seconds_4k": "0.60"}, "4K", 0.60),
            ({"per-video-second": "0.5", "per-video-second-1080p": "0.75"}, "1080p", 0.75),
            ({"cents_per_second_output": "12"}, "720p", 0.12),
            ({"cents_per_video_output_second_720p": "14"}, "720p", 0.14),
            (
                {"image_to_video_duration_seconds_720p": "0.10", "text_to_video_duration_seconds_720p": "9"},
                "720p",
                0.10,
            ),
            ({"duration_seconds": "0.1", "reference_duration_seconds": "9"}, "720p", 0.1),
            ({"cents_per_second_output": "17", "cents_per_second_video_continuation_720p": "41"}, "720p", 0.17),
        ],
    )
    def test_each_known_form_is_read(self, skus: dict[str, str], resolution: str, expected: float) -> None:
        assert usd(skus, resolution) == expected

    def test_the_price_with_sound_counts_also_where_only_silence_has_one_of_its_own_here(self) -> None:
        skus = {
            "duration_seconds_with_audio": "0.12", "duration_seconds_without_audio": "0.10",
            "duration_seconds_without_audio_720p": "0.08",
        }  # fmt: skip

        assert usd(skus) == 0.12
        assert usd(skus | {"duration_seconds_with_audio_720p": "0.10"}) == 0.10

    def test_tokens_are_reckoned_from_the_pixels_and_told_to_be_an_estimate(self) -> None:
        assert price_of({"video_tokens": "0.000007"}, "720p", HD, 5) == Price(0.1512, is_estimated=True)

    def test_what_is_paid_once_is_spread_over_the_shortest_video(self) -> None:
        assert usd({"cents_per_video_output_second": "14", "cents_per_image_input": "1"}, shortest_s=1) == 0.15
        assert usd({"cents_per_second_output": "28", "minimum_cents_per_generation": "56"}, shortest_s=1) == 0.56
        assert usd({"cents_per_second_output": "28", "minimum_cents_per_generation": "56"}, shortest_s=5) == 0.28

    @pytest.mark.parametrize(
        ("skus", "reason"),
        [
            (None, "its price is not listed"),
            ({}, "its price is not listed"),
            (
                {"duration_seconds": "0.1", "cents_per_megapixel_second": "2"},
                "a part that is not known: cents_per_megapixel",
            ),
            ({"duration_seconds": "free"}, "its price is not a number: duration_seconds"),
            ({"duration_seconds": "-1"}, "its price is not a number: duration_seconds"),
            ({"duration_seconds": "nan"}, "its price is not a number: duration_seconds"),
            ({"duration_seconds_1080p": "0.1"}, "its price per second is not listed"),
            ({"cents_per_image_input": "1"}, "its price per second is not listed"),
        ],
    )
    def test_what_is_not_known_is_no_price(self, skus: Any, reason: str) -> None:
        with pytest.raises(UnpricedError, match=reason):
            usd(skus)

    @pytest.mark.parametrize(
        ("price", "expected"), [(0.0, 1), (0.04, 1), (0.10, 1), (0.1001, 2), (0.30, 3), (0.354, 4)]
    )
    def test_credits_are_rounded_up_and_at_least_one(self, price: float, expected: int) -> None:
        assert credits_for(price, 0.10) == expected


def a_model(model_id: str = "acme/video", /, **changes: Any) -> dict[str, Any]:
    return {
        "id": model_id, "name": f"Acme: {model_id.rpartition('/')[2]}", "supported_durations": [5, 10],
        "supported_resolutions": ["720p"], "supported_aspect_ratios": ["16:9", "9:16"], "supported_sizes": None,
        "supported_frame_images": ["first_frame"], "generate_audio": None, "seed": None,
        "pricing_skus": {"duration_seconds": "0.1"}, **changes,
    }  # fmt: skip


def written(found: Entries, folder: Path) -> tuple[Catalog, str]:
    """As the loader reads it, and the text."""
    provider = load_catalog("openrouter").providers["openrouter"]
    text = text_of(found, provider, source="https://a.example/list", day=date(2026, 11, 28), usd_per_credit=0.1)
    path = folder / "catalog.toml"
    path.write_text(text, "utf-8")
    return load_catalog(path), text


class TestModels:
    def test_a_model_has_its_lengths_shapes_prices_and_options(self, tmp_path: Path) -> None:
        listed = a_model(
            "google/veo-3.1", name="Google: Veo 3.1", supported_resolutions=["720p", "1080p"], generate_audio=True,
            seed=True, supported_frame_images=["first_frame", "last_frame"],
            pricing_skus={"duration_seconds_720p": "0.1", "duration_seconds_1080p": "0.354"},
        )  # fmt: skip

        catalog, text = written(entries_of([listed]), tmp_path)

        (model,) = catalog.models
        assert (model.id, model.label, model.wire.name) == ("veo-3.1", "Veo 3.1", "google/veo-3.1")
        assert model.seconds == (5, 10)
        assert model.sizes == {"720x1280": 1, "1280x720": 1, "1080x1920": 4, "1920x1080": 4}
        assert model.usd["1080x1920"] == 0.354
        assert model.shapes["720x1280"].aspect_ratio == "9:16"
        assert (model.sound, model.last_image, model.seed) == (Sound.CHOSEN, True, True)
        assert "2026-11-28" in text
        assert "https://a.example/list" in text

    def test_a_model_known_by_sizes_alone_is_written_with_sizes(self, tmp_path: Path) -> None:
        listed = a_model(supported_aspect_ratios=None, supported_resolutions=None, supported_sizes=["720x1280", "big"])

        (model,) = written(entries_of([listed]), tmp_path)[0].models

        assert model.sizes == {"720x1280": 1}
        assert model.shapes == {}

    def test_only_models_that_take_a_first_frame_are_written(self, tmp_path: Path) -> None:
        listed = [
            a_model(),
            a_model("acme/text", supported_frame_images=[]),
            a_model("acme/none", supported_frame_images=None),
        ]

        found = entries_of(listed)

        assert [model.wire.name for model in written(found, tmp_path)[0].models] == ["acme/video"]
        assert found.left_out == {}

    def test_what_is_left_out_is_said_with_the_reason(self, tmp_path: Path) -> None:
        odd = a_model("acme/odd", pricing_skus={"per_mood\n[providers.evil]": "1"})
        listed = [
            a_model(),
            odd,
            a_model("acme/shapeless", supported_aspect_ratios=["auto"]),
            a_model("acme/endless", supported_durations=None),
        ]

        catalog, text = written(entries_of(listed), tmp_path)

        assert [model.id for model in catalog.models] == ["video"]
        assert r"# - acme/odd: its price has a part that is not known: per_mood\n[providers.evil]" in text
        assert "# - acme/shapeless: neither its aspect ratios nor its sizes are listed" in text
        assert "# - acme/endless: its lengths are not listed" in text

    def test_the_cheapest_is_the_default(self, tmp_path: Path) -> None:
        listed = [a_model("acme/dear", pricing_skus={"duration_seconds": "1"}), a_model("acme/cheap")]

        assert written(entries_of(listed), tmp_path)[0].models[0].id == "cheap"

    def test_names_that_end_alike_are_told_apart(self, tmp_path: Path) -> None:
        catalog, _ = written(entries_of([a_model("acme/video"), a_model("other/video")]), tmp_path)

        assert {model.id for model in catalog.models} == {"acme-video", "other-video"}

    @pytest.mark.parametrize("label", ['a "quoted" \\ name', "Ünïcode ✨", "tab\tnew\nline\x7f", "", None, 7])
    def test_no_label_breaks_the_file(self, tmp_path: Path, label: Any) -> None:
        assert len(written(entries_of([a_model(name=label)]), tmp_path)[0].models) == 1

    def test_a_long_list_is_taken_whole_the_cheapest_first(self, tmp_path: Path) -> None:
        many = [a_model(f"acme/m{n:02}", pricing_skus={"duration_seconds": f"{n + 1}"}) for n in range(60)]

        catalog, _ = written(entries_of(many), tmp_path)

        assert [model.id for model in catalog.models] == [f"m{n:02}" for n in range(60)]

    def test_a_model_with_every_length_offers_the_usual_ones(self) -> None:
        (entry,) = entries_of([a_model(supported_durations=list(range(1, 31)))]).entries

        assert entry.seconds == (4, 5, 6, 8, 10, 12)

    @pytest.mark.parametrize("odd", [None, 3, "x", [], {}, {"id": 3}, {"id": "two words"}, {"id": "a" * 101}])
    def test_what_is_no_model_is_passed_over(self, odd: Any) -> None:
        assert len(entries_of([odd, a_model()]).entries) == 1
