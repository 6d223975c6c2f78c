"""The local Discord under the real discord.py: a small bot, in this process, over real sockets."""

import asyncio
import contextlib
import io
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

import aiohttp
import discord
import pytest
from discord import app_commands, ui
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route
from yarl import URL

from sandbox.contracts import discord as contract
from sandbox.discord import (
    CUT,
    CannotInvoke,
    Channel,
    Cut,
    Exchange,
    Interaction,
    LocalDiscord,
    Message,
    NotAnswered,
    Permission,
    Phase,
    Reply,
    Upload,
    rate_limited,
)

NOBODY = discord.AllowedMentions.none()
VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(1000)


class Clock:
    """The server's time; it stands still unless moved."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def picture(width: int = 30, height: int = 40) -> Upload:
    from PIL import Image

    raw = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(raw, "PNG")
    return Upload("cat.png", raw.getvalue())


class Again(ui.DynamicItem[ui.Button["Card"]], template=r"again:(?P<job>\w+)"):
    def __init__(self, job: str) -> None:
        super().__init__(ui.Button(label="Again", custom_id=f"again:{job}"))

    @classmethod
    async def from_custom_id(cls, _interaction: discord.Interaction, _item: ui.Item[Any], match: re.Match[str]) -> Self:
        return cls(match["job"])

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer()


class Card(ui.LayoutView):
    def __init__(self, text: str, *, video: bool = False) -> None:
        super().__init__(timeout=None)
        shown: list[ui.Item[Card]] = [ui.TextDisplay(text)]
        if video:
            shown.append(ui.MediaGallery(discord.MediaGalleryItem("attachment://out.mp4")))
        shown.append(ui.ActionRow(Again("k1")))  # type: ignore[arg-type] # typed for plain views
        self.add_item(ui.Container(*shown))


class Bot(commands.AutoShardedBot):
    """Answers `/animate` with a card; keeps each interaction for the test to go on with."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=discord.Intents(guilds=True),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=0.01,
        )
        self.seen: list[discord.Interaction] = []
        self.failures: list[Exception] = []
        self.picture = b""
        self.answers = True
        self.changed = changed

    async def setup_hook(self) -> None:
        count, url, _ = await self.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = URL(url)
        self.shard_count = self.shard_count or count
        self.add_dynamic_items(Again)
        self.tree.add_command(animate)
        self.tree.add_command(Admin())
        self.tree.add_command(app_commands.ContextMenu(name="Animate this", callback=animate_this))
        self.tree.error(self.on_failure)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Spares the five seconds discord.py lets pass between two IDENTIFYs."""

    async def on_failure(self, _interaction: discord.Interaction, error: Exception) -> None:
        self.failures.append(error)
        self.changed()


@app_commands.command(description="Turn a picture into a video")
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
async def animate(
    interaction: discord.Interaction[Bot],
    image: discord.Attachment,
    prompt: app_commands.Range[str, 1, 2000],
    seconds: app_commands.Range[int, 4, 12] = 4,
) -> None:
    bot = interaction.client
    bot.seen.append(interaction)
    bot.changed()
    if bot.answers:
        await interaction.response.send_message(
            view=Card(f"{prompt} ({seconds})"), allowed_mentions=NOBODY, ephemeral=prompt == "secret"
        )
        bot.picture = await image.read()
        bot.changed()


async def animate_this(interaction: discord.Interaction[Bot], message: discord.Message) -> None:
    await interaction.response.send_message(f"{len(message.attachments)} files", ephemeral=True)


@app_commands.default_permissions(manage_guild=True)
@app_commands.guild_only()
class Admin(app_commands.Group, name="animate-admin"):
    quota = app_commands.Group(name="quota", description="Allowances")

    @quota.command(name="set", description="Sets an allowance")
    async def quota_set(self, interaction: discord.Interaction, user: discord.User, amount: int) -> None:
        await interaction.response.send_message(f"{user.id} has {amount}", ephemeral=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def local(clock: Clock) -> AsyncIterator[LocalDiscord]:
    """Every exchange of a test is held against the contract at its end, both ways."""
    async with LocalDiscord(clock=clock) as local:
        yield local
    assert local.unknown_routes == []
    for x in local.requests:
        assert contract.response_violations(x) == []
        assert x.status == 400 or contract.violations(x) == []


@pytest.fixture
def base(local: LocalDiscord) -> Iterator[None]:
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = local.api_url
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


@contextlib.asynccontextmanager
async def run(local: LocalDiscord) -> AsyncIterator[Bot]:
    bot = Bot(local.changes.notify)
    running = asyncio.create_task(bot.start(local.token))
    before = local.gateway.identifies
    await local.wait_for(lambda: local.gateway.identifies > before or running.done(), 10, "IDENTIFY")
    await bot.tree.sync()
    try:
        yield bot
    finally:
        await bot.close()
        running.cancel()
        await asyncio.wait([running], timeout=5)
    assert bot.failures == []


@pytest.fixture
async def bot(local: LocalDiscord, base: None) -> AsyncIterator[Bot]:
    async with run(local) as bot:
        yield bot


async def used(local: LocalDiscord, *, prompt: str = "a hat", seconds: int = 4) -> tuple[Interaction, Message]:
    mia = local.world.people["mia"]
    interaction = await local.invoke(mia, "/animate", image=picture(), prompt=prompt, seconds=seconds)
    message = await interaction.answer()
    assert message is not None
    return interaction, message


async def test_a_command_is_answered_with_a_card_and_the_picture_is_fetched(local: LocalDiscord, bot: Bot) -> None:
    interaction, message = await used(local, prompt="a hat", seconds=8)

    assert message.text() == "a hat (8)"
    assert not interaction.is_ephemeral
    assert [button.custom_id for button in message.buttons] == ["again:k1"]
    await local.wait_for(lambda: bot.picture, 5, "the picture")
    assert bot.picture == picture().data
    seen = bot.seen[0].namespace.image
    assert (seen.width, seen.height, seen.content_type) == (30, 40, "image/png")
    assert local.messages(local.world.general) == [message]


async def test_a_token_edit_uploads_the_video(local: LocalDiscord, bot: Bot) -> None:
    _, message = await used(local)
    file = discord.File(io.BytesIO(VIDEO), "out.mp4")

    edited = await bot.seen[0].edit_original_response(
        view=Card("done", video=True), attachments=[file], allowed_mentions=NOBODY
    )

    assert message.text() == "done"
    assert [shown.data for shown in message.media] == [VIDEO]
    assert message.now["attachments"] == []
    assert edited.id == message.id
    assert [revision["edited_timestamp"] is None for revision in message.revisions] == [True, False]
    async with aiohttp.ClientSession() as session, session.get(message.media[0].url) as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "video/mp4", VIDEO)
    upload = local.requests[-2]
    assert [(file.filename, file.size) for file in upload.files] == [("out.mp4", len(VIDEO))]


async def test_after_fifteen_minutes_the_bots_own_token_edits(local: LocalDiscord, bot: Bot, clock: Clock) -> None:
    _, message = await used(local)
    clock.now += 15 * 60 + 1

    with pytest.raises(discord.HTTPException) as caught:
        await bot.seen[0].edit_original_response(view=Card("late"))
    assert (caught.value.status, caught.value.code) == (401, 50027)
    channel = bot.get_partial_messageable(message.channel_id)
    await channel.get_partial_message(message.id).edit(
        view=Card("done", video=True),
        attachments=[discord.File(io.BytesIO(VIDEO), "out.mp4")],
        allowed_mentions=NOBODY,
    )

    assert message.text() == "done"
    assert [shown.size for shown in message.media] == [len(VIDEO)]


async def test_a_killed_token_is_dead_and_others_live(local: LocalDiscord, bot: Bot) -> None:
    first, _ = await used(local)
    await used(local)
    local.kill_token(first)

    with pytest.raises(discord.HTTPException, match="50027"):
        await bot.seen[0].edit_original_response(view=Card("late"))
    await bot.seen[1].edit_original_response(view=Card("fine"))


async def test_a_private_followup_is_seen_by_its_person_alone(local: LocalDiscord, bot: Bot) -> None:
    interaction, message = await used(local)
    mia, ana = local.world.people["mia"], local.world.people["ana"]

    sent = await bot.seen[0].followup.send("only you", ephemeral=True, wait=True)

    hidden = interaction.followups[0]
    assert hidden.is_ephemeral
    assert local.messages(local.world.general, as_seen_by=mia) == [message, hidden]
    assert local.messages(local.world.general, as_seen_by=ana) == [message]
    with pytest.raises(discord.NotFound, match="10008"):
        await bot.get_partial_messageable(hidden.channel_id).get_partial_message(sent.id).edit(content="no")
    await sent.edit(content="by token")
    assert hidden.text() == "by token"


async def test_a_button_brings_a_fresh_token_for_its_message(local: LocalDiscord, bot: Bot, clock: Clock) -> None:
    _, message = await used(local)
    clock.now += 3600

    press = await local.press(local.world.people["ana"], message, "again:k1")

    assert await press.answer() is message
    with pytest.raises(CannotInvoke, match="has no button"):
        await local.press(local.world.people["ana"], message, "other")


async def test_a_message_menu_resolves_the_message(local: LocalDiscord, bot: Bot) -> None:
    ana = local.world.people["ana"]
    posted = await local.post(ana, "look", picture())

    answer = await (await local.menu(ana, "Animate this", posted)).answer()

    assert answer is not None
    assert answer.text() == "1 files"


class Form(ui.Modal):
    """Asks for everything; remembers what it got."""

    def __init__(self) -> None:
        super().__init__(title="Animate this", timeout=60)
        self.got: tuple[object, ...] = ()
        lengths = [discord.SelectOption(label=f"{n} s", value=n, default=n == "8") for n in ("4", "8")]
        self.prompt: ui.TextInput[Self] = ui.TextInput(custom_id="prompt", max_length=20)
        self.length: ui.Select[Self] = ui.Select(custom_id="length", options=lengths, required=True)
        self.picture: ui.FileUpload[Self] = ui.FileUpload(custom_id="picture")
        self.add_item(ui.TextDisplay("Fill it in"))
        for name, field in (("Prompt", self.prompt), ("Length", self.length), ("Picture", self.picture)):
            self.add_item(ui.Label(text=name, component=field))

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        (file,) = self.picture.values
        self.got = (self.prompt.value, self.length.values, file.filename, await file.read())
        await interaction.response.send_message("Thank you", ephemeral=True)


async def test_a_modal_is_kept_and_its_submit_is_understood(local: LocalDiscord, bot: Bot) -> None:
    bot.answers = False
    mia = local.world.people["mia"]
    opened = await local.invoke(mia, "animate", image=picture(), prompt="a")
    await local.wait_for(lambda: bot.seen, 5, "the interaction")
    form, cat = Form(), picture()
    await bot.seen[0].response.send_modal(form)
    assert await opened.answer() is None
    assert opened.response_data["title"] == "Animate this"

    submit = await local.submit(mia, opened, {"prompt": "a hat", "picture": cat})
    answer = await submit.answer()

    assert answer is not None
    assert (answer.text(), answer.is_ephemeral) == ("Thank you", True)
    assert form.got == ("a hat", ["8"], "cat.png", cat.data)


async def test_a_subcommand_of_a_group_takes_a_person_who_left(local: LocalDiscord, bot: Bot) -> None:
    world = local.world
    gone = world.add_member("gone")
    world.leave(gone)

    interaction = await local.invoke(world.people["admin"], "animate-admin quota set", user=gone, amount=3)

    answer = await interaction.answer()
    assert answer is not None
    assert answer.text() == f"{gone.id} has 3"


async def test_discords_client_offers_only_what_fits(local: LocalDiscord, bot: Bot) -> None:
    world, mia = local.world, local.world.people["mia"]
    refusals: list[tuple[str, str, dict[str, Any]]] = [
        ("no command nope", "nope", {}),
        ("required: image, prompt", "animate", {}),
        ("no option size", "animate", {"image": picture(), "prompt": "a", "size": "big"}),
        ("takes a value of type integer", "animate", {"image": picture(), "prompt": "a", "seconds": "4"}),
        ("takes 4 to 12", "animate", {"image": picture(), "prompt": "a", "seconds": 3}),
        ("takes 1 to 2000 characters", "animate", {"image": picture(), "prompt": "a" * 2001}),
        ("hidden from mia", "animate-admin quota set", {"user": mia, "amount": 1}),
        ("needs a subcommand", "animate-admin quota", {}),
        ("no subcommand", "animate-admin nope", {}),
    ]
    for sentence, command, options in refusals:
        person = world.people["admin"] if "subcommand" in sentence else mia
        with pytest.raises(CannotInvoke, match=sentence):
            await local.invoke(person, command, **options)
    with pytest.raises(CannotInvoke, match="neither this server nor ana"):
        await local.invoke(world.people["ana"], "animate", channel=world.foreign.general)
    with pytest.raises(CannotInvoke, match="cannot be used in this kind of channel"):
        await local.invoke(world.people["admin"], "animate-admin quota set", channel=world.dm(world.people["admin"]))


async def test_each_person_is_offered_what_they_may_use_where_they_are(local: LocalDiscord, bot: Bot) -> None:
    world = local.world

    def offered(person: str, channel: Channel) -> list[str]:
        return [command["name"] for command in local.offered(world.people[person], channel)]

    assert offered("admin", world.general) == ["animate", "animate-admin", "Animate this"]
    assert offered("mia", world.general) == ["animate", "Animate this"]
    assert offered("mia", world.foreign.general) == ["animate"]
    assert offered("ana", world.foreign.general) == []
    world.general.deny(world.people["mia"], Permission.USE_APPLICATION_COMMANDS)
    assert offered("mia", world.general) == []


async def test_places_say_who_installed_the_app_and_what_it_may_do(local: LocalDiscord, bot: Bot) -> None:
    world, mia = local.world, local.world.people["mia"]
    ana = world.people["ana"]
    places = [world.general, world.restricted, world.foreign.general, world.dm(mia), world.private(mia, ana)]
    for place in places:
        interaction = await local.invoke(mia, "animate", channel=place, image=picture(), prompt="a")
        assert await interaction.answer() is not None

    home, restricted, foreign, dm, private = bot.seen
    assert home.is_guild_integration()
    assert restricted.app_permissions.view_channel is False
    assert home.app_permissions.view_channel
    assert not foreign.is_guild_integration()
    assert foreign.is_user_integration()
    assert bot.get_guild(world.foreign.id) is None
    assert home.context.guild
    assert foreign.context.guild
    assert dm.context.dm_channel
    assert private.context.private_channel
    assert private.user.id == mia.id


async def test_a_message_in_a_channel_the_bot_cannot_view_is_out_of_its_own_reach(
    local: LocalDiscord, bot: Bot
) -> None:
    world, mia = local.world, local.world.people["mia"]
    interaction = await local.invoke(mia, "animate", channel=world.restricted, image=picture(), prompt="a")
    message = await interaction.answer()
    assert message is not None

    with pytest.raises(discord.Forbidden, match="50001"):
        await bot.get_partial_messageable(message.channel_id).get_partial_message(message.id).edit(view=Card("b"))
    await bot.seen[0].edit_original_response(view=Card("c"))
    assert message.text() == "c"


async def test_an_answer_after_three_seconds_is_too_late(local: LocalDiscord, bot: Bot, clock: Clock) -> None:
    bot.answers = False
    mia = local.world.people["mia"]
    interaction = await local.invoke(mia, "animate", image=picture(), prompt="a")
    await local.wait_for(lambda: bot.seen, 5, "the interaction")
    clock.now += 3.1

    with pytest.raises(discord.NotFound) as caught:
        await bot.seen[0].response.send_message("late")
    assert caught.value.code == 10062
    with pytest.raises(NotAnswered, match="The application did not respond"):
        await interaction.answer(timeout=0.01)


async def test_an_answer_accepted_but_told_as_500_meets_40060_on_the_retry(local: LocalDiscord, bot: Bot) -> None:
    accepted = 0

    async def lie(phase: Phase, x: Exchange) -> Reply | None:
        nonlocal accepted
        if phase == "inside" and x.route.endswith("/callback") and x.status == 200:
            accepted += 1
            return Reply(500, "oops")
        return None

    local.on_exchange(lie)
    interaction, message = await used(local)

    await local.wait_for(lambda: bot.failures, 5, "the retry to fail")
    assert "40060" in str(bot.failures.pop())
    assert accepted == 1
    assert interaction.message is message
    found = await bot.seen[0].original_response()
    assert found.id == message.id


async def test_before_any_answer_there_is_no_original(local: LocalDiscord, bot: Bot) -> None:
    bot.answers = False
    await local.invoke(local.world.people["mia"], "animate", image=picture(), prompt="a")
    await local.wait_for(lambda: local.gateway.live and bot.seen, 5, "the interaction")

    with pytest.raises(discord.NotFound, match="10015"):
        await bot.seen[0].original_response()


async def test_a_cut_connection_loses_the_answer_not_the_deed(local: LocalDiscord, bot: Bot) -> None:
    async def cut(phase: Phase, x: Exchange) -> Cut | None:
        return CUT if phase == "inside" and x.method == "PATCH" else None

    _, message = await used(local)
    local.on_exchange(cut)

    with pytest.raises((aiohttp.ClientError, OSError)):
        await bot.seen[0].edit_original_response(view=Card("lost"))
    assert message.text() == "lost"
    assert local.requests[-1].cut


async def test_a_rate_limit_is_slept_over(local: LocalDiscord, bot: Bot) -> None:
    times = itertools.count()

    async def limit(phase: Phase, x: Exchange) -> Reply | None:
        if phase == "before" and x.method == "PATCH" and next(times) == 0:
            return rate_limited(0.05)
        return None

    _, message = await used(local)
    local.on_exchange(limit)
    await bot.seen[0].edit_original_response(view=Card("patient"))

    assert message.text() == "patient"
    assert [x.status for x in local.requests if x.method == "PATCH"] == [429, 200]


async def test_missed_events_are_replayed_on_resume(local: LocalDiscord, bot: Bot) -> None:
    await local.gateway_drop()
    await local.wait_for(lambda: not local.gateway.live, 5, "the connection to be gone")
    _, message = await used(local)

    assert message.text() == "a hat (4)"
    assert local.gateway.resumes == 1
    assert local.gateway.identifies == 1


@pytest.mark.parametrize("way", ["reconnect", "resumable", "close"])
async def test_the_session_survives_what_is_resumable(local: LocalDiscord, bot: Bot, way: str) -> None:
    if way == "reconnect":
        await local.reconnect()
    elif way == "resumable":
        await local.invalid_session(resumable=True)
    else:
        await local.gateway_drop(4000)
    await local.wait_for(lambda: local.gateway.resumes == 1, 5, "RESUME")

    await used(local)
    assert local.gateway.identifies == 1
    assert len(bot.seen) == 1


async def test_heartbeats_are_acknowledged_when_discord_py_has_noted_that_it_sent_them(
    local: LocalDiscord, base: None
) -> None:
    local.gateway.heartbeat_ms = 500
    async with run(local) as bot:
        await local.wait_for(lambda: local.gateway.heartbeats >= 3, 10, "two heartbeats after the first")

        assert bot.latency * 1000 < local.gateway.heartbeat_ms


async def test_an_invalid_session_begins_anew(local: LocalDiscord, bot: Bot) -> None:
    await local.invalid_session()
    await local.wait_for(lambda: local.gateway.identifies == 2, 15, "a second IDENTIFY")

    await used(local)
    assert len(bot.seen) == 1


async def test_two_bots_with_one_token_both_hear_and_one_answers(local: LocalDiscord, bot: Bot) -> None:
    async with run(local) as other:
        await local.wait_ready(sessions=2)
        _, message = await used(local)
        await local.wait_for(lambda: bot.failures + other.failures, 5, "the slower bot to be refused")

        assert local.messages(local.world.general) == [message]
        assert "40060" in str((bot.failures + other.failures)[0])
        bot.failures.clear()
        other.failures.clear()


async def test_a_wrong_token_is_turned_away(local: LocalDiscord, base: None) -> None:
    bot = Bot(local.changes.notify)
    with pytest.raises(discord.LoginFailure):
        await bot.login("wrong")
    await bot.close()


async def test_commands_are_kept_counted_and_emptied_from_outside(local: LocalDiscord, bot: Bot) -> None:
    assert [command["name"] for command in local.commands] == ["animate", "animate-admin", "Animate this"]
    ids = [command["id"] for command in local.commands]
    assert local.command_puts == 1

    await bot.tree.sync()
    assert [command["id"] for command in local.commands] == ids
    local.commands.clear()
    assert await bot.tree.fetch_commands() == []
    assert local.command_puts == 2


async def test_a_nonce_is_honoured_and_a_dm_can_be_shut(local: LocalDiscord, bot: Bot) -> None:
    mia = local.world.people["mia"]
    user = discord.Object(mia.id)
    dm = await bot.create_dm(user)
    first = await dm.send("done", nonce="job-1")
    assert (await dm.send("done", nonce="job-1")).id == first.id
    assert [message.text() for message in local.messages(local.world.dm(mia))] == ["done"]

    mia.dms_open = False
    with pytest.raises(discord.Forbidden, match="50007"):
        await dm.send("hello")


async def test_two_shards_each_hear_their_own(local: LocalDiscord, base: None) -> None:
    local.shards = 2
    async with run(local) as bot:
        await local.wait_ready(sessions=2)
        await used(local)
        assert len(bot.seen) == 1


async def identify(local: LocalDiscord, session: aiohttp.ClientSession, shard: tuple[int, int]) -> Any:
    """What the gateway says to a shard that identifies; a close code where it ends the connection."""
    async with session.ws_connect(local.gateway.url) as socket:
        await socket.receive_json()  # HELLO
        await socket.send_json({"op": 2, "d": {"token": local.token, "intents": 1, "shard": shard}})
        answer = await socket.receive()
        return {"close": answer.data} if answer.type is aiohttp.WSMsgType.CLOSE else json.loads(answer.data)


async def test_of_each_bucket_one_shard_identifies_in_five_seconds(local: LocalDiscord) -> None:
    local.gateway.max_concurrency, local.gateway.identify_pause_s = 2, 60.0
    async with aiohttp.ClientSession() as session:
        answers = [await identify(local, session, (number, 4)) for number in range(4)]

    assert [answer["op"] for answer in answers] == [0, 0, 9, 9]
    assert [answer["d"]["shard"] for answer in answers[:2]] == [[0, 4], [1, 4]]
    assert local.gateway.refused_identifies == 2


@pytest.mark.parametrize(("code", "event"), [(1000, None), (1001, None), (4000, "RESUMED")])
async def test_how_a_client_closes_decides_whether_its_session_can_be_resumed(
    local: LocalDiscord, code: int, event: str | None
) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(local.gateway.url) as socket:
            await socket.receive_json()  # HELLO
            await socket.send_json({"op": 2, "d": {"token": local.token, "intents": 1, "shard": (0, 1)}})
            ready = await socket.receive_json()
            await socket.close(code=code)
        await local.wait_for(lambda: not local.gateway.live, 5, "the end of the connection")
        async with session.ws_connect(local.gateway.url) as socket:
            await socket.receive_json()
            left = {"token": local.token, "session_id": ready["d"]["session_id"], "seq": ready["s"] + 100}
            await socket.send_json({"op": 6, "d": left})
            answer = await socket.receive_json()

    assert answer["t"] == event


async def test_a_shard_beyond_the_count_is_refused(local: LocalDiscord) -> None:
    async with aiohttp.ClientSession() as session:
        assert await identify(local, session, (4, 4)) == {"close": 4010}


async def test_two_hundred_members_in_one_burst_are_all_answered(local: LocalDiscord, bot: Bot) -> None:
    people = [local.world.add_member(f"member{number}") for number in range(200)]

    used = [await local.invoke(person, "animate", image=picture(), prompt="a") for person in people]
    answers = await asyncio.gather(*(interaction.answer(timeout=20) for interaction in used))

    assert len({answer.id for answer in answers if answer}) == 200


async def test_a_server_joined_later_is_told_to_the_bot(local: LocalDiscord, bot: Bot) -> None:
    world, ana = local.world, local.world.people["ana"]
    later = world.add_guild("Later", owner=ana)
    later.locale = "de"

    interaction = await local.invoke(ana, "animate", channel=later.general, image=picture(), prompt="a")
    await interaction.answer()

    guild = bot.get_guild(later.id)
    assert guild is not None
    assert guild.owner_id == ana.id
    assert bot.seen[0].guild_locale is discord.Locale.german


async def test_a_cut_before_the_deed_leaves_nothing_done(local: LocalDiscord, bot: Bot) -> None:
    phases: list[tuple[Phase, int]] = []

    async def tap(phase: Phase, x: Exchange) -> Cut | None:
        if x.method != "DELETE":
            return None
        phases.append((phase, x.status))
        return CUT if len(phases) == 1 else None

    _, message = await used(local)
    local.on_exchange(tap)
    await bot.seen[0].delete_original_response()  # aiohttp itself asks once more when an idle connection ends

    await local.wait_for(lambda: len(phases) == 4, 5, "the phase after the answer")
    assert message.deleted
    assert phases == [("before", 0), ("before", 0), ("inside", 204), ("after", 204)]
    local.remove(tap)


async def test_permissions_follow_overwrites(local: LocalDiscord, bot: Bot) -> None:
    general = local.world.general
    general.deny(local.world.bot, Permission.ATTACH_FILES)
    await used(local)

    assert not bot.seen[0].app_permissions.attach_files
    with pytest.raises(discord.Forbidden, match="50013"):
        await bot.get_partial_messageable(general.id).send(file=discord.File(io.BytesIO(b"x"), "x.mp4"))
