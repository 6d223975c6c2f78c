"""Sound, last pictures and seeds: offered only where they are sent, and kept by whoever stands in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.catalog import Catalog, Model, load_catalog
from bot.catalog.offer import Sound
from bot.errors import SettingsError, UserError
from bot.jobs import request_keys
from bot.jobs.steps.fallback import specs_instead
from bot.models import VideoSpec
from bot.providers.protocols import CreateRequest
from bot.wire_config import ModelWire, ProviderConfig

ABLE = Model(
    "able", "Able", (4,), {"720x1280": 2}, {"720x1280": 0.1}, sound=Sound.CHOSEN, sound_sizes={"720x1280": 3},
    sound_usd={"720x1280": 0.2}, last_image=True, seed=True, fallback=("plain", "twin"),
)  # fmt: skip
PLAIN = Model("plain", "Plain", (4,), {"720x1280": 1}, {})
LOUD = Model("loud", "Loud", (4,), {"720x1280": 1}, {}, sound=Sound.ALWAYS)
TWIN = replace(ABLE, id="twin", label="Twin", fallback=())
CATALOG = Catalog([ABLE, PLAIN, LOUD, TWIN], "able")
MODEL = '[[models]]\nid = "m"\nseconds = [4]\nsizes = ["720x1280"]\ncredits = 1\n'
WIRES = {
    "openai": 'wire = "openai"\nurl = "http://127.0.0.1:1/v1"\n',
    "openrouter": 'wire = "openrouter"\nurl = "http://127.0.0.1:1/v1"\n',
    "queue": 'wire = "queue"\nurl = "http://127.0.0.1:1"\n',
}
QUEUE = 'body = {{ prompt = "{{prompt}}", image = "{{picture}}", {} = "{{{}}}" }}\nresult = "video.url"\n'


def read(folder: Path, wire: str, model: str) -> Catalog:
    path = folder / "catalog.toml"
    path.write_text(f"[providers.p]\n{WIRES[wire]}{MODEL}{model}")
    return load_catalog(path)


@pytest.mark.parametrize(
    ("wire", "option", "is_sent"),
    [
        ("openai", "sound", True), ("openai", "seed", True), ("openai", "last_image", False),
        ("openrouter", "sound", True), ("openrouter", "seed", True), ("openrouter", "last_image", True),
        ("queue", "sound", False), ("queue", "seed", False), ("queue", "last_image", False),
    ],
)  # fmt: skip
def test_what_no_request_would_say_is_not_offered(tmp_path: Path, wire: str, option: str, *, is_sent: bool) -> None:
    body = QUEUE.format("x", "prompt") if wire == "queue" else ""
    if is_sent:
        assert read(tmp_path, wire, f"{option} = true\n{body}").models
        return
    with pytest.raises(SettingsError, match=rf"line \d+: {option} is true, and body has no placeholder for it"):
        read(tmp_path, wire, f"{option} = true\n{body}")
    carried = QUEUE.format(option, option) if wire == "queue" else f'body = {{ last = "{{{option}}}" }}\n'
    assert read(tmp_path, wire, f"{option} = true\n{carried}").models


def test_prices_with_sound_need_a_sound_that_can_be_chosen(tmp_path: Path) -> None:
    (model,) = read(tmp_path, "openai", "sound = true\nsound_credits = 3\n").models
    assert (model.made(VideoSpec()).credits, model.made(VideoSpec(sound=True)).credits) == (4, 12)
    with pytest.raises(SettingsError, match="sound_credits is for a model whose sound can be chosen"):
        read(tmp_path, "openai", 'sound = "always"\nsound_credits = 3\n')


def test_sound_that_costs_more_is_off_unless_it_is_chosen() -> None:
    assert (CATALOG.complete(VideoSpec("able")).sound, CATALOG.complete(VideoSpec("able")).credits) == (False, 8)
    assert CATALOG.complete(VideoSpec("able", sound=True)).credits == 12
    assert CATALOG.complete(VideoSpec("loud", sound=True)).sound is None
    assert CATALOG.complete(VideoSpec("plain", sound=False)).sound is None
    assert CATALOG.money("able", 4, "720x1280", sound=False) == 0.4
    assert CATALOG.money("able", 4, "720x1280") == 0.8


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            VideoSpec("plain", sound=True),
            "Plain cannot make sound. Nothing was charged. These models can: Able, Loud and Twin.",
        ),
        (VideoSpec("loud", sound=False), "Loud always makes sound. Nothing was charged. Leave `sound` empty."),
        (
            VideoSpec("loud", loop=True),
            "Loud cannot end a video with a picture you choose. Nothing was charged. These models can: Able and Twin.",
        ),
    ],
)
def test_what_a_model_cannot_is_refused_with_what_can(spec: VideoSpec, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        CATALOG.complete(spec)
    assert str(refused.value) == sentence.format("Nothing was charged.")


def test_whoever_stands_in_ends_with_the_picture_too() -> None:
    asked = CATALOG.complete(VideoSpec("able", last_image="https://cdn.example/end.jpg"))

    assert [model.id for model, _ in specs_instead(CATALOG, asked)] == ["twin"]
    assert [model.id for model, _ in specs_instead(CATALOG, CATALOG.complete(VideoSpec("able")))] == ["plain", "twin"]


def test_a_request_with_a_last_picture_or_another_sound_has_another_key() -> None:
    config = ProviderConfig("p", "queue", "https://p.example")
    request = CreateRequest("", ModelWire("m"), "a hat", 4, "720x1280", b"", last_image=b"", sound=True, seed=7)
    sent = replace(request, key=request_keys.key_for(config, request))

    assert request_keys.is_for(config, replace(sent, picture=b"one", last_image=b"other", last_image_url="https://x"))
    assert not request_keys.is_for(config, replace(sent, last_image=None))
    assert not request_keys.is_for(config, replace(sent, sound=False))
    assert not request_keys.is_for(config, replace(sent, seed=8))
