"""What recent renders took, in memory and bounded. The store has the same for the next start."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from itertools import islice

from bot.jobs.estimate import Estimate, estimate
from bot.models import VideoSpec
from bot.sizes import parse_size
from bot.store.jobs import Render

RECENT = 10
"""So many decide: after six slow ones a slow day is believed."""
KEPT = 200
"""Of each kind; a job goes by what was known when it was sent, also after a restart."""
READ = 1_000
"""Of all kinds, at start."""

Kind = tuple[str, int, int]
"""Model, seconds, pixels: what decides how long a render takes."""


class RenderTimes:
    """Owns what is known of each kind of video."""

    def __init__(self) -> None:
        self._known: dict[Kind, deque[Render]] = {}

    def learn(self, renders: Iterable[Render]) -> None:
        """Takes in what was observed, the oldest first."""
        for render in renders:
            kind = _kind(render.model, render.seconds, render.size)
            self._known.setdefault(kind, deque(maxlen=KEPT)).append(render)

    def become(self, renders: Iterable[Render]) -> None:
        """As `learn`, in place of all that is known: other processes have observed more."""
        self._known.clear()
        self.learn(renders)

    def estimate(self, spec: VideoSpec, known_at: datetime) -> Estimate | None:
        """From the most recent that had ended by then; None where too few had."""
        known = self._known.get(_kind(spec.model, spec.seconds, spec.size), ())
        took_s = (render.took.total_seconds() for render in reversed(known) if render.ended_at <= known_at)
        return estimate([*islice(took_s, RECENT)])


@lru_cache(256)  # asked before every poll
def _kind(model: str, seconds: int, size: str | None) -> Kind:
    width, height = (0, 0) if size is None else parse_size(size)
    return model, seconds, width * height
