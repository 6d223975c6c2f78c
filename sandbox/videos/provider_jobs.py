"""What the local /v1/videos keeps: every job made (and so paid), every request and its answer."""

import enum
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Status = Literal["queued", "in_progress", "completed", "failed"]
Phase = Literal["before", "inside", "after"]
Manner = Literal["whole", "half", "drip", "endless", "huge"]

# A real server shows some seconds of `queued` first: this share of the time a job takes.
QUEUED_SHARE = 0.1
# Where a job that is going to fail does so, as a share of the time it takes.
FAILS_AT_SHARE = 0.6


class _Cut(enum.Enum):
    CUT = "cut"


CUT: Final = _Cut.CUT  # instead of an answer: the TCP connection ends, nothing is sent
Cut = Literal[_Cut.CUT]


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply: `body` as bytes or text is sent as it stands, anything else as JSON."""

    status: int
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = "whole"

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error before it takes a server's shape; without `kind` it is the gateway's own."""

    status: int
    message: str
    kind: str | None = None
    code: str | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart form as it came."""

    name: str
    filename: str | None
    content_type: str | None
    body: bytes


@dataclass(slots=True)
class Exchange:
    """One request, read to its end, and what was done about it; `answer` is None until there is one."""

    number: int
    origin: str  # the http://host:port it was sent to
    method: str
    path: str
    route: str  # create, list, models, poll, delete, content, file; "" for none
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    at: float
    fields: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    body: bytes = b""  # of JSON requests; multipart is in `parts`
    job_id: str | None = None
    fault: str | None = None  # the name of the fault that was played
    answer: Answer | None = None
    cut: bool = False  # the connection ended before the whole answer was sent

    @property
    def status(self) -> int:
        """0 until there is an answer, and for one that was cut off altogether."""
        return self.answer.status if self.answer else 0

    @property
    def reply(self) -> Any:
        """The JSON of the answer, or None where it is none."""
        try:
            return None if self.answer is None else json.loads(self.answer.encoded())
        except ValueError:
            return None


HookReply = Answer | tuple[int, Any, Mapping[str, str]] | Cut | None
Hook = Callable[[Phase, Exchange], Awaitable[HookReply]]


@dataclass(slots=True)
class VideoJob:
    """A job that was made. `render_seconds` None: it stands still until told to end.

    queued → in_progress → completed | failed; completed needs both the time and the rendered video.
    """

    id: str
    prompt: str
    model: str
    seconds: str
    size: str
    picture: bytes | None
    created_at: float
    render_seconds: float | None
    lifetime_seconds: float
    status: Status = "queued"
    progress: int = 0
    completed_at: float | None = None  # also the end of a failed one
    error: Trouble | None = None
    video: bytes | None = None
    rendered_at: float | None = None
    polls: list[float] = field(default_factory=list)
    downloads: list[float] = field(default_factory=list)
    is_deleted: bool = False
    is_told: bool = False  # to end now, whatever the time
    is_stuck: bool = False  # never ends by itself
    least_bytes: int = 0  # the video is padded to this
    doom: Trouble | None = None  # the error it is going to fail with
    encoded_share: float = 0.0  # set by the rendering thread
    faults: dict[str, int | None] = field(default_factory=dict)
    file_name: str = field(default_factory=lambda: f"api{secrets.token_hex(8)}.mp4")

    @property
    def is_over(self) -> bool:
        return self.status in {"completed", "failed"}

    @property
    def expires_at(self) -> float | None:
        return None if self.completed_at is None else self.completed_at + self.lifetime_seconds

    @property
    def due_at(self) -> float | None:
        return None if self.render_seconds is None else self.created_at + self.render_seconds

    def settle(self, now: float) -> None:
        """Brings status and progress up to `now`."""
        if self.is_over:
            return
        share = self._share(now)
        if self.doom and (self.is_told or (share is not None and share >= FAILS_AT_SHARE)):
            self.fail(self.doom, now)
        elif self.video is not None and (self.is_told or (share == 1 and not self.is_stuck)):
            self.status, self.progress = "completed", 100
            self.completed_at = now if self.is_told else max(self.due_at or now, self.rendered_at or now)
        elif share is not None:
            self.status = "in_progress" if share >= QUEUED_SHARE and self.encoded_share else "queued"
            self.progress = min(99, int(100 * min(share, self.encoded_share)))

    def fail(self, error: Trouble, now: float) -> None:
        self.status, self.error, self.completed_at = "failed", error, now

    def _share(self, now: float) -> float | None:
        if self.render_seconds is None:
            return None
        return min(1.0, (now - self.created_at) / self.render_seconds) if self.render_seconds else 1.0
