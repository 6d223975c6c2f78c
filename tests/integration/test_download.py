"""Downloads: whole or not at all, from where they may come, and the key to nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import resource
import signal
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.errors import LocalTrouble, VideoError, VideoNotReady, VideoUnavailable
from bot.providers.http import Timeouts
from bot.providers.openai import OpenAIProvider, ticket_of
from bot.wire_config import ProviderConfig
from tests.integration.video_server import (
    MP4,
    Provider,
    Script,
    http_answer,
    json_answer,
    provider,
    resets,
    says_nothing,
    sends,
    sends_and_closes,
    sends_for_ever,
    sends_in_turn,
    video_answer,
)

KEY = "sk-live-0123456789abcdef"
PATIENT = Timeouts(connect_s=10, poll_s=30, download_idle_s=20, download_s=30)
SHORT = Timeouts(connect_s=0.5, poll_s=5, download_idle_s=0.4, download_s=1.0)
CONTENT = "GET /v1/videos/video_1/content"
NOT_READY = json_answer({"error": {"message": "Video is not ready yet"}}, 404)
WEBM = b"\x1aE\xdf\xa3" + bytes(5000)
SMALL = 100_000
NOBODY = "127.0.0.1:9"  # where no test listens


def until_closed(body: bytes) -> bytes:
    """An answer whose end is the connection's: nothing says whether it is whole."""
    return video_answer(body, content_length=None, connection="close")


@contextlib.asynccontextmanager
async def world(
    *, hosts: tuple[str, ...] = (), timeouts: Timeouts = PATIENT
) -> AsyncIterator[tuple[Provider, OpenAIProvider]]:
    async with provider() as there:
        config = ProviderConfig("mine", "openai", there.url, KEY, "raw", download_hosts=frozenset(hosts))
        api = OpenAIProvider(config, max_video_bytes=SMALL, timeouts=timeouts)
        try:
            yield there, api
        finally:
            await api.close()


def is_alone(target: Path) -> bool:
    """Nothing but the video, if even that, is left in its folder."""
    return {path.name for path in target.parent.iterdir()} <= {target.name}


async def refusal(api: OpenAIProvider, url: str | None, target: Path) -> str:
    """What was said of a download that brought nothing; whether anybody answered shows in the error's class."""
    with pytest.raises(VideoError) as refused:
        await api.download(ticket_of(api.endpoint, "video_1"), url, target)
    assert isinstance(refused.value, VideoNotReady | VideoUnavailable)
    assert list(target.parent.iterdir()) == []
    assert KEY not in str(refused.value)
    assert len(refused.value.provider_text) <= 200
    return refused.value.provider_text


