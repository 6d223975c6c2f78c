"""The client against a provider that does as it likes: creates, the key's form, polls."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import logging
import socket
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from bot.errors import VideoError, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind
from bot.providers import protocols
from bot.providers.http import Timeouts
from bot.providers.openai import OpenAIProvider, ticket_of
from bot.providers.protocols import CreateRequest, Phase, VideoStatus
from bot.wire_config import ModelWire, PictureForm, ProviderConfig
from tests.integration.video_server import (
    Provider,
    Request,
    Script,
    Writer,
    http_answer,
    json_answer,
    listening,
    provider,
    resets,
    says_nothing,
    sends,
    sends_and_closes,
    sends_for_ever,
    sends_in_turn,
)
from tests.integration.wires import SECRET, is_clean

KEY = SECRET
SPEC = CreateRequest(
    "a-key",
    ModelWire("sora-2"),
    "Put a hat\non the “cat” --x",
    4,
    "720x1280",
    b"\xff\xd8\xff\xe0" + bytes(range(256)) * 9000,
)
PATIENT = Timeouts(connect_s=10, create_s=30, poll_s=30)
SHORT = Timeouts(connect_s=0.5, create_s=1.0, poll_s=0.8)
CREATED = json_answer({"id": "video_1", "object": "video", "status": "queued"})
CREATE, UNKNOWN_ID, POLL = "POST /v1/videos", "GET /v1/videos/video_0000000000", "GET /v1/videos/video_1"
NOT_FOUND = json_answer({"error": {"message": "not found"}}, 404)
REFUSED = json_answer({"error": {"message": "Invalid signature", "type": "401"}}, 401)


def client(url: str, *, auth: Literal["auto", "raw", "bearer"] = "raw", timeouts: Timeouts = PATIENT) -> OpenAIProvider:
    return OpenAIProvider(ProviderConfig("mine", "openai", url, KEY, auth), timeouts=timeouts)


@contextlib.asynccontextmanager
async def world(
    *, auth: Literal["auto", "raw", "bearer"] = "raw", timeouts: Timeouts = PATIENT
) -> AsyncIterator[tuple[Provider, OpenAIProvider]]:
    async with provider() as there:
        api = client(there.url, auth=auth, timeouts=timeouts)
        try:
            yield there, api
        finally:
            await api.close()


def test_the_adapter_is_a_provider() -> None:
    api: protocols.Provider = client("https://api.example.com/openai/v1/")

    assert api.endpoint == "https://api.example.com/openai/v1"
    assert KEY not in repr(api)


@pytest.mark.parametrize(
    ("url", "key"), [("ftp://a/v1", "k"), ("api.example.com", "k"), ("http://a", " "), ("http://a", "k\nx")]
)
def test_an_address_or_key_that_cannot_work_is_refused_at_once(url: str, key: str) -> None:
    with pytest.raises(ValueError, match="provider"):
        OpenAIProvider(ProviderConfig("mine", "openai", url, key, "raw"))


async def test_a_create_sends_what_the_seed_sends_and_nothing_else() -> None:
    async with world() as (there, api):
        there.on(CREATE, CREATED)

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")

    (request,) = there.requests
    form = request.form
    assert list(form) == ["model", "prompt", "seconds", "size", "input_reference"]
    assert [form[name][0].decode() for name in list(form)[:4]] == ["sora-2", SPEC.prompt, "4", "720x1280"]
    assert all(filename is None and kind is None for _, filename, kind in list(form.values())[:4])
    assert form["input_reference"] == (SPEC.picture, "picture.jpg", "image/jpeg")
    assert request.headers["authorization"] == KEY
    assert request.headers["content-length"] == str(len(request.body))
    assert "cookie" not in request.headers


@pytest.mark.parametrize("form", [PictureForm.DATA_URI, PictureForm.OBJECT])
async def test_the_second_form_is_json_with_the_picture_in_it(form: PictureForm) -> None:
    async with world() as (there, api):
        there.on(CREATE, CREATED)
        model = ModelWire("ray", picture=form, body={"negative_prompt": "{negative_prompt}", "quality": "high"})

        assert await api.create(replace(SPEC, model=model, seed=7)) == ticket_of(api.endpoint, "video_1")

    (request,) = there.requests
    uri = f"data:image/jpeg;base64,{base64.b64encode(SPEC.picture).decode()}"
    assert json.loads(request.body) == {
        "model": "ray",
        "prompt": SPEC.prompt,
        "seconds": "4",
        "size": "720x1280",
        "seed": 7,
        "quality": "high",
        "input_reference": uri if form is PictureForm.DATA_URI else {"image_url": uri},
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-litellm-num-retries"] == "0"


async def test_a_provider_without_a_key_is_sent_none() -> None:
    async with provider() as there:
        there.on(CREATE, CREATED)
        there.on(POLL, json_answer({"id": "video_1", "status": "queued"}))
        api = OpenAIProvider(ProviderConfig("mine", "openai", there.url, None, "none"))
        await api.settle_auth()
        ticket = await api.create(SPEC)
        await api.status(ticket)
        await api.close()

    assert len(there.requests) == 2
    assert all("authorization" not in request.headers for request in there.requests)


@pytest.mark.parametrize("tail", ["/v1", "/v1/", "/openai/v1", "/api/v1/", ""])
async def test_the_endpoint_is_used_as_given(tail: str) -> None:
    """T2."""
    async with provider() as there:
        there.on(f"POST {tail.rstrip('/')}/videos", CREATED)
        there.on(f"GET {tail.rstrip('/')}/videos/video_1", json_answer({"id": "video_1", "status": "queued"}))
        api = client(there.origin + tail)

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")
        assert (await api.status(ticket_of(api.endpoint + "/", "video_1"))).phase is Phase.RUNNING
        await api.close()


async def test_every_create_has_a_connection_of_its_own() -> None:
    """F1: a create on a pooled connection that the server is closing is lost unread."""
    async with world() as (there, api):
        there.on(CREATE, CREATED)
        there.on(POLL, json_answer({"status": "queued"}))
        await api.status(ticket_of(api.endpoint, "video_1"))
        await api.create(SPEC)
        await api.create(SPEC)
        await api.status(ticket_of(api.endpoint, "video_1"))

    assert len({request.connection for request in there.asked(CREATE)}) == 2
    assert len({request.connection for request in there.asked(POLL)}) == 1


async def test_the_id_is_logged_before_it_is_returned(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot.providers")
    async with world() as (there, api):
        there.on(CREATE, CREATED)
        await api.create(SPEC)

    assert "video_1" in caplog.text
    assert KEY not in caplog.text
    assert "hat" not in caplog.text


async def test_a_prompt_that_is_no_text_is_refused_before_anything_is_sent() -> None:
    async with world() as (there, api):
        with pytest.raises(VideoRejected) as refused:
            await api.create(replace(SPEC, prompt="half \ud800"))

    assert refused.value.kind is FailureKind.BAD_REQUEST
    assert there.requests == []


LOST: list[tuple[str, Script]] = [
    ("closed without a word", sends_and_closes(b"")),
    ("reset", resets),
    ("no answer in time (F2, F14)", says_nothing),
    ("half a status line", sends_and_closes(b"HTTP/1.1 2")),
    ("headers that never end", sends_and_closes(b"HTTP/1.1 200 OK\r\nx: y\r\n")),
    ("not HTTP", sends_and_closes(b"\x15\x03\x01\0\x02\x02\x50")),
    ("a header of a megabyte", sends_and_closes(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 2**20 + b"\r\n\r\n")),
    ("cut inside the id", sends_and_closes(http_answer(200, b'{"object": "video", "id": "vid', content_length="500"))),
    (
        "cut inside a chunk",
        sends_and_closes(http_answer(200, b'40\r\n{"id": "vi', content_length=None, transfer_encoding="chunked")),
    ),
    ("a body that stops half-way and waits", sends(http_answer(200, b'{"id": "vid', content_length="500"))),
    ("a body beyond the bound", sends_for_ever(http_answer(200, b"", content_length="900000000"), b" " * 65536)),
    ("broken gzip", sends(http_answer(200, b"\x1f\x8b\x08nonsense", content_encoding="gzip"))),
    ("an encoding there is not", sends(http_answer(200, b"\x0b\x02\x80{}\x03", content_encoding="br"))),
    ("2xx without an id (T3)", sends(json_answer({"status": "queued"}))),
    ("502 in HTML (F23)", sends(http_answer(502, b"<html>", content_type="text/html"))),
    ("500 (seed)", sends(json_answer({"error": {"message": "An internal server error"}}, 500))),
    ("409", sends(json_answer({"error": {"message": "conflict"}}, 409))),
    ("an answer that echoes the key", sends(json_answer({"error": {"message": f"key {KEY}"}}, 500))),
]


@pytest.mark.parametrize(("what", "script"), LOST, ids=[row[0] for row in LOST])
async def test_a_create_whose_answer_is_lost_is_unknown_and_sent_once(what: str, script: Script) -> None:
    async with world(timeouts=SHORT) as (there, api):
        there.on(CREATE, script)
        with pytest.raises(VideoOutcomeUnknown) as lost:
            await api.create(SPEC)

    assert len(there.asked(CREATE)) == 1, what
    assert is_clean(lost.value)
    assert len(lost.value.provider_text) <= 220


MODERATED_503 = json_answer({"error": {"message": "Content policy violation"}}, 503)
DECIDED: list[tuple[str, bytes, FailureKind]] = [
    ("429 (F21)", json_answer({"error": "Too many running tasks"}, 429, retry_after="30"), FailureKind.BUSY),
    ("401 (seed)", REFUSED, FailureKind.KEY),
    ("403 (seed, F22)", json_answer({"message": "insufficient balance"}, 403), FailureKind.BALANCE),
    ("400 moderated (F8)", json_answer({"error": {"code": "content_policy"}}, 400), FailureKind.MODERATED),
    ("503 moderated (seed, F8)", MODERATED_503, FailureKind.MODERATED),
    ("413 (F27)", http_answer(413, b""), FailureKind.TOO_LARGE),
    ("302 (F1: would become a GET)", http_answer(302, location="/v1/elsewhere"), FailureKind.BAD_REQUEST),
    ("307 (F1: would be sent again)", http_answer(307, location="/v1/elsewhere"), FailureKind.BAD_REQUEST),
    ("400 with its body cut", http_answer(400, b"{", content_length="50"), FailureKind.BAD_REQUEST),
]


@pytest.mark.parametrize(("what", "answer", "kind"), DECIDED, ids=[row[0] for row in DECIDED])
async def test_a_create_that_is_answered_is_decided(what: str, answer: bytes, kind: FailureKind) -> None:
    async with world() as (there, api):
        there.on(CREATE, sends_and_closes(answer))
        with pytest.raises(VideoError) as raised:
            await api.create(SPEC)

    assert raised.value.kind is kind
    assert isinstance(raised.value, VideoUnavailable if kind is FailureKind.BUSY else VideoRejected)
    assert len(there.requests) == 1, what
    assert is_clean(raised.value)
    if isinstance(raised.value, VideoUnavailable):
        assert (raised.value.rate_limited, raised.value.retry_after_s) == (True, 30)


async def test_an_answer_that_is_cut_behind_the_id_counts() -> None:
    """The video is paid for, and this is all that is needed to fetch it."""
    async with world(timeouts=SHORT) as (there, api):
        there.on(CREATE, sends_and_closes(http_answer(200, b'{"id": "video_1", "st', content_length="500")))

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")


PACKED_ID = gzip.compress(b'{"id": "video_1"}')


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(200, PACKED_ID, content_encoding="gzip"),
        http_answer(200, PACKED_ID),
        http_answer(200, b'{"id": "video_1"}', content_encoding="gzip"),
        http_answer(200, b'{"id": "video_1"}', content_encoding="br"),
        http_answer(200, zlib.compress(b'{"id": "video_1"}'), content_encoding="deflate"),
        http_answer(200, PACKED_ID[:-6], content_encoding="gzip", content_length="500"),
    ],
    ids=["gzip", "gzip unsaid", "said to be gzip", "said to be br", "deflate", "gzip cut behind the id"],
)
async def test_the_id_of_a_paid_video_is_read_however_the_answer_is_packed(answer: bytes) -> None:
    async with world(timeouts=SHORT) as (there, api):
        there.on(CREATE, sends_and_closes(answer))

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")


async def test_an_answer_packed_to_be_endless_is_read_as_far_as_we_care() -> None:
    async with world() as (there, api):
        there.on(POLL, http_answer(200, gzip.compress(b" " * 300_000_000), content_encoding="gzip"))
        with pytest.raises(VideoUnavailable):
            await api.status(ticket_of(api.endpoint, "video_1"))


async def test_a_gateway_is_told_not_to_order_again() -> None:
    """LiteLLM as installed repeats a create twice."""
    async with world() as (there, api):
        there.on(CREATE, CREATED)
        there.on(POLL, json_answer({"status": "queued"}))
        await api.create(SPEC)
        await api.status(ticket_of(api.endpoint, "video_1"))

    assert there.asked(CREATE)[0].headers["x-litellm-num-retries"] == "0"
    assert "x-litellm-num-retries" not in there.asked(POLL)[0].headers


async def test_an_id_beside_an_error_is_handed_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot.providers")
    async with world() as (there, api):
        there.on(CREATE, json_answer({"id": "video_1", "object": "video", "error": {"message": "no answer"}}, 504))
        with pytest.raises(VideoOutcomeUnknown) as lost:
            await api.create(SPEC)

    assert lost.value.provider_id == "video_1"
    assert "video_1" in caplog.text


async def test_an_answer_that_is_whole_counts_though_the_connection_hangs() -> None:
    async with world(timeouts=SHORT) as (there, api):
        there.on(CREATE, http_answer(200, b'{"id": "video_1"}', content_length="500"))

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")


async def test_an_early_refusal_is_heard_before_the_picture_is_sent() -> None:
    """413 while the body is still on its way."""

    async def early(reader: asyncio.StreamReader, writer: Writer) -> None:
        await reader.readline()
        writer.write(http_answer(413, b"too large"))
        await writer.drain()
        while await reader.read(65536):
            pass

    async with listening(early) as port:
        api = client(f"http://127.0.0.1:{port}/v1")
        with pytest.raises(VideoRejected) as refused:
            await api.create(SPEC)
        await api.close()

    assert refused.value.kind is FailureKind.TOO_LARGE


def full_listener() -> tuple[socket.socket, list[socket.socket]]:
    """A port whose backlog is full: connecting to it hangs."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(8):
        caller = socket.socket()
        caller.setblocking(False)
        caller.connect_ex(listener.getsockname())
        waiting.append(caller)
    return listener, waiting


