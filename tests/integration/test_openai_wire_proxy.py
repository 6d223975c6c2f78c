"""HTTPS_PROXY, HTTP_PROXY and NO_PROXY are obeyed; the guard and the key stay what they are."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from yarl import URL

from bot.errors import VideoError, VideoNotReady, VideoOutcomeUnknown, VideoUnavailable
from bot.providers.http import Timeouts
from bot.providers.openai import OpenAIProvider, ticket_of
from bot.providers.protocols import CreateRequest, Phase
from bot.proxy import UnusableProxyError, proxy_for
from bot.wire_config import ModelWire, ProviderConfig
from tests.integration.video_server import (
    MP4,
    Script,
    http_answer,
    json_answer,
    provider,
    resets,
    says_nothing,
    sends,
    sends_and_closes,
    video_answer,
)

KEY = "sk-live-0123456789abcdef"
SPEC = CreateRequest("a-key", ModelWire("sora-2"), "a hat", 4, "720x1280", b"\xff\xd8\xff\xe0")
SHORT = Timeouts(connect_s=0.5, create_s=2, poll_s=2, download_idle_s=1, download_s=5)
FAR = "video.example"  # known to the proxy alone: no name is looked up for it here


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "request_method"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def client(url: str, hosts: frozenset[str] = frozenset()) -> OpenAIProvider:
    return OpenAIProvider(ProviderConfig("mine", "openai", url, KEY, "raw", download_hosts=hosts), timeouts=SHORT)


async def test_all_requests_to_the_service_go_through_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {FAR} login somebody password else")
    monkeypatch.setenv("NETRC", str(netrc))
    async with provider() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
        proxy.on(f"POST http://{FAR}/v1/videos", json_answer({"id": "video_1"}))
        proxy.on(f"GET http://{FAR}/v1/videos/video_1", json_answer({"status": "queued"}))
        proxy.on(f"GET http://{FAR}/v1/videos/video_1/content", video_answer())
        api = client(f"http://{FAR}/v1")

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")
        assert (await api.status(ticket_of(api.endpoint, "video_1"))).phase is Phase.RUNNING
        await api.download(ticket_of(api.endpoint, "video_1"), None, tmp_path / "a.mp4")
        await api.close()

    assert (tmp_path / "a.mp4").read_bytes() == MP4
    assert len(proxy.requests) == 3
    for request in proxy.requests:
        assert request.headers["authorization"] == KEY  # and nothing of ~/.netrc
        assert request.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()


REFUSALS: list[tuple[str, Script]] = [
    ("no way there", sends(http_answer(502))),
    ("a password is wanted", sends(http_answer(407))),
    ("closed", sends_and_closes(b"")),
    ("reset", resets),
    ("no answer", says_nothing),
    ("not HTTP", sends_and_closes(b"\x15\x03\x01\0\x02\x02\x50")),
]


@pytest.mark.parametrize(("what", "script"), REFUSALS, ids=[row[0] for row in REFUSALS])
async def test_where_the_proxy_makes_no_way_certainly_nothing_was_made(
    what: str, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with provider() as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        proxy.on(f"CONNECT {FAR}:443", script)
        api = client(f"https://{FAR}/v1")
        with pytest.raises(VideoUnavailable):
            await api.create(SPEC)
        await api.close()

    (request,) = proxy.requests
    assert "authorization" not in request.headers, what


async def test_an_answer_lost_behind_the_proxy_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async with provider() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        proxy.on(f"POST http://{FAR}/v1/videos", resets)
        api = client(f"http://{FAR}/v1")
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(SPEC)
        await api.close()


@pytest.mark.parametrize("named", ["socks5://127.0.0.1:1080", "http://", "http://[::1"])
async def test_a_proxy_that_cannot_be_used_is_not_gone_round(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", named)
    api = client(f"http://{FAR}/v1")
    with pytest.raises(VideoUnavailable, match="HTTP_PROXY"):
        await api.create(SPEC)
    with pytest.raises(VideoUnavailable, match="HTTP_PROXY"):
        await api.status(ticket_of(api.endpoint, "video_1"))
    await api.close()
    with pytest.raises(UnusableProxyError):
        proxy_for(URL(f"http://{FAR}/"))


async def test_the_guard_holds_where_a_proxy_would_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy resolves by itself: what is private here is not asked for."""
    async with provider() as there, provider() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        api = client(there.url, frozenset({"storage.internal"}))
        for host in ("10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "ip6-localhost", "0x7f.1", "[64:ff9b::7f00:1]"):
            with pytest.raises(VideoError):
                await api.download(ticket_of(api.endpoint, "video_1"), f"https://{host}/a.mp4", tmp_path / "a.mp4")
        assert proxy.requests == []

        for host in ("93.184.215.14", "storage.internal"):
            with pytest.raises(VideoNotReady):  # the content route has answered
                await api.download(ticket_of(api.endpoint, "video_1"), f"https://{host}/a.mp4", tmp_path / "a.mp4")
        await api.close()

    assert [request.path for request in proxy.requests] == ["93.184.215.14:443", "storage.internal:443"]
    assert all("authorization" not in request.headers for request in proxy.requests)
    assert KEY not in str(proxy.requests)


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_proxied"),
    [
        ("https://api.example.com/v1", "", True),
        ("http://api.example.com/v1", "", False),  # only HTTPS_PROXY is set
        ("https://api.example.com/v1", "example.com", False),
        ("https://api.example.com/v1", ".example.com,other", False),
        ("https://api.example.com/v1", "example.org", True),
        ("https://api.example.com/v1", "*", False),
        ("https://api.example.com:8443/v1", "api.example.com:8443", False),
        ("https://10.0.0.7/v1", "10.0.0.7", False),
        ("https://10.0.0.7/v1", "", True),
        ("https://127.0.0.1:8443/v1", "localhost,127.0.0.1", False),
    ],
)
def test_what_goes_through_the_proxy(
    url: str,
    no_proxy: str,
    is_proxied: bool,  # noqa: FBT001 - a column
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.internal:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert (proxy_for(URL(url)) is not None) is is_proxied