async def test_the_url_comes_first(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    async with world() as (there, api):
        there.on("GET /files/a.mp4", video_answer())
        await api.download(ticket_of(api.endpoint, "video_1"), f"{there.origin}/files/a.mp4", target)

    assert target.read_bytes() == MP4
    assert is_alone(target)
    (request,) = there.requests
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["authorization"] == KEY  # sub2api#4494: a given URL may want the key


PACKET = b"\x47\x40\0\x10" + bytes(184)
KINDS = {
    "mp4": MP4,
    "webm": WEBM,
    "avi": b"RIFF\0\0\0\0AVI LIST" + bytes(500),
    "gif": b"GIF89a" + bytes(500),
    "webp": b"RIFF\0\0\0\0WEBPVP8X" + bytes(500),
    "mpeg-ts": PACKET * 5,
    "m2ts": (bytes(4) + PACKET) * 5,
    "quicktime without ftyp, moov first": b"\0\0\2\0moov" + bytes(504),
    "quicktime without ftyp, mdat first": b"\0\0\0\x08wide\0\0\1\xf8mdat" + bytes(496),
    "flv": b"FLV\x01" + bytes(500),
    "ogg": b"OggS\0" + bytes(500),
    "mpeg-ps": b"\0\0\1\xba" + bytes(500),
}


@pytest.mark.parametrize("body", KINDS.values(), ids=KINDS)
async def test_then_the_content_route(tmp_path: Path, body: bytes) -> None:
    """T12: content types seen are video/mp4, application/octet-stream, video/x-msvideo; the bytes decide."""
    target = tmp_path / "a.mp4"
    target.write_bytes(b"an older one")
    async with world() as (there, api):
        there.on(CONTENT, http_answer(200, body, content_type="application/octet-stream"))
        await api.download(ticket_of(api.endpoint, "video_1"), f"{there.origin}/gone.mp4", target)

    assert target.read_bytes() == body
    assert is_alone(target)


async def test_without_a_url_there_is_the_content_route_alone(tmp_path: Path) -> None:
    async with world() as (there, api):
        there.on(CONTENT, video_answer())
        await api.download(ticket_of(api.endpoint + "/", "video_1"), None, tmp_path / "a.mp4")

    assert [request.path for request in there.requests] == ["/v1/videos/video_1/content"]


BOXES = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + b"\0\0\1\0moov" + bytes(248) + b"\0\0\x20\0mdat" + bytes(8184)
TWO_MEMBERS = gzip.compress(MP4[:5000]) + gzip.compress(MP4[5000:])
MANY_MEMBERS = gzip.compress(MP4) + gzip.compress(b"") * 20_001
ENDLESS_GZIP = video_answer(gzip.compress(MP4), content_length=None)
CHUNKED = http_answer(200, content_length=None, transfer_encoding="chunked", content_type="video/mp4")
ONE_CHUNK = b"%x\r\n%s\r\n" % (len(MP4), MP4)
WHOLE: list[tuple[str, bytes]] = [
    ("chunked", CHUNKED + ONE_CHUNK + b"0\r\n\r\n"),
    ("until the connection closes", video_answer(content_length=None, connection="close")),
    ("206 of everything (T12)", video_answer(status=206, content_range=f"bytes 0-{len(MP4) - 1}/{len(MP4)}")),
    ("gzip although asked not to (T13)", video_answer(gzip.compress(MP4), content_encoding="gzip")),
    ("not gzip although it says so (T13)", video_answer(content_encoding="gzip")),
    ("a type that is not so (T12)", video_answer(content_type="text/html")),
    ("gzip that no header announces", video_answer(gzip.compress(MP4))),
    ("gzip of two members", video_answer(TWO_MEMBERS, content_encoding="gzip")),
    ("gzip of two members that no header announces", video_answer(TWO_MEMBERS)),
    (
        "gzip with an empty member between",
        video_answer(gzip.compress(MP4[:5000]) + gzip.compress(b"") + gzip.compress(MP4[5000:])),
    ),
    ("gzip padded with zeros", video_answer(TWO_MEMBERS + bytes(5000))),
    ("gzip with bytes behind it that are none", video_answer(gzip.compress(MP4) + b"\r\n-- the end")),
    ("gzip until the connection closes", until_closed(TWO_MEMBERS)),
    (
        "gzip of a range counted before it was packed",
        video_answer(gzip.compress(MP4), status=206, content_range=f"bytes 0-{len(MP4) - 1}/{len(MP4)}"),
    ),
    ("zlib, called deflate", video_answer(zlib.compress(MP4), content_encoding="deflate")),
    ("boxes until the connection closes", until_closed(BOXES)),
    ("just the bound", video_answer(MP4.ljust(SMALL, b"\0"))),
]


@pytest.mark.parametrize(("what", "answer"), WHOLE, ids=[row[0] for row in WHOLE])
async def test_a_whole_video_is_taken_however_it_is_sent(tmp_path: Path, what: str, answer: bytes) -> None:
    target = tmp_path / "a.mp4"
    async with world() as (there, api):
        there.on(CONTENT, sends_and_closes(answer))
        await api.download(ticket_of(api.endpoint, "video_1"), None, target)

    got = target.read_bytes()
    assert got == BOXES or (got.startswith(MP4) and not got[len(MP4) :].strip(b"\0")), what


REFUSED: list[tuple[str, Script, str]] = [
    ("404 not ready yet (F17, litellm#32602)", sends(NOT_READY), "404: Video is not ready yet"),
    ("400 not completed (F17, new-api)", sends(json_answer({"error": "Task is not completed yet"}, 400)), "Task"),
    ("502 (F17, ArcReel#237)", sends(http_answer(502, b"<html>")), "502"),
    ("JSON as 200 video/mp4 (F18, litellm#16672)", sends(video_answer(b'{"error": {"message": "nope"}}')), "200: nope"),
    ("a queued job as 200 (F18, seed)", sends(json_answer({"id": "video_123", "status": "queued"})), "200: "),
    ("a server's path (F18, TensorRT-LLM)", sends(json_answer({"path": "/tmp/video.mp4"})), "/tmp/video.mp4"),
    ("HTML as 200 (F18)", sends(http_answer(200, b"<html>" + b"x" * 5000)), "<html>"),
    ("empty (F18)", sends(video_answer(b"")), "200: empty"),
    ("a header and nothing more (F18)", sends(video_answer(MP4[:60])), "200: "),
    ("cut (F18)", sends_and_closes(video_answer(content_length=str(len(MP4) + 500))), "ClientPayloadError"),
    ("cut inside a chunk", sends_and_closes(CHUNKED + b"%x\r\n%s" % (len(MP4) + 9, MP4)), "ClientPayloadError"),
    ("a part only", sends(video_answer(status=206, content_range=f"bytes 0-{len(MP4) - 1}/999999")), "cut at"),
    ("cut gzip", sends(video_answer(gzip.compress(MP4)[:-20], content_encoding="gzip")), "gzip"),
    ("broken gzip", sends(video_answer(b"\x1f\x8b\x08" + MP4, content_encoding="gzip")), "gzip"),
    ("cut gzip that no header announces", sends(video_answer(gzip.compress(MP4)[:-20])), "gzip"),
    ("a second member that is cut", sends(video_answer(TWO_MEMBERS[:-20])), "gzip"),
    ("a second member that is broken", sends(video_answer(gzip.compress(MP4) + b"\x1f\x8b\x08\xff" * 9)), "gzip"),
    ("gzip of a cut file and other bytes behind it", sends(video_answer(gzip.compress(BOXES[:-9]) + b"page")), "cut"),
    ("gzip of too many members", sends_and_closes(until_closed(MANY_MEMBERS)), "too many"),
    ("zeros for ever behind gzip", sends_for_ever(ENDLESS_GZIP, bytes(9999)), "longer"),
    ("cut where no length was said", sends_and_closes(until_closed(BOXES[:-9])), "cut"),
    ("a range of no known end", sends(video_answer(BOXES[:-9], status=206, content_range="bytes 0-99/*")), "cut"),
    ("a range from the middle", sends(video_answer(status=206, content_range="bytes 5-99/100")), "begins at byte 5"),
    ("a gzip bomb", sends(video_answer(gzip.compress(MP4 + bytes(50_000_000), 1), content_encoding="gzip")), "longer"),
    ("beyond the bound, said", sends(video_answer(MP4.ljust(SMALL + 1, b"\0"))), "longer than 100000 bytes"),
    ("beyond the bound, unsaid", sends_for_ever(CHUNKED + ONE_CHUNK, b"100\r\n" + b"x" * 256 + b"\r\n"), "longer"),
    ("an endless page", sends_for_ever(CHUNKED, b"100\r\n" + b"<" * 256 + b"\r\n"), "200: <<<"),
    ("reset", resets, ""),
    ("nothing in time", says_nothing, "Timeout"),
    ("idle half-way", sends(video_answer(content_length="90000")), "Timeout"),
    ("an answer with the key in it", sends(json_answer({"error": f"bad key {KEY}"}, 403)), "403: bad key [key]"),
    ("a redirect to nowhere", sends(http_answer(302)), "302"),
    ("a redirect that is none", sends(http_answer(302, location="http://[::1/x")), ""),
    ("a redirect for ever", sends(http_answer(302, location="/v1/videos/video_1/content")), "too many redirects"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "script", "said"), REFUSED, ids=[row[0] for row in REFUSED])
async def test_what_is_no_whole_video_leaves_nothing(tmp_path: Path, what: str, script: Script, said: str) -> None:
    async with world(timeouts=SHORT if said == "Timeout" else PATIENT) as (there, api):
        there.on(CONTENT, script)

        assert said in await refusal(api, None, tmp_path / "a.mp4"), what


async def test_what_comes_behind_gzip_for_ever_is_not_read(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    async with world() as (there, api):
        behind = b"no end " * 9999
        there.on(CONTENT, sends_for_ever(ENDLESS_GZIP, behind))
        await api.download(ticket_of(api.endpoint, "video_1"), None, target)

    assert target.read_bytes() == MP4


async def test_a_download_that_trickles_has_an_end(tmp_path: Path) -> None:
    """Never idle, never done: the deadline of the whole counts."""

    async def trickle(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(video_answer(content_length="90000"))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with world(timeouts=SHORT) as (there, api):
        there.on(CONTENT, trickle)

        assert await refusal(api, None, tmp_path / "a.mp4") == "TimeoutError"


async def test_both_routes_are_told_of_and_one_try_is_one_try(tmp_path: Path) -> None:
    async with world() as (there, api):
        there.on("GET /a.mp4", json_answer({"error": "expired"}, 403))
        there.on(CONTENT, sends_in_turn(NOT_READY, video_answer()))

        assert (
            await refusal(api, f"{there.origin}/a.mp4", tmp_path / "a.mp4")
            == "403: expired; then 404: Video is not ready yet"
        )
        await api.download(ticket_of(api.endpoint, "video_1"), f"{there.origin}/a.mp4", tmp_path / "a.mp4")

    assert len(there.asked(CONTENT)) == 2


async def test_json_that_names_a_url_is_followed_once(tmp_path: Path) -> None:
    """APIYI's /content."""
    async with world() as (there, api):
        there.on(CONTENT, json_answer({"video_url": f"{there.origin}/a.mp4"}))
        there.on("GET /a.mp4", video_answer())
        await api.download(ticket_of(api.endpoint, "video_1"), None, tmp_path / "a.mp4")
        assert (tmp_path / "a.mp4").read_bytes() == MP4
        (tmp_path / "a.mp4").unlink()

        there.on("GET /a.mp4", json_answer({"video_url": f"{there.origin}/a.mp4"}))
        await refusal(api, None, tmp_path / "a.mp4")

    assert len(there.asked("GET /a.mp4")) == 2


async def test_redirects_are_followed_and_the_key_stays_at_home(tmp_path: Path) -> None:
    """T14: LiteLLM and OpenAI send to storage; `localhost` stands for another origin."""
    async with world(hosts=("localhost",)) as (there, api), provider() as storage:
        storage.on("GET /b.mp4?sig=a%2Fb+c", video_answer())
        there.on(CONTENT, http_answer(302, location="content2"))
        there.on(
            "GET /v1/videos/video_1/content2",
            http_answer(307, location=f"http://localhost:{storage.port}/b.mp4?sig=a%2Fb+c"),
        )
        await api.download(ticket_of(api.endpoint, "video_1"), None, tmp_path / "a.mp4")

    assert all(request.headers["authorization"] == KEY for request in there.requests)
    (elsewhere,) = storage.requests
    assert "authorization" not in elsewhere.headers
    assert "cookie" not in elsewhere.headers


async def test_a_job_begun_elsewhere_is_fetched_without_the_key(tmp_path: Path) -> None:
    """Neither its own service nor an address which that one names at ours is given the key."""
    async with world() as (there, api), provider() as elsewhere:
        there.on("GET /a.mp4", NOT_READY)
        elsewhere.on(CONTENT, http_answer(302, location="/b.mp4"))
        elsewhere.on("GET /b.mp4", video_answer())
        await api.download(ticket_of(elsewhere.url, "video_1"), f"{elsewhere.origin}/gone.mp4", tmp_path / "a.mp4")
        with pytest.raises(VideoNotReady):
            await api.download(ticket_of(elsewhere.url, "video_2"), f"{there.origin}/a.mp4", tmp_path / "b.mp4")

    assert len(elsewhere.requests) == 4
    for request in (*there.requests, *elsewhere.requests):
        assert "authorization" not in request.headers


@pytest.mark.parametrize(
    "path", ["http://127.0.0.1:{port}/a.mp4", "http://localhost:{port}/a.mp4", "https://localhost:{port}/"]
)
@pytest.mark.parametrize("is_redirect", [False, True], ids=["given", "redirect"])
async def test_no_other_private_place_is_reached(tmp_path: Path, path: str, is_redirect: bool) -> None:  # noqa: FBT001 - a column
    async with world() as (there, api), provider() as inner:
        inner.on("GET /a.mp4", video_answer())
        url = path.format(port=inner.port)
        there.on("GET /go", http_answer(302, location=url))

        said = await refusal(api, f"{there.origin}/go" if is_redirect else url, tmp_path / "a.mp4")

    assert inner.requests == []
    assert inner.connections == 0
    assert "not allowed" in said or "not public" in said


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]", "169.254.169.254",
     "[fd00:ec2::254]", "10.0.0.1", "[64:ff9b::7f00:1]", "localhost", "ip6-localhost"],
)  # fmt: skip
async def test_no_spelling_of_an_address_gets_past_the_guard(tmp_path: Path, host: str) -> None:
    async with provider() as inner, world() as (_, api):
        said = await refusal(api, f"https://{host}:{inner.port}/a.mp4", tmp_path / "a.mp4")

    assert inner.connections == 0
    assert "ClientConnector" in said or "InvalidUrl" in said


