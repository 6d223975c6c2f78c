"""What /metrics says of the whole bot."""

from __future__ import annotations

import asyncio
import re
import time

import aiohttp

from bot.version import VERSION
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage
from tests.e2e.test_health import free_port
from tests.promtool import promtool


async def watched(build: Build, settings: dict[str, str] | None = None, **kwargs: object) -> tuple[Stage, str]:
    """A running stage, and where its metrics are."""
    stage = await build(start=False, **kwargs)
    port = free_port()
    stage.use({"HTTP_PORT": str(port), **(settings or {})})
    await stage.start_bot()
    return stage, f"http://127.0.0.1:{port}/metrics"


async def scraped(address: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        assert answer.status == 200
        return await answer.text()


def values(text: str, name: str) -> dict[str, float]:
    """By labels, as they are written."""
    found = re.findall(rf"^animate_{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


async def test_one_video_is_counted_on_its_whole_way(build: Build) -> None:
    stage, address = await watched(build, {"BACKUP_EVERY": "6h"})
    began_s = time.time()

    await stage.over(await stage.animate())
    await stage.settled()

    text = await scraped(address)
    while not values(text, "backup_last_timestamp_seconds")[""]:  # the test's own deadline bounds this
        text = await scraped(address)
    of_model = 'model="sora-2",provider="gptproto"'
    for state in ("submitting", "rendering", "delivering", "delivered"):
        assert values(text, "job_transitions_total")[f'{of_model},state="{state}"'] == 1
    calls = values(text, "provider_calls_total")
    assert calls['call="create",provider="gptproto",result="ok"'] == 1
    assert calls['call="status",provider="gptproto",result="ok"'] >= 1
    assert values(text, "download_bytes_total")['provider="gptproto"'] > 1_000
    assert values(text, "discord_upload_bytes_total")['transport="token"'] > 1_000
    assert values(text, "discord_requests_total")['kind="upload",result="2xx",transport="token"'] == 1
    assert values(text, "first_answer_seconds_count")[""] == 1
    assert values(text, "queue_wait_seconds_count")['provider="gptproto"'] == 1
    assert values(text, "render_seconds_count")['provider="gptproto"'] == 1
    assert values(text, "credits_reserved_total")[""] == values(text, "budget_used_credits")[""] == 4
    assert values(text, "budget_limit_credits")[""] == 1000
    assert values(text, "database_up")[""] == 1
    assert values(text, "database_size_bytes")['file="database"'] > 10_000
    assert values(text, "database_batch_units_count")[""] > 3
    assert values(text, "database_failures_total")[""] == 0
    assert values(text, "backup_every_seconds")[""] == 6 * 3600
    assert abs(values(text, "backup_last_timestamp_seconds")[""] - began_s) < 30
    assert values(text, "backup_failing")[""] == 0
    assert values(text, "disk_free_bytes")[""] > 0
    assert values(text, "gateway_shards_connected")[""] == 1
    assert values(text, "gateway_events_total")['event="connect"'] == 1
    assert values(text, "jobs")['model="",provider="",state="rendering"'] == 0
    assert f'version="{VERSION}"' in next(iter(values(text, "build_info")))
    assert values(text, "circuits")['provider="gptproto",state="open"'] == 0


async def test_no_name_or_id_of_a_person_server_or_job_is_told(build: Build) -> None:
    stage, address = await watched(build)
    asked = await stage.animate()
    await stage.over(asked)
    await stage.settled()

    text = await scraped(address)

    discord = stage.discord
    secret = [
        stage.mia.id,
        asked.id,
        discord.world.general.id,
        "mia",
        "puts on a hat",
        discord.token,
        stage.provider.key,
    ]
    assert [each for each in secret if re.search(rf"\b{re.escape(str(each))}\b", text)] == []


async def test_promtool_has_nothing_to_say_about_the_names(build: Build) -> None:
    stage, address = await watched(build)
    await stage.over(await stage.animate())

    assert promtool("check", "metrics", fed=(await scraped(address)).encode()).strip() == ""


async def test_scrapes_at_once_cost_the_bot_one(build: Build) -> None:
    _, address = await watched(build)

    async with aiohttp.ClientSession() as session:

        async def get() -> bytes:
            async with session.get(address) as answer:
                return await answer.read()

        texts = await asyncio.gather(*(get() for _ in range(20)))

    assert len(set(texts)) < len(texts)
