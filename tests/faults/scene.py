"""One run while it is played: what was asked, what was done to the bot, and how it is all undone again."""

from __future__ import annotations

import contextlib
import io
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from PIL import Image

from sandbox.discord.cdn import Upload
from sandbox.discord.commands import CannotInvoke
from sandbox.discord.messages import Answer, Interaction, Message, NotAnswered
from sandbox.discord.record import Exchange, Hook
from sandbox.discord.world import Channel, Person
from sandbox.videos import Exchange as VideoExchange
from sandbox.videos.account import Hook as VideoHook
from sandbox.videos.account import HookReply
from sandbox.videos.account import Phase as VideoPhase
from tests.faults.place import Keeper, Place, until

Undo = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One /animate; `prompt` is like no other of the run."""

    prompt: str
    person: Person
    interaction: Interaction
    at: float
    was_up: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """A create as it arrived at the provider, on the monotonic clock."""

    prompt: str
    at: float
    life: int
    exchange: VideoExchange


@dataclass(slots=True)
class Scene:
    """Kinds of faults act on it; the reckoning reads it."""

    place: Place
    keeper: Keeper
    rng: Random
    asked: list[Asked] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    spoiled: set[int] = field(default_factory=set)
    """`id` of the exchanges with Discord that a fault answered."""
    removed: set[int] = field(default_factory=set)
    """Messages that somebody took away, or that went with their channel."""
    hidden: set[int] = field(default_factory=set)
    """Cards whose Hide was pressed: those that are gone in the end were taken away by the bot."""
    struck: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    is_fair: bool = False
    routes_cut: bool = False
    """Something was done after which a card may be out of reach."""
    _undo: list[Undo] = field(default_factory=list)

    def tell(self, line: str) -> None:
        """A line of the run's own log, with the seconds since it began."""
        self.told.append(f"{time.monotonic() - self.began:7.3f} {line}")

    def hit(self, kind: str, line: str) -> None:
        """A fault has taken effect."""
        self.struck[kind] += 1
        self.tell(f"{kind}: {line}")

    def later(self, undo: Undo) -> None:
        """What is to be undone before fair weather, last first."""
        self._undo.append(undo)

    def on_discord(self, hook: Hook) -> None:
        """A hook until fair weather."""
        self.place.discord.on_exchange(hook)

        async def undo() -> None:
            self.place.discord.remove(hook)

        self.later(undo)

    def on_videos(self, hook: VideoHook) -> None:
        """A hook until fair weather."""
        self.place.videos.on_exchange(hook)

        async def undo() -> None:
            self.place.videos.remove(hook)

        self.later(undo)

    async def clear(self) -> None:
        """Fair weather from here on; what was killed or taken away stays so."""
        self.is_fair = True
        self.place.videos.weather.clear()
        while self._undo:
            await self._undo.pop()()
        self.tell("fair weather")

    async def until_fair(self, seconds: float) -> None:
        """Waits so long, or until fair weather."""
        with contextlib.suppress(TimeoutError):
            await until(lambda: self.is_fair, seconds)

    async def ask(self, person: Person, channel: Channel, prompt: str) -> None:
        """The person uses /animate; where Discord would not let them, nothing happens."""
        was_up = not self.keeper.was_away(time.monotonic() - 0.05, time.monotonic())
        try:
            interaction = await self.place.discord.invoke(
                person, "animate", channel=channel, image=Upload("cat.png", _png(self.rng), "image/png"), prompt=prompt
            )
        except CannotInvoke as error:
            self.tell(f"{person.name} could not ask: {error}")
            return
        self.asked.append(Asked(prompt, person, interaction, time.monotonic(), was_up))
        self.tell(f"{person.name} asked in {channel.name or channel.type.name}: {prompt}")

    async def make_again(self, asked: Asked, pressed: Interaction, prompt: str) -> None:
        """Fills in the form that a press has brought up; where there is none, nothing happens."""
        try:
            await pressed.answer()
        except NotAnswered:
            return
        if pressed.response_type != Answer.MODAL:
            return
        was_up = not self.keeper.was_away(time.monotonic() - 0.05, time.monotonic())
        submitted = await self.place.discord.submit(asked.person, pressed, {"prompt": prompt})
        self.asked.append(Asked(prompt, asked.person, submitted, time.monotonic(), was_up))
        self.tell(f"{asked.person.name} sent the form: {prompt}")

    def is_removed(self, message: Message) -> bool:
        """Whether somebody took it away, or had it taken away."""
        return message.id in self.removed or (message.id in self.hidden and message.deleted)

    async def note_create(self, phase: VideoPhase, exchange: VideoExchange) -> HookReply:
        """Keeps when each create came, and in which life of the bot."""
        if phase == "before" and exchange.route == "create":
            prompt = str(exchange.fields.get("prompt"))
            self.sent.append(Sent(prompt, time.monotonic(), len(self.keeper.lives) - 1, exchange))
        return None

    def spoil(self, exchange: Exchange) -> None:
        """A fault answers this request of the bot."""
        self.spoiled.add(id(exchange))


@contextlib.asynccontextmanager
async def opened(place: Place, rng: Random) -> AsyncIterator[Scene]:
    """A scene with the bot connected; ends with everything down."""
    keeper = Keeper(place, Random(rng.random()))
    scene = Scene(place, keeper, Random(rng.random()))
    try:
        await place.open()
        place.videos.on_exchange(scene.note_create)
        await keeper.open()
        scene.began = time.monotonic()
        yield scene
    finally:
        await keeper.abandon()
        await place.stop()


def is_about(exchange: Any, asked: Asked) -> bool:
    """Whether a request to Discord goes by this command's token."""
    return asked.interaction.token in exchange.params.values()


def _png(rng: Random) -> bytes:
    buffer = io.BytesIO()
    size = rng.choice([(270, 480), (480, 270)])
    Image.new("RGB", size, (rng.randrange(256), rng.randrange(256), rng.randrange(256))).save(buffer, "PNG")
    return buffer.getvalue()
