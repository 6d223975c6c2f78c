"""Modals of the local Discord: what it refuses from a bot, and what its client refuses from a person."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.discord.commands import CannotInvoke
from sandbox.discord.modals import check_modal, filled
from sandbox.discord.rules import ApiError

TEXT = {"type": 4, "custom_id": "words", "style": 2, "min_length": 2, "max_length": 5, "value": "abc"}
OPTIONS = [{"label": "One", "value": "1", "default": True}, {"label": "Two", "value": "2"}]
SELECT = {"type": 3, "custom_id": "number", "options": OPTIONS}


def label(component: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"type": 18, "label": "Words", "component": component} | changes


def modal(*parts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"custom_id": "m", "title": "A form", "components": list(parts)} | changes


@pytest.mark.parametrize(
    ("faulty", "field"),
    [
        (modal(label(TEXT), title="x" * 46), "title"),
        (modal(label(TEXT), custom_id="x" * 101), "custom_id"),
        (modal(), "components"),
        (modal(*[label(TEXT | {"custom_id": str(n)}) for n in range(6)]), "components"),
        (modal(label(TEXT, label="x" * 46)), "components"),
        (modal(label(TEXT, description="x" * 101)), "components"),
        (modal(label(TEXT), label(TEXT)), "components"),
        (modal(label(TEXT | {"value": "x" * 4001})), "components"),
        (modal(label(SELECT | {"options": []})), "components"),
        (modal(label(SELECT | {"options": [OPTIONS[0], OPTIONS[0]]})), "components"),
        (modal(label(SELECT | {"options": [{"label": "x" * 101, "value": "1"}]})), "components"),
        (modal({"type": 1, "components": [TEXT]}), "components"),
    ],
)
def test_a_faulty_modal_is_refused_by_field(faulty: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_modal(faulty)

    assert refused.value.status == 400
    assert list(refused.value.body["errors"]) == [field]


def test_what_is_not_touched_keeps_what_was_filled_in() -> None:
    form = modal(label(TEXT), label(SELECT))
    check_modal(form)

    assert [part["component"] for part in filled(form, {}, forge=False)] == [
        {"type": 4, "id": 101, "custom_id": "words", "value": "abc"},
        {"type": 3, "id": 102, "custom_id": "number", "values": ["1"]},
    ]


@pytest.mark.parametrize(
    "values", [{"words": "a"}, {"words": "abcdef"}, {"number": "3"}, {"number": []}, {"other": "x"}]
)
def test_the_client_lets_nobody_submit_what_the_form_does_not_take(values: dict[str, Any]) -> None:
    form = modal(label(TEXT), label(SELECT))

    with pytest.raises(CannotInvoke):
        filled(form, values, forge=False)
    assert filled(form, values, forge=True)
