"""Every fault, every word of a prompt and every family that the local /v1/videos plays, as a client sees it."""

import asyncio
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from sandbox.providers.base import FILE
from sandbox.providers.faults import BIG_BYTES, DEAD_URL, FAULTS, ODD_PROGRESS, ODD_STATUS, PRIVATE_URL, fault_names
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_dialects import DIALECTS
from sandbox.providers.openai_request import OpenAISettings
from sandbox.providers.prompt_faults import PROMPT_FAULTS
from tests.thorough import mostly_thorough

SLOW_SECONDS = 0.1
READ_AT_MOST = 8192
LONGEST_STORY = 7  # polls until the last word of [flaky] is told


class Clock:
    """The server's time; it stands still unless moved."""

    def __init__(self) -> None:
        self.now = 1_766_556_441.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Seen:
    """What came of one request, as raw as aiohttp gives it."""

    status: int
    headers: dict[str, str]
    body: bytes
    error: Exception | None
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def dial(videos: LocalOpenAI) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": videos.key}, auto_decompress=False)


async def see(http: aiohttp.ClientSession, method: str, url: str, **body: Any) -> Seen:
    """One request, no redirect followed, at most a little more than `READ_AT_MOST` read."""
    loop = asyncio.get_running_loop()
    start, seen = loop.time(), Seen(0, {}, b"", None, 0)
    try:
        async with http.request(method, url, allow_redirects=False, **body) as reply:
            seen.status, seen.headers = reply.status, dict(reply.headers)
            while len(seen.body) < READ_AT_MOST and (chunk := await reply.content.readany()):
                seen.body += chunk
    except aiohttp.ClientError as error:
        seen.error = error
    seen.seconds = loop.time() - start
    return seen


async def visit(videos: LocalOpenAI, http: aiohttp.ClientSession, route: str) -> Seen:
    """A request on a route, about a job that is done where it is about one."""
    if route == "create":
        return await see(http, "POST", f"{videos.url}/videos", json={"prompt": "hat"})
    (job,) = videos.jobs.values()
    url = f"{videos.url}/videos/{job.id}"
    return await see(http, "GET", {"poll": url, "content": f"{url}/content", "file": videos.video_url(job)}[route])