async def test_a_host_the_operator_allowed_is_reached_in_the_clear(tmp_path: Path) -> None:
    async with provider() as storage, world(hosts=(f"127.0.0.1:{storage.port}",)) as (_, api):
        storage.on("GET /a.mp4", video_answer())
        await api.download(
            ticket_of(api.endpoint, "video_1"), f"http://127.0.0.1:{storage.port}/a.mp4", tmp_path / "a.mp4"
        )

    assert "authorization" not in storage.requests[0].headers


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//evil.example.com/a",
        "/a.mp4",
        "https://",
        "http://[",
        "x" * 9000,
        "https://a\n.com",
    ],
)
async def test_what_is_no_address_goes_on_to_the_content_route(tmp_path: Path, url: str) -> None:
    async with world() as (there, api):
        there.on(CONTENT, video_answer())
        await api.download(ticket_of(api.endpoint, "video_1"), url, tmp_path / "a.mp4")

    assert (tmp_path / "a.mp4").read_bytes() == MP4


async def test_a_name_and_password_in_a_url_are_dropped(tmp_path: Path) -> None:
    async with world() as (there, api):
        there.on("GET /a.mp4", video_answer())
        await api.download(
            ticket_of(api.endpoint, "video_1"), f"http://u:p@127.0.0.1:{there.port}/a.mp4#x", tmp_path / "a.mp4"
        )

    assert there.requests[0].headers["authorization"] == KEY


