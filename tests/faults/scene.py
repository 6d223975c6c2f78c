"""One run while it is played: what was asked, what was done to the bot, and how it is all undone again."""

from __future__ import annotations

import contextlib
import io
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from PIL import Image

from sandbox.discord.cdn import Upload
from sandbox.discord.commands import CannotInvoke
from sandbox.discord.exchange import Exchange, Hook, Phase
from sandbox.discord.messages import Answer, Interaction, Message, NotAnswered
from sandbox.discord.world import Channel, Person
from sandbox.providers.base import LocalProvider
from sandbox.providers.exchange import Exchange as VideoExchange
from sandbox.providers.exchange import Hook as VideoHook
from sandbox.providers.exchange import HookReply
from sandbox.providers.exchange import Phase as VideoPhase
from tests.faults.keeper import Keeper
from tests.faults.place import Place, until

if TYPE_CHECKING:
    from tests.faults.gifts import Gift
    from tests.faults.keepers import Keepers

Undo = Callable[[], Awaitable[None]]
Keeping = Callable[[Place, Random], "Keeper | Keepers"]
SPOILERS = 0.15
"""So many of the pictures are covered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One /animate; `prompt` is like no other of the run."""

    prompt: str
    person: Person
    interaction: Interaction
    at: float
    spoiler: bool = False
    """Its picture is covered until somebody clicks it."""
    author: Person | None = None
    """Whose picture it is, where it is not the person's own."""
    takes: int = 1
    only_me: bool = False
    """Nobody else is to see the video."""


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
    keeper: Keeper | Keepers
    rng: Random
    asked: list[Asked] = field(default_factory=list)
    form_numbers: Iterator[int] = field(default_factory=itertools.count)
    """No two forms get the same prompt: by it, what is paid for is counted."""
    sent: list[Sent] = field(default_factory=list)
    spoiled: set[int] = field(default_factory=set)
    """`id` of the exchanges with Discord that a fault answered."""
    removed: set[int] = field(default_factory=set)
    """Messages that somebody took away, or that went with their channel."""
    gone: dict[int, int] = field(default_factory=dict)
    """Messages that were deleted, by whomever; what has an id over the value came later."""
    hidden: set[int] = field(default_factory=set)
    """Cards whose Hide or Delete was pressed: those that are gone in the end were removed by the bot."""
    deleted: set[str] = field(default_factory=set)
    """Prompts of videos whose member said that they are to be deleted for good."""
    unseen: set[int] = field(default_factory=set)
    """Channels that the bot could not view, if only for a while."""
    locked: set[int] = field(default_factory=set)
    """Threads that were locked."""
    barred: list[tuple[float, float]] = field(default_factory=list)
    """From when until when Discord took nothing from the bot's address."""
    least_taken: int | None = None
    """The lowest limit of uploads there was, where it was lower than announced."""
    changed: set[str] = field(default_factory=set)
    """Providers whose key, address or model was another one for a while."""
    leaks: list[str] = field(default_factory=list)
    """Keys that came to another provider than theirs."""
    last: list[str] = field(default_factory=list)
    """What is wrong with the request that somebody makes at the very end."""
    settles_within_s: float = 80.0
    """A poll of what is long overdue may be a minute away."""
    gifts: list[Gift] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    are_faults_over: bool = False
    routes_cut: bool = False
    """Something was done after which a video may have no way to its member."""
    _undo: list[Undo] = field(default_factory=list)

    def tell(self, line: str) -> None:
        """A line of the run's own log, with the seconds since it began."""
        self.told.append(f"{time.monotonic() - self.began:7.3f} {line}")

    def hit(self, kind: str, line: str) -> None:
        """A fault has taken effect."""
        self.struck[kind] += 1
        self.tell(f"{kind}: {line}")

    def later(self, undo: Undo) -> None:
        """What is to be undone before the faults end, last first."""
        self._undo.append(undo)

    def on_discord(self, hook: Hook) -> None:
        """A hook until the faults end."""
        self.place.discord.on_exchange(hook)

        async def undo() -> None:
            self.place.discord.remove(hook)

        self.later(undo)

    def on_videos(self, provider: LocalProvider, hook: VideoHook) -> None:
        """A hook until the faults end."""
        provider.on_exchange(hook)

        async def undo() -> None:
            provider.remove(hook)

        self.later(undo)

    async def clear(self) -> None:
        """No faults from here on; what was killed or removed stays so."""
        self.are_faults_over = True
        for provider in self.place.every_provider:
            provider.faults.clear()
        while self._undo:
            await self._undo.pop()()
        self.tell("no more faults")

    async def while_faults_last(self, seconds: float) -> None:
        """Waits so many seconds, or until the faults end."""
        with contextlib.suppress(TimeoutError):
            await until(lambda: self.are_faults_over, seconds)

    def pick(self, rng: Random, *names: str) -> LocalProvider:
        """One of the providers in use, of these if some are named."""
        return rng.choice([each for each in self.place.providers if not names or each.name in names])

    async def ask(
        self,
        person: Person,
        channel: Channel,
        prompt: str,
        model: str | None = None,
        *,
        takes: int | None = None,
        show: str | None = None,
    ) -> Asked | None:
        """The person uses /animate; where Discord would not let them, nothing happens.

        A model that has left the catalog is still asked for: their Discord may not know yet.
        """
        spoiler = self.rng.random() < SPOILERS
        picture = Upload("SPOILER_cat.png" if spoiler else "cat.png", _png(self.rng), "image/png")
        began = time.monotonic()
        try:
            if channel.locked:
                raise CannotInvoke("the thread is locked")  # noqa: TRY301 - as the client does
            interaction = await self.place.discord.invoke_with(
                person,
                "animate",
                {"image": picture, "prompt": prompt, "model": model, "takes": takes, "show": show},
                channel=channel,
                forge=model is not None,
            )
        except CannotInvoke as error:
            self.tell(f"{person.name} could not ask: {error}")
            return None
        asked = Asked(prompt, person, interaction, began, spoiler, takes=takes or 1, only_me=show == "me")
        self.asked.append(asked)
        self.tell(f"{person.name} asked in {channel.name or channel.type.name}: {prompt}, {takes} takes, {show}")
        return asked

    async def ask_with(self, person: Person, author: Person, prompt: str) -> Asked | None:
        """The person animates a picture that the author has posted in the general channel."""
        posted = await self.place.discord.post(author, "look", Upload("cat.png", _png(self.rng), "image/png"))
        try:
            opened = await self.place.discord.menu(person, "Animate this", posted)
        except CannotInvoke as error:
            self.tell(f"{person.name} could not use the menu: {error}")
            return None
        return await self.make_again(person, opened, prompt, author=author)

    async def make_again(
        self, person: Person, opened: Interaction, prompt: str, *, of: Asked | None = None, author: Person | None = None
    ) -> Asked | None:
        """Fills in the form that something, perhaps a card `of` a request, has brought up; without one, nothing."""
        try:
            await opened.answer()
        except NotAnswered:
            return None
        if opened.response_type != Answer.MODAL:
            return None
        began = time.monotonic()
        submitted = await self.place.discord.submit(person, opened, {"prompt": prompt})
        spoiler, only_me = of is not None and of.spoiler, of is not None and of.only_me
        asked = Asked(prompt, person, submitted, began, spoiler, author, only_me=only_me)
        self.asked.append(asked)
        self.tell(f"{person.name} sent the form: {prompt}")
        return asked

    def was_barred(self, since: float, until: float) -> bool:
        """Whether Discord took nothing from the bot's address at any time between the two."""
        return any(begun <= until and since <= ended for begun, ended in self.barred)

    def is_removed(self, message: Message) -> bool:
        """Whether somebody took it away, or had it removed."""
        return message.id in self.removed or (message.id in self.hidden and message.deleted)

    def note_gone(self) -> None:
        """What is deleted now."""
        for message in self.place.discord.history:
            if message.deleted and message.id not in self.gone:
                self.gone[message.id] = self.place.discord.world.new_id()

    async def note_deletes(self, phase: Phase, exchange: Exchange) -> None:
        """The bot has deleted something."""
        if phase == "inside" and exchange.method == "DELETE":
            self.note_gone()

    def watch(self, provider: LocalProvider) -> None:
        """Keeps when each create came, and in which life of the bot, and whose key came with what."""

        async def note(phase: VideoPhase, exchange: VideoExchange) -> HookReply:
            if phase != "before":
                return None
            sent = f"{exchange.headers} {exchange.query}"
            others = [each.key for each in self.place.every_provider if each is not provider]
            if any(key in sent for key in others):
                self.leaks.append(f"{exchange.method} {exchange.path} came with the key of another provider")
            if exchange.route == "create":
                prompt = provider.prompt_of(exchange)
                self.sent.append(Sent(prompt, time.monotonic(), len(self.keeper.lives) - 1, exchange))
            return None

        provider.on_exchange(note)

    def spoil(self, exchange: Exchange) -> None:
        """A fault answers this request of the bot."""
        self.spoiled.add(id(exchange))


@contextlib.asynccontextmanager
async def opened(place: Place, rng: Random, keeping: Keeping = Keeper) -> AsyncIterator[Scene]:
    """A scene with the bot connected; ends with everything down."""
    keeper = keeping(place, Random(rng.random()))
    scene = Scene(place, keeper, Random(rng.random()))
    try:
        await place.open()
        for provider in place.providers:
            scene.watch(provider)
        place.discord.on_exchange(scene.note_deletes)
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