async def test_certainly_nothing_is_made_where_no_connection_came_about() -> None:
    free = socket.socket()
    free.bind(("127.0.0.1", 0))
    listener, waiting = full_listener()
    async with provider() as there:
        urls = {
            "refused": f"http://127.0.0.1:{free.getsockname()[1]}/v1",
            "timed out": f"http://127.0.0.1:{listener.getsockname()[1]}/v1",
            "no such name": "http://no-such-host.invalid/v1",
            "no TLS there": f"https://127.0.0.1:{there.port}/v1",
        }
        for what, url in urls.items():
            api = client(url, timeouts=SHORT)
            with pytest.raises(VideoUnavailable) as unavailable:
                await api.create(SPEC)
            await api.close()
            assert unavailable.value.http_status is None, what
            assert not unavailable.value.rate_limited
            assert is_clean(unavailable.value)
        assert there.requests == []
    for each in (free, listener, *waiting):
        each.close()


async def test_a_tls_handshake_without_an_answer_is_nothing_made() -> None:
    async def mute(reader: asyncio.StreamReader, _: Writer) -> None:
        while await reader.read(65536):
            pass

    async with listening(mute) as port:
        api = client(f"https://127.0.0.1:{port}/v1", timeouts=SHORT)
        with pytest.raises(VideoUnavailable):
            await api.create(SPEC)
        await api.close()


