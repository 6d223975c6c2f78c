"""What can go wrong, by name: each fault is a small function that answers instead, or spoils the answer.

A fault is injected on a route: "poll:html", "create:lost".
"""

import gzip
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sandbox.providers.exchange import CUT, Answer, Cut, ErrorReply, Exchange, Manner, Route
from sandbox.providers.jobs import VideoJob
from sandbox.providers.settings import ProviderSettings

HTML = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
HTML_HEADERS = {"Content-Type": "text/html; charset=utf-8"}
PRIVATE_URL = "http://169.254.169.254/latest/meta-data/video.mp4"
DEAD_URL = "http://127.0.0.1:9/ai/nothing.mp4"  # the port of discard: nobody listens
VIDEO = {"Content-Type": "video/mp4"}
BIG_BYTES = 21 * 1024 * 1024
SLOW_TIMES = 5
ODD_PROGRESS = ("42%", None, 0.5, 90, -3, 300, 7, "NaN")
ODD_STATUS = ("NOT_START", " Processing ", "RUNNING", "postprocessing", "unknown", "")

BUSY = ErrorReply(429, "Too many requests, please try again later")
BROKEN = ErrorReply(500, "An internal server error occurred")
BALANCE = ErrorReply(403, "Insufficient balance for the requested operation")
MODERATED = ErrorReply(
    400, "Your request was blocked by our moderation system.", "invalid_request_error", "moderation_blocked"
)
MODERATED_LATE = replace(MODERATED, kind="video_generation_error", code="output_moderation")
PERSON = ErrorReply(
    400,
    "The image contains a real person: people-in-user-uploads.",
    "invalid_request_error",
    "input_moderation",
)
POLICY = "Content policy violation: input may not meet the guidelines"
OVERLOADED = {"id": "req_8f2c", "status": "error", "message": "upstream overloaded, please retry"}
RENDER_FAILED = ErrorReply(500, "The video could not be generated.", "server_error", "video_generation_failed")


class Wire(Protocol):
    """What a fault uses of the provider; `base.LocalProvider` has it."""

    settings: ProviderSettings
    elsewhere: str
    id_fields: tuple[str, ...]

    def error(self, error: ErrorReply) -> Answer: ...
    def fields_of(self, body: Any) -> dict[str, Any] | None: ...
    def file_path(self, job: VideoJob) -> str: ...
    async def pause(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Moment:
    """Where a fault strikes; `answer` is None while nothing has been done yet."""

    wire: Wire
    exchange: Exchange
    job: VideoJob | None
    answer: Answer | None


Play = Callable[[Moment], Awaitable[Answer | Cut | None]]


@dataclass(frozen=True)
class Fault:
    """`is_late`: it strikes when the request has been carried out; else nothing comes of the request.

    `kinds` are those of the routes on which it makes sense.
    """

    meaning: str
    play: Play
    is_late: bool
    kinds: tuple[str, ...]


def _refusal(error: ErrorReply) -> Play:
    async def play(moment: Moment) -> Answer:
        return moment.wire.error(error)

    return play


def _says(status: int, body: Any, headers: Mapping[str, str]) -> Play:
    async def play(_moment: Moment) -> Answer:
        return Answer(status, body, headers)

    return play


def _sent(manner: Manner) -> Play:
    async def play(moment: Moment) -> Answer | None:
        return moment.answer and replace(moment.answer, manner=manner)

    return play


def _redirect(status: int, target: Callable[[Moment], str]) -> Play:
    async def play(moment: Moment) -> Answer:
        return Answer(status, b"", {"Location": target(moment)})

    return play


def _job_fault(change: Callable[[VideoJob], None]) -> Play:
    async def play(moment: Moment) -> None:
        if moment.job:
            change(moment.job)

    return play


def _altered(change: Callable[[Moment], Mapping[str, Any]]) -> Play:
    """Changes fields of the job in an answer; a field changed to ... is left out."""

    async def play(moment: Moment) -> Answer | None:
        body = deepcopy(moment.answer.body) if moment.answer else None
        fields = moment.wire.fields_of(body)
        if moment.answer is None or fields is None:
            return None
        for name, value in change(moment).items():
            if value is ...:
                fields.pop(name, None)
            else:
                fields[name] = value
        return replace(moment.answer, body=body)

    return play


def _ids(value: Callable[[Moment], Any]) -> Play:
    """Changes the ids that the answer has."""

    def change(moment: Moment) -> dict[str, Any]:
        fields = (moment.wire.fields_of(moment.answer.body) if moment.answer else None) or {}
        return {name: value(moment) for name in moment.wire.id_fields if name in fields}

    return _altered(change)


def _odd(name: str, values: tuple[Any, ...]) -> Play:
    """One value after the other, from poll to poll."""
    return _altered(lambda moment: {name: values[(len(moment.job.polls) if moment.job else 0) % len(values)]})


def _with_url(url: str | None) -> Play:
    """The URL of the video becomes another one, or goes, wherever the answer has it."""

    async def play(moment: Moment) -> Answer | None:
        if moment.job is None or moment.answer is None:
            return None
        return replace(moment.answer, body=_replaced(moment.answer.body, moment.job.file_name, url))

    return play


def _replaced(value: Any, file_name: str, url: str | None) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if url is not None or file_name not in str(v)}
        return {k: _replaced(v, file_name, url) for k, v in kept.items()}
    if isinstance(value, list):
        return [_replaced(each, file_name, url) for each in value]
    return url if file_name in str(value) else value


