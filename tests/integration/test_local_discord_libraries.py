"""What other libraries than discord.py ask of the local Discord; tests/interop holds it against the libraries."""

import json
import zlib

import aiohttp
import pytest

from sandbox.contracts import discord as contract
from sandbox.contracts.discord_schema import CONTRACT
from sandbox.discord.wire import Wire
from tests.integration.test_local_discord_rules import Caller, Clock, caller, clock

__all__ = ["Clock", "caller", "clock"]  # fixtures
HELLO: Wire = {"name": "hello", "description": "Says hello", "type": 1}


async def test_the_gateways_address_is_told_without_a_token(caller: Caller) -> None:
    async with aiohttp.request("GET", f"{caller.local.api_url}/gateway") as answer:
        assert await answer.json() == {"url": caller.local.gateway.url}


async def test_who_asks_for_a_zlib_stream_is_sent_one_over_the_whole_connection(caller: Caller) -> None:
    inflate = zlib.decompressobj()
    told: list[Wire] = []
    url = f"{caller.local.gateway.url}?v=10&encoding=json&compress=zlib-stream"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_bytes(json.dumps({"op": 2, "d": {"token": caller.local.token, "intents": 1}}).encode())
        while len(told) < 3:
            packed = await socket.receive_bytes(timeout=5)
            assert packed.endswith(b"\x00\x00\xff\xff")
            told.append(json.loads(inflate.decompress(packed)))

    assert [frame["t"] for frame in told] == [None, "READY", "GUILD_CREATE"]
    account = ("components", "schemas", "UserPIIResponse")
    assert CONTRACT.faults(account, told[1]["d"]["user"]) == []
    assert {"afk_channel_id", "system_channel_flags", "nsfw_level", "joined_at"} <= told[2]["d"].keys()


async def test_an_acknowledgement_takes_longer_than_an_answer_on_the_same_machine(caller: Caller) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(caller.local.gateway.url) as socket:
        await socket.send_json({"op": 1, "d": None})
        await socket.send_json({"op": 2, "d": {"token": caller.local.token, "intents": 1}})
        told = [(await socket.receive_json(timeout=5))["op"] for _ in range(4)]

    assert told == [10, 0, 0, 11]


async def test_a_form_without_files_is_understood(caller: Caller) -> None:
    used = await caller.used()
    url = f"{caller.local.api_url}/interactions/{used.id}/{used.token}/callback"
    form = {"payload_json": json.dumps({"type": 4, "data": {"content": "hi"}})}

    async with aiohttp.request("POST", url, data=form) as answer:
        assert answer.status == 204

    assert (message := await used.answer()) is not None
    assert message.text() == "hi"


async def test_a_form_of_rows_is_opened_and_comes_back_as_rows(caller: Caller) -> None:
    field = {"type": 4, "custom_id": "name", "style": 1, "label": "Name", "value": "Ana"}
    form = {"custom_id": "form", "title": "A form", "components": [{"type": 1, "components": [field]}]}
    used = await caller.used()
    assert (await caller.callback(used, 9, form)).status == 200
    assert contract.violations(caller.local.requests[-1]) == []

    submitted = await caller.local.submit(used.person, used, {"name": "Mia"})

    assert submitted.payload["data"]["components"] == [
        {"type": 1, "id": 1, "components": [{"type": 4, "id": 2, "custom_id": "name", "value": "Mia"}]}
    ]


async def test_a_deferred_answer_may_say_whom_it_would_mention(caller: Caller) -> None:
    used = await caller.used()

    assert (await caller.callback(used, 5, {"allowed_mentions": {"parse": []}})).status == 200


@pytest.mark.parametrize("scope", ["", "/guilds/{guild}"])
async def test_commands_are_registered_changed_and_taken_away_one_by_one(caller: Caller, scope: str) -> None:
    world = caller.local.world
    path = f"/applications/{world.bot.id}{scope.format(guild=world.guild.id)}/commands"
    made = await caller.ask("POST", path, HELLO)
    again = await caller.ask("POST", path, HELLO | {"description": "Greets"})
    assert (made.status, again.status) == (201, 200)
    assert made.body["id"] == again.body["id"]
    one = f"{path}/{made.body['id']}"

    changed = await caller.ask("PATCH", one, {"name": "bye"})
    assert (changed.status, changed.body["name"], changed.body["description"]) == (200, "bye", "Greets")
    assert (await caller.ask("GET", one)).body == changed.body
    assert (await caller.ask("GET", path)).body == [changed.body]

    assert (await caller.ask("DELETE", one)).status == 204
    assert (await caller.ask("GET", path)).body == []
    assert (await caller.ask("DELETE", one)).refusal == (404, 10063)


async def test_what_was_sent_as_null_is_not_told_of_an_option(caller: Caller) -> None:
    option = {"type": 3, "name": "name", "description": "Whom to greet", "min_length": None, "choices": []}
    path = f"/applications/{caller.local.application_id}/commands"

    answer = await caller.ask("POST", path, HELLO | {"options": [option]})

    assert "min_length" not in answer.body["options"][0]
