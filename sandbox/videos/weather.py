"""Settings of the local /v1/videos that may be changed while it runs, fair weather by default."""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.videos.faults import check_fault

PORTRAIT_LANDSCAPE = ("720x1280", "1280x720")


def _models() -> dict[str, tuple[str, ...]]:
    return {"sora-2": PORTRAIT_LANDSCAPE, "sora-2-pro": (*PORTRAIT_LANDSCAPE, "1024x1792", "1792x1024")}


@dataclass
class Weather:
    """What jobs take and how requests fare. `play` brings on a fault of `faults.FAULTS`."""

    render_seconds: float | None = 6.0  # shortest time of a job; None: jobs end only when told
    auth: Literal["any", "raw", "bearer"] = "any"
    models: dict[str, tuple[str, ...]] = field(default_factory=_models)  # the first of each is its default
    seconds: tuple[str, ...] = ("4", "8", "12")
    strict: bool = False  # an unknown field is refused with 422
    status_words: dict[str, str] = field(default_factory=dict)  # queued, in_progress, completed, failed → other
    lifetime_seconds: float = 3600  # of a video, from its completion
    max_running: int | None = None  # creates over it are answered 429
    retry_after: str = "2"  # seconds or an HTTP date, sent with every 429
    poll_after_ms: int | None = None  # sent as openai-poll-after-ms with every job
    slow_seconds: float = 5.0  # what "slow" and "drip" take
    playing: dict[str, int | None] = field(default_factory=dict)  # "route:fault" → how many more, None: always

    def play(self, fault: str, *, times: int | None = 1) -> None:
        """Has `fault`, such as "poll:html", happen the next `times` times; None: until cleared."""
        check_fault(fault)
        self.playing[fault] = times

    def clear(self) -> None:
        self.playing.clear()
