"""A video that Discord has, fetched before its message goes: by the proxy that is set, and bounded."""

from __future__ import annotations

import pytest

from bot.chat.posted_video import stream
from bot.errors import ChatUnavailable
from tests.integration.video_server import MP4, provider, sends_and_closes, video_answer

ADDRESS = "http://cdn.example/attachments/1/2/clip.mp4?ex=1&hm=5ca1ab1e"


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "request_method"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_it_is_fetched_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with provider() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        proxy.on(f"GET {ADDRESS}", video_answer())

        assert b"".join([chunk async for chunk in stream(ADDRESS)]) == MP4


async def test_a_body_without_an_end_is_left_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + b"x" * 1_000_000
    async with provider() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        proxy.on(f"GET {ADDRESS}", sends_and_closes(endless))

        with pytest.raises(ChatUnavailable, match="more than 100000 bytes"):
            assert [chunk async for chunk in stream(ADDRESS, at_most_bytes=100_000)]
