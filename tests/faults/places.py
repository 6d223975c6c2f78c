"""What befalls Discord as a whole, and the servers, channels and people in it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from random import Random

from sandbox.discord.exchange import Cut, Exchange, Phase, Reply, cloudflare_block, edge_page
from sandbox.discord.hidden_channels import Hides
from sandbox.discord.messages import Message
from sandbox.discord.permissions import Permission
from sandbox.discord.rules import Code
from sandbox.discord.world import Channel
from tests.faults import wires
from tests.faults.scene import Scene

TAKEN = (10_000_000, 10_000_000, 4_000_000, 2_000)
"""Of a big video, of which a smaller one can be made; and so little that none can."""


async def gateway_cut(scene: Scene, rng: Random) -> None:
    for _ in range(rng.choice([1, 1, 2])):
        code = rng.choice([None, None, 4000, 1001])
        scene.keeper.note_away()
        await scene.place.discord.gateway_drop(code)
        scene.hit("gateway cut", f"code {code}")
        await scene.while_faults_last(rng.uniform(0.1, 1.0))


async def gateway_down(scene: Scene, rng: Random) -> None:
    gateway = scene.place.discord.gateway
    gateway.is_up = False

    async def undo() -> None:
        gateway.is_up = True

    scene.later(undo)
    scene.keeper.note_away()
    await scene.place.discord.gateway_drop()
    scene.hit("gateway down", "down")
    await scene.while_faults_last(rng.uniform(0.3, 1.5))
    gateway.is_up = True


async def invalid_session(scene: Scene, rng: Random) -> None:
    scene.keeper.note_away()
    if rng.random() < 0.3:
        await scene.place.discord.reconnect()
        scene.hit("INVALID_SESSION", "asked to reconnect")
        return
    resumable = rng.random() < 0.4
    await scene.place.discord.invalid_session(resumable=resumable)
    scene.hit("INVALID_SESSION", f"resumable {resumable}")


async def discord_out(scene: Scene, rng: Random) -> None:
    """Every request fails for a while."""
    own = Random(rng.random())
    answer: Callable[[Random], Reply | Cut] = wires.broken if rng.random() < 0.5 else wires.cut

    async def hook(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        if phase != "before" or not is_out:
            return None
        scene.spoil(exchange)
        return answer(own)

    is_out = True
    scene.on_discord(hook)
    scene.hit("Discord outage", "out")
    await scene.while_faults_last(rng.uniform(0.3, 1.5))
    is_out = False
    scene.tell("Discord outage: over")


async def dead_tokens(scene: Scene, rng: Random) -> None:
    if rng.random() < 0.6:
        scene.place.discord.kill_all_tokens()
        scene.hit("dead tokens", "all")
    elif scene.asked:
        asked = rng.choice(scene.asked)
        scene.place.discord.kill_token(asked.interaction)
        scene.hit("dead tokens", asked.prompt)


async def banned_for_a_while(scene: Scene, rng: Random) -> None:
    """Discord's edge bars the bot's address: each request is answered with a page, and the bot is to send none."""
    lasts_s = rng.choice([1.0, 2.0, 3.0])
    ends = time.monotonic() + lasts_s
    scene.barred.append((time.monotonic(), ends + 1.5))  # whole seconds are told

    async def hook(phase: Phase, exchange: Exchange) -> Reply | None:
        left_s = ends - time.monotonic()
        if phase != "before" or exchange.part != "api" or left_s <= 0:
            return None
        scene.spoil(exchange)
        scene.hit("banned address", f"{exchange.method} {exchange.route}")
        return cloudflare_block(math.ceil(left_s))

    scene.on_discord(hook)
    await scene.while_faults_last(lasts_s)


def _cards(scene: Scene) -> list[Message]:
    found = [asked.interaction.message for asked in scene.asked]
    return [card for card in found if card is not None and not card.deleted]


async def removed_cards(scene: Scene, rng: Random) -> None:
    for _ in range(rng.choice([1, 1, 3])):
        if cards := _cards(scene):
            card = rng.choice(cards)
            scene.removed.add(card.id)
            await scene.place.discord.delete_message(card)
            scene.note_gone()
            scene.hit("removed cards", f"{card.id} {card.text()[:40]!r}")
        await scene.while_faults_last(rng.uniform(0.0, 0.3))


def _channels(scene: Scene) -> list[Channel]:
    guild = scene.place.discord.world.guild
    return [channel for channel in guild.channels if channel is not guild.general]


async def deleted_channel(scene: Scene, rng: Random) -> None:
    if channels := _channels(scene):
        channel = rng.choice(channels)
        scene.removed |= {message.id for message in scene.place.discord.messages(channel)}
        await scene.place.discord.delete_channel(channel)
        scene.note_gone()
        scene.hit("deleted channel", channel.name)


async def revoked(scene: Scene, rng: Random) -> None:
    world = scene.place.discord.world
    channel = rng.choice(world.guild.channels)
    lost = rng.choice([Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES])
    if channel is world.restricted:
        return
    _note_unseen(scene, channel, lost)
    channel.deny(world.bot, lost)
    world.tell_permissions(channel)
    scene.hit("revoked permissions", f"{lost.name} in {channel.name}")
    if rng.random() < 0.5:

        async def undo() -> None:
            channel.allow(world.bot, lost)
            world.tell_permissions(channel)

        scene.later(undo)


async def shut_dms(scene: Scene, rng: Random) -> None:
    person = rng.choice(scene.asked).person if scene.asked else scene.place.discord.world.people["mia"]
    person.dms_open = False
    scene.hit("shut DMs", person.name)


def _note_unseen(scene: Scene, channel: Channel, lost: Permission) -> None:
    if lost & Permission.VIEW_CHANNEL:
        scene.unseen.add(channel.id)


async def no_files(scene: Scene, rng: Random) -> None:
    """The bot may write in a channel, and no longer attach files."""
    world = scene.place.discord.world
    channel = rng.choice([each for each in world.guild.channels if each is not world.restricted])
    channel.deny(world.bot, Permission.ATTACH_FILES)
    world.tell_permissions(channel)
    scene.hit("no Attach Files", channel.name)
    if rng.random() < 0.5:
        await scene.while_faults_last(rng.uniform(0.5, 2.0))
        channel.allow(world.bot, Permission.ATTACH_FILES)
        world.tell_permissions(channel)
        scene.tell("no Attach Files: allowed again")


async def hidden_channels(scene: Scene, rng: Random) -> None:
    """A channel is hidden from the bot, and told of as Discord does since; the bot may have to connect anew."""
    world = scene.place.discord.world
    channel = rng.choice([each for each in world.guild.channels if each is not world.restricted])
    world.guild.hides = rng.choice([Hides.ABSENT, Hides.NULL])
    scene.unseen.add(channel.id)
    channel.deny(world.bot, Permission.VIEW_CHANNEL)
    world.tell_permissions(channel)
    scene.hit("hidden channels", f"{channel.name}, {world.guild.hides.name}")
    if rng.random() < 0.6:
        scene.keeper.note_away()
        await scene.place.discord.invalid_session(resumable=False)
    await scene.while_faults_last(rng.uniform(0.3, 2.0))
    if rng.random() < 0.6:
        channel.allow(world.bot, Permission.VIEW_CHANNEL)
        world.tell_permissions(channel)
        scene.tell("hidden channels: shown again")


async def threads(scene: Scene, rng: Random) -> None:
    """The thread is archived, perhaps again and again; or a moderator locks it."""
    world = scene.place.discord.world
    (thread,) = world.guild.threads
    if rng.random() < 0.3:
        scene.locked.add(thread.id)
        world.set_thread(thread, archived=rng.random() < 0.5, locked=True)
        scene.hit("archived threads", "locked")
        return
    for _ in range(rng.choice([1, 2, 4])):
        world.set_thread(thread, archived=True)
        scene.hit("archived threads", "archived")
        await scene.while_faults_last(rng.uniform(0.2, 1.0))
    if rng.random() < 0.5:
        world.set_thread(thread, archived=False)
        scene.tell("archived threads: open again")


async def dms_too_fast(scene: Scene, rng: Random) -> None:
    """Discord lets the bot open no more direct messages for now."""
    times = rng.choice([1, 2, 4])
    discord = scene.place.discord
    hook = discord.refuse("POST /users/@me/channels", Code.DMS_TOO_FAST, times=times)
    scene.hit("DMs too fast", f"{times} times")

    async def undo() -> None:
        discord.remove(hook)

    scene.later(undo)


async def limits_lower(scene: Scene, rng: Random) -> None:
    """Discord takes less than it has announced, and some videos are big."""
    world, taken = scene.place.discord.world, rng.choice(TAKEN)
    scene.place.provider.faults.inject("create:big", times=rng.choice([1, 3]))
    world.taken_bytes = scene.least_taken = taken
    scene.hit("limits lower", f"{taken} bytes")
    if rng.random() < 0.5:

        async def undo() -> None:
            world.taken_bytes = None

        scene.later(undo)


async def pictures_gone(scene: Scene, rng: Random) -> None:
    """Discord's files answer for some pictures with the same trouble for good."""
    passing = rng.random() < 0.25  # the bot tries for a minute
    status = rng.choice([500, 429, 451] if passing else [403, 404, 410])
    outcomes: dict[str, bool] = {}
    own = Random(rng.random())
    if passing:
        scene.settles_within_s = 140.0

    async def hook(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        if phase != "before" or exchange.part != "cdn" or not exchange.path.endswith(".png"):
            return None
        is_gone = outcomes.setdefault(exchange.path, not scene.are_faults_over and own.random() < 0.6)
        if not is_gone:
            return None
        scene.spoil(exchange)
        scene.hit("pictures gone", f"{status} {exchange.path[-40:]}")
        return edge_page(status)

    scene.place.discord.on_exchange(hook)  # for good: also without faults
