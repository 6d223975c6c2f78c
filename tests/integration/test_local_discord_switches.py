"""The local Discord's switches: threads, limits, refusals, what people send on. Each as the bot meets it."""

from typing import Any

import aiohttp
import pytest

from sandbox.contracts import discord as contract
from sandbox.discord import Code, Permission, Upload, cloudflare_block
from sandbox.discord.wire import Wire
from tests.integration.test_local_discord_rules import Caller, Clock, caller, clock

__all__ = ["Clock", "caller", "clock"]  # fixtures
HELLO: Wire = {"content": "hi"}


def path(message: Any) -> str:
    return f"/channels/{message.channel_id}/messages/{message.id}"


async def test_a_message_opens_an_archived_thread_whose_messages_could_not_be_edited(caller: Caller) -> None:
    world = caller.local.world
    thread = world.add_thread("cats")
    used, card = await caller.answered(HELLO, channel=thread)
    world.set_thread(thread, archived=True)

    assert (await caller.ask("PATCH", path(card), HELLO)).refusal == (400, 50083)
    assert (await caller.original(used, "PATCH", HELLO)).refusal == (400, 50083)
    assert (await caller.ask("POST", f"/channels/{thread.id}/messages", HELLO)).status == 200

    assert not thread.archived
    assert (await caller.ask("PATCH", path(card), HELLO)).status == 200


@pytest.mark.parametrize("archived", [True, False])
async def test_a_locked_thread_takes_messages_of_who_manages_threads_alone(caller: Caller, archived: bool) -> None:  # noqa: FBT001 - a parameter of the test
    world = caller.local.world
    thread = world.add_thread("cats")
    used, card = await caller.answered(HELLO, channel=thread)
    world.set_thread(thread, archived=archived, locked=True)
    messages = f"/channels/{thread.id}/messages"

    assert (await caller.ask("POST", messages, HELLO)).refusal == (400, 50083)
    assert (await caller.ask("PATCH", path(card), HELLO)).refusal == (400, 50083)
    assert (await caller.ask("POST", caller.hook(used), HELLO)).refusal == (400, 50083)
    assert (await caller.ask("POST", caller.hook(used), HELLO | {"flags": 64})).status == 200

    world.general.allow(world.bot, Permission.MANAGE_THREADS)
    assert (await caller.ask("POST", messages, HELLO)).status == 200
    assert (thread.archived, thread.locked) == (False, True)


async def test_in_a_thread_the_right_to_write_is_that_for_threads(caller: Caller) -> None:
    world = caller.local.world
    thread = world.add_thread("cats")
    messages = f"/channels/{thread.id}/messages"
    world.general.deny(world.bot, Permission.SEND_MESSAGES)
    assert (await caller.ask("POST", messages, HELLO)).status == 200

    world.general.deny(world.bot, Permission.SEND_MESSAGES_IN_THREADS)
    assert (await caller.ask("POST", messages, HELLO)).refusal == (403, 50013)


async def test_attach_files_can_be_revoked_between_two_edits(caller: Caller) -> None:
    world = caller.local.world
    _, card = await caller.answered(HELLO)
    listed: Wire = {"attachments": [{"id": 0, "filename": "out.mp4"}]}
    assert (await caller.ask("PATCH", path(card), listed, out_mp4=b"x")).status == 200

    world.general.deny(world.bot, Permission.ATTACH_FILES)

    assert (await caller.ask("PATCH", path(card), listed, out_mp4=b"x")).refusal == (403, 50013)
    messages = f"/channels/{world.general.id}/messages"
    assert (await caller.ask("POST", messages, HELLO, out_mp4=b"x")).refusal == (403, 50013)


async def test_less_can_be_taken_than_was_announced_by_either_token(caller: Caller) -> None:
    used, card = await caller.answered(HELLO)
    caller.local.world.taken_bytes = 100
    assert used.payload["attachment_size_limit"] > 100

    big, small = b"x" * 101, b"x" * 100
    assert (await caller.original(used, "PATCH", {}, out_mp4=big)).refusal == (413, 40005)
    assert (await caller.ask("PATCH", path(card), {}, out_mp4=big)).refusal == (413, 40005)
    assert (await caller.original(used, "PATCH", {}, out_mp4=small)).status == 200


async def test_requests_are_refused_so_often_and_leave_nothing_done(caller: Caller) -> None:
    local = caller.local
    mia = local.world.people["mia"]
    recipient = {"recipient_id": str(mia.id)}
    local.refuse("POST /users/@me/channels", Code.DMS_TOO_FAST, times=2)

    asked = [await caller.ask("POST", "/users/@me/channels", recipient) for _ in range(3)]

    assert [answer.refusal for answer in asked] == [(403, 40003), (403, 40003), (200, None)]


@pytest.mark.parametrize("code", [Code.REPLY_WITHOUT_HISTORY, Code.REPLY_TO_AGE_RESTRICTED])
async def test_replies_are_refused_until_it_is_taken_back(caller: Caller, code: Code) -> None:
    local = caller.local
    messages = f"/channels/{local.world.general.id}/messages"
    hook = local.refuse("POST …/messages", code)
    assert (await caller.ask("POST", messages, HELLO)).refusal == (400, int(code))
    assert local.history == []

    local.remove(hook)
    assert (await caller.ask("POST", messages, HELLO)).status == 200


async def test_the_edge_bans_an_address_with_a_page(caller: Caller) -> None:
    caller.local.refuse("GET /users/@me", cloudflare_block(30), times=1)

    async with aiohttp.request("GET", f"{caller.local.api_url}/users/@me", headers=caller.by_bot) as answer:
        page = await answer.text()

    assert (answer.status, answer.headers["Retry-After"], answer.content_type) == (429, "30", "text/html")
    assert "1015" in page
    assert "Via" not in answer.headers


async def test_what_is_sent_on_holds_the_message_as_a_snapshot(caller: Caller) -> None:
    local = caller.local
    mia = local.world.people["mia"]
    posted = await local.post(mia, "look", Upload("SPOILER_cat.png", b"x"))

    forwarded = await local.forward(mia, posted)

    answer = await caller.ask("GET", path(forwarded))
    assert contract.response_violations(local.requests[-1]) == []
    assert (answer.body["content"], answer.body["attachments"]) == ("", [])
    (snapshot,) = answer.body["message_snapshots"]
    assert snapshot["message"]["content"] == "look"
    assert snapshot["message"]["attachments"][0]["filename"] == "SPOILER_cat.png"


async def test_a_spoiler_is_told_by_its_name_or_by_the_request(caller: Caller) -> None:
    posted = await caller.local.post(caller.local.world.people["mia"], "", Upload("SPOILER_cat.png", b"x"))
    listed: Wire = {"attachments": [{"id": 0, "filename": "out.mp4", "is_spoiler": True}]}
    _, card = await caller.answered(HELLO)
    await caller.ask("PATCH", path(card), listed, out_mp4=b"x")

    assert [message.now["attachments"][0]["flags"] for message in (posted, card)] == [8, 8]
