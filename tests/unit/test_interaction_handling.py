"""Who answers a command, a press or a form, and that a job which was reserved for one always has an owner."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.chat import text
from bot.chat.cards import Cards
from bot.chat.client import UNANSWERED_AFTER_S, AnimateBot, CommandTree, claim_interaction
from bot.chat.first_answer import Answer
from bot.chat.video_requests import VideoRequest, VideoRequests
from bot.i18n.translations import TranslationCatalog
from bot.jobs.interaction_priority import InteractionPriority
from bot.jobs.service import Ask, Service
from bot.models import Job, MessageId, VideoSpec
from tests.builders import GUILD, NOON, a_job, a_picture, seed_catalog
from tests.harness import SteppedLoop

CATALOG = seed_catalog()


class Response:
    """What Discord is answered; `error` is raised by the first answer."""

    def __init__(self, error: BaseException | None = None, *, message: int | None = 55) -> None:
        self.error = error
        self.message = message
        self.type: discord.InteractionResponseType | None = None
        self.said: list[str] = []
        self.done = False

    def is_done(self) -> bool:
        return self.done

    async def send_message(self, content: str = "", **_options: Any) -> Any:
        if self.done:
            raise discord.InteractionResponded(cast("Any", None))
        if self.error is not None:
            raise self.error
        self.done = True
        self.said.append(content)
        return SimpleNamespace(message_id=self.message, is_ephemeral=lambda: False)


class Pressed:
    """An interaction, as far as it is looked at here."""

    def __init__(self, response: Response) -> None:
        self.id = 1
        self.type = discord.InteractionType.component
        self.response = response
        self.followup = SimpleNamespace(send=self._send)
        self.extras: dict[str, Any] = {}
        self.user = SimpleNamespace(id=7)
        self.guild_id = GUILD
        self.channel_id, self.application_id, self.token = 2, 3, "token"
        self.channel = None
        self.expires_at = NOON + timedelta(minutes=15)
        self.filesize_limit = 10_000_000
        self.app_permissions = discord.Permissions.all()
        self.locale = self.guild_locale = discord.Locale.american_english
        self.client = SimpleNamespace(get_guild=lambda _id: None, translation_catalog=TranslationCatalog())
        self.data: dict[str, Any] = {}

    def is_guild_integration(self) -> bool:
        return True

    async def _send(self, content: str, **_options: Any) -> None:
        self.response.said.append(content)


class JobContext:
    """The service: what it was told became of the card."""

    def __init__(self) -> None:
        self.interaction_priority = InteractionPriority()
        self.catalog = CATALOG
        self.told: list[str] = []
        self.has_remembered = False
        self.personal_data = self.rules = self

    async def models(self, *_where: object) -> None:
        """Every model may be used."""

    async def remember_choices(self, *_chosen: object) -> None:
        self.has_remembered = True

    async def animate(self, _ask: Ask, *, meanwhile: Callable[[list[Job]], None]) -> list[Job]:
        jobs = [a_job(1)]
        meanwhile(jobs)
        return jobs

    def card_shown(self, _job: Job, message: MessageId, *, ephemeral: bool) -> None:
        self.told.append(f"shown {message}")

    def card_unsure(self, _job: Job) -> None:
        self.told.append("unsure")


async def send(pressed: Any, body: bytes) -> Answer | None:
    assert not json.loads(body)["data"]["flags"] & discord.MessageFlags(ephemeral=True).value
    taken = await pressed.response.send_message()
    return None if taken.message_id is None else Answer(MessageId(taken.message_id), taken.is_ephemeral())


async def take(response: Response) -> list[str]:
    service = JobContext()
    requests = VideoRequests(cast("Service", service), Cards(CATALOG, TranslationCatalog()), send)
    request = VideoRequest(VideoSpec(prompt="puts on a hat"), a_picture())
    handling = asyncio.ensure_future(requests.handle(cast("Any", Pressed(response)), request))
    await asyncio.wait({handling})
    if not handling.cancelled():
        handling.exception()
    return service.told


async def test_a_card_that_stands_is_handed_over() -> None:
    assert await take(Response()) == ["shown 55"]


async def test_what_a_member_chose_is_remembered_once_nobody_waits_for_an_answer() -> None:
    service = JobContext()
    requests = VideoRequests(cast("Service", service), Cards(CATALOG, TranslationCatalog()), send)
    request = VideoRequest(VideoSpec(prompt="puts on a hat"), a_picture())
    with service.interaction_priority.answering():
        handling = asyncio.ensure_future(requests.handle(cast("Any", Pressed(Response())), request))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (service.told, service.has_remembered) == (["shown 55"], False)
    await handling

    assert service.has_remembered


@pytest.mark.parametrize(
    "error",
    [
        discord.InteractionResponded(cast("Any", None)),
        ConnectionResetError(),
        TimeoutError(),
        RuntimeError("anything at all"),
        asyncio.CancelledError(),
    ],
)
async def test_whatever_ends_the_first_answer_the_job_has_an_owner(error: BaseException) -> None:
    assert await take(Response(error)) == ["unsure"]


async def test_answered_by_somebody_else_before_the_job_has_an_owner() -> None:
    response = Response()
    response.done = True

    assert await take(response) == ["unsure"]


async def test_an_answer_without_a_message_is_looked_for() -> None:
    assert await take(Response(message=None)) == ["unsure"]


class Stage:
    """A client that is not connected, in time that stands still."""

    def __init__(self) -> None:
        self.loop = SteppedLoop()
        self.client = a_client()
        self.ran = 0

    def run(self, pressed: Pressed, *, press_after_s: float | None, lasts_s: float = 0.0) -> None:
        """What answers the unknown and, some time later, what knows the press; until both are done."""
        self.loop.run_until_complete(self._both(pressed, press_after_s, lasts_s))

    async def _both(self, pressed: Pressed, press_after_s: float | None, lasts_s: float) -> None:
        async def work() -> None:
            self.ran += 1
            await asyncio.sleep(lasts_s)
            await pressed.response.send_message("done")

        async def press() -> None:
            if press_after_s is not None:
                await asyncio.sleep(press_after_s)
                await client.run_interaction(cast("Any", pressed), work)

        client = self.client
        client.run_interaction = AnimateBot.run_interaction.__get__(client)  # type: ignore[method-assign]
        client.explain = AnimateBot.explain.__get__(client)  # type: ignore[method-assign]
        await self.passing(AnimateBot.on_interaction(client, cast("Any", pressed)), press())

    async def passing(self, *works: Coroutine[Any, Any, Any]) -> list[Any]:
        """Does all of it, while time goes on; what each came to."""
        tasks = [asyncio.ensure_future(work) for work in works]
        while not all(task.done() for task in tasks):
            for _ in range(10):
                await asyncio.sleep(0)
            self.loop.now_s += 0.1
            assert self.loop.now_s < 1_100, "it waits for ever"
        return await asyncio.gather(*tasks)


def a_client(*, resumed: bool = True) -> AnimateBot:
    """One that lets everybody press, as far as that."""
    client = SimpleNamespace(
        refusal=lambda _pressed: None,
        stopping=asyncio.Event(),
        resumed=asyncio.Event(),
        _allowed_guilds=frozenset[int](),
        former=SimpleNamespace(age_s=lambda _interaction: 0.0),
    )
    if resumed:
        client.resumed.set()
    return cast("AnimateBot", client)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.loop.close()


def test_a_press_that_nothing_knows_is_answered(stage: Stage) -> None:
    pressed = Pressed(Response())
    stage.run(pressed, press_after_s=None)

    assert pressed.response.said == [text.UNKNOWN_BUTTON]


@pytest.mark.parametrize("lasts_s", [0.0, UNANSWERED_AFTER_S + 5.0])
def test_a_press_that_is_claimed_is_answered_once_however_long_it_takes(stage: Stage, lasts_s: float) -> None:
    pressed = Pressed(Response())
    stage.run(pressed, press_after_s=0.0, lasts_s=lasts_s)

    assert pressed.response.said == ["done"]
    assert stage.ran == 1


def test_a_press_that_comes_to_its_turn_after_it_was_answered_as_unknown_does_nothing(stage: Stage) -> None:
    pressed = Pressed(Response())
    stage.run(pressed, press_after_s=UNANSWERED_AFTER_S + 1.0)

    assert pressed.response.said == [text.UNKNOWN_BUTTON]
    assert stage.ran == 0


@pytest.mark.parametrize(
    ("shown", "said"),
    [(discord.InteractionResponseType.deferred_channel_message, [text.STOPPING]), (None, [])],
    ids=["thinking", "nothing yet"],
)
async def test_who_sees_the_bot_thinking_when_it_stops_reads_so(
    shown: discord.InteractionResponseType | None, said: list[str]
) -> None:
    pressed = Pressed(Response())
    pressed.response.type = shown
    client = a_client()
    pressing = asyncio.ensure_future(
        AnimateBot.run_interaction(client, cast("Any", pressed), cast("Any", asyncio.Event().wait))
    )
    await asyncio.sleep(0)

    pressing.cancel()
    await asyncio.wait({pressing})

    assert pressing.cancelled()
    assert pressed.response.said == said


async def test_what_members_ask_waits_until_the_jobs_of_before_go_on() -> None:
    pressed, ran = Pressed(Response()), asyncio.Event()

    async def work() -> None:
        ran.set()

    client = a_client(resumed=False)
    tree = cast("Any", SimpleNamespace(client=client))
    asked = [
        asyncio.ensure_future(AnimateBot.run_interaction(client, cast("Any", pressed), work)),
        asyncio.ensure_future(CommandTree.interaction_check(tree, cast("Any", pressed))),
    ]
    for _ in range(10):
        await asyncio.sleep(0)
    assert (ran.is_set(), [each.done() for each in asked]) == (False, [False, False])

    client.resumed.set()
    assert await asyncio.gather(*asked) == [None, True]
    assert ran.is_set()


async def test_who_waits_for_the_jobs_of_before_when_the_bot_stops_reads_so() -> None:
    pressed, client = Pressed(Response()), a_client(resumed=False)
    client.refusal = lambda _pressed: text.STOPPING if client.stopping.is_set() else None  # type: ignore[method-assign, assignment]
    client.explain = AnimateBot.explain.__get__(client)  # type: ignore[method-assign]
    pressing = asyncio.ensure_future(
        AnimateBot.run_interaction(client, cast("Any", pressed), cast("Any", asyncio.Event().wait))
    )
    await asyncio.sleep(0)
    assert not pressing.done()

    AnimateBot.stop_answering(client)
    await asyncio.wait_for(pressing, 5)

    assert pressed.response.said == [text.STOPPING]


def test_where_the_jobs_of_before_take_longer_than_an_answer_may_who_asks_reads_so_and_nothing_is_done(
    stage: Stage,
) -> None:
    stage.client = client = a_client(resumed=False)
    client.refusal = AnimateBot.refusal.__get__(client)  # type: ignore[method-assign]
    pressed, typed = Pressed(Response()), Pressed(Response())
    typed.type = discord.InteractionType.application_command
    tree = cast("Any", SimpleNamespace(client=client))

    stage.run(pressed, press_after_s=0.0)
    checking = stage.passing(CommandTree.interaction_check(tree, cast("Any", typed)))
    assert stage.loop.run_until_complete(checking) == [False]

    assert (pressed.response.said, typed.response.said) == ([text.STOPPING], [text.STOPPING])
    assert stage.ran == 0


def test_what_was_said_before_this_process_heard_it_waits_that_much_shorter(stage: Stage) -> None:
    client = a_client(resumed=False)
    client.refusal = AnimateBot.refusal.__get__(client)  # type: ignore[method-assign]
    client.former = cast("Any", SimpleNamespace(age_s=lambda _interaction: 2.0))
    tree, typed = cast("Any", SimpleNamespace(client=client)), Pressed(Response())
    typed.type = discord.InteractionType.application_command

    async def resume() -> None:
        await asyncio.sleep(1.5)
        client.resumed.set()

    checking = stage.passing(CommandTree.interaction_check(tree, cast("Any", typed)), resume())
    assert stage.loop.run_until_complete(checking) == [False, None]
    assert typed.response.said == [text.STOPPING]


def test_an_interaction_is_claimed_once() -> None:
    pressed = cast("Any", Pressed(Response()))

    assert [claim_interaction(pressed), claim_interaction(pressed)] == [True, False]
