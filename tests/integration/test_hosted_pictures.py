"""Fitted pictures at the bot's own HTTP port, for providers that take an address only."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.hosted_pictures import LASTS, HostedPictures
from bot.models import Job, JobId
from tests.builders import NOON, a_job

JPEG = b"\xff\xd8\xff\xe0 a picture"
SECRET = "a secret that outlives a restart"


@pytest.fixture(name="job")
def _job() -> Job:
    return a_job()


@pytest.fixture(name="picture")
def _picture(job: Job, tmp_path: Path) -> Path:
    path = tmp_path / f"{job.id}.jpg"
    path.write_bytes(JPEG)
    (tmp_path / f"{job.id}.copy.jpg").write_bytes(b"another")
    return path


@contextlib.asynccontextmanager
async def served(
    folder: Path, job: Job, *, later: timedelta = timedelta(0), secret: str = SECRET
) -> AsyncIterator[str]:
    """The address of the job's picture, at a server whose clock is so much later than the command."""

    def path_of(job: JobId) -> Path:
        return folder / f"{job}.jpg"

    app = web.Application()
    runner = web.AppRunner(app)
    pictures = HostedPictures("", secret=secret, path_of=path_of, now=lambda: job.created_at + later)
    app.add_routes(pictures.routes())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{pictures.address(job)}"
    finally:
        await runner.cleanup()


async def asked(address: str) -> tuple[int, bytes, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_a_picture_is_had_at_its_address_and_kept_by_nobody(job: Job, picture: Path) -> None:
    async with served(picture.parent, job) as address:
        status, body, headers = await asked(address)

    assert (status, body) == (200, JPEG)
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["Cache-Control"] == "no-store"


async def test_the_address_outlives_a_restart_and_needs_the_same_secret(job: Job, picture: Path) -> None:
    async with served(picture.parent, job) as first:
        path = first.partition("/pictures/")[2]
    async with served(picture.parent, job, later=timedelta(hours=3)) as second:
        assert second.endswith(path)
        assert (await asked(second))[0] == 200
    async with served(picture.parent, job, secret="another") as third:
        assert (await asked(f"{third.partition('/pictures/')[0]}/pictures/{path}"))[0] == 404


async def test_it_expires_after_a_day(job: Job, picture: Path) -> None:
    for later, status in ((LASTS - timedelta(seconds=2), 200), (LASTS, 404)):
        async with served(picture.parent, job, later=later) as address:
            assert (await asked(address))[0] == status


async def test_it_is_gone_with_the_picture(job: Job, tmp_path: Path) -> None:
    async with served(tmp_path, job) as address:
        assert (await asked(address))[0] == 404


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
async def test_no_other_name_leads_anywhere(name: str, job: Job, picture: Path) -> None:
    async with served(picture.parent, job) as address:
        base, _, real = address.rpartition("/")
        told = real.removesuffix(".jpg").split("-", 2)
        tried = name.format(id=job.id, end=told[1], later=int(told[1]) + 1, sign=told[2], other="A" * 43)
        status, body, _ = await asked(f"{base}/{tried}")

    assert status == 404
    assert JPEG not in body


def test_two_jobs_have_two_addresses_and_no_secret_is_in_them() -> None:
    pictures = HostedPictures("https://bot.example/", secret=SECRET, path_of=lambda _: Path(), now=lambda: NOON)
    one, two = a_job(), a_job(2)

    assert pictures.address(one).startswith("https://bot.example/pictures/")
    assert pictures.address(one) != pictures.address(two)
    assert SECRET not in pictures.address(one)
