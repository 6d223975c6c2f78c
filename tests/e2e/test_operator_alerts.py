"""The operator is told through a webhook of theirs, or else as direct messages of the application's owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.e2e.conftest import Build
from tests.e2e.webhook import Webhook, open_webhook

LOST = "No answer came to the request for video"


@pytest.fixture(name="webhook")
async def _webhook() -> AsyncIterator[Webhook]:
    async with open_webhook() as webhook:
        yield webhook


async def test_a_lost_answer_is_told_through_the_webhook_whose_address_stays_a_secret(
    build: Build, webhook: Webhook
) -> None:
    stage = await build({"OPERATOR_WEBHOOK_URL": webhook.url, "OPERATOR_DIRECT_MESSAGES": "on"})
    stage.provider.faults.inject("create:lost")
    await stage.over(await stage.animate())

    async with asyncio.timeout(10):
        await webhook.came.wait()
    await stage.settled()

    assert [str(post["content"]).startswith(f"⚠️ {LOST}") for post in webhook.posts] == [True]
    assert webhook.posts[0]["allowed_mentions"] == {"parse": []}
    assert stage.bot is not None
    assert "secret-of-the-webhook" not in stage.bot.log()
    assert stage.discord.messages(stage.discord.world.dm(stage.admin)) == []


@pytest.mark.thorough
async def test_without_a_webhook_the_owner_gets_a_direct_message(build: Build) -> None:
    stage = await build({"OPERATOR_DIRECT_MESSAGES": "on"})
    stage.provider.faults.inject("create:lost")
    await stage.over(await stage.animate())
    messages = stage.discord.world.dm(stage.admin)
    await stage.discord.wait_for(lambda: bool(stage.discord.messages(messages)), 10, "a direct message")
    await stage.settled()

    (told,) = stage.discord.messages(messages)
    assert told.text().startswith(f"⚠️ {LOST}")
