"""The local /v1/videos held to the seed page, to OpenAI's contract and to its own account, over real sockets."""

import asyncio
import base64
import functools
import io
import threading
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import av
import pytest
from PIL import Image, ImageChops, ImageStat

from sandbox.contracts import videos as contract_videos
from sandbox.picture import sample_picture
from sandbox.providers.exchange import CUT, Answer, Exchange
from sandbox.providers.mp4 import render_video, tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings, pixels

SIZES = ("720x1280", "1280x720", "1024x1792", "1792x1024")
SDK_SAYS_RETIRED = "ignore:The Sora API is scheduled:DeprecationWarning"


class Clock:
    """The server's time; it stands still unless moved."""

    def __init__(self) -> None:
        self.now = 1_766_556_441.0

    def __call__(self) -> float:
        return self.now


@functools.cache
def picture(size: str = "720x1280", kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", pixels(size), "teal").save(file, kind)
    return file.getvalue()


def form(*, mime: str = "image/jpeg", image: bytes | None = None, **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in ({"prompt": "puts on a hat"} | fields).items():
        form.add_field(name, value)
    if image is not None:
        form.add_field("input_reference", image, filename="cat.jpg", content_type=mime)
    return form


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="videos", params=["gptproto"])
async def _videos(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[LocalOpenAI]:
    """Jobs end when told; every exchange is held against the contract at the end."""
    settings = OpenAISettings(render_seconds=None)
    async with LocalOpenAI(render=tiny_mp4, settings=settings, dialect=request.param, clock=clock) as videos:
        yield videos
    seed = contract_videos.SEED if request.param == "gptproto" else {}
    accepted = [e for e in videos.requests if e.route and 200 <= e.status < 300]
    assert [v for e in accepted for v in contract_videos.violations(e, seed)] == []


@pytest.fixture(name="http")
async def _http(videos: LocalOpenAI) -> AsyncIterator[aiohttp.ClientSession]:
    async with dial(videos) as session:
        yield session


def dial(videos: LocalOpenAI) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(f"{videos.url}/", headers={"Authorization": videos.key})


async def create(http: aiohttp.ClientSession, form: aiohttp.FormData | dict[str, Any]) -> tuple[int, Any]:
    body = {"json": form} if isinstance(form, dict) else {"data": form}
    async with http.post("videos", **body) as reply:
        return reply.status, await reply.json()


async def get(http: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with http.get(path) as reply:
        is_json = reply.content_type == "application/json"
        return reply.status, await reply.json() if is_json else await reply.read()


async def test_the_seeds_life_of_a_job(videos: LocalOpenAI, http: aiohttp.ClientSession, clock: Clock) -> None:
    status, queued = await create(http, form(image=picture(), model="sora-2"))
    job_id = queued["id"]
    early = await get(http, f"videos/{job_id}/content")
    videos.advance(job_id, 42)
    working = await get(http, f"videos/{job_id}")
    clock.now += 65
    videos.finish(job_id)
    _, done = await get(http, f"videos/{job_id}")
    content = await get(http, f"videos/{job_id}/content")

    assert status == 200
    assert queued == {
        "id": job_id, "object": "video", "status": "queued", "model": "sora-2", "progress": 0,
        "seconds": "4", "size": "720x1280", "created_at": "1766556441",
    }  # fmt: skip
    assert job_id.startswith("video_")
    assert early == (200, queued | {"created_at": 1766556441, "quality": "standard"})
    assert working == (200, queued | {"status": "in_progress", "progress": 42})
    assert done == queued | {
        "status": "completed", "progress": 100, "completed_at": "1766556506", "expires_at": "1766560106",
        "soraVideoUrl": videos.video_url(videos.jobs[job_id]),
    }  # fmt: skip
    assert content == (200, tiny_mp4())


async def test_the_url_needs_no_key_and_dies_an_hour_after_the_end(videos: LocalOpenAI, clock: Clock) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {videos.key}"}) as http:
        async with http.post(f"{videos.url}/videos", data=form()) as reply:
            job_id = (await reply.json())["id"]
        videos.finish(job_id)
        async with http.get(f"{videos.url}/videos/{job_id}") as reply:
            url = (await reply.json())["soraVideoUrl"]

    async with aiohttp.ClientSession() as stranger:
        fresh = await get(stranger, url)
        clock.now += 3599
        last = await get(stranger, url)
        clock.now += 1
        gone, _ = await get(stranger, url)

    assert fresh == last == (200, tiny_mp4())
    assert gone == 404
    assert len(videos.jobs[job_id].downloads) == 3


@pytest.mark.parametrize(("auth", "raw", "bearer"), [("any", 200, 200), ("raw", 200, 401), ("bearer", 401, 200)])
async def test_the_key_is_taken_in_the_forms_that_are_set(
    videos: LocalOpenAI, auth: Any, raw: int, bearer: int
) -> None:
    videos.settings.auth = auth
    seen = []
    for header in (videos.key, f"Bearer {videos.key}", "wrong", ""):
        async with aiohttp.ClientSession(f"{videos.url}/", headers={"Authorization": header}) as http:
            seen.append(await get(http, "videos"))

    assert [status for status, _ in seen] == [raw, bearer, 401, 401]
    assert seen[-1][1] == {"error": {"message": "Invalid signature", "type": "401"}}


@pytest.mark.parametrize("seconds", ["4", "8", "12"])
@pytest.mark.parametrize(
    ("model", "size"),
    [("sora-2", SIZES[0]), ("sora-2", SIZES[1]), *(("sora-2-pro", size) for size in SIZES)],
)
async def test_every_combination_of_the_seed_is_taken(
    videos: LocalOpenAI, http: aiohttp.ClientSession, model: str, size: str, seconds: str
) -> None:
    order = form(model=model, size=size, seconds=seconds, image=picture(size, "PNG"), mime="image/png")
    status, job = await create(http, order)

    kept = videos.jobs[job["id"]]
    assert status == 200
    assert (kept.prompt, kept.model, kept.seconds, kept.size) == ("puts on a hat", model, seconds, size)
    assert kept.picture == picture(size, "PNG")


REFUSED: dict[str, tuple[aiohttp.FormData | dict[str, Any], str]] = {
    "no prompt": ({"model": "sora-2"}, "Missing required parameter: 'prompt'."),
    "empty prompt": (form(prompt=""), "Invalid 'prompt'"),
    "model": (form(model="sora-3"), "'sora-2' and 'sora-2-pro'"),
    "seconds": (form(seconds="5"), "Supported values are: '4', '8' and '12'."),
    "seconds with unit": (form(seconds="4s"), "Supported values"),
    "seconds as integer": ({"prompt": "x", "seconds": 4}, "got an integer"),
    "wide size on sora-2": (form(size="1792x1024"), "Invalid value: '1792x1024'"),
    "picture of another size": (form(image=picture("1280x720")), "Inpaint image must match the requested"),
    "mime": (form(image=picture(), mime="application/octet-stream"), "unsupported mimetype"),
    "heic": (form(image=picture(), mime="image/heic"), "unsupported mimetype"),
    "no picture": (form(image=b"not a picture"), "Invalid image file."),
    "picture as text": (form(input_reference="https://x/cat.png"), "expected a file, but got a string"),
    "picture as JSON text": ({"prompt": "x", "input_reference": "cat"}, "expected an object, but got a string"),
    "no JSON": ([], "could not parse"),  # type: ignore[dict-item] # wrong on purpose
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_wrong_orders_are_refused_and_cost_nothing(case: str) -> None:
    order, words = REFUSED[case]
    async with LocalOpenAI(render=tiny_mp4) as videos, dial(videos) as http:
        if isinstance(order, aiohttp.FormData):
            status, body = await create(http, order)
        else:
            async with http.post("videos", json=order) as reply:
                status, body = reply.status, await reply.json()

    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert words in body["error"]["message"]
    assert (videos.creates, videos.jobs) == (1, {})


async def test_an_unknown_field_is_recorded_and_refused_only_when_strict(
    videos: LocalOpenAI, http: aiohttp.ClientSession
) -> None:
    async with LocalOpenAI(render=tiny_mp4) as other, dial(other) as lax:
        taken, _ = await create(lax, form(fps="30"))
    videos.settings.strict = True
    refused, body = await create(http, form(fps="30"))

    assert (taken, other.requests[0].fields["fps"]) == (200, "30")
    assert (refused, body["error"]["code"]) == (422, "unknown_parameter")


async def test_json_with_a_data_url(videos: LocalOpenAI, http: aiohttp.ClientSession) -> None:
    url = "data:image/png;base64," + base64.b64encode(picture(kind="PNG")).decode()
    status, job = await create(http, {"prompt": "x", "input_reference": {"image_url": url}})

    assert (status, videos.jobs[job["id"]].picture) == (200, picture(kind="PNG"))


async def test_list_and_delete(videos: LocalOpenAI, http: aiohttp.ClientSession) -> None:
    ids = [(await create(http, form(prompt=str(n))))[1]["id"] for n in range(3)]
    _, page = await get(http, "videos?limit=2")
    _, rest = await get(http, f"videos?limit=2&after={page['last_id']}")
    async with http.delete(f"videos/{ids[0]}") as reply:
        running = reply.status
    videos.finish(ids[0])
    async with http.delete(f"videos/{ids[0]}") as reply:
        deleted = await reply.json()

    assert [job["id"] for job in page["data"] + rest["data"]] == ids[::-1]
    assert (page["has_more"], rest["has_more"], running) == (True, False, 409)
    assert deleted == {"id": ids[0], "object": "video.deleted", "deleted": True}
    assert (await get(http, f"videos/{ids[0]}"))[0] == 404
    assert len(videos.jobs) == 3  # what was paid stays paid


@pytest.mark.thorough
@pytest.mark.filterwarnings(SDK_SAYS_RETIRED)
@pytest.mark.parametrize("videos", ["gptproto", "openai"], indirect=True)
async def test_the_official_sdk_works_unchanged(videos: LocalOpenAI) -> None:
    videos.settings.render_seconds = 0
    videos.settings.poll_after_ms = 1
    import openai  # takes a second to load, and nothing else here wants it

    async with openai.AsyncOpenAI(base_url=videos.url, api_key=videos.key, max_retries=0) as client:
        order = {"prompt": "hat", "model": "sora-2-pro", "seconds": "8", "size": "1792x1024"}
        image = ("cat.png", picture("1792x1024", "PNG"), "image/png")
        made = await client.videos.create(**order, input_reference=image)  # type: ignore[arg-type] # literals
        polled = await client.videos.create_and_poll(**order, input_reference=image)  # type: ignore[arg-type]
        seen = await client.videos.retrieve(polled.id)
        content = await client.videos.download_content(polled.id)
        listed = await client.videos.list()
        models = await client.models.list()
        with pytest.raises(openai.NotFoundError):
            await client.videos.retrieve("video_unknown")

    assert {model.id for model in models.data} == {"sora-2", "sora-2-pro"}
    assert made.status == "queued"
    assert (polled.status, polled.progress, seen.seconds, seen.size) == ("completed", 100, "8", "1792x1024")
    assert content.content == tiny_mp4()
    assert {video.id for video in listed.data} == {made.id, polled.id} == set(videos.jobs)
    with av.open(io.BytesIO(content.content)) as container:
        assert container.streams.video[0].codec.name == "h264"


@pytest.mark.parametrize("videos", ["openai"], indirect=True)
async def test_openai_has_no_url_and_no_content_before_the_end(
    videos: LocalOpenAI, http: aiohttp.ClientSession
) -> None:
    _, job = await create(http, form())
    status, early = await get(http, f"videos/{job['id']}/content")
    videos.finish(job["id"])
    _, done = await get(http, f"videos/{job['id']}")

    assert status == 404
    assert "not ready" in early["error"]["message"]
    assert (done["created_at"], done["error"]) == (1766556441, None)
    assert "soraVideoUrl" not in done


async def test_the_tap_sees_each_phase_and_may_answer_instead(videos: LocalOpenAI, http: aiohttp.ClientSession) -> None:
    phases = []

    async def hook(phase: str, exchange: Exchange) -> Any:
        phases.append((phase, exchange.route, exchange.status, len(videos.jobs)))
        prompt = exchange.fields["prompt"]
        if (phase, prompt) == ("before", "early"):
            return 418, {"error": "teapot"}, {"X-Tap": "1"}
        if (phase, prompt) == ("inside", "late"):
            return Answer(503, "gone")
        return CUT if (phase, prompt) == ("inside", "cut") else None

    videos.on_exchange(hook)
    await create(http, form(prompt="plain"))
    async with http.post("videos", data=form(prompt="early")) as early:
        pass
    async with http.post("videos", data=form(prompt="late")) as late:
        pass
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await create(http, form(prompt="cut"))
    await videos.wait_for(lambda: len(phases) == 12)
    videos.remove(hook)
    await create(http, form(prompt="plain"))

    assert phases[:3] == [("before", "create", 0, 0), ("inside", "create", 0, 1), ("after", "create", 200, 1)]
    assert (early.status, early.headers["X-Tap"], late.status) == (418, "1", 503)
    assert [job.prompt for job in videos.jobs.values()] == ["plain", "late", "cut", "plain"]
    assert (len(phases), videos.requests[3].cut) == (12, True)


async def test_waiting_says_what_did_not_come(videos: LocalOpenAI, http: aiohttp.ClientSession) -> None:
    _, job = await create(http, form())

    with pytest.raises(TimeoutError, match=f"the end did not come within 0.01 s; jobs: {job['id']} queued"):
        await videos.wait_for(lambda: videos.jobs[job["id"]].is_over, 0.01, "the end")


async def test_a_restart_keeps_the_account_and_ends_what_was_begun(clock: Clock) -> None:
    begun = threading.Event()

    def render(_picture: object, _size: object, _seconds: object, progress: Any, /) -> bytes:
        while not begun.is_set() or videos.url == first:
            begun.set()
            progress(0.1)  # raises when the server stops
        return tiny_mp4()

    videos = LocalOpenAI(render=render, settings=OpenAISettings(render_seconds=0), clock=clock)
    async with videos, dial(videos) as http:
        first = videos.url
        job_id = (await create(http, form()))[1]["id"]
        await asyncio.to_thread(begun.wait, 10)
    undone = videos.jobs[job_id].video
    async with videos:
        await videos.wait_for(lambda: videos.jobs[job_id].is_over, 10)

    assert undone is None
    assert videos.jobs[job_id].state == "done"


@pytest.mark.thorough
async def test_the_video_is_what_was_ordered() -> None:
    """By a request, in the size that is paid for."""
    async with LocalOpenAI(settings=OpenAISettings(render_seconds=0)) as videos, dial(videos) as http:
        _, made = await create(http, form(image=sample("720x1280")))
        job = videos.jobs[made["id"]]
        await videos.wait_for(lambda: job.is_over, 20)
        _, content = await get(http, f"videos/{job.id}/content")

    shows(content, sample("720x1280"), seconds=4)


def test_the_renderer_makes_a_video_of_the_picture() -> None:
    shows(render_video(sample("72x128"), (72, 128), 1, lambda _share: None), sample("72x128"), seconds=1)


def sample(size: str) -> bytes:
    """The sandbox's picture, fitted."""
    with Image.open(io.BytesIO(sample_picture())) as whole:
        assert whole.size == (1080, 1350)
        fitted = whole.resize(pixels(size))
    file = io.BytesIO()
    fitted.save(file, "JPEG")
    return file.getvalue()


def shows(content: bytes, picture: bytes, seconds: int) -> None:
    """Size, length, sound, the index first, and the picture itself, which moves."""
    with Image.open(io.BytesIO(picture)) as wanted, av.open(io.BytesIO(content), "r") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        frames = [frame.to_image() for frame in container.decode(video)]  # type: ignore[no-untyped-call] # no types there
        assert (video.codec.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, len(frames)) == (*wanted.size, 24 * seconds)
        assert video.average_rate == 24
        assert container.duration == seconds * av.time_base
        assert audio.codec.name == "aac"
        assert content.index(b"moov") < content.index(b"mdat")
        assert difference(frames[0], wanted) < 4
        assert difference(frames[0], frames[-1]) > 8


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures, of 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


async def test_progress_follows_both_the_time_and_the_frames(clock: Clock) -> None:
    go = asyncio.Event()
    loop = asyncio.get_running_loop()

    def render(_picture: object, _size: object, _seconds: object, progress: Any, /) -> bytes:
        progress(0.3)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(10)
        return tiny_mp4()

    async with (
        LocalOpenAI(render=render, settings=OpenAISettings(render_seconds=100), clock=clock) as videos,
        dial(videos) as http,
    ):
        _, made = await create(http, form())
        job = videos.jobs[made["id"]]
        seen = []
        for elapsed in (0, 20, 80):
            clock.now = job.created_at + elapsed
            seen.append((await get(http, f"videos/{job.id}"))[1])
        go.set()
        await videos.wait_for(lambda: job.video, what="the rendering")
        seen.append((await get(http, f"videos/{job.id}"))[1])
        clock.now = job.created_at + 100
        seen.append((await get(http, f"videos/{job.id}"))[1])

    told = [(job["status"], job["progress"]) for job in seen]
    assert told == [
        ("queued", 0), ("in_progress", 20), ("in_progress", 30), ("in_progress", 80), ("completed", 100),
    ]  # fmt: skip


async def test_two_hundred_jobs_at_once_are_all_kept_apart() -> None:
    rendering = most = 0

    def render(*_order: object) -> bytes:
        nonlocal rendering, most
        rendering += 1
        most = max(most, rendering)
        rendering -= 1
        return tiny_mp4()

    async with LocalOpenAI(render=render, settings=OpenAISettings(render_seconds=0)) as videos, dial(videos) as http:
        made = await asyncio.gather(*(create(http, form(prompt=str(n))) for n in range(200)))
        await videos.wait_for(lambda: all(job.is_over for job in videos.jobs.values()), 15)
        polled = await asyncio.gather(*(get(http, f"videos/{job['id']}") for _, job in made))

    assert {job["status"] for _, job in polled} == {"completed"}
    assert sorted(int(job.prompt) for job in videos.jobs.values()) == list(range(200))
    assert all(len(job.polls) == 1 for job in videos.jobs.values())
    assert most <= 2


async def test_the_contract_check_finds_what_is_wrong(http: aiohttp.ClientSession, videos: LocalOpenAI) -> None:
    await create(http, form(model="sora-2"))
    good = videos.requests[0]
    wrong = Exchange(
        9, "", "POST", "/v1/videos", "create", "create", {"x": "1"}, dict(good.headers), 0.0,
        {"seconds": "5", "fps": "1"}, good.parts[:2], answer=Answer(200, {"id": 5}),
    )  # fmt: skip

    found = " ".join(contract_videos.violations(wrong))

    assert contract_videos.violations(good) == []
    assert "progress" not in " ".join(contract_videos.violations(good, {})).replace("'progress'", "")
    assert contract_videos.violations(good, {}) != []
    for words in ("query parameter: x", "no such field: fps", '"prompt" is a required', '"5" is not one of', "$.id"):
        assert words in found


def test_the_renderer_may_be_mute_and_needs_no_picture() -> None:
    shares: list[float] = []

    video = render_video(None, (64, 48), 1, shares.append, sound=False)

    with av.open(io.BytesIO(video)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    assert shares == sorted(shares)
    assert (len(shares), shares[-1]) == (24, 1)
