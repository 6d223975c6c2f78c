"""Where a member's picture is fetched from, and which answers end the tries: real sockets on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.chat.picture_download import PICTURE_ELSEWHERE, PICTURE_GONE, REDIRECTS, PictureFetcher
from bot.errors import ChatUnavailable, PictureRefused
from tests.builders import a_picture

PICTURE = b"\xff\xd8" + bytes(1_000)


class Host:
    """One server that serves pictures and redirects, and counts who came."""

    def __init__(self) -> None:
        self.status = 200
        self.body = PICTURE
        self.location: str | None = None
        self.asked: list[str] = []
        self.authorized = False
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        self.authorized = self.authorized or "Authorization" in request.headers
        if self.location is not None:
            return web.Response(status=302, headers={"Location": self.location})
        return web.Response(status=self.status, body=self.body)


@pytest.fixture
async def discord() -> AsyncIterator[Host]:
    host = Host()
    await host.start()
    yield host
    await host.stop()


@pytest.fixture
async def elsewhere() -> AsyncIterator[Host]:
    host = Host()
    await host.start()
    yield host
    await host.stop()


@pytest.fixture
async def fetcher(discord: Host) -> AsyncIterator[PictureFetcher]:
    fetcher = PictureFetcher(f"{discord.url}/api/v10")
    yield fetcher
    await fetcher.close()


async def fetch(fetcher: PictureFetcher, url: str, **changes: Any) -> bytes:
    return await fetcher.fetch(a_picture(url=url, **({"size_bytes": len(PICTURE)} | changes)))


async def test_what_the_operator_keeps_for_other_programs_is_sent_to_nobody(
    fetcher: PictureFetcher, discord: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else")
    monkeypatch.setenv("NETRC", str(netrc))

    assert await fetch(fetcher, f"{discord.url}/a.jpg") == PICTURE
    assert not discord.authorized


async def test_a_picture_at_discord_is_fetched(fetcher: PictureFetcher, discord: Host) -> None:
    assert await fetch(fetcher, f"{discord.url}/attachments/cat.jpg") == PICTURE
    assert await fetch(fetcher, f"{discord.url}/attachments/cat.jpg", size_bytes=None) == PICTURE


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.discordapp.com/attachments/1/2/cat.jpg",
        "https://cdn.discordapp.com:8443/attachments/1/2/cat.jpg",
        "https://user@cdn.discordapp.com/attachments/1/2/cat.jpg",
        "https://cdn.discordapp.com.example/cat.jpg",
        "https://notdiscordapp.com/cat.jpg",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "cat.jpg",
        "http://[",
        "https://",
    ],
)
async def test_any_other_address_is_refused_without_being_asked(fetcher: PictureFetcher, url: str) -> None:
    with pytest.raises(PictureRefused) as refused:
        await fetch(fetcher, url)

    assert refused.value.sentence == PICTURE_ELSEWHERE


async def test_another_port_of_this_machine_is_not_asked(fetcher: PictureFetcher, elsewhere: Host) -> None:
    with pytest.raises(PictureRefused):
        await fetch(fetcher, f"{elsewhere.url}/cat.jpg")

    assert elsewhere.asked == []


async def test_a_redirect_to_elsewhere_is_not_followed(fetcher: PictureFetcher, discord: Host, elsewhere: Host) -> None:
    discord.location = f"{elsewhere.url}/cat.jpg"

    with pytest.raises(PictureRefused):
        await fetch(fetcher, f"{discord.url}/cat.jpg")

    assert elsewhere.asked == []


async def test_redirects_in_a_circle_end(fetcher: PictureFetcher, discord: Host) -> None:
    discord.location = "/once/more.jpg"

    with pytest.raises(PictureRefused):
        await fetch(fetcher, f"{discord.url}/cat.jpg")

    assert discord.asked == ["/cat.jpg", *["/once/more.jpg"] * REDIRECTS]


@pytest.mark.parametrize("status", [204, 304, 400, 401, 403, 404, 410, 415, 451])
async def test_what_would_be_answered_the_same_again_is_refused_at_once(
    fetcher: PictureFetcher, discord: Host, status: int
) -> None:
    discord.status = status

    with pytest.raises(PictureRefused) as refused:
        await fetch(fetcher, f"{discord.url}/cat.jpg")

    assert refused.value.sentence == PICTURE_GONE


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
async def test_what_may_pass_may_be_tried_again(fetcher: PictureFetcher, discord: Host, status: int) -> None:
    discord.status = status

    with pytest.raises(ChatUnavailable):
        await fetch(fetcher, f"{discord.url}/cat.jpg?hm=secret")


async def test_a_picture_cut_short_may_be_tried_again(fetcher: PictureFetcher, discord: Host) -> None:
    discord.body = PICTURE[:10]

    with pytest.raises(ChatUnavailable):
        await fetch(fetcher, f"{discord.url}/cat.jpg")


async def test_no_trouble_tells_the_signed_address(fetcher: PictureFetcher, discord: Host) -> None:
    await discord.stop()

    with pytest.raises(ChatUnavailable) as trouble:
        await fetch(fetcher, f"{discord.url}/cat.jpg?hm=secret")
    await discord.start()

    assert "secret" not in str(trouble.value)
    assert trouble.value.__cause__ is None


async def test_the_address_of_a_picture_whose_author_had_it_deleted_is_not_asked_for(fetcher: PictureFetcher) -> None:
    with pytest.raises(PictureRefused) as refused:
        await fetch(fetcher, "")

    assert refused.value.sentence == PICTURE_GONE
