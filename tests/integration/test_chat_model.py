"""What a chat model answers, and what is made of it: words as a member could have typed them, or nothing."""

from __future__ import annotations

import pytest

from bot.errors import PromptHelpUnavailable
from bot.providers import chat_model
from bot.wire_config import ChatModelConfig
from sandbox.providers.chat_model import LocalChatModel


@pytest.mark.parametrize("fault", ["busy", "elsewhere", "empty", "junk"])
async def test_an_answer_without_words_is_none_and_the_key_goes_nowhere_else(fault: str) -> None:
    async with LocalChatModel() as local:
        local.fault = fault
        config = ChatModelConfig(local.url, "small-talk", local.key, 20)

        with pytest.raises(PromptHelpUnavailable) as raised:
            await chat_model.reword(config, "a hat")

        assert local.keys == [f"Bearer {local.key}"]
        assert local.key not in str(raised.value)


async def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_model, "WITHIN_S", 0.2)
    async with LocalChatModel() as local:
        local.fault = "silent"
        with pytest.raises(PromptHelpUnavailable, match="TimeoutError"):
            await chat_model.reword(ChatModelConfig(local.url, "small-talk", local.key, 20), "a hat")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("  a hat \n", "a hat"),
        ('"a hat"', "a hat"),
        ("<think>\nlong\n</think>\n“a hat”", "a hat"),
        ("a\x00 \u202ehat\x1b", "a hat"),
        ("w" * 5_000, "w" * 2_000),
        ("<think>only</think>", ""),
        ("<think>one</think>a <think>two<think>three</think>hat", "a hat"),
        ("a hat <think>", "a hat <think>"),
        ("<think>" * 36_000, ("<think>" * 300)[:2_000]),  # each is looked at once
    ],
)
def test_words_are_cut_and_cleaned(said: str, words: str) -> None:
    assert chat_model.cleaned(said) == words