async def _cut(_moment: Moment) -> Cut:
    return CUT


async def _slow(moment: Moment) -> None:
    await moment.wire.pause(moment.wire.settings.slow_seconds)


async def _half_json(moment: Moment) -> Answer | None:
    return moment.answer and Answer(200, moment.answer.encoded()[:-9], {"Content-Type": "application/json"})


async def _gzip(moment: Moment) -> Answer | None:
    """Content-Length is the packed length, as LiteLLM sends it."""
    if moment.answer is None:
        return None
    packed = gzip.compress(moment.answer.encoded())
    return replace(moment.answer, body=packed, headers=_typed(moment.answer) | {"Content-Encoding": "gzip"})


async def _gzip_wrong(moment: Moment) -> Answer | None:
    """Says gzip and the length of the plain bytes, which never come."""
    answer = await _gzip(moment)
    if answer is None or moment.answer is None:
        return None
    length = str(max(len(moment.answer.encoded()), len(answer.encoded()) + 1))
    return replace(answer, headers={**answer.headers, "Content-Length": length}, manner="half")


async def _gzip_unsaid(moment: Moment) -> Answer | None:
    """Packed in two members, and no header says so."""
    if moment.answer is None:
        return None
    plain = moment.answer.encoded()
    packed = gzip.compress(plain[: len(plain) // 2]) + gzip.compress(plain[len(plain) // 2 :])
    return replace(moment.answer, body=packed, headers=_typed(moment.answer))


async def _error_with_job(moment: Moment) -> Answer | None:
    return moment.answer and replace(moment.answer, status=500)


async def _gzip_false(moment: Moment) -> Answer | None:
    return moment.answer and replace(moment.answer, headers=_typed(moment.answer) | {"Content-Encoding": "gzip"})


def _typed(answer: Answer) -> dict[str, str]:
    kind = "video/mp4" if isinstance(answer.body, bytes) else "application/json"
    return {"Content-Type": kind, **answer.headers}


def _moved(moment: Moment) -> str:
    return f"{moment.exchange.path}?moved=1"


def _elsewhere(moment: Moment) -> str:
    if moment.exchange.route != "file" and moment.exchange.kind == "file" and moment.job:
        return f"{moment.wire.elsewhere}{moment.wire.file_path(moment.job)}"
    return f"{moment.wire.elsewhere}{_moved(moment)}"


def _expire(job: VideoJob) -> None:
    job.lifetime_seconds = 0


def _slow_down(job: VideoJob) -> None:
    job.render_seconds = None if job.render_seconds is None else job.render_seconds * SLOW_TIMES


def _stick(job: VideoJob) -> None:
    job.is_stuck = True


def _grow(job: VideoJob) -> None:
    job.least_bytes = BIG_BYTES


def _fail(error: ErrorReply) -> Callable[[VideoJob], None]:
    def fail(job: VideoJob) -> None:
        job.will_fail = error

    return fail


EVERYWHERE = ("create", "poll", "file", "other")
JSON = ("create", "poll")
FILE = ("file",)


def _early(meaning: str, play: Play, *kinds: str) -> Fault:
    return Fault(meaning, play, is_late=False, kinds=kinds or EVERYWHERE)


def _late(meaning: str, play: Play, *kinds: str) -> Fault:
    return Fault(meaning, play, is_late=True, kinds=kinds or EVERYWHERE)


def _ends(meaning: str, change: Callable[[VideoJob], None]) -> Fault:
    return Fault(meaning, _job_fault(change), is_late=True, kinds=("create",))


FAULTS: Mapping[str, Fault] = {
    # Nothing is done: the codes of the seed, and others seen.
    "401": _early("401 key not accepted", _refusal(ErrorReply(401, "Invalid signature"))),
    "402": _early("402 payment required", _refusal(ErrorReply(402, "Payment required"))),
    "403": _early("403 insufficient balance", _refusal(BALANCE)),
    "404": _early("404 not found", _refusal(ErrorReply(404, "Not found", "invalid_request_error"))),
    "409": _early("409 conflict", _refusal(ErrorReply(409, "Conflict", "invalid_request_error"))),
    "429": _early("429 with Retry-After", _refusal(BUSY)),
    "500": _early("500 as JSON", _refusal(BROKEN)),
    "503-job": _early("503 that calls itself a status, with an id of its own", _says(503, OVERLOADED, {}), *JSON),
    "503": _early("503 overloaded", _refusal(ErrorReply(503, "Service unavailable, try again later"))),
    "502-html": _early("502 as a page of HTML", _says(502, HTML, HTML_HEADERS)),
    "400-policy": _early("400 moderation", _refusal(MODERATED), "create"),
    "403-policy": _early("403 moderation", _refusal(replace(MODERATED, status=403)), "create"),
    "503-policy": _early("503 content policy, as in the seed", _refusal(ErrorReply(503, POLICY)), "create"),
    "400-person": _early("400 a person in the picture", _refusal(PERSON), "create"),
    "cut-early": _early("connection cut, nothing done", _cut),
    "slow-early": _early("waits, then does it", _slow),
    "redirect": _early("302 to another path", _redirect(302, _moved)),
    "redirect-307": _early("307 to another path", _redirect(307, _moved)),
    "redirect-elsewhere": _early("302 to another origin", _redirect(302, _elsewhere)),
    "redirect-loop": _early("302 to itself", _redirect(302, lambda moment: moment.exchange.path)),
    "redirect-private": _early("302 to a private address", _redirect(302, lambda _moment: PRIVATE_URL)),
    # The request is carried out; the answer suffers.
    "lost": _late("done, the connection cut without an answer", _cut),
    "cut": _late("done, the connection cut within the answer", _sent("half")),
    "500-late": _late("done, but answered 500", _refusal(BROKEN)),
    "500-job": _late("done, but answered 500 with the job in it", _error_with_job, "create"),
    "slow": _late("done, answered late", _slow),
    "drip": _late("answered bit by bit", _sent("drip")),
    "endless": _late("an answer that never ends", _sent("endless")),
    "huge": _late("an answer of 100 MB", _sent("huge")),
    "html": _late("200 with a page of HTML", _says(200, HTML, HTML_HEADERS)),
    "empty": _late("200 with nothing", _says(200, b"", {})),
    "not-json": _late("200 with JSON that breaks off", _half_json, *JSON),
    "json": _late("JSON as 200 video/mp4", _says(200, '{"id": "video_123"}', VIDEO), *FILE),
    "gzip": _late("packed, with the packed length", _gzip),
    "gzip-unsaid": _late("packed in two members, and not said to be", _gzip_unsaid, *FILE),
    "gzip-wrong": _late("packed, with the plain length, which never comes", _gzip_wrong),
    "gzip-false": _late("said to be packed, but plain", _gzip_false),
    "no-id": _late("the job without its id", _ids(lambda _moment: ...), *JSON),
    "new-id": _late("the job under another id", _ids(lambda moment: f"other-{moment.exchange.number}"), "poll"),
    "odd-progress": _late("progress of odd kinds, backward too", _odd("progress", ODD_PROGRESS), "poll"),
    "odd-status": _late("status words nobody documented", _odd("status", ODD_STATUS), "poll"),
    "no-url": _late("completed without a URL", _with_url(None), "poll"),
    "dead-url": _late("the URL leads nowhere", _with_url(DEAD_URL), "poll"),
    "private-url": _late("the URL is a private address", _with_url(PRIVATE_URL), "poll"),
    # What becomes of the job.
    "fails": _ends("fails in the render", _fail(RENDER_FAILED)),
    "moderated": _ends("fails at the check of its output", _fail(MODERATED_LATE)),
    "slow-job": _ends(f"takes {SLOW_TIMES} times as long", _slow_down),
    "stuck": _ends("stays at 99%", _stick),
    "expired": _ends("the video is gone as soon as it is ready", _expire),
    "big": _ends("the video is over 20 MB", _grow),
}


def fault_names(routes: Iterable[Route]) -> list[str]:
    """All faults there are on these routes, as "route:fault"."""
    return [f"{route.name}:{name}" for name, fault in FAULTS.items() for route in routes if route.kind in fault.kinds]


Pending = MutableMapping[str, int | None]
"""Names of faults with how often each is still to come; None: always."""


class InjectedFaults:
    """The faults that are injected into a provider with these routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._known = fault_names(routes)
        self.pending: Pending = {}

    def inject(self, fault: str, *, times: int | None = 1) -> None:
        """Has `fault`, such as "poll:html", happen the next `times` times; None: until cleared.

        Raises LookupError for a name that no route of this provider knows.
        """
        if fault not in self._known:
            raise LookupError(f"No fault “{fault}”. A name is route:fault, of {', '.join(self._known)}.")
        self.pending[fault] = times

    def clear(self) -> None:
        self.pending.clear()


def due(faults: Iterable[Pending], route: str, *, is_late: bool) -> Iterator[str]:
    """Names of the faults whose turn it is on a route, each counted as it is taken."""
    for pending in faults:
        for key, left in list(pending.items()):
            on, _, name = key.partition(":")
            if on == route and left != 0 and FAULTS[name].is_late == is_late:
                pending[key] = None if left is None else left - 1
                yield name
