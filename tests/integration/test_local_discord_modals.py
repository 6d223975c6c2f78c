"""Modals of the local Discord: which it refuses, what its client lets a person submit, and what the bot gets of it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sandbox.contracts import discord as contract
from sandbox.discord import CannotInvoke, Interaction, LocalDiscord, Upload
from tests.integration.test_local_discord_rules import Caller, Wire, button, card, row, text

PNG = Upload("cat.png", b"x", "image/png")


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with LocalDiscord() as local, aiohttp.ClientSession() as session:
        yield Caller(local, session)
        for x in local.requests:
            assert contract.response_violations(x) == []
            assert x.status == 400 or contract.violations(x) == []


def typed(custom_id: str = "prompt", **more: Any) -> Wire:
    return {"type": 4, "custom_id": custom_id, "style": 2, **more}


def select(*values: str, custom_id: str = "model", **more: Any) -> Wire:
    options = [{"label": value.title(), "value": value} for value in values]
    return {"type": 3, "custom_id": custom_id, "options": options, **more}


def files(**more: Any) -> Wire:
    return {"type": 19, "custom_id": "files", **more}


def label(field: Wire, text: str = "What", **more: Any) -> Wire:
    return {"type": 18, "label": text, "component": field, **more}


def modal(*parts: Wire, **more: Any) -> Wire:
    return {"custom_id": "form", "title": "A form", "components": list(parts), **more}


async def asked(caller: Caller, *parts: Wire) -> Interaction:
    """A command that was answered with a modal of these parts."""
    used = await caller.used()
    answer = await caller.callback(used, 9, modal(*parts))
    assert answer.status == 200, answer.body
    assert await used.answer() is None
    return used


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (modal(label(typed()), title="t" * 46), {"title": "BASE_TYPE_MAX_LENGTH"}),
        (modal(label(typed()), custom_id=""), {"custom_id": "BASE_TYPE_REQUIRED"}),
        (modal(), {"components": "BASE_TYPE_BAD_LENGTH"}),
        (modal(*[label(typed(str(n))) for n in range(6)]), {"components": "BASE_TYPE_BAD_LENGTH"}),
        (modal(label(typed()), label(files(custom_id="prompt"))), {"components": "COMPONENT_CUSTOM_ID_DUPLICATED"}),
        (modal(button()), {"components.0.type": "UNION_TYPE_CHOICES"}),
        (modal(row(button())), {"components.0.components.0.type": "UNION_TYPE_CHOICES"}),
        (modal(row()), {"components.0.components": "BASE_TYPE_BAD_LENGTH"}),
        (modal(row(typed())), {"components.0.components.0.label": "BASE_TYPE_REQUIRED"}),
        (modal(text("")), {"components.0.content": "BASE_TYPE_REQUIRED"}),
        (modal(label(typed(), "l" * 46)), {"components.0.label": "BASE_TYPE_MAX_LENGTH"}),
        (modal(label(typed(), description="d" * 101)), {"components.0.description": "BASE_TYPE_MAX_LENGTH"}),
        (modal(label(button())), {"components.0.component.type": "UNION_TYPE_CHOICES"}),
        (modal(label(typed(style=3))), {"components.0.component.style": "BASE_TYPE_CHOICES"}),
        (modal(label(typed(placeholder="p" * 101))), {"components.0.component.placeholder": "BASE_TYPE_MAX_LENGTH"}),
        (modal(label(typed(value="v" * 4001))), {"components.0.component.value": "BASE_TYPE_MAX_LENGTH"}),
        (modal(label(typed(max_length=4001))), {"components.0.component.max_length": "NUMBER_TYPE_RANGE"}),
        (modal(label(typed(min_length=5, max_length=4))), {"components.0.component.max_length": "NUMBER_TYPE_RANGE"}),
        (modal(label(select())), {"components.0.component.options": "BASE_TYPE_BAD_LENGTH"}),
        (modal(label(select(*map(str, range(26))))), {"components.0.component.options": "BASE_TYPE_BAD_LENGTH"}),
        (modal(label(select("a", max_values=2))), {"components.0.component.options": "BASE_TYPE_BAD_LENGTH"}),
        (modal(label(select("a", "a"))),
         {"components.0.component.options": "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED"}),
        (modal(label(select("a" * 101))), {"components.0.component.options.0.value": "BASE_TYPE_MAX_LENGTH"}),
        (modal(label(select("a", min_values=0))), {"components.0.component.min_values": "NUMBER_TYPE_RANGE"}),
        (modal(label(select("a", disabled=True))), {"components.0.component.disabled": "MODAL_COMPONENT_DISABLED"}),
        (modal(label(files(max_values=11))), {"components.0.component.max_values": "NUMBER_TYPE_RANGE"}),
    ],
)  # fmt: skip
async def test_a_modal_against_the_rules_is_refused_and_takes_no_answer(
    caller: Caller, body: Wire, fault: Wire
) -> None:
    used = await caller.used()

    answer = await caller.callback(used, 9, body)

    assert answer.refusal == (400, 50035)
    assert answer.faults().items() >= fault.items()
    assert not used.has_modal_open
    assert (await caller.callback(used, 9, modal(label(typed())))).status == 200
    assert used.has_modal_open


async def test_more_chosen_by_default_than_can_be_is_refused(caller: Caller) -> None:
    field = select("a", "b")
    for option in field["options"]:
        option["default"] = True

    answer = await caller.callback(await caller.used(), 9, modal(label(field)))

    assert answer.faults() == {"components.0.component.options": "SELECT_COMPONENT_MAX_DEFAULT_VALUES"}


async def test_what_was_typed_picked_and_uploaded_comes_to_the_bot_as_discord_sends_it(caller: Caller) -> None:
    world = caller.local.world
    mia, ana = world.people["mia"], world.people["ana"]
    parts = [text("Read this"), label(typed()), label(select("a", "b")), label(files(max_values=2)),
             label({"type": 5, "custom_id": "who"})]  # fmt: skip
    opened = await asked(caller, *parts)

    submit = await caller.local.submit(mia, opened, {"prompt": "a\nhat", "model": "b", "files": [PNG], "who": ana})

    data = submit.payload["data"]
    (file_id,) = data["resolved"]["attachments"]
    assert (submit.payload["type"], data["custom_id"]) == (5, "form")
    assert data["components"] == [
        {"type": 10, "id": 1},
        {"type": 18, "id": 2, "component": {"type": 4, "id": 3, "custom_id": "prompt", "value": "a\nhat"}},
        {"type": 18, "id": 4, "component": {"type": 3, "id": 5, "custom_id": "model", "values": ["b"]}},
        {"type": 18, "id": 6, "component": {"type": 19, "id": 7, "custom_id": "files", "values": [file_id]}},
        {"type": 18, "id": 8, "component": {"type": 5, "id": 9, "custom_id": "who", "values": [str(ana.id)]}},
    ]
    assert data["resolved"]["attachments"][file_id]["ephemeral"]
    assert data["resolved"]["users"][str(ana.id)]["username"] == "ana"
    assert "message" not in submit.payload
    assert submit.owners == opened.owners


async def test_untouched_fields_keep_what_they_held(caller: Caller) -> None:
    choice = select("a", "b")
    choice["options"][1]["default"] = True
    opened = await asked(caller, label(typed(value="as before")), label(choice), label(files(required=False)))

    submit = await caller.local.submit(caller.local.world.people["mia"], opened)

    fields = [part["component"] for part in submit.payload["data"]["components"]]
    assert [field.get("value", field.get("values")) for field in fields] == ["as before", ["b"], []]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (typed(), ""),
        (typed(min_length=3), "ab"),
        (typed(max_length=3), "abcd"),
        (typed(style=1), "two\nlines"),
        (typed(), PNG),
        (select("a"), "b"),
        (select("a", "b"), ["a", "b"]),
        (select("a"), []),
        (select("a"), PNG),
        (files(min_values=2, max_values=2), [PNG]),
        (files(), "cat.png"),
    ],
)
async def test_discords_client_sends_nothing_off_that_the_form_does_not_take(
    caller: Caller, field: Wire, value: Any
) -> None:
    opened = await asked(caller, label(field))
    mia, seen = caller.local.world.people["mia"], len(caller.local.interactions)

    with pytest.raises(CannotInvoke, match=f"The field {field['custom_id']} takes"):
        await caller.local.submit(mia, opened, {field["custom_id"]: value})

    assert len(caller.local.interactions) == seen
    assert opened.has_modal_open


async def test_a_form_is_its_persons_alone_and_closes_when_it_is_answered(caller: Caller) -> None:
    opened, people = await asked(caller, label(typed())), caller.local.world.people

    with pytest.raises(CannotInvoke, match="ana has not opened this form"):
        await caller.local.submit(people["ana"], opened, {"prompt": "mine"})
    with pytest.raises(CannotInvoke, match="The form has no field size"):
        await caller.local.submit(people["mia"], opened, {"size": "big"})
    unheard = await caller.local.submit(people["mia"], opened, {"prompt": "first"})
    submit = await caller.local.submit(people["mia"], opened, {"prompt": "again"})
    assert (await caller.callback(submit, 4, {"content": "thanks", "flags": 1 << 6})).status == 200

    assert not unheard.answered.is_set()
    assert submit.is_ephemeral
    with pytest.raises(CannotInvoke, match="mia has not opened this form"):
        await caller.local.submit(people["mia"], opened, {"prompt": "once more"})
    assert (await caller.callback(unheard, 9, modal(label(typed())))).refusal == (400, 50035)


async def test_a_form_opened_from_a_button_brings_the_message_and_may_change_it(caller: Caller) -> None:
    _, message = await caller.answered(card(row(button())))
    mia = caller.local.world.people["mia"]
    pressed = await caller.local.press(mia, message, "go")
    await caller.callback(pressed, 9, modal(label(typed())))

    submit = await caller.local.submit(mia, pressed, {"prompt": "new words"})

    assert submit.payload["message"]["id"] == str(message.id)
    assert (await caller.callback(submit, 7, card(text("changed")))).status == 200
    assert message.text() == "changed"
    follow_up = await caller.ask("POST", caller.hook(submit), {"content": "done"})
    assert follow_up.body["interaction_metadata"]["triggering_interaction_metadata"]["interacted_message_id"] == str(
        message.id
    )


async def test_a_form_opened_from_a_command_has_no_message_to_change(caller: Caller) -> None:
    opened = await asked(caller, label(typed()))

    submit = await caller.local.submit(caller.local.world.people["mia"], opened, {"prompt": "x"})

    assert (await caller.callback(submit, 7, card(text("changed")))).refusal == (400, 50035)


async def test_a_forged_submit_reaches_the_bot_for_a_form_that_was_never_shown(caller: Caller) -> None:
    used, _ = await caller.answered({"content": "no form"})
    opened, ana = await asked(caller, label(typed(max_length=3))), caller.local.world.people["ana"]

    with pytest.raises(CannotInvoke):
        await caller.local.submit(ana, used)
    unknown = await caller.local.submit(ana, used, forge=True)
    wrong = await caller.local.submit(ana, opened, {"prompt": "too long"}, forge=True)

    assert unknown.payload["data"] == {"custom_id": "forged", "components": []}
    assert wrong.payload["data"]["components"][0]["component"]["value"] == "too long"
    assert wrong.payload["member"]["user"]["username"] == "ana"
