"""An improved prompt: asked for by a button, seen and edited before anything is made of it or paid."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.discord.messages import Interaction, Message
from sandbox.providers.chat_model import ENDING, LocalChatModel
from tests.e2e.asking import alone
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage

OFFERED = "Improved prompt"


@pytest.fixture(name="chat_model")
async def _chat_model() -> AsyncIterator[LocalChatModel]:
    async with LocalChatModel() as chat_model:
        yield chat_model


async def press(stage: Stage, message: Message, label: str) -> Interaction:
    custom_id = next(button.custom_id or "" for button in message.buttons if button.label == label)
    return await stage.discord.press(stage.mia, message, custom_id)


async def test_an_improved_prompt_is_seen_before_it_is_paid_for(build: Build, chat_model: LocalChatModel) -> None:
    stage = await build({**chat_model.bot_settings(), "PROMPT_HELPER_PER_DAY": "2"})
    card = await stage.over(await stage.animate(takes=2))
    await stage.settled()
    assert [button.label for button in card.buttons] == [
        "Again",
        "Edit",
        "Improve prompt",
        "Delete",
        "Continue",
        "Continue",
    ]

    offer = await alone(await press(stage, card, "Improve prompt"))
    await stage.until(offer, OFFERED)
    assert f"puts on a hat{ENDING}" in offer.text()
    assert len(stage.provider.jobs) == 2
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()

    form = await press(stage, offer, "Use this prompt")
    await stage.over(await stage.discord.submit(stage.mia, form))
    await stage.settled()
    assert [job.prompt for job in stage.provider.jobs.values()] == [*["puts on a hat"] * 2, f"puts on a hat{ENDING}"]
    assert [body["model"] for body in chat_model.requests] == ["small-talk"]

    chat_model.fault = "busy"
    refused = await alone(await press(stage, card, "Improve prompt"))
    await stage.until(refused, "The prompt could not be improved. Nothing was charged.")
    chat_model.fault, chat_model.words = None, "<think>hm</think>\n```\n\u202ea cat in a hat\n```"
    again = await alone(await press(stage, card, "Improve prompt"))
    await stage.until(again, "```\na cat in a hat\n```")
    await stage.until(await alone(await press(stage, card, "Improve prompt")), "limit for improved prompts: 2.")
    assert len(chat_model.requests) == 3
    assert stage.rows("SELECT asked FROM prompt_help") == [(2,)]
    assert f"`{chat_model.url.split('/')[2].partition(':')[0]}`" in await stage.reply(stage.mia, "privacy")
    assert chat_model.key not in stage.bot.log()


@pytest.mark.thorough
async def test_without_a_chat_model_nothing_is_offered(stage: Stage) -> None:
    card = await stage.over(await stage.animate())

    assert "Improve prompt" not in [button.label for button in card.buttons]
    assert "Improve prompt" not in await stage.reply(stage.mia, "privacy")
