"""Bodies of a model's own, filled with what was asked for."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from bot.providers import json_template
from bot.providers.protocols import CreateRequest
from bot.wire_config import ModelWire, PictureForm

REQUEST = CreateRequest(
    key="k",
    model=ModelWire("m", PictureForm.DATA_URI),
    prompt="a {picture} of 5",
    seconds=5,
    size="720x1280",
    picture=b"jpg",
)
PICTURE = "data:image/jpeg;base64," + base64.b64encode(b"jpg").decode()


def made(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return json_template.filled(body, json_template.values_of(replace(REQUEST, **changes)))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("{seconds}", 5),
        ("{seconds!s}", "5"),
        ("{seconds}s", "5s"),
        ("{width}x{height}", "720x1280"),
        ("{picture}", PICTURE),
        ("{picture_base64}", base64.b64encode(b"jpg").decode()),
        ("{unknown} {seconds}", "{unknown} 5"),
        ("{ seconds }", "{ seconds }"),
        (7, 7),
        (False, False),
        (None, None),
        ([], []),
        ({}, {}),
    ],
)
def test_a_placeholder_alone_keeps_its_type_and_inside_a_text_is_text(given: Any, found: Any) -> None:
    assert made({"it": given}) == {"it": found}


def test_braces_in_a_prompt_are_never_filled() -> None:
    assert made({"it": "{prompt}", "and": "say: {prompt}"}) == {
        "it": "a {picture} of 5",
        "and": "say: a {picture} of 5",
    }


def test_truth_is_a_boolean_alone_and_a_word_inside_a_text() -> None:
    assert made({"it": "{sound}", "and": "sound {sound}"}, sound=True) == {"it": True, "and": "sound true"}


def test_what_has_no_value_is_left_out_with_all_that_needs_it() -> None:
    body = {
        "prompt": "{prompt}",
        "seed": "{seed}",
        "image": {"url": "{last_image}"},
        "options": {"empty": {}},
        "content": [
            {"type": "text", "text": "{prompt}"},
            {"type": "image_url", "role": "last_frame", "image_url": {"url": "{last_image}"}},
        ],
        "frames": ["{last_image}"],
    }

    found = made(body)

    assert found == {
        "prompt": REQUEST.prompt,
        "options": {"empty": {}},
        "content": [{"type": "text", "text": REQUEST.prompt}],
    }
    assert made(body, last_image=b"jpg", seed=0) == {
        **found,
        "seed": 0,
        "image": {"url": PICTURE},
        "content": [*found["content"], {"type": "image_url", "role": "last_frame", "image_url": {"url": PICTURE}}],
        "frames": [PICTURE],
    }


def test_a_template_is_never_changed_by_filling_it() -> None:
    body = {"a": ["{prompt}"], "b": {"c": "{seed}"}}
    made(body)

    assert body == {"a": ["{prompt}"], "b": {"c": "{seed}"}}


def test_a_hosted_picture_stands_by_its_address() -> None:
    hosted = ModelWire("m", PictureForm.URL)

    assert made({"it": "{picture}"}, model=hosted, picture_url="https://bot.example/p") == {
        "it": "https://bot.example/p"
    }
    assert made({"it": "{picture}"}, model=hosted) == {}


def test_all_words_in_braces_are_found_for_checks() -> None:
    assert json_template.placeholders({"a": ["{prompt} {secnds}"], "b": {"c": "{seed!s}"}}) == {
        "prompt",
        "secnds",
        "seed",
    }
    assert "seconds" in json_template.NAMES
