"""Whoever takes what away, and whenever: the member can still have the video they paid for, or has deleted it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import pytest

from sandbox.discord.cdn import Upload
from sandbox.discord.exchange import Cut, Exchange, Phase, Reply
from sandbox.discord.messages import Interaction, Message
from sandbox.discord.world import Person
from sandbox.providers.jobs import VideoJob
from tests.e2e.asking import alone
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage, png

SETTINGS = {"QUOTA_DEFAULT_CREDITS": "100000", "BUDGET_CREDITS": "100000", "MAX_JOBS_PER_USER": "100"}
POINTS = ("rendering", "downloading", "edit in flight", "edit made", "delivered", "undelivered")
NO_ACCESS = Reply(403, {"message": "Missing Access", "code": 50001})
BY_MEMBER = ("delete by member", "erase")


@dataclass
class Case:
    """One video of Ana's picture that Mia asked for, and where its delivery stands still."""

    stage: Stage
    point: str
    card: Message
    video: VideoJob
    id: int
    key: str
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    held: list[object] = field(default_factory=list)

    def column(self, name: str) -> object:
        ((value,),) = self.stage.rows(f"SELECT {name} FROM jobs WHERE id = {self.id}")
        return value

    def brings_video(self, exchange: Exchange) -> bool:
        return exchange.method == "PATCH" and str(self.card.id) in exchange.path and bool(exchange.files)

    async def at_discord(self, phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        if not self.brings_video(exchange):
            return None
        if self.point == "undelivered" and phase == "before":
            return NO_ACCESS
        wanted = {"edit in flight": "before", "edit made": "inside"}.get(self.point)
        if phase == wanted and not self.held:
            self.held.append(exchange)
            self.stage.discord.changes.notify()
            await self.go_on.wait()
        return None

    async def at_provider(self, phase: str, exchange: object) -> None:
        path = str(getattr(exchange, "path", ""))
        if self.point == "downloading" and phase == "before" and not self.held and not path.endswith(self.video.id):
            self.held.append(exchange)
            self.stage.discord.changes.notify()
            await self.go_on.wait()

    async def begin(self) -> None:
        """Brings the job to the point."""
        stage = self.stage
        stage.mia.dms_open = self.point != "undelivered"
        stage.discord.on_exchange(self.at_discord)
        stage.provider.on_exchange(self.at_provider)
        if self.point != "rendering":
            stage.provider.finish(self.video.id)
        if self.point in ("downloading", "edit in flight", "edit made"):
            await stage.discord.wait_for(lambda: self.held, 20, self.point)
        elif self.point != "rendering":
            await stage.booked(lambda: self.column("state") == self.point)

    async def end(self) -> None:
        """Lets go of what is held, and of the video; the job is at rest after that."""
        stage = self.stage
        self.go_on.set()
        if self.held and isinstance(exchange := self.held[0], Exchange):
            await stage.discord.wait_for(lambda: exchange.status or exchange.cut, 10, "the edit to be made or refused")
        if self.point == "rendering":
            stage.provider.finish(self.video.id)
        await stage.booked(lambda: self.column("state") in ("delivered", "undelivered"))
        stage.discord.remove(self.at_discord)
        stage.provider.remove(self.at_provider)

    def seen_by(self, person: Person) -> list[Message]:
        places = (self.stage.discord.world.general, self.stage.discord.world.dm(person))
        return [
            message
            for place in places
            for message in self.stage.discord.messages(place, as_seen_by=person)
            if any(self.key in file.filename and file.data == self.video.video for file in message.media)
        ]

    async def listed(self) -> Message:
        return await alone(await self.stage.discord.invoke(self.stage.mia, "videos"))

    async def shown_again(self) -> bool:
        """From the list, twice, as its member alone sees it."""
        shown: list[bytes] = []
        for _ in range(2):
            there = await self.listed()
            if f"job:kept:{self.id}" not in [button.custom_id for button in there.buttons]:
                return False
            asked = await self.stage.discord.press(self.stage.mia, there, f"job:kept:{self.id}")
            await self.stage.discord.wait_for(partial(_shows_video, asked), 10, "the video")
            assert asked.message is not None
            assert asked.message.is_ephemeral
            shown.append(asked.message.media[0].data)
            asked.message.deleted = True  # dismissed: it proves nothing about the next
        return shown == [self.video.video] * 2


def _shows_video(asked: Interaction) -> bool:
    return asked.message is not None and bool(asked.message.media)


async def _word(stage: Stage, asked: Interaction) -> Message:
    """What is said to whoever pressed, and to them alone: then it is done, or refused."""

    def said() -> Message | None:
        first = asked.message
        if first is not None and first.is_ephemeral and not first.is_loading:
            return first
        return asked.followups[-1] if asked.followups else None

    word = await stage.discord.wait_for(said, 20, "a private word")
    assert word is not None
    return word


async def _press(case: Case, action: str, by: Person) -> Message:
    """On the card as it was when it last had that button: whoever pressed did not know better."""
    custom_id, revisions, later = f"job:{action}:{case.id}", case.card.revisions, []
    had = [n for n, wire in enumerate(revisions) if custom_id in str(wire["components"])]
    if had:
        later = revisions[had[-1] + 1 :]
        del revisions[had[-1] + 1 :]
    asked = await case.stage.discord.press(by, case.card, custom_id, forge=True)
    revisions.extend(later)
    return await _word(case.stage, asked)


async def _delete(case: Case) -> None:
    question = await _press(case, "delete", case.stage.mia)
    yes = next((button.custom_id for button in question.buttons if button.label == "Delete"), None)
    if yes is not None:
        await case.stage.discord.press(case.stage.mia, question, yes)
        await case.stage.until(question, "The video is deleted.")


async def _erase(case: Case) -> None:
    stage = case.stage
    about = await alone(await stage.discord.invoke(stage.mia, "privacy"))
    await stage.discord.press(stage.mia, about, "privacy:delete")
    await stage.until(about, "Delete your data?")
    await stage.discord.press(stage.mia, about, "privacy:erase")
    await stage.until(about, "Your data is deleted")


async def _show_again(case: Case) -> None:
    asked = await case.stage.discord.press(case.stage.mia, await case.listed(), f"job:kept:{case.id}", forge=True)
    await _word(case.stage, asked)


async def _block(case: Case) -> None:
    for command in ("block", "unblock"):
        await alone(await case.stage.discord.invoke(case.stage.admin, f"animate-admin {command}", user=case.stage.mia))


def _by(action: str, who: str) -> Callable[[Case], Awaitable[object]]:
    return lambda case: _press(case, action, case.stage.discord.world.people[who])


ACTS: dict[str, Callable[[Case], Awaitable[object]]] = {
    "hide by member": _by("hide", "mia"),
    "hide by moderator": _by("hide", "admin"),
    "hide by the picture's author": _by("hide", "ana"),
    "delete by member": _delete,
    "delete by moderator": _by("delete", "admin"),
    "delete by the picture's author": _by("delete", "ana"),
    "show again": _show_again,
    "block": _block,
    "erase": _erase,
}

LONG_IN_FLIGHT = ("delete by moderator", "delete by the picture's author", "show again")
"""Beside "delete by member": each waits two seconds for the edit."""


async def _case(stage: Stage, point: str) -> Case:
    ana, known = stage.discord.world.people["ana"], set(stage.provider.jobs)
    picture = await stage.discord.post(ana, "look", Upload("cat.png", png(), "image/png"))
    form = await stage.discord.menu(stage.mia, "Animate this", picture)
    await form.answer()
    asked = await stage.discord.submit(stage.mia, form, {"prompt": "it yawns"})
    card = await asked.answer()
    assert card is not None
    await stage.until(card, "Rendering")
    (video,) = set(stage.provider.jobs) - known
    ((job, key),) = stage.rows(f"SELECT id, key FROM jobs JOIN cards ON job = id WHERE message = {card.id}")
    assert isinstance(job, int)
    case = Case(stage, point, card, stage.provider.jobs[video], job, str(key))
    await case.begin()
    return case


@pytest.mark.parametrize(
    ("point", "acts"),
    [
        ("edit in flight", [name for name in ACTS if name not in LONG_IN_FLIGHT]),
        *(pytest.param(point, list(ACTS), marks=pytest.mark.thorough) for point in POINTS),
    ],
    ids=["edit in flight, most", *POINTS],
)
async def test_whatever_is_taken_away_in_that_moment_the_member_can_have_the_video(
    build: Build, point: str, acts: list[str]
) -> None:
    stage = await build(SETTINGS, render_s=None)
    await alone(await stage.discord.invoke(stage.admin, "animate-admin others", allowed=True))
    lost, seen = [], []
    for name in acts:
        case = await _case(stage, point)
        await ACTS[name](case)
        await case.end()
        deleted = case.column("deleted_at") is not None
        gone = deleted and name in BY_MEMBER
        if not gone and not case.seen_by(stage.mia) and not await case.shown_again():
            lost.append(f"{name} while {point}: {case.column('state')}")
        if case.card.deleted and case.seen_by(stage.discord.world.people["ana"]):
            seen.append(f"{name} while {point}")

    assert (lost, seen) == ([], [])
