"""What is sent to Sentry, and what never is; tests/e2e/test_log.py has the whole bot."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bot.sentry import SENT
from tests.sentry_server import LocalSentry

PROJECT = Path(__file__).parents[2]
FAILS = """
import logging, sys
from bot import log, log_context, sentry
flush = sentry.begin(sys.argv[1], log.cleaner(["a-secret-key"]))
log_context.about(job=1234, user=7654321, guild=8765432, provider="gptproto")

def draw(prompt, token):
    raise ValueError(f"{prompt} {token}")

try:
    try:
        draw("a cat of my aunt", "a-secret-key")
    except ValueError as error:
        raise RuntimeError("the answer was: a cat of my aunt") from error
except RuntimeError:
    logging.getLogger("bot.jobs").exception("job=%s state=%s failed: %s", 1234, "rendering", "a cat of my aunt")
logging.getLogger("bot.jobs").warning("no event")
logging.getLogger("discord.client").error("a cat of my aunt in %s", "a-secret-key")
flush()
"""
RUNS = """
import sys
if sys.argv[1:]:
    sys.modules["sentry_sdk"] = None
from bot.__main__ import main
code = main([])
print(code, sorted({"sentry_sdk", "bot.sentry"} & sys.modules.keys()))
"""
NOWHERE = {"DISCORD_TOKEN": "token", "VIDEO_API_KEY": "key", "DATA_DIR": "/dev/null/data"}
"""A folder that cannot be: the bot ends before it asks Discord anything."""


async def ran(code: str, *arguments: str, folder: Path = PROJECT, **environment: str) -> str:
    """What it printed; exit code 0."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments,
        cwd=folder, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)} | environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return said.decode()


async def test_an_error_is_told_with_its_job_and_place_and_nothing_that_was_put_into_it() -> None:
    async with LocalSentry() as sentry:
        await ran(FAILS, sentry.dsn)

    failed, of_discord = sentry.events
    assert failed["logentry"]["message"] == "job=%s state=%s failed: %s"
    assert failed["tags"] == {"job": "1234", "provider": "gptproto", "state": "rendering"}
    causes = failed["exception"]["values"]
    assert [each["type"] for each in causes] == ["ValueError", "RuntimeError"]
    assert [frame["function"] for frame in causes[0]["stacktrace"]["frames"]] == ["<module>", "draw"]
    assert of_discord["logentry"]["message"] == "an error of discord.client"
    assert set(failed) | set(of_discord) <= set(SENT)
    kept_back = ("aunt", "a-secret-key", "7654321", "8765432", str(PROJECT), os.uname().nodename)
    assert [word for word in kept_back if word in sentry.text] == []


async def test_without_a_dsn_nothing_of_it_is_loaded_and_without_the_extra_the_bot_says_what_to_install(
    tmp_path: Path,
) -> None:
    without_dsn = await ran(RUNS, folder=tmp_path, **NOWHERE, SENTRY_DSN="")
    without_extra = await ran(RUNS, "hidden", folder=tmp_path, **NOWHERE, SENTRY_DSN="https://key@sentry.example/1")

    assert without_dsn.splitlines()[-1] == "2 []"
    assert without_extra.splitlines() == [
        "SENTRY_DSN is set, but sentry-sdk is not installed: install the extra `sentry`, or leave SENTRY_DSN empty.",
        "2 ['bot.sentry', 'sentry_sdk']",
    ]