async def test_a_cancelled_create_is_cancelled() -> None:
    async with world() as (there, api):
        there.on(CREATE, says_nothing)
        task = asyncio.create_task(api.create(SPEC))
        await asyncio.wait_for(there.arrived.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert len(there.requests) == 1


# The key's form (T1)


def takes(form: str, otherwise: bytes = REFUSED, known: bytes = NOT_FOUND) -> Script:
    """A server that knows one form of the key."""

    async def script(request: Request, writer: Writer) -> None:
        writer.write(known if request.headers.get("authorization") == form else otherwise)
        await writer.drain()

    return script


RAW, BEARER = KEY, f"Bearer {KEY}"
SETTLED: list[tuple[str, Script, str]] = [
    ("GPTProto as its pages print it, apiyi: raw", takes(RAW), RAW),
    ("LiteLLM, OpenAI: Bearer", takes(BEARER), BEARER),
    ("either: raw, as first", sends(NOT_FOUND), RAW),
    (
        "LiteLLM: an unknown id is a 500 in JSON",
        takes(BEARER, known=json_answer({"error": {"message": "no"}}, 500)),
        BEARER,
    ),
    (
        "LiteLLM without its database: a raw key is a bare 500",
        takes(BEARER, otherwise=http_answer(500, b"Oops")),
        BEARER,
    ),
    ("refused as 403", takes(BEARER, otherwise=json_answer({"error": "no"}, 403)), BEARER),
    ("refused in words under 400", takes(BEARER, otherwise=json_answer({"error": {"type": "401"}}, 400)), BEARER),
    ("refused in words under 200", takes(BEARER, otherwise=json_answer({"code": 401, "message": "Token"})), BEARER),
    ("new-api: an unknown id is a 400", takes(BEARER, known=json_answer({"code": "task_not_exist"}, 400)), BEARER),
]


@pytest.mark.parametrize(("what", "script", "form"), SETTLED, ids=[row[0] for row in SETTLED])
async def test_the_form_of_the_key_is_settled_before_the_first_create(what: str, script: Script, form: str) -> None:
    async with world(auth="auto") as (there, api):
        there.on(UNKNOWN_ID, script)
        there.on(CREATE, CREATED)
        await asyncio.gather(*(api.create(SPEC) for _ in range(5)))

    assert {request.headers["authorization"] for request in there.asked(CREATE)} == {form}, what
    assert len(there.asked(UNKNOWN_ID)) <= 2
    assert [request.method for request in there.requests[:1]] == ["GET"]


async def test_no_form_taken_is_the_operators_key() -> None:
    async with world(auth="auto") as (there, api):
        there.on(UNKNOWN_ID, REFUSED)
        for call in (api.settle_auth(), api.create(SPEC)):
            with pytest.raises(VideoRejected) as refused:
                await call
            assert refused.value.kind is FailureKind.KEY
            assert is_clean(refused.value)

    assert there.asked(CREATE) == []


async def test_told_to_stop_while_the_key_is_asked_about_no_create_leaves() -> None:
    answers = asyncio.Event()

    async def answers_late(request: Request, writer: Writer) -> None:
        await answers.wait()
        await sends(NOT_FOUND)(request, writer)

    async with world(auth="auto") as (there, api):
        there.on(UNKNOWN_ID, answers_late)
        creating = asyncio.create_task(api.create(SPEC))
        await there.arrived.wait()

        api.stop_creating()
        answers.set()

        with pytest.raises(VideoUnavailable):
            await creating
        assert there.asked(CREATE) == []


@pytest.mark.parametrize(
    "answer",
    [http_answer(502, b"<html>"), http_answer(500, b"Oops"), json_answer({"error": "slow"}, 429), http_answer(503)],
)
async def test_an_unsettled_key_holds_creates_back_until_it_can_be_settled(answer: bytes) -> None:
    async with world(auth="auto") as (there, api):
        there.on(UNKNOWN_ID, sends_in_turn(answer, answer, NOT_FOUND))
        there.on(CREATE, CREATED)
        with pytest.raises(VideoUnavailable):
            await api.create(SPEC)
        assert there.asked(CREATE) == []

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")


async def test_a_form_that_once_worked_is_kept() -> None:
    async with world(auth="auto") as (there, api):
        there.on(UNKNOWN_ID, takes(BEARER))
        there.on(CREATE, CREATED)
        await api.create(SPEC)
        there.on(CREATE, REFUSED)
        there.on(UNKNOWN_ID, takes(RAW))
        with pytest.raises(VideoRejected):
            await api.create(SPEC)
        with pytest.raises(VideoRejected):
            await api.settle_auth()

    assert {request.headers["authorization"] for request in there.asked(CREATE)} == {BEARER}


async def test_where_the_status_route_is_public_a_refused_create_turns_to_the_other_form() -> None:
    async with world(auth="auto") as (there, api):
        there.on(UNKNOWN_ID, NOT_FOUND)
        there.on(CREATE, takes(BEARER, known=CREATED))
        with pytest.raises(VideoRejected):
            await api.create(SPEC)

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")

    assert len(there.asked(CREATE)) == 2


MODELS = "GET /v1/models"
MODEL_LIST = json_answer({"object": "list", "data": [{"id": "sora-2"}]})
NO_DB = json_answer({"error": {"message": "No connected db.", "type": "no_db_connection", "code": "400"}}, 400)
BARE_500 = http_answer(500, b"Internal Server Error", content_type="text/plain")
UPSTREAM_401 = json_answer({"error": {"message": "AuthenticationError: OpenAIException - Incorrect API key"}}, 401)


async def test_where_a_gateway_passes_the_unknown_id_on_the_list_of_models_settles_the_form() -> None:
    """LiteLLM with internet and no OpenAI key: OpenAI's 401 comes back for Bearer, while the raw key is a bare 500."""
    async with world(auth="auto") as (there, api):
        there.on(UNKNOWN_ID, takes(BEARER, otherwise=BARE_500, known=UPSTREAM_401))
        there.on(MODELS, takes(BEARER, otherwise=BARE_500, known=MODEL_LIST))
        there.on(CREATE, CREATED)

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")

    assert there.asked(CREATE)[0].headers["authorization"] == BEARER
    assert "authorization" not in there.asked(MODELS)[-1].headers  # a list that is open to all would tell nothing


async def test_an_upstreams_401_does_not_confirm_that_our_key_is_refused() -> None:
    async with world(auth="auto") as (there, api):
        there.on(UNKNOWN_ID, takes(BEARER, otherwise=BARE_500, known=UPSTREAM_401))
        there.on(MODELS, takes(BEARER, otherwise=BARE_500, known=MODEL_LIST))
        there.on(CREATE, UPSTREAM_401)
        for _ in range(3):
            with pytest.raises(VideoRejected) as refused:
                await api.create(SPEC)
            assert refused.value.kind is FailureKind.KEY
            await api.settle_auth()

    assert {request.headers["authorization"] for request in there.asked(CREATE)} == {BEARER}


async def test_a_list_of_models_that_is_open_to_all_tells_nothing() -> None:
    async with world(auth="bearer") as (there, api):
        there.on(UNKNOWN_ID, REFUSED)
        there.on(MODELS, MODEL_LIST)
        with pytest.raises(VideoRejected) as refused:
            await api.settle_auth()

    assert refused.value.kind is FailureKind.KEY


@pytest.mark.parametrize("status", [400, 401])
async def test_a_wrong_key_of_a_gateway_is_the_key(status: int) -> None:
    refusal = NO_DB if status == 400 else REFUSED
    async with world(auth="bearer") as (there, api):
        for route in (UNKNOWN_ID, MODELS, CREATE):
            there.on(route, refusal)
        for call in (api.create(SPEC), api.settle_auth()):
            with pytest.raises(VideoRejected) as refused:
                await call
            assert refused.value.kind is FailureKind.KEY


async def test_what_is_not_settled_within_a_minute_says_so(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    async with provider() as there:
        there.on(UNKNOWN_ID, BARE_500)
        there.on(MODELS, BARE_500)
        there.on(CREATE, CREATED)
        api = OpenAIProvider(ProviderConfig("mine", "openai", there.url, KEY), monotonic=lambda: now)
        kinds = []
        for now in (1000.0, 1059.0, 1060.0, 1200.0):
            with pytest.raises(VideoUnavailable) as unsettled:
                await api.create(SPEC)
            kinds.append(unsettled.value.kind)
            assert bool(api.faults()) is (now >= 1060)
        assert there.asked(CREATE) == []
        there.on(UNKNOWN_ID, NOT_FOUND)

        assert await api.create(SPEC) == ticket_of(api.endpoint, "video_1")
        assert api.faults() == []
        await api.close()

    assert kinds == [FailureKind.BUSY, FailureKind.BUSY, FailureKind.KEY, FailureKind.KEY]
    assert caplog.text.count("VIDEO_API_AUTH") == 1
    assert KEY not in caplog.text


async def test_a_given_form_is_not_asked_for_but_can_be_confirmed() -> None:
    async with world(auth="bearer") as (there, api):
        there.on(CREATE, CREATED)
        there.on(UNKNOWN_ID, takes(BEARER))
        await api.create(SPEC)
        assert there.asked(UNKNOWN_ID) == []

        await api.settle_auth()

        there.on(UNKNOWN_ID, REFUSED)
        with pytest.raises(VideoRejected):
            await api.settle_auth()
    assert {request.headers["authorization"] for request in there.requests} == {BEARER}


# Polls


async def test_a_poll_reads_all_there_is() -> None:
    body = {
        "id": "another",  # T4
        "status": "Succeeded ",
        "progress": "100%",
        "expires_at": "1766560106",
        "soraVideoUrl": "https://oss.example.com/a.mp4",
    }
    async with world() as (there, api):
        there.on(POLL, json_answer(body, openai_poll_after_ms="1500"))
        status = await api.status(ticket_of(api.endpoint, "video_1"))

    assert status == VideoStatus(
        phase=Phase.DONE,
        percent=100,
        url="https://oss.example.com/a.mp4",
        expires_at=datetime(2025, 12, 24, 7, 8, 26, tzinfo=UTC),
        poll_after_s=1.5,
    )


async def test_a_failed_job_says_why() -> None:
    async with world() as (there, api):
        error = {"code": "moderation_blocked", "message": f"no, {KEY} " + "x" * 999}
        there.on(POLL, json_answer({"status": "failed", "error": error}))
        status = await api.status(ticket_of(api.endpoint, "video_1"))

    assert (status.phase, status.failure) == (Phase.FAILED, FailureKind.MODERATED)
    assert status.provider_text.startswith("moderation_blocked no, [key]")
    assert len(status.provider_text) <= 200


@pytest.mark.parametrize(
    ("provider_id", "path"),
    [
        ("video_bGl0ZQ==", "video_bGl0ZQ%3D%3D"),
        ("v:openai", "v%3Aopenai"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("../../admin", "..%2F..%2Fadmin"),
        ("..", "%2E%2E"),
        ("é x%20", "%C3%A9%20x%2520"),
        ("a" * 255, "a" * 255),
    ],
)
async def test_ids_are_opaque(provider_id: str, path: str) -> None:
    """T4."""
    async with world() as (there, api):
        there.on(f"GET /v1/videos/{path}", json_answer({"status": "queued"}))

        assert (await api.status(ticket_of(api.endpoint, provider_id))).phase is Phase.RUNNING


CHUNKED = http_answer(200, content_length=None, transfer_encoding="chunked")
NO_ANSWER: list[tuple[str, Script]] = [
    ("404 (F11, F12)", sends(NOT_FOUND)),
    ("400 task_not_exist (F11)", sends(json_answer({"code": "task_not_exist"}, 400))),
    ("401", sends(REFUSED)),
    ("500 (F23)", sends(json_answer({"error": "x"}, 500))),
    ("502 in HTML (F23)", sends(http_answer(502, b"<html>", content_type="text/html"))),
    ("HTML as 200", sends(http_answer(200, b"<html>ok</html>"))),
    ("not JSON", sends(http_answer(200, b"completed"))),
    ("empty", sends(http_answer(200))),
    ("a redirect (T14)", sends(http_answer(302, location="http://127.0.0.1:1/"))),
    ("closed", sends_and_closes(b"")),
    ("reset", resets),
    ("cut", sends_and_closes(http_answer(200, b'{"id": "video_1", "sta', content_length="99"))),
    ("too slow", says_nothing),
    ("stops half-way", sends(http_answer(200, b'{"id": "v', content_length="99"))),
    ("never ends", sends_for_ever(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n")),
    ("100 MB", sends_for_ever(http_answer(200, content_length="100000000"), b'"' * 65536)),
    ("broken gzip", sends(http_answer(200, b"\x1f\x8b\x08no", content_encoding="gzip"))),
    ("not HTTP", sends_and_closes(b"\0\1\2\3\r\n\r\n")),
    ("a bad length", sends_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "script"), NO_ANSWER, ids=[row[0] for row in NO_ANSWER])
async def test_no_poll_error_ends_a_job(what: str, script: Script) -> None:
    async with world(timeouts=SHORT if what in ("too slow", "stops half-way") else PATIENT) as (there, api):
        there.on(POLL, script)
        with pytest.raises(VideoUnavailable) as unavailable:
            await api.status(ticket_of(api.endpoint, "video_1"))
        assert is_clean(unavailable.value), what
        there.on(POLL, json_answer({"status": "completed"}))

        assert (await api.status(ticket_of(api.endpoint, "video_1"))).phase is Phase.DONE


async def test_a_polls_429_says_when_to_come_again() -> None:
    async with world() as (there, api):
        there.on(POLL, json_answer({"error": "slow down"}, 429, retry_after="7"))
        with pytest.raises(VideoUnavailable) as unavailable:
            await api.status(ticket_of(api.endpoint, "video_1"))

    assert (unavailable.value.rate_limited, unavailable.value.retry_after_s) == (True, 7)
    assert unavailable.value.http_status == 429


async def test_polls_go_to_the_jobs_own_endpoint_and_no_key_goes_abroad(caplog: pytest.LogCaptureFixture) -> None:
    """The operator has changed VIDEO_API_URL and VIDEO_API_KEY with videos under way."""
    async with world(auth="auto") as (there, api), provider() as elsewhere:
        there.on(UNKNOWN_ID, takes(RAW))
        elsewhere.on(POLL, json_answer({"status": "queued"}))
        await api.settle_auth()

        for _ in range(3):
            assert (await api.status(ticket_of(elsewhere.url, "video_1"))).phase is Phase.RUNNING

    assert len(elsewhere.asked(POLL)) == 3
    assert elsewhere.asked(UNKNOWN_ID) == []
    assert all("authorization" not in request.headers for request in elsewhere.requests)
    assert KEY not in str([request.headers for request in elsewhere.requests])
    assert there.asked(POLL) == []
    assert caplog.text.count("asks for them without a key") == 1


@pytest.mark.parametrize("auth", ["auto", "raw", "bearer"])
async def test_another_path_of_the_same_origin_has_the_key(auth: Literal["auto", "raw", "bearer"]) -> None:
    async with world(auth=auth) as (there, api):
        there.on("GET /openai/v1/videos/video_1", json_answer({"status": "queued"}))
        await api.status(ticket_of(f"{there.origin}/openai/v1", "video_1"))

    assert KEY in there.requests[-1].headers["authorization"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("9999-12-31T23:59:59Z", 8 * 24),
        (99999999999, 8 * 24),
        ("2026-10-27T07:00:00Z", 6 * 24),
        ("2026-10-21T08:00:00Z", 1),
        ("2025-01-01T00:00:00Z", -24 * 658 - 7),
    ],
)
async def test_an_end_that_no_link_has_is_brought_nearer(said: object, wanted: int) -> None:
    now = datetime(2026, 10, 21, 7, 0, tzinfo=UTC)
    async with provider() as there:
        there.on(POLL, json_answer({"status": "completed", "expires_at": said}))
        api = OpenAIProvider(ProviderConfig("mine", "openai", there.url, KEY, "raw"), now=lambda: now)
        status = await api.status(ticket_of(api.endpoint, "video_1"))
        await api.close()

    assert status.expires_at is not None
    assert (status.expires_at - now) // timedelta(hours=1) == wanted


async def test_a_refused_key_ends_no_job() -> None:
    async with world(auth="auto") as (there, api):
        there.on(UNKNOWN_ID, REFUSED)
        with pytest.raises(VideoUnavailable):
            await api.status(ticket_of(api.endpoint, "video_1"))


async def test_a_new_status_word_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as (there, api):
        there.on(POLL, json_answer({"status": "Warming_Up\n"}))
        for _ in range(3):
            assert (await api.status(ticket_of(api.endpoint, "video_1"))).phase is Phase.RUNNING

    assert caplog.text.count("warming_up") == 1


async def test_after_closing_nothing_is_asked() -> None:
    async with world() as (there, api):
        await api.close()
        with pytest.raises(VideoUnavailable):
            await api.status(ticket_of(api.endpoint, "video_1"))

    assert there.requests == []