async def test_a_disk_that_takes_nothing_is_our_own_trouble(tmp_path: Path) -> None:
    async with world() as (there, api):
        there.on(CONTENT, video_answer())
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(LocalTrouble, match="NotADirectoryError"):
            await api.download(ticket_of(api.endpoint, "video_1"), None, tmp_path / "file" / "a.mp4")


@pytest.mark.parametrize("error", ["ENOSPC", "EFBIG"])
async def test_a_disk_that_fills_up_half_way_is_our_own_trouble(tmp_path: Path, error: str) -> None:
    """`/dev/full` takes no byte; a limit on the size of files takes some."""
    target = tmp_path / "a.mp4"
    if error == "ENOSPC":
        target.with_name("a.mp4.part").symlink_to("/dev/full")
    body = MP4.ljust(SMALL, b"\0")
    async with world() as (there, api):
        there.on("GET /a.mp4", video_answer(body))
        there.on(CONTENT, video_answer(body))
        with _files_no_longer_than(SMALL // 2 if error == "EFBIG" else None), pytest.raises(LocalTrouble):
            await api.download(ticket_of(api.endpoint, "video_1"), f"{there.origin}/a.mp4", target)

    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a look at a folder on the test's own disk
    assert there.asked(CONTENT) == []  # another route would not have more room


@contextlib.contextmanager
def _files_no_longer_than(size: int | None) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before[0] if size is None else size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("script", [resets, says_nothing, None], ids=["reset", "no answer", "nobody listens"])
async def test_where_nobody_answers_nothing_is_said_about_the_video(tmp_path: Path, script: Script | None) -> None:
    async with world(timeouts=SHORT, hosts=(NOBODY,)) as (there, api):
        url = None
        if script is not None:
            there.on(CONTENT, script)
            url = f"http://{NOBODY}/a.mp4"
        endpoint = api.endpoint if script else f"http://{NOBODY}/v1"

        with pytest.raises(VideoUnavailable):
            await api.download(ticket_of(endpoint, "video_1"), url, tmp_path / "a.mp4")


API_SAYS_NO = json_answer({"error": {"message": "no video in the operation"}}, 500)
REFUSALS: list[tuple[str, bytes, str | None, bool]] = [
    ("LiteLLM's 500 in JSON", API_SAYS_NO, None, True),
    ("404 in JSON", NOT_READY, None, True),
    ("an error as 200", json_answer({"error": "filtered"}), None, True),
    ("and its own URL is gone, too", API_SAYS_NO, "{origin}/gone.mp4", True),
    ("the job itself, still queued", json_answer({"id": "video_123", "status": "queued"}), None, False),
    ("a page", http_answer(500, b"<html>"), None, False),
    ("too many requests", json_answer({"error": "slow down"}, 429), None, False),
    ("the key", json_answer({"error": "who are you"}, 401), None, False),
    ("a gateway", json_answer({"error": "upstream"}, 502), None, False),
    ("but its own URL was not reached", API_SAYS_NO, f"http://{NOBODY}/a.mp4", False),
]


@pytest.mark.parametrize(("what", "answer", "url", "refused"), REFUSALS, ids=[row[0] for row in REFUSALS])
async def test_the_api_itself_refuses_the_content_in_json(
    tmp_path: Path,
    what: str,
    answer: bytes,
    url: str | None,
    refused: bool,  # noqa: FBT001 - a column
) -> None:
    async with world(hosts=(NOBODY,)) as (there, api):
        there.on(CONTENT, answer)
        with pytest.raises(VideoNotReady) as failed:
            await api.download(
                ticket_of(api.endpoint, "video_1"), url and url.format(origin=there.origin), tmp_path / "a.mp4"
            )

    assert failed.value.refused is refused, what


async def test_a_cancelled_download_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    async with world() as (there, api):
        there.on(CONTENT, video_answer(content_length="90000"))
        task = asyncio.create_task(api.download(ticket_of(api.endpoint, "video_1"), None, target))
        await asyncio.wait_for(there.arrived.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a look at a folder on the test's own disk
