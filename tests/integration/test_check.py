"""What of `python -m bot check` is hard to bring about in a whole process: silence, and little room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.check import check, storage
from bot.check.findings import Finding, Level, as_lines, ok, problem, warning
from bot.settings import Settings

MB = 1000**2


@pytest.fixture(name="silence")
async def _silence() -> AsyncIterator[str]:
    """The address of somebody who takes every connection and never says a word."""
    taken: list[asyncio.StreamWriter] = []

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for writer in taken:
        writer.close()
    server.close()


async def test_silence_ends_each_question_in_time_and_the_rest_is_told(silence: str, tmp_path: Path) -> None:
    settings = Settings.load(
        _env_file=None, discord_token="token", video_api_key="key", discord_api_url=f"{silence}/api/v10",
        video_api_url=f"{silence}/v1", public_url=silence, http_port=8080, data_dir=tmp_path / "data",
        database_url=f"sqlite:///{tmp_path}/animate.db",
    )  # fmt: skip

    async with asyncio.timeout(8):
        found = {each.subject: each for each in await check(settings, within_s=0.5)}

    for subject in ("Discord", "provider gptproto", "PUBLIC_URL"):
        assert found[subject].text == "no answer within 0.5 seconds. Check the network, then try again."
    assert found["database"].level is found["disk"].level is Level.OK


@pytest.mark.parametrize(
    ("free", "level"),
    [(199 * MB, Level.PROBLEM), (300 * MB, Level.WARNING), (999 * MB, Level.WARNING), (2_000 * MB, Level.OK)],
)
def test_little_room_is_a_warning_and_too_little_a_problem(tmp_path: Path, free: int, level: Level) -> None:
    found = storage.disk(tmp_path / "data", tmp_path / "animate.db", lambda _folder: free)

    assert found[-1].level is level
    assert f"{free // MB:,} MB free for DATA_DIR" in found[-1].text


def test_a_folder_of_the_database_on_another_disk_is_looked_at_too(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.exists() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one disk")

    found = storage.disk(tmp_path, elsewhere / "animate.db", lambda _folder: 2_000 * MB)

    assert [each.text for each in found[-2:]] == ["2,000 MB free for DATA_DIR", "2,000 MB free for the database"]


@pytest.mark.parametrize(
    ("found", "last"),
    [
        ([ok("a", "b")], "No problems, no warnings."),
        ([problem("a", "b"), warning("a", "b"), warning("a", "b")], "1 problem, 2 warnings."),
        ([problem("a", "b"), problem("a", "b"), warning("a", "b")], "2 problems, 1 warning."),
    ],
)
def test_the_last_line_counts(found: list[Finding], last: str) -> None:
    assert as_lines(found)[-1] == last
