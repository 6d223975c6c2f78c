"""Requests and answers of a local provider, whatever its wire."""

import enum
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Phase = Literal["before", "inside", "after"]
Manner = Literal["whole", "half", "drip", "endless", "huge"]


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
class ErrorReply:
    """An error before it takes the form of a wire; without `kind` it is the gateway's own."""

    status: int
    message: str
    kind: str | None = None
    code: str | None = None
    param: str | None = None


class RequestRefused(Exception):
    """The request is not one the provider takes; nothing was made. Carries the answer."""

    def __init__(self, error: ErrorReply) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Route:
    """One request of an API.

    In `path`, `{job_id}` stands for one segment, `{name*}` for one or more. `kind` says which faults fit: "create"
    makes a job, "poll" tells of one as JSON, "file" sends the video. An `is_open` route asks for no key.
    """

    name: str
    method: str
    path: str
    kind: Literal["create", "poll", "file", "other"] = "other"
    is_open: bool = False


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
    route: str  # name of the route; "" for none
    kind: str  # of the route
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    at: float
    fields: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    body: bytes = b""  # of JSON requests; multipart is in `parts`
    in_path: dict[str, str] = field(default_factory=dict)  # what stood for the names in braces of the route's path
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
