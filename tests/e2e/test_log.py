"""All that the real bot logs while Discord and the video service fail in every way: no secret, and no forged line."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.discord.exchange import CUT, Cut, Exchange, Phase, Reply
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage
from tests.sentry_server import LocalSentry
from tests.thorough import mostly_thorough

FORGED = "2026-11-28T12:00:00.000Z ERROR bot.jobs forged"
TRICK = f"\n{FORGED}\r{FORGED}\x1b[1A\u2028{FORGED}\nTraceback (most recent call last):\n{FORGED}"


@pytest.fixture(name="sentry")
async def _sentry() -> AsyncIterator[LocalSentry]:
    async with LocalSentry() as sentry:
        yield sentry


def secrets_of(stage: Stage) -> list[str]:
    asked = [x for x in stage.discord.requests if "/interactions/" in x.path or "/webhooks/" in x.path]
    tokens = {token for x in asked for token in re.findall(r"/(?:interactions|webhooks)/\d+/([\w-]{20,})", x.path)}
    signatures = {x.query["hm"] for x in stage.discord.requests if "hm" in x.query}
    assert tokens
    assert signatures
    return [stage.discord.token, stage.provider.key, *tokens, *signatures]


@pytest.mark.parametrize("form", mostly_thorough(["text", "json"], by_default=["text"]))
async def test_no_token_address_or_key_is_logged_or_sent_to_sentry_and_no_line_forged_whatever_fails(
    build: Build, sentry: LocalSentry, tmp_path: Path, form: str
) -> None:
    (tmp_path / "dsn").write_text(sentry.dsn)
    stage = await build({"LOG_LEVEL": "DEBUG", "LOG_FORMAT": form, "SENTRY_DSN_FILE": str(tmp_path / "dsn")})
    struck: dict[str, int] = {}
    answers: list[Reply | Cut] = [
        CUT,
        Reply(500, {"message": TRICK, "code": 0}),
        Reply(403, {"message": f"{TRICK} {stage.discord.token} {stage.provider.key}", "code": 0}),
        Reply(404, {"message": TRICK, "code": 0}),
    ]

    async def fail(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        route = f"{exchange.method} {exchange.route or exchange.part}"
        if phase != "before" or (exchange.method not in ("PATCH", "DELETE") and exchange.part == "api"):
            return None
        count = struck[route] = struck.get(route, -1) + 1
        return answers[count] if count < (2 if exchange.part == "cdn" else len(answers)) else None

    stage.discord.on_exchange(fail)
    for fault in ("poll:html", "poll:500", "poll:cut", "file:500", "file:cut", "create:lost"):
        stage.provider.faults.inject(fault)
    asked = [await stage.animate(prompt=f"a hat of velvet {n}") for n in range(2)]
    for interaction in asked:
        await interaction.answer()
    await stage.settled(40)
    assert stage.bot is not None
    await stage.bot.stop()
    written = stage.bot.log()

    assert {"GET cdn"} < struck.keys(), struck
    secrets = secrets_of(stage)
    assert [secret for secret in secrets if secret in written] == []
    assert [told for told in (*secrets, "velvet", "forged", str(stage.mia.id)) if told in sentry.text] == []
    (lost,) = [each for each in sentry.events if "outcome unknown" in each["logentry"]["message"]]
    assert lost["tags"]["job"] in [str(job) for (job,) in stage.rows("SELECT id FROM jobs WHERE state = 'unknown'")]
    lines = written.splitlines()
    assert [line for line in lines if line.startswith(FORGED)] == []
    if form == "json":
        assert all(json.loads(line)["level"] for line in lines)
    assert all(line.isprintable() for line in lines)


async def test_every_change_of_a_state_is_one_line_and_every_line_of_a_job_has_its_id(build: Build) -> None:
    stage = await build({"LOG_FORMAT": "json", "MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    first, _ = await stage.rendering()
    waiting = await stage.animate()
    card = await waiting.answer()
    assert card is not None
    await stage.until(card, "queue")
    await stage.discord.press(stage.mia, card, f"job:cancel:{waiting.id}")
    await stage.until(card, "Video canceled")
    for job in stage.provider.jobs.values():
        stage.provider.finish(job.id)
    await stage.over(first)
    await stage.settled()
    assert stage.bot is not None
    await stage.bot.stop()

    lines = [json.loads(line) for line in stage.bot.log().splitlines()]
    moves = [(line["job"], line["was"], line["state"]) for line in lines if "was" in line]
    assert moves == [
        (str(first.id), "waiting", "submitting"),
        (str(first.id), "submitting", "rendering"),
        (str(waiting.id), "waiting", "cancelled"),
        (str(first.id), "rendering", "delivering"),
        (str(first.id), "delivering", "delivered"),
    ]
    created = next(line for line in lines if line["message"].startswith("create answered"))
    assert (created["job"], created["provider"], created["state"]) == (str(first.id), "gptproto", "submitting")
    downloaded = next(line for line in lines if "downloaded" in line["message"])
    assert downloaded["bytes"] > 1_000
