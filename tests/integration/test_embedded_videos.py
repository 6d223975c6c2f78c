"""A video that stands in an answer's own JSON, in base64: over 1 MB of it is read, and none of it is lost."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.errors import VideoNotReady
from bot.providers import embedded_video
from bot.providers.body import NotFetchedError
from bot.providers.embedded_video import EmbeddedVideo
from bot.providers.protocols import Phase
from sandbox.providers.exchange import Answer, Exchange
from tests.integration.video_server import MP4
from tests.integration.wires import ComfyRouter, Fal, GPTProto, OpenAI, OpenRouter, Wire

LARGE = MP4 + bytes(range(256)) * 8_000
"""2 MB: no answer is read as far as that."""
TEXT = base64.b64encode(LARGE).decode()
URI = f"data:video/mp4;base64,{TEXT}"
SMALL = base64.b64encode(MP4).decode()
WRITTEN = {
    "plain": json.dumps({"videos": [{"bytesBase64Encoded": SMALL}]}),
    "a data URI": json.dumps({"url": f"data:video/mp4;base64,{SMALL}", "more": 1}),
    "escaped": json.dumps({"b64": SMALL}).replace("/", "\\/").replace("+", "\\u002B"),
    "in lines": json.dumps({"b64": base64.encodebytes(MP4).decode()}),
    "for addresses, unpadded": json.dumps({"b64": base64.urlsafe_b64encode(MP4).decode().rstrip("=")}),
    "behind a picture": json.dumps({"still": base64.b64encode(b"\x89PNG" + bytes(900)).decode(), "video": SMALL}),
}


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def _chunks(text: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(text), size):
        yield text[at : at + size]


async def _found(text: bytes, size: int, searched_bytes: int = 10_000) -> bytes:
    embedded = EmbeddedVideo(b"{", _chunks(text[1:], size), searched_bytes=searched_bytes)
    return b"".join([part async for part in embedded.decoded()])


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("size", [1, 7, 300, 100_000])
async def test_it_is_found_however_it_is_written_and_however_it_comes(written: str, size: int) -> None:
    assert embedded_video.is_in(written.encode())
    assert await _found(written.encode(), size) == MP4


@pytest.mark.parametrize(
    "value",
    [
        base64.b64encode(b"GIF89a" + bytes(900)).decode(),
        base64.b64encode(b"RIFF\0\0\0\0WEBPVP8X" + bytes(900)).decode(),
        base64.b64encode(b"\0\0\0\x1cftypavif" + bytes(900)).decode(),
        "data:video/mp4;base64,AAAA",
        "A" * 900,
        "https://videos.example/v.mp4",
    ],
)
async def test_pictures_and_words_are_no_video(value: str) -> None:
    text = json.dumps({"preview": value, "prompt": 'he says "AAAA"'}).encode()

    assert not embedded_video.is_in(text)
    assert await _found(text, 100) == b""


@pytest.mark.parametrize("text", [f'{{"b64": "{SMALL[:-500]}', f'{{"b64": "{SMALL[:5000]}****{SMALL[5000:]}"}}'])
async def test_what_breaks_off_or_is_no_base64_is_not_taken_for_whole(text: str) -> None:
    with pytest.raises(NotFetchedError):
        await _found(text.encode(), 1_000)


async def test_behind_so_much_else_it_is_not_looked_for() -> None:
    assert await _found(json.dumps({"words": "x " * 9_000, "b64": SMALL}).encode(), 1_000) == b""


ENDED: dict[str, tuple[Wire, str, dict[str, Any]]] = {
    "comfy-router, Veo": (ComfyRouter(), "result", {"response": {"videos": [{"bytesBase64Encoded": TEXT}]}}),
    "fal": (Fal(), "result", {"video": {"url": URI, "content_type": "video/mp4"}}),
    "openrouter": (OpenRouter(), "poll", {"id": "x", "status": "completed", "unsigned_urls": [URI]}),
    "gptproto": (GPTProto(), "result", {"urls": [URI], "id": "x", "status": "completed"}),
    "openai": (OpenAI(), "poll", {"data": [{"b64_json": TEXT}], "id": "x", "status": "completed"}),
}


@pytest.mark.parametrize(("wire", "route", "body"), ENDED.values(), ids=ENDED)
async def test_on_every_wire_such_an_answer_ends_the_job_and_the_video_is_fetched_from_it(
    tmp_path: Path, wire: Wire, route: str, body: dict[str, Any]
) -> None:
    async with wire.bench() as bench:
        ticket = await bench.api.create(bench.request())
        bench.local.finish(next(iter(bench.local.jobs)))

        async def answers(when: str, exchange: Exchange) -> Answer | None:
            if when != "before" or exchange.route not in (route, "content", "file"):
                return None
            return Answer(200, json.dumps(body).encode()) if exchange.route == route else Answer(404, b"{}")

        bench.local.on_exchange(answers)
        status = await bench.api.status(ticket)
        await bench.api.download(ticket, status.url, tmp_path / "a.mp4")
        bench.local.requests.clear()  # these answers are in no published description

    assert (status.phase, status.url) == (Phase.DONE, None)
    assert (tmp_path / "a.mp4").read_bytes() == LARGE
    assert left(tmp_path) == ["a.mp4"]


async def test_one_that_breaks_off_is_tried_again(tmp_path: Path) -> None:
    async with ComfyRouter().bench() as bench:
        ticket = await bench.api.create(bench.request())
        bench.local.finish(next(iter(bench.local.jobs)))
        whole = json.dumps({"response": {"videos": [{"bytesBase64Encoded": TEXT}]}}).encode()

        async def answers(when: str, exchange: Exchange) -> Answer | None:
            return Answer(200, whole[:-9_000]) if when == "before" and exchange.route == "result" else None

        bench.local.on_exchange(answers)
        with pytest.raises(VideoNotReady, match="has no end"):
            await bench.api.download(ticket, None, tmp_path / "a.mp4")
        bench.local.requests.clear()

    assert left(tmp_path) == []
