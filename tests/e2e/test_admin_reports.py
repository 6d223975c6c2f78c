"""/animate-admin through the whole bot: usage, the log channel, status."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re

import pytest

from sandbox.discord.permissions import Permission
from tests import forkserver
from tests.e2e.asking import alone, keys, told
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage


async def test_usage_is_told_in_text(stage: Stage) -> None:
    ana = stage.discord.world.people["ana"]
    assert await told(stage, "usage") == "No videos in the last 7 days."
    await stage.over(await stage.animate(seconds=8))
    await stage.over(await stage.animate(ana, prompt="[fail]"))

    refunded, failed = "0 credits · 4 credits refunded", "1 × video service error"
    assert await told(stage, "usage", days=1) == (
        "**Usage today**\n"
        f"Total: 2 videos requested · 1 video made · 8 credits · 4 credits refunded · about 1.20 USD · {failed}\n"
        f"- <@{stage.mia.id}>: 1 video requested · 1 video made · 8 credits · about 0.80 USD\n"
        f"- <@{ana.id}>: 1 video requested · 0 videos made · {refunded} · about 0.40 USD · {failed}"
    )
    assert await usage_of_all(stage) == {
        "total": (2, 2, 8, 4, 12, 1.2),
        "servers": {str(stage.discord.world.guild.id): (2, 2, 8, 4, 12, 1.2)},
        "models": {"sora-2": (2, 2, 8, 4, 12, 1.2)},
        "providers": {"gptproto": (2, 2, 8, 4, 12, 1.2)},
        "left": 988,
    }


async def usage_of_all(stage: Stage) -> dict[str, object]:
    """What `python -m bot usage --json` says beside the running bot."""
    code, said, complained = await forkserver.typed("-m", "bot", "usage", "--days", "1", "--json", **stage.settings())
    assert (code, complained) == (0, "")
    found = json.loads(said)

    def numbers(sums: dict[str, object]) -> tuple[object, ...]:
        names = ("videos_asked", "videos_made", "credits", "credits_refunded", "credits_of_budget", "usd_by_catalog")
        return tuple(sums[name] for name in names)

    groups = {
        name: {which: numbers(sums) for which, sums in found[name].items()}
        for name in ("servers", "models", "providers")
    }
    return {"total": numbers(found["total"]), "left": found["budget"]["left"], **groups}


@pytest.mark.thorough
async def test_usage_is_told_in_text_and_when_it_is_long_in_a_file_too(build: Build) -> None:
    stage = await build({"BUDGET_CREDITS": "1000", "QUOTA_DEFAULT_CREDITS": "60"})
    people = [stage.discord.world.add_member(f"member{n}") for n in range(32)]
    assert await told(stage, "usage") == "No videos in the last 7 days."
    await stage.over(await stage.animate(seconds=12, model="sora-2-pro", size="1024x1792"))
    await stage.over(await stage.animate(people[0], prompt="[fail]"))
    await stage.over(await stage.animate(people[0], prompt="[moderated]"))

    asked = await stage.discord.invoke(stage.admin, "animate-admin usage", days=1)
    short = await alone(asked)
    await asyncio.gather(*[stage.over(await stage.animate(one)) for one in people])
    await stage.settled()
    long = await alone(await stage.discord.invoke(stage.admin, "animate-admin usage", days=366))

    refunded = "0 credits · 8 credits refunded"
    failed = "1 × video refused under the content rules · 1 × video service error"
    assert short.attachments == []
    assert short.text() == (
        "**Usage today**\n"
        f"Total: 3 videos requested · 1 video made · 60 credits · 8 credits refunded · about 6.40 USD · {failed}\n"
        "- Sora 2 Pro: 1 video requested · 1 video made · 60 credits · about 6.00 USD\n"
        f"- Sora 2: 2 videos requested · 0 videos made · {refunded} · about 0.40 USD · {failed}\n"
        f"- <@{stage.mia.id}>: 1 video requested · 1 video made · 60 credits · about 6.00 USD\n"
        f"- <@{people[0].id}>: 2 videos requested · 0 videos made · {refunded} · about 0.40 USD · {failed}"
    )
    lines = long.text().split("\n")
    assert lines[0] == "**Usage in the last 366 days**"
    assert lines[1] == (
        f"Total: 35 videos requested · 33 videos made · 188 credits · 8 credits refunded · about 19.20 USD · {failed}"
    )
    assert lines[5] == (
        f"- <@{people[0].id}>: 3 videos requested · 1 video made · 4 credits · "
        f"8 credits refunded · about 0.80 USD · {failed}"
    )
    assert lines[6] == f"- <@{people[1].id}>: 1 video requested · 1 video made · 4 credits · about 0.40 USD"
    assert lines[-1] == "- The full list is in the file."
    assert len(long.text()) <= 2_000
    (file,) = long.attachments
    assert file.filename == "usage-366-days.csv"
    rows = list(csv.DictReader(io.StringIO(file.data.decode("utf-8-sig"))))
    assert len(rows) == 35
    assert {row["member"] for row in rows} == {f"<@{one.id}>" for one in [stage.mia, *people]}
    assert sum(int(row["credits"]) - int(row["refunded"]) for row in rows) == 188
    assert sum(float(row["usd"] or 0) for row in rows) == pytest.approx(19.2)
    (failure,) = [row for row in rows if row["failure"] == "provider"]
    assert failure.pop("day")
    assert failure == {
        "member": f"<@{people[0].id}>", "model": "sora-2", "seconds": "4", "size": "720x1280", "state": "failed",
        "failure": "provider", "videos_requested": "1", "videos_made": "0",
        "credits": "4", "refunded": "4", "usd": "0.40",
    }  # fmt: skip


async def test_each_video_is_listed_in_the_channel_an_admin_chose_and_only_there(build: Build) -> None:
    stage = await build(start=False)
    world = stage.discord.world
    listing, mute = world.add_channel("listing"), world.add_channel("mute")
    mute.deny(world.bot, Permission.SEND_MESSAGES)
    await stage.start_bot()
    await stage.over(await stage.animate())  # off at first
    for channel in (mute, world.restricted):
        assert await told(stage, "log", channel=channel) == (
            f"The bot cannot post in <#{channel.id}>. "
            "Give it the permissions View Channel and Send Messages there, then try again."
        )
    assert "video log off" in await told(stage, "status")

    assert await told(stage, "log", channel=listing) == f"Videos are now logged in <#{listing.id}>. Before: no channel."
    card = await stage.over(await stage.animate(prompt="waves ``` @everyone", seconds=8))
    await stage.discord.wait_for(lambda: stage.discord.messages(listing), 10, "the list")
    assert f"video log in <#{listing.id}>" in await told(stage, "status")
    assert await told(stage, "log") == f"Videos are no longer logged in a channel. Before: <#{listing.id}>."
    await stage.over(await stage.animate())
    await stage.settled()

    (entry,) = stage.discord.messages(listing)
    assert entry.text() == (
        f"<@{stage.mia.id}> · sora-2 · 8 s · 8 credits · video `{keys(stage)[1]}` · "
        f"https://discord.com/channels/{world.guild.id}/{world.general.id}/{card.id}\n"
        "```\nwaves ˋˋˋ @everyone\n```"
    )
    assert entry.pinged == []


async def test_status_tells_how_bot_and_server_stand(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    assert re.sub(r"\d+ ms|just connected", "5 ms", await told(stage, "status")) == (
        "**This server**: not paused · no server limit · video log off · "
        "other people's pictures not allowed\n"
        "**Videos**: 0 of at most 1 being made · 0 in the queue (0 from this server)\n"
        "**Discord**: 5 ms · 1 server"
    )
    await told(stage, "quota server", credits=50, per="week")
    for person in (stage.mia, stage.discord.world.people["ana"]):
        await (await stage.animate(person)).answer()
    await stage.provider.wait_for(lambda: stage.provider.jobs, 10, "the first")
    await stage.animate(channel=stage.discord.world.dm(stage.mia))
    await stage.booked(lambda: stage.rows("SELECT COUNT(size) FROM jobs") == [(3,)])

    status = await told(stage, "status")
    assert status.split("\n")[0] == (
        "**This server**: not paused · server limit: 50 credits per week · 8 credits used this week · "
        "video log off · other people's pictures not allowed"
    )
    assert "1 of at most 1 being made · 2 in the queue (1 from this server)" in status
