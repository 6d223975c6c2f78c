"""The jobs of a run: which of them are takes of one request, and whose each video is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.discord.messages import Message
from tests.faults.reckoning import Paid
from tests.faults.scene import Asked, Scene

MOST_TAKES = 4
TAKES_APART = 3_600_000 << 22
"""The ids of the takes of one request are an hour apart, as Discord counts time; the first has the request's own."""
CLOSED = (
    "COALESCE(cards.finished_at, (SELECT MIN(take.state_at) FROM cards AS other JOIN jobs AS take"
    " ON take.id = other.job WHERE cards.request = cards.job AND other.request = cards.request"
    " AND take.state = 'undelivered'))"
)
"""When the card was closed; that of several takes stays open while the video of any is still offered."""
JOBS = (
    f"SELECT jobs.id, jobs.key, jobs.state, jobs.failure, jobs.deleted_at, {CLOSED}, cards.token,"
    " jobs.endpoint, jobs.ticket"
    " FROM jobs JOIN cards ON cards.job = jobs.id ORDER BY jobs.id"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A job of the store. `name`: the prompt, and which take it is of several; `asked`: the request, where known."""

    job: int
    key: str
    state: str
    failure: str | None
    deleted: bool
    is_closed: bool
    token: str | None
    endpoint: str | None
    ticket: str
    asked: Asked | None
    name: str
    prompt: str

    @property
    def messages(self) -> list[Message]:
        """The cards of this job."""
        return [] if self.asked is None else [each for each in messages_of(self.asked) if is_card(each, self.key)]


def row_of(scene: Scene, job: int, key: str, state: str, failure: str | None, *more: Any) -> Row:
    deleted, finished, token, endpoint, ticket = more
    asked = {each.interaction.id: each for each in scene.asked}
    number = next((number for number in range(MOST_TAKES) if job + number * TAKES_APART in asked), 0)
    found = asked.get(job + number * TAKES_APART)
    prompt = f"job {job}" if found is None else found.prompt
    name = name_of(prompt, number + 1)
    is_closed = finished is not None
    return Row(
        job, key, state, failure, deleted is not None, is_closed, token, endpoint, str(ticket), found,
        name, prompt,
    )  # fmt: skip


def name_of(prompt: str, take: int) -> str:
    return prompt if take == 1 else f"{prompt} (take {take})"


def paid(scene: Scene, rows: list[Row]) -> Iterator[Paid]:
    """The takes of a request have one prompt: whose a video is, the bot's ticket tells.

    Without one it is a take's whose outcome nobody knows, or that is erased; then any that has none, one that was
    canceled last; then the first's.
    """
    made = list(scene.place.made())
    owner = [next((r.name for r in rows if r.prompt == job.prompt and job.id in r.ticket), None) for job in made]
    has_one = {name for name, job in zip(owner, made, strict=True) if job.is_charged}
    for name, job in zip(owner, made, strict=True):
        whose = name or job.prompt
        if name is None and job.is_charged:
            left = [row for row in rows if row.prompt == job.prompt and row.name not in has_one]
            whose = min(left, key=_is_unlikely).name if left else job.prompt
            has_one.add(whose)
        yield Paid(
            whose,
            job.video if job.state == "done" else None,
            job.expires_at is not None and scene.place.videos_clock() >= job.expires_at,
            job.is_charged,
        )


def _is_unlikely(row: Row) -> tuple[bool, bool]:
    return row.state == "cancelled", row.state != "unknown" and not row.deleted


def messages_of(asked: Asked) -> list[Message]:
    return [each for each in (asked.interaction.message, *asked.interaction.followups) if each is not None]


def is_card(message: Message, key: str = "") -> bool:
    marks = (f"`{key}`",) if key else ("video `", " · `")  # a line of several has the key alone
    texts = [message.text(number) for number in range(len(message.revisions))]
    return any(mark in text for mark in marks for text in texts)
