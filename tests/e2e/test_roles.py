"""A gateway that answers and a worker that makes videos: what one of them puts into DATA_DIR, the other finds there."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import av
import pytest
from PIL import Image

from sandbox.discord.exchange import Exchange, Phase, Reply
from sandbox.discord.messages import Interaction, Message
from sandbox.providers.chat_model import ENDING, LocalChatModel
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings
from tests.cluster import Cluster
from tests.e2e.asking import alone, shown_again
from tests.e2e.test_continue import a_render, difference, last_frame
from tests.e2e.test_last_copy import NO_ACCESS

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]


@pytest.fixture(name="cluster")
async def _cluster(postgres_address: str) -> AsyncIterator[Cluster]:
    """A gateway and a worker. The worker alone asks the provider, and the gateway alone the chat model."""
    provider = LocalOpenAI(render=a_render, settings=OpenAISettings(render_seconds=0.1))
    async with LocalChatModel() as chat_model:
        cluster = Cluster(
            postgres_address, roles=["gateway", "worker"], provider=provider, settings=chat_model.bot_settings()
        )
        await cluster.start()
        try:
            yield cluster
            assert cluster.faults() == []
            assert "state=submitting" not in cluster.bots[0].log()
            assert "Traceback" not in cluster.logs()
        finally:
            print(cluster.logs())  # noqa: T201 - the story, shown where it ends badly
            await cluster.stop()


async def press(cluster: Cluster, message: Message, label: str) -> Interaction:
    custom_id = next(button.custom_id or "" for button in message.buttons if button.label == label)
    return await cluster.discord.press(cluster.mia, message, custom_id)


def files(cluster: Cluster, folder: str) -> list[str]:
    return [path.name for path in (cluster.folder / "data" / folder).iterdir()]


async def test_a_gateway_continues_joins_and_lists_what_a_worker_has_made(cluster: Cluster) -> None:
    card = await cluster.over(await cluster.animate(seconds=4, size="720x1280"))
    await cluster.settled()
    form = await press(cluster, card, "Continue")
    await cluster.over(await cluster.discord.submit(cluster.mia, form, {"prompt": "it jumps"}))
    await cluster.settled()
    first, then = cluster.provider.jobs.values()
    assert first.video is not None
    assert then.picture is not None
    assert difference(last_frame(first.video), Image.open(io.BytesIO(then.picture))) < 3

    listed = await alone(await cluster.discord.invoke(cluster.mia, "videos"))
    await cluster.discord.wait_for(lambda: len(listed.media) == 2, 20, "a still of each")
    joined = await alone(await press(cluster, listed, "Join"))
    await cluster.discord.wait_for(lambda: joined.media, 30, "the joined video")
    with av.open(io.BytesIO(joined.media[0].data), "r") as file:
        assert len(list(file.decode(video=0))) == 2 * 24

    offer = await alone(await press(cluster, card, "Improve prompt"))
    await cluster.until(offer, f"puts on a hat{ENDING}")
    assert (files(cluster, "videos"), len(files(cluster, "stills"))) == ([], 2)

    await press(cluster, listed, "Delete")
    await cluster.until(listed, "Delete this video for good?")
    await press(cluster, listed, "Delete")
    await cluster.discord.wait_for(lambda: len(listed.media) == 1, 20, "the list without it")
    assert len(files(cluster, "stills")) == 1


async def test_a_gateway_shows_a_video_that_a_worker_could_bring_nowhere(cluster: Cluster) -> None:
    async def refuse(phase: Phase, exchange: Exchange) -> Reply | None:
        return NO_ACCESS if phase == "before" and exchange.files else None

    cluster.discord.on_exchange(refuse)
    await cluster.animate()
    await cluster.booked(lambda: cluster.states() == ["undelivered"])
    cluster.discord.remove(refuse)

    assert len(files(cluster, "videos")) == 1
    assert [await shown_again(cluster)] == [made.video for made in cluster.provider.jobs.values()]
    await cluster.booked(lambda: cluster.states() == ["delivered"])