def refused(status: int, words: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.status == status and words in seen.json["error"]["message"]


def moved(status: int, start: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.status == status and seen.headers["Location"].startswith(start)


def broken_off(seen: Seen) -> bool:
    return isinstance(seen.error, aiohttp.ServerDisconnectedError)


def says(seen: Seen, *, gzipped: bool) -> bool:
    return (seen.headers.get("Content-Encoding") == "gzip", seen.body[:2] == b"\x1f\x8b") == (True, gzipped)


AS_SEEN: dict[str, Callable[[Seen], bool]] = {
    "401": refused(401, "Invalid signature"),
    "402": refused(402, "Payment"),
    "403": refused(403, "Insufficient balance"),
    "404": refused(404, "Not found"),
    "409": refused(409, "Conflict"),
    "429": lambda seen: refused(429, "Too many")(seen) and seen.headers["Retry-After"] == "7",
    "500": refused(500, "internal server error"),
    "503": refused(503, "unavailable"),
    "503-job": lambda seen: seen.status == 503 and seen.json["status"] == "error",
    "502-html": lambda seen: seen.status == 502 and b"<h1>" in seen.body,
    "400-policy": lambda seen: seen.json["error"]["code"] == "moderation_blocked" and seen.status == 400,
    "403-policy": lambda seen: seen.json["error"]["code"] == "moderation_blocked" and seen.status == 403,
    "503-policy": refused(503, "Content policy violation"),
    "400-person": refused(400, "people-in-user-uploads"),
    "cut-early": broken_off,
    "slow-early": lambda seen: seen.status == 200 and seen.seconds >= SLOW_SECONDS,
    "redirect": moved(302, "/"),
    "redirect-307": moved(307, "/"),
    "redirect-elsewhere": moved(302, "http://127.0.0.1"),
    "redirect-loop": moved(302, "/"),
    "redirect-private": moved(302, PRIVATE_URL),
    "lost": broken_off,
    "cut": lambda seen: seen.status == 200 and isinstance(seen.error, aiohttp.ClientPayloadError),
    "500-late": refused(500, "internal server error"),
    "500-job": lambda seen: seen.status == 500 and bool(seen.json["id"]),
    "slow": lambda seen: seen.status == 200 and seen.seconds >= SLOW_SECONDS,
    "drip": lambda seen: seen.status == 200 and not seen.error and seen.seconds >= SLOW_SECONDS / 2,
    "endless": lambda seen: len(seen.body) >= READ_AT_MOST and "Content-Length" not in seen.headers,
    "huge": lambda seen: seen.headers["Content-Length"] == str(100 * 1024 * 1024),
    "html": lambda seen: seen.status == 200 and b"<html>" in seen.body,
    "empty": lambda seen: (seen.status, seen.body, seen.error) == (200, b"", None),
    "not-json": lambda seen: seen.status == 200 and seen.body[:1] == b"{" and seen.body[-1:] != b"}",
    "json": lambda seen: seen.headers["Content-Type"] == "video/mp4" and "id" in seen.json,
    "gzip": lambda seen: says(seen, gzipped=True) and bool(gzip.decompress(seen.body)),
    "gzip-unsaid": lambda seen: "Content-Encoding" not in seen.headers and bool(gzip.decompress(seen.body)),
    "gzip-wrong": lambda seen: says(seen, gzipped=True) and isinstance(seen.error, aiohttp.ClientPayloadError),
    "gzip-false": lambda seen: says(seen, gzipped=False) and seen.error is None,
    "no-id": lambda seen: "id" not in seen.json and "status" in seen.json,
    "new-id": lambda seen: seen.json["id"].startswith("other-"),
    "odd-progress": lambda seen: seen.json["progress"] in ODD_PROGRESS,
    "odd-status": lambda seen: seen.json["status"] in ODD_STATUS,
    "no-url": lambda seen: "soraVideoUrl" not in seen.json and seen.json["status"] == "completed",
    "dead-url": lambda seen: seen.json["soraVideoUrl"] == DEAD_URL,
    "private-url": lambda seen: seen.json["soraVideoUrl"] == PRIVATE_URL,
}  # fmt: skip
VISITED = {"create", "poll", "content", "file"}
OUTCOMES = {"fails", "moderated", "slow-job", "stuck", "expired", "big"}  # seen through the words of a prompt
PLAYED = [
    name for name in fault_names((*LocalOpenAI.routes, FILE))
    if name.partition(":")[0] in VISITED and name.partition(":")[2] in AS_SEEN
]  # fmt: skip
ONE_OF_EACH = [*{name.partition(":")[2]: name for name in PLAYED}.values()]


def test_no_fault_goes_untested() -> None:
    assert AS_SEEN.keys() | OUTCOMES == FAULTS.keys()
    assert len(PLAYED) > 120


@pytest.mark.parametrize("fault", mostly_thorough(PLAYED, ONE_OF_EACH))
async def test_a_fault_is_seen_once_and_is_over(fault: str) -> None:
    route, _, name = fault.partition(":")
    settings = OpenAISettings(render_seconds=None, slow_seconds=SLOW_SECONDS, retry_after="7")
    async with LocalOpenAI(render=tiny_mp4, settings=settings) as videos, dial(videos) as http:
        if route != "create":
            await visit(videos, http, "create")
        for job in videos.jobs:
            videos.finish(job)
        before = len(videos.jobs)
        # aiohttp asks once more by itself when a GET is cut off without an answer.
        is_repeated = AS_SEEN[name] is broken_off and route != "create"
        videos.faults.inject(fault, times=2 if is_repeated else 1)
        seen = await visit(videos, http, route)
        made = len(videos.jobs) - before
        again = await visit(videos, http, route)

    assert AS_SEEN[name](seen), seen
    assert (again.status, again.error) == (200, None)
    assert [e.fault for e in videos.requests[-2:]] == [fault, None]
    if route == "create":
        assert made == int(FAULTS[name].is_late or name == "slow-early")


def test_a_fault_that_no_route_knows_is_refused() -> None:
    for name in ("poll:hmtl", "create:no-url", "nowhere:500", "500"):
        with pytest.raises(LookupError, match="No fault"):
            LocalOpenAI().faults.inject(name)


async def test_a_redirect_to_another_origin_leads_to_the_video_without_the_key() -> None:
    async with (
        LocalOpenAI(render=tiny_mp4, settings=OpenAISettings(render_seconds=None)) as videos,
        dial(videos) as http,
    ):
        await visit(videos, http, "create")
        (job,) = videos.jobs
        videos.finish(job)
        videos.faults.inject("content:redirect-elsewhere")
        async with http.get(f"{videos.url}/videos/{job}/content") as reply:
            content = await reply.read()

    assert content == tiny_mp4()
    assert videos.requests[-1].origin == videos.elsewhere
    assert "authorization" not in videos.requests[-1].headers


@pytest.mark.parametrize("fault", ["slow", "slow-early", "drip", "endless"])
async def test_stopping_ends_what_would_go_on(fault: str) -> None:
    """One minute would run into the deadline of the test."""
    videos = LocalOpenAI(render=tiny_mp4, settings=OpenAISettings(slow_seconds=120))
    async with dial(videos) as http:
        async with videos:
            videos.faults.inject(f"create:{fault}")
            asking = asyncio.create_task(visit(videos, http, "create"))
            await videos.wait_for(lambda: videos.requests and videos.requests[0].fault)
        seen = await asking

    assert seen.error
    assert videos.requests[0].cut


async def test_settings_may_change_words_pace_and_room() -> None:
    settings = OpenAISettings(
        render_seconds=None, status_words={"queued": "SUBMITTED"}, poll_after_ms=250, max_running=1
    )
    async with LocalOpenAI(render=tiny_mp4, settings=settings) as videos, dial(videos) as http:
        taken = await visit(videos, http, "create")
        full = await visit(videos, http, "create")

    assert (taken.json["status"], taken.headers["openai-poll-after-ms"]) == ("SUBMITTED", "250")
    assert (full.status, full.headers["Retry-After"], len(videos.jobs)) == (429, "2", 1)


# By word: answers to creates until one is not 429 (0: cut), then the status after the due time and after
# five times that, then the answers of /content, asked three times.
WORD_BY_WORD: dict[str, tuple[list[int], list[str], list[int]]] = {
    "[fail]": ([200], ["failed", "failed"], [200]),
    "[moderated]": ([400], [], []),
    "[moderated-503]": ([503], [], []),
    "[moderated-late]": ([200], ["failed", "failed"], [200]),
    "[person]": ([400], [], []),
    "[busy]": ([429, 429, 200], ["done", "done"], [200]),
    "[key]": ([401], [], []),
    "[balance]": ([403], [], []),
    "[error]": ([500], [], []),
    "[lost]": ([0], ["done", "done"], [200]),
    "[slow]": ([200], ["running", "done"], [200]),
    "[stuck]": ([200], ["running", "running"], [200]),
    "[flaky]": ([200], ["done", "done"], [200]),
    "[odd]": ([200], ["done", "done"], [200]),
    "[new-id]": ([200], ["done", "done"], [200]),
    "[no-url]": ([200], ["done", "done"], [200]),
    "[private-url]": ([200], ["done", "done"], [200]),
    "[dead-url]": ([200], ["done", "done"], [200]),
    "[late-file]": ([200], ["done", "done"], [404, 404, 200]),
    "[cut-file]": ([200], ["done", "done"], [200, 200, 200]),
    "[expired]": ([200], ["done", "done"], [404]),
    "[big]": ([200], ["done", "done"], [200]),
}  # fmt: skip


@pytest.mark.parametrize("word", PROMPT_FAULTS)
async def test_a_word_in_the_prompt_has_its_way(word: str) -> None:
    clock = Clock()
    order = {"prompt": f"a hat {word}"}
    async with LocalOpenAI(render=tiny_mp4, settings=OpenAISettings(render_seconds=10), clock=clock) as videos:
        async with dial(videos) as http:
            creates = [await see(http, "POST", f"{videos.url}/videos", json=order) for _ in range(1)]
            while creates[-1].status == 429:
                creates.append(await see(http, "POST", f"{videos.url}/videos", json=order))
            states, contents, polls = [], [], []
            for job in videos.jobs.values():
                await videos.wait_for(lambda job=job: job.video, what="the rendering")  # type: ignore[misc] # job is bound
                for clock.now in (job.created_at + 10, job.created_at + 50):
                    polls += [await visit(videos, http, "poll") for _ in range(LONGEST_STORY)]
                    states.append(job.state)
                contents = [await visit(videos, http, "content") for _ in range(len(WORD_BY_WORD[word][2]))]
        sizes = [len(job.video or b"") for job in videos.jobs.values()]

    assert ([seen.status for seen in creates], states, [seen.status for seen in contents]) == WORD_BY_WORD[word]
    assert (max(sizes, default=0) >= BIG_BYTES) == (word == "[big]")
    if word in {"[flaky]", "[odd]", "[new-id]", "[no-url]", "[private-url]", "[dead-url]"}:
        fault = {"[flaky]": "500", "[odd]": "odd-status"}.get(word, word.strip("[]"))
        assert AS_SEEN[fault](polls[0])


@dataclass(frozen=True)
class Family:
    """What facts/videos-api.md §2 has of one family, apart from the four words and the /content that works."""

    created: int
    early: int  # /content before the end
    unknown: int  # a poll of no job
    done: dict[str, Any]  # some fields of a finished job; ... for any
    failed: tuple[int, Any]  # a poll of a failed job: status, and its error
    words: tuple[str, str] = ("queued", "completed")


MESSAGE = "The video could not be generated."
ERROR = {"code": "video_generation_failed", "message": MESSAGE}
FAMILIES = {
    "gptproto": Family(200, 200, 404, {"soraVideoUrl": ..., "created_at": "1766556441"}, (200, ERROR)),
    "openai": Family(200, 404, 404, {"created_at": 1766556441, "error": None, "prompt": "hat"}, (200, ERROR)),
    "litellm": Family(200, 200, 500, {"progress": 100}, (200, ERROR)),
    "vllm-omni": Family(200, 404, 404, {"file_name": ..., "progress": 100}, (422, {"code": 500, "message": MESSAGE})),
    "sglang": Family(200, 404, 404, {"url": None, "file_path": ...}, (200, {"message": MESSAGE})),
    "tensorrt-llm": Family(202, 400, 404, {"progress": None, "duration": 4.0}, (200, MESSAGE)),
    "new-api": Family(200, 400, 400, {"task_id": ..., "progress": "100%", "created_at": 1766556441000}, (200, ERROR)),
    "new-api-task": Family(200, 400, 400, {"task_id": ..., "result_url": ...}, (200, None), ("NOT_START", "SUCCESS")),
    "bifrost": Family(200, 400, 404, {"progress": 100.0, "videos": ...}, (200, ERROR)),
}


async def test_a_job_doomed_by_its_prompt_fails_when_told_to_end() -> None:
    async with (
        LocalOpenAI(render=tiny_mp4, settings=OpenAISettings(render_seconds=None)) as videos,
        dial(videos) as http,
    ):
        await see(http, "POST", f"{videos.url}/videos", json={"prompt": "[moderated-late]"})
        (job_id,) = videos.jobs
        videos.finish(job_id)
        failed = await visit(videos, http, "poll")

    assert (failed.json["status"], failed.json["error"]["code"]) == ("failed", "output_moderation")


@pytest.mark.parametrize("name", DIALECTS)
async def test_each_family_in_its_own_dialect(name: str) -> None:
    family, settings = FAMILIES[name], OpenAISettings(render_seconds=None)
    videos = LocalOpenAI(render=tiny_mp4, settings=settings, dialect=name, clock=Clock())
    async with videos, dial(videos) as http:
        created = await visit(videos, http, "create")
        job_id = created.json.get("id") or created.json["task_id"]
        queued, early = await visit(videos, http, "poll"), await visit(videos, http, "content")
        videos.finish(job_id)
        done, content = await visit(videos, http, "poll"), await visit(videos, http, "content")
        unknown = await see(http, "GET", f"{videos.url}/videos/nobody")
        videos.faults.inject("poll:no-url")
        bare = await visit(videos, http, "poll")
        videos.fail(job_id)
        failed = await visit(videos, http, "poll")

    assert (created.status, early.status, unknown.status) == (family.created, family.early, family.unknown)
    bodies = [seen.json.get("data", seen.json) for seen in (queued, done, failed)]
    assert (bodies[0]["status"], bodies[1]["status"]) == family.words
    for field, value in family.done.items():
        assert field in bodies[1]
        assert value is ... or bodies[1][field] == value
    assert (failed.status, bodies[2].get("error")) == family.failed
    packed = content.headers.get("Content-Encoding") == "gzip"
    assert (gzip.decompress(content.body) if packed else content.body) == tiny_mp4()
    assert packed == (name == "litellm")
    assert videos.video_url(videos.jobs[job_id]) not in bare.body.decode()


async def test_litellm_shows_another_id_in_a_poll_which_leads_nowhere() -> None:
    async with LocalOpenAI(render=tiny_mp4, dialect="litellm") as videos, dial(videos) as http:
        created = (await visit(videos, http, "create")).json["id"]
        polled = (await visit(videos, http, "poll")).json["id"]
        lost = await see(http, "GET", f"{videos.url}/videos/{polled}")

    assert polled != created
    assert len(created) > 100
    assert (lost.status, lost.json["error"]["code"]) == (500, "500")


async def test_tensorrt_refuses_an_unknown_field() -> None:
    async with LocalOpenAI(render=tiny_mp4, dialect="tensorrt-llm") as videos, dial(videos) as http:
        refused = await see(http, "POST", f"{videos.url}/videos", json={"prompt": "x", "quality": "high"})

    assert (refused.status, videos.jobs) == (422, {})
