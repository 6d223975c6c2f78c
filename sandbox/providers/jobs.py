"""The jobs of a local provider: every video that was made, and so charged, with the state it is in."""

import secrets
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from sandbox.providers.exchange import ErrorReply

State = Literal["queued", "running", "done", "failed", "cancelled"]

# A real server shows some seconds of `queued` first: this share of the time a job takes.
QUEUED_SHARE = 0.1
# Where a job that is going to fail does so, as a share of the time it takes.
FAILS_AT_SHARE = 0.6


class Options(TypedDict, total=False):
    """What only some models take."""

    last_picture: bytes | None
    sound: bool | None
    seed: int | None


@dataclass(slots=True)
class VideoJob:
    """A job that was made. `render_seconds` None: it stands still until told to end.

    queued → running → done | failed | cancelled; done needs both the time and the rendered video.
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
    last_picture: bytes | None = None  # the video ends with it
    sound: bool | None = None
    seed: int | None = None
    key: str | None = None  # the client's own, where the wire has one: an idempotency key
    state: State = "queued"
    is_charged: bool = True
    progress: int = 0
    completed_at: float | None = None  # the end, also of a failed or cancelled one
    error: ErrorReply | None = None
    video: bytes | None = None
    rendered_at: float | None = None
    polls: list[float] = field(default_factory=list)
    downloads: list[float] = field(default_factory=list)
    is_deleted: bool = False
    ends_now: bool = False  # as soon as the video is rendered, whatever the time
    is_stuck: bool = False  # never ends by itself
    least_bytes: int = 0  # the video is padded to this
    will_fail: ErrorReply | None = None  # with this error
    encoded_share: float = 0.0  # set by the rendering thread
    faults: dict[str, int | None] = field(default_factory=dict)
    file_name: str = field(default_factory=lambda: f"api{secrets.token_hex(8)}.mp4")

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        width, _, height = self.size.partition("x")
        return int(width), int(height)

    @property
    def is_over(self) -> bool:
        return self.state in {"done", "failed", "cancelled"}

    @property
    def expires_at(self) -> float | None:
        return None if self.completed_at is None else self.completed_at + self.lifetime_seconds

    @property
    def due_at(self) -> float | None:
        return None if self.render_seconds is None else self.created_at + self.render_seconds

    def settle(self, now: float) -> None:
        """Brings state and progress up to `now`."""
        if self.is_over:
            return
        share = self._share(now)
        if self.will_fail and (self.ends_now or (share is not None and share >= FAILS_AT_SHARE)):
            self.fail(self.will_fail, now)
        elif self.video is not None and (self.ends_now or (share == 1 and not self.is_stuck)):
            self.state, self.progress = "done", 100
            self.completed_at = now if self.ends_now else max(self.due_at or now, self.rendered_at or now)
        elif share is not None:
            self.state = "running" if share >= QUEUED_SHARE and self.encoded_share else "queued"
            self.progress = min(99, int(100 * min(share, self.encoded_share)))

    def fail(self, error: ErrorReply, now: float) -> None:
        self.state, self.error, self.completed_at = "failed", error, now

    def cancel(self, now: float, *, is_charged: bool) -> None:
        self.state, self.completed_at, self.is_charged = "cancelled", now, is_charged

    def _share(self, now: float) -> float | None:
        if self.render_seconds is None:
            return None
        return min(1.0, (now - self.created_at) / self.render_seconds) if self.render_seconds else 1.0
