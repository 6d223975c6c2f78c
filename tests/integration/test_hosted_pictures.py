"""Fitted pictures at the bot's own HTTP port, for providers that take an address only."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.errors import StoreUnavailable
from bot.hosted_pictures import KEY_FILE, LASTS, HostedPictures, key_in
from bot.http_server import HttpServer
from bot.models import Job, JobId, JobState
from tests.builders import NOON, a_job

JPEG = b"\xff\xd8\xff\xe0 a picture"
LAST = b"the last picture"
KEY = b"k" * 32


@dataclass
class Host:
    """What the bot knows of its one job, and the server that serves the picture of it."""

    job: Job
    picture: bytes | None = JPEG
    store_is_up: bool = True
    url: str = ""

    async def find(self, job: JobId) -> Job | None:
        if not self.store_is_up:
            raise StoreUnavailable("the database is closed")
        return self.job if job == self.job.id else None

    async def read(self, job: Job, *, last: bool = False) -> bytes | None:
        return LAST if last else self.picture

    @contextlib.asynccontextmanager
    async def served(self, *, later: timedelta = timedelta(0), key: bytes = KEY) -> AsyncIterator[str]:
        """The address of the job's picture, at a server whose clock is so much later than the command."""
        at = self.job.created_at + later
        pictures = HostedPictures("", key=key, find=self.find, read=self.read, now=lambda: at)
        server = HttpServer(pictures.routes())
        port = await server.start("127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{port}{pictures.address(self.job)}"
        finally:
            await server.close()


@pytest.fixture(name="host")
def _host() -> Host:
    return Host(a_job())


async def asked(address: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.request(method, address) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_a_picture_is_had_at_its_address_and_kept_by_nobody(host: Host) -> None:
    async with host.served() as address:
        status, body, headers = await asked(address)
        head_status, head_body, head_headers = await asked(address, "HEAD")

    assert (status, body) == (200, JPEG)
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["Cache-Control"] == "private, no-store"
    assert (head_status, head_body, head_headers["Content-Length"]) == (200, b"", str(len(JPEG)))


async def test_the_last_picture_has_an_address_of_its_own(host: Host) -> None:
    async with host.served() as address:
        pictures = HostedPictures(address.partition("/pictures/")[0], key=KEY, find=host.find, read=host.read)
        last = pictures.address(host.job, last=True)
        assert (await asked(last))[:2] == (200, LAST)
        assert (await asked(last.replace(f"{host.job.id}l-", f"{host.job.id}-")))[0] == 404
        assert (await asked(address.replace(f"{host.job.id}-", f"{host.job.id}l-")))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_it_can_only_be_read(host: Host, method: str) -> None:
    async with host.served() as address:
        assert (await asked(address, method))[0] == 405


async def test_the_address_outlives_a_restart_and_needs_the_same_key(host: Host) -> None:
    async with host.served() as first:
        path = first.partition("/pictures/")[2]
    async with host.served(later=timedelta(hours=3)) as second:
        assert second.endswith(path)
        assert (await asked(second))[0] == 200
    async with host.served(key=b"o" * 32) as third:
        assert (await asked(f"{third.partition('/pictures/')[0]}/pictures/{path}"))[0] == 404


async def test_it_expires_after_a_day(host: Host) -> None:
    for later, status in ((LASTS - timedelta(seconds=2), 200), (LASTS, 404)):
        async with host.served(later=later) as address:
            assert (await asked(address))[0] == status


@pytest.mark.parametrize("state", JobState)
async def test_it_is_there_until_the_video_is_made_or_the_job_has_ended(host: Host, state: JobState) -> None:
    host.job = host.job.evolve(state=state)
    is_needed = state in (JobState.WAITING, JobState.SUBMITTING, JobState.RENDERING)

    async with host.served() as address:
        status, body, _ = await asked(address)

    assert (status, JPEG in body) == ((200, True) if is_needed else (404, False))


async def test_it_is_gone_with_the_picture(host: Host) -> None:
    host.picture = None
    async with host.served() as address:
        assert (await asked(address))[0] == 404


async def test_without_the_database_it_is_to_be_asked_for_later(host: Host) -> None:
    host.store_is_up = False
    async with host.served() as address:
        assert (await asked(address))[0] == 503


@pytest.mark.parametrize(
    "name",
    [
        "{id}.jpg",
        "{id}.copy.jpg",
        "{id}-{end}-{other}.jpg",
        "{id}-{later}-{sign}.jpg",
        "9-{end}-{sign}.jpg",
        "..%2F..%2Fanimate.db",
        "%2e%2e/{id}.jpg",
        "{id}-{end}-{sign}",
        "",
        "{id}-{end}-{sign}.jpg%00",
    ],
)
async def test_no_other_name_leads_anywhere(host: Host, name: str) -> None:
    async with host.served() as address:
        base, _, real = address.rpartition("/")
        told = real.removesuffix(".jpg").split("-", 2)
        tried = name.format(id=host.job.id, end=told[1], later=int(told[1]) + 1, sign=told[2], other="A" * 43)
        status, body, _ = await asked(f"{base}/{tried}")

    assert status == 404
    assert JPEG not in body


def test_two_jobs_have_two_addresses_and_no_key_is_in_them(host: Host) -> None:
    pictures = HostedPictures("https://bot.example/", key=KEY, find=host.find, read=host.read, now=lambda: NOON)
    one, two = a_job(), a_job(2)

    assert pictures.address(one).startswith("https://bot.example/pictures/")
    assert pictures.address(one) != pictures.address(two)
    assert KEY.decode() not in pictures.address(one)


class TestTheKey:
    def test_it_is_made_once_and_for_this_user_alone(self, tmp_path: Path) -> None:
        made = key_in(tmp_path)

        assert len(made) == 32
        assert key_in(tmp_path) == made
        assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
        assert [file.name for file in tmp_path.iterdir()] == [KEY_FILE]

    def test_each_folder_has_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()

        assert key_in(tmp_path / "a") != key_in(tmp_path / "b")

    def test_one_that_others_may_read_is_taken_from_them(self, tmp_path: Path) -> None:
        made = key_in(tmp_path)
        (tmp_path / KEY_FILE).chmod(0o644)

        assert key_in(tmp_path) == made
        assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600

    def test_what_a_full_disk_left_of_one_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / KEY_FILE).write_bytes(b"")
        (tmp_path / KEY_FILE).with_suffix(".part").write_bytes(b"half")

        made = key_in(tmp_path)

        assert len(made) == 32
        assert key_in(tmp_path) == made
