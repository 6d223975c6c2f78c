"""The rules of the local Discord, asked over plain HTTP: what it refuses, with which status and code."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from sandbox.contracts import discord as contract
from sandbox.discord import Interaction, LocalDiscord, Message, Permission, Upload

V2 = 1 << 15
EPHEMERAL = 1 << 6
Wire = dict[str, Any]


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Answer:
    status: int
    code: int | None
    body: Any

    @property
    def refusal(self) -> tuple[int, int | None]:
        return self.status, self.code

    def faults(self) -> dict[str, str]:
        """The form errors, as path → code."""
        found: dict[str, str] = {}

        def collect(at: Wire, path: str) -> None:
            for key, inner in at.items():
                if key == "_errors":
                    found[path.strip(".")] = inner[0]["code"]
                else:
                    collect(inner, f"{path}.{key}")

        collect(self.body.get("errors", {}), "")
        return found


class Caller:
    """A bot in the raw: asks what it is told to ask."""

    def __init__(self, local: LocalDiscord, session: aiohttp.ClientSession) -> None:
        self.local = local
        self._session = session
        self.by_bot = {"Authorization": f"Bot {local.token}"}

    async def ask(self, method: str, path: str, body: Wire | None = None, **files: bytes) -> Answer:
        url = self.local.api_url + path
        headers = self.by_bot if path.startswith(("/channels", "/users", "/oauth2", "/gateway", "/app")) else {}
        data: Any = None
        if files:
            data = aiohttp.FormData()
            data.add_field("payload_json", json.dumps(body or {}), content_type="application/json")
            for number, (name, content) in enumerate(files.items()):
                data.add_field(f"files[{number}]", content, filename=name.replace("_", "."))
        elif body is not None:
            data = json.dumps(body)
            headers = headers | {"Content-Type": "application/json"}
        async with self._session.request(method, url, data=data, headers=headers) as response:
            told = await response.json() if response.content_type == "application/json" else None
            code = told.get("code") if isinstance(told, dict) else None
            return Answer(response.status, code, told)

    async def used(self, person: str = "mia", channel: Any = None) -> Interaction:
        return await self.local.invoke(self.local.world.people[person], "animate", channel=channel, forge=True)

    async def callback(self, used: Interaction, kind: int, data: Wire | None = None, **files: bytes) -> Answer:
        body = {"type": kind, **({"data": data} if data is not None else {})}
        path = f"/interactions/{used.id}/{used.token}/callback?with_response=true"
        return await self.ask("POST", path, body, **files)

    async def original(self, used: Interaction, method: str, body: Wire | None = None, **files: bytes) -> Answer:
        return await self.ask(method, f"{self.hook(used)}/messages/@original", body, **files)

    def hook(self, used: Interaction) -> str:
        return f"/webhooks/{self.local.application_id}/{used.token}"

    async def answered(self, data: Wire, person: str = "mia", channel: Any = None) -> tuple[Interaction, Message]:
        used = await self.used(person, channel)
        answer = await self.callback(used, 4, data)
        assert answer.status == 200, answer.body
        message = await used.answer()
        assert message is not None
        return used, message


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def caller(clock: Clock) -> AsyncIterator[Caller]:
    async with LocalDiscord(clock=clock) as local, aiohttp.ClientSession() as session:
        yield Caller(local, session)
        for x in local.requests:
            assert contract.response_violations(x) == []


def text(content: str) -> Wire:
    return {"type": 10, "content": content}


def card(*components: Wire, **more: Any) -> Wire:
    return {"flags": V2, "components": list(components), **more}


def button(label: str = "Go", custom_id: str = "go") -> Wire:
    return {"type": 2, "style": 1, "label": label, "custom_id": custom_id}


def row(*buttons: Wire) -> Wire:
    return {"type": 1, "components": list(buttons)}


def gallery(url: str) -> Wire:
    return {"type": 12, "items": [{"media": {"url": url}}]}


VIDEO = card(gallery("attachment://out.mp4"))
LISTED = {"attachments": [{"id": 0, "filename": "out.mp4"}]}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (card(text("a"), content="b"), {"content": "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"}),
        (card(text("a"), embeds=[{"title": "b"}]), {"embeds": "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"}),
        (card(text("a" * 4001)), {"components.0.content": "BASE_TYPE_MAX_LENGTH"}),
        (card(text("a" * 2001), text("b" * 2000)), {"components": "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED"}),
        (card(*[text("a")] * 41), {"components": "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED"}),
        (card(text("")), {"components.0.content": "BASE_TYPE_REQUIRED"}),
        (card(button()), {"components.0.type": "UNION_TYPE_CHOICES"}),
        (card(row(button("a" * 81))), {"components.0.components.0.label": "BASE_TYPE_MAX_LENGTH"}),
        (card(row(button(custom_id="c" * 101))), {"components.0.components.0.custom_id": "BASE_TYPE_MAX_LENGTH"}),
        (card(row(button(), button())), {"components.0.components.1.custom_id": "COMPONENT_CUSTOM_ID_DUPLICATED"}),
        (card(row(*[button(custom_id=str(n)) for n in range(6)])), {"components.0.components": "BASE_TYPE_BAD_LENGTH"}),
        (card(row({"type": 2, "style": 5, "label": "x", "url": "https://" + "x" * 512})),
         {"components.0.components.0.url": "BASE_TYPE_MAX_LENGTH"}),
        (card(row({"type": 2, "style": 5, "label": "x", "url": "ftp://x"})),
         {"components.0.components.0.url": "URL_TYPE_INVALID_SCHEME"}),
        (card(gallery("attachment://none.mp4")),
         {"components.0.items.0.media.url": "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND"}),
        (card({"type": 13, "file": {"url": "https://x/y"}}), {"components.0.file.url": "URL_TYPE_INVALID_SCHEME"}),
        ({"components": [text("a")]}, {"components.0.type": "UNION_TYPE_CHOICES"}),
        ({"content": "a" * 2001}, {"content": "BASE_TYPE_MAX_LENGTH"}),
    ],
)  # fmt: skip
async def test_a_body_against_the_rules_is_refused_and_takes_no_answer(caller: Caller, body: Wire, fault: Wire) -> None:
    used = await caller.used()

    answer = await caller.callback(used, 4, body)

    assert answer.refusal == (400, 50035)
    assert answer.faults().items() >= {f"{k}": v for k, v in fault.items()}.items()
    assert not used.answered.is_set()
    assert (await caller.callback(used, 4, card(text("fine")))).status == 200


async def test_thumbnails_show_pictures_alone(caller: Caller) -> None:
    section = {
        "type": 9,
        "components": [text("a")],
        "accessory": {"type": 11, "media": {"url": "attachment://out.mp4"}},
    }

    answer = await caller.callback(await caller.used(), 4, card(section), out_mp4=b"x")

    assert answer.faults() == {"components.0.accessory.media.url": "UNFURLED_MEDIA_ITEM_INVALID_TYPE"}


async def test_every_kind_of_component_comes_back_as_the_contract_has_it(caller: Caller) -> None:
    section = {"type": 9, "components": [text("a")], "accessory": button()}
    thumbnail = {
        "type": 9,
        "components": [text("a")],
        "accessory": {"type": 11, "media": {"url": "attachment://cat.png"}},
    }
    select = {"type": 3, "custom_id": "s", "options": [{"label": "a", "value": "a"}]}
    link = {"type": 2, "style": 5, "label": "x", "url": "https://example.org"}
    inside = [section, thumbnail, gallery("https://example.org/a.png"), {"type": 14},
              {"type": 13, "file": {"url": "attachment://cat.png"}}, row(select), row(link)]  # fmt: skip

    answer = await caller.callback(await caller.used(), 4, card({"type": 17, "components": inside}), cat_png=b"x")

    assert answer.status == 200, answer.body
    message = answer.body["resource"]["message"]
    assert message["attachments"] == []
    assert message["components"][0]["components"][4]["size"] == 1
    assert (
        await caller.ask(
            "POST", f"/channels/{message['channel_id']}/messages", {"content": "a", "embeds": [{"title": "b"}]}
        )
    ).status == 200


@pytest.mark.parametrize("body", [{}, {"content": ""}, card()])
async def test_an_empty_message_is_refused(caller: Caller, body: Wire) -> None:
    assert (await caller.callback(await caller.used(), 4, body)).refusal == (400, 50006)


async def test_an_edit_to_v2_must_null_what_was_there_and_is_one_way(caller: Caller) -> None:
    used, message = await caller.answered({"content": "old"})

    refused = await caller.original(used, "PATCH", card(text("new")))
    assert refused.faults() == {"content": "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"}
    assert (await caller.original(used, "PATCH", card(text("new"), content=None))).status == 200
    assert message.text() == "new"
    assert (await caller.original(used, "PATCH", {"content": "back", "flags": 0})).refusal == (400, 50035)
    assert message.now["flags"] & V2


async def test_an_upload_in_a_v2_edit_is_found_only_if_attachments_lists_it(caller: Caller) -> None:
    used, message = await caller.answered(card(text("wait")))

    refused = await caller.original(used, "PATCH", VIDEO, out_mp4=b"video")
    assert refused.faults() == {"components.0.items.0.media.url": "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND"}
    answer = await caller.original(used, "PATCH", VIDEO | LISTED, out_mp4=b"video")

    media = answer.body["components"][0]["items"][0]["media"]
    assert answer.body["attachments"] == []
    assert media["url"] == media["proxy_url"] == message.media[0].url
    assert media["attachment_id"] == str(message.media[0].id)


async def test_an_edit_drops_the_files_it_does_not_list(caller: Caller) -> None:
    used, message = await caller.answered({"content": "a"})
    two = {"attachments": [{"id": 0, "filename": "a.png"}, {"id": 1, "filename": "b.png"}]}
    await caller.original(used, "PATCH", two, a_png=b"a", b_png=b"b")
    first = message.media[0]

    await caller.original(used, "PATCH", {"content": "still both"})
    assert [file.data for file in message.media] == [b"a", b"b"]
    await caller.original(used, "PATCH", {"attachments": [{"id": str(first.id)}]})
    assert message.media == [first]
    assert (await caller.original(used, "PATCH", {"attachments": [{"id": 7}]})).faults() == {
        "attachments.0.id": "ATTACHMENT_NOT_FOUND"
    }


async def test_files_over_the_limit_of_the_place_are_refused(caller: Caller) -> None:
    caller.local.world.guild.upload_limit = 100
    used, message = await caller.answered(card(text("a")))
    assert used.payload["attachment_size_limit"] == 100

    big = await caller.original(used, "PATCH", VIDEO | LISTED, out_mp4=bytes(101))
    assert big.refusal == (413, 40005)
    path = f"/channels/{message.channel_id}/messages/{message.id}"
    assert (await caller.ask("PATCH", path, VIDEO | LISTED, out_mp4=bytes(101))).refusal == (413, 40005)
    assert (await caller.ask("PATCH", path, VIDEO | LISTED, out_mp4=bytes(100))).status == 200


async def test_nitro_raises_the_limit_of_the_interaction_alone(caller: Caller) -> None:
    world = caller.local.world
    world.people["mia"].upload_limit = 50 * 1024 * 1024
    assert (await caller.used()).upload_limit == 50 * 1024 * 1024
    world.guild.boost_tier = 3
    assert (await caller.used()).upload_limit == 100 * 1024 * 1024
    assert (await caller.used("ana")).upload_limit == 100 * 1024 * 1024


async def test_a_defer_carries_ephemeral_alone_and_the_edit_finishes_it(caller: Caller) -> None:
    used = await caller.used()
    assert (await caller.callback(used, 5, {"flags": V2})).refusal == (400, 50035)

    answer = await caller.callback(used, 5, {"flags": EPHEMERAL})
    assert answer.body["interaction"]["response_message_loading"]
    assert "resource" not in answer.body
    assert used.is_ephemeral
    assert (await caller.original(used, "PATCH", card(text("now")))).status == 200
    assert used.message is not None
    assert not used.message.is_loading


async def test_the_first_followup_after_a_defer_edits_the_original(caller: Caller) -> None:
    used = await caller.used()
    await caller.callback(used, 5)

    await caller.ask("POST", caller.hook(used), {"content": "here", "flags": EPHEMERAL})

    assert used.followups == []
    assert used.message is not None
    assert used.message.text() == "here"
    assert not used.is_ephemeral


async def test_answers_that_fit_no_command(caller: Caller) -> None:
    for kind in (6, 7, 8):
        assert (await caller.callback(await caller.used(), kind)).refusal == (400, 50035)
    used = await caller.used()
    modal = {"title": "Ask", "custom_id": "ask", "components": [text("Why?")]}
    assert (await caller.callback(used, 9, modal)).status == 200
    assert await used.answer() is None
    assert used.response_data["components"] == [text("Why?") | {"id": 1}]


async def test_a_press_may_rewrite_its_message(caller: Caller) -> None:
    _, message = await caller.answered(card(row(button())))

    press = await caller.local.press(caller.local.world.people["ana"], message, "go")
    answer = await caller.callback(press, 7, card(text("pressed")))

    assert answer.body["resource"]["message"]["id"] == str(message.id)
    assert message.text() == "pressed"
    assert (await caller.original(press, "GET")).body["id"] == str(message.id)


async def test_a_press_may_be_answered_with_a_message_of_its_own(caller: Caller) -> None:
    _, message = await caller.answered(card(row(button())))
    ana = caller.local.world.people["ana"]

    press = await caller.local.press(ana, message, "go")
    answer = await caller.callback(press, 4, {"content": "not yours", "flags": EPHEMERAL})

    told = answer.body["resource"]["message"]
    assert told["interaction_metadata"]["interacted_message_id"] == str(message.id)
    assert [m.text() for m in caller.local.messages(message.channel, as_seen_by=ana)] == ["", "not yours"]


async def test_the_clocks_of_an_interaction(caller: Caller, clock: Clock) -> None:
    used = await caller.used()
    assert (await caller.original(used, "GET")).refusal == (404, 10015)
    assert (await caller.callback(used, 4, {"content": "a"})).status == 200
    assert (await caller.callback(used, 4, {"content": "a"})).refusal == (400, 40060)
    late = await caller.used()
    clock.now += 3.01
    assert (await caller.callback(late, 4, {"content": "a"})).refusal == (404, 10062)
    clock.now += 15 * 60
    assert (await caller.original(used, "PATCH", {"content": "b"})).refusal == (401, 50027)


async def test_what_is_deleted_is_unknown_to_either_token(caller: Caller) -> None:
    used, message = await caller.answered({"content": "a"})
    path = f"/channels/{message.channel_id}/messages/{message.id}"
    assert (await caller.ask("GET", path)).body["content"] == "a"

    await caller.local.delete_message(message)

    assert (await caller.ask("PATCH", path, {"content": "b"})).refusal == (404, 10008)
    assert (await caller.original(used, "PATCH", {"content": "b"})).refusal == (404, 10008)
    assert caller.local.messages(message.channel) == []
    assert caller.local.history == [message]


async def test_the_bots_own_token_reaches_no_ephemeral_message(caller: Caller) -> None:
    used, message = await caller.answered({"content": "a", "flags": EPHEMERAL})
    path = f"/channels/{message.channel_id}/messages/{message.id}"

    assert (await caller.ask("GET", path)).refusal == (404, 10008)
    assert (await caller.ask("DELETE", path)).refusal == (404, 10008)
    assert (await caller.original(used, "DELETE")).status == 204


async def test_where_the_bot_may_not_write(caller: Caller) -> None:
    world = caller.local.world
    mia = world.people["mia"]
    hello = {"content": "hi"}
    world.general.deny(world.bot, Permission.SEND_MESSAGES)
    for channel, refusal in [
        (world.general.id, (403, 50013)), (world.restricted.id, (403, 50001)), (12345, (404, 10003)),
        (world.foreign.general.id, (403, 50001)), (world.private(mia, world.people["ana"]).id, (403, 50001)),
    ]:  # fmt: skip
        assert (await caller.ask("POST", f"/channels/{channel}/messages", hello)).refusal == refusal
    assert (await caller.ask("POST", f"/channels/{world.dm(mia).id}/messages", hello)).status == 200


async def test_other_peoples_messages_are_theirs(caller: Caller) -> None:
    posted = await caller.local.post(caller.local.world.people["mia"], "mine", Upload("a.png", b"x"))
    path = f"/channels/{posted.channel_id}/messages/{posted.id}"

    assert (await caller.ask("PATCH", path, {"content": "ours"})).refusal == (403, 50005)
    assert (await caller.ask("DELETE", path)).refusal == (403, 50013)


async def test_a_user_installed_app_has_five_followups_and_the_persons_permissions(caller: Caller) -> None:
    world = caller.local.world
    used, message = await caller.answered({"content": "a"}, channel=world.foreign.general)
    assert used.owners == {"1": str(world.people["mia"].id)}
    assert not message.is_ephemeral
    answers = [await caller.ask("POST", caller.hook(used), {"content": "b"}) for _ in range(6)]
    assert [answer.code for answer in answers] == [None] * 5 + [40094]

    world.foreign.general.deny(world.people["mia"], Permission.USE_EXTERNAL_APPS)
    _, message = await caller.answered({"content": "a"}, channel=world.foreign.general)
    assert message.is_ephemeral


async def test_replies_and_pings(caller: Caller) -> None:
    world = caller.local.world
    mia = world.people["mia"]
    posted = await caller.local.post(mia, "look")
    path = f"/channels/{world.general.id}/messages"
    reply: Wire = {"content": "done", "message_reference": {"message_id": str(posted.id)}}

    for allowed, pinged in [({"parse": []}, []), ({"parse": [], "replied_user": True}, [mia.id])]:
        await caller.ask("POST", path, reply | {"allowed_mentions": allowed})
        assert caller.local.history[-1].pinged == pinged
    await caller.ask("POST", path, {"content": f"<@{mia.id}> @everyone"})
    assert caller.local.history[-1].pinged == [mia.id]
    assert caller.local.history[-1].now["mention_everyone"]
    gone = reply | {"message_reference": {"message_id": "1"}}
    assert (await caller.ask("POST", path, gone)).refusal == (400, 50035)
    gone["message_reference"] |= {"fail_if_not_exists": False}
    assert (await caller.ask("POST", path, gone)).status == 200


async def test_an_unknown_route_is_recorded(caller: Caller) -> None:
    assert (await caller.ask("GET", "/users/@me/guilds")).refusal == (404, 0)
    assert [x.path for x in caller.local.unknown_routes] == ["/users/@me/guilds"]


async def test_files_are_served_signed_for_a_day(caller: Caller, clock: Clock) -> None:
    posted = await caller.local.post(caller.local.world.people["mia"], "", Upload("a.png", b"x"))
    url = posted.media[0].url

    async def fetch(url: str) -> int:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status

    assert await fetch(url) == 200
    assert await fetch(url.partition("?")[0]) == 404
    assert await fetch(url.replace("hm=", "hm=0")) == 404
    clock.now += 24 * 3600 + 1
    assert await fetch(url) == 404
    assert {x.part for x in caller.local.requests} == {"cdn"}


async def test_the_account_and_the_application_are_as_the_contract_has_them(caller: Caller) -> None:
    for path in ("/users/@me", "/oauth2/applications/@me", "/gateway/bot"):
        assert (await caller.ask("GET", path)).status == 200
    caller.by_bot = {"Authorization": "Bot wrong"}
    assert (await caller.ask("GET", "/users/@me")).refusal == (401, 0)


async def test_secrets_are_not_recorded(caller: Caller) -> None:
    await caller.ask("GET", "/users/@me")

    assert caller.local.requests[-1].headers["Authorization"] == "Bot"
    assert caller.local.requests[-1].authorized


async def test_each_id_carries_the_time_and_is_above_the_last(caller: Caller, clock: Clock) -> None:
    first, second = (await caller.used()).id, (await caller.used()).id
    assert second > first
    assert abs(((second >> 22) + 1_420_070_400_000) / 1000 - clock.now) < 0.01


@pytest.mark.parametrize(
    ("said", "close"),
    [
        ({"op": 2, "d": {"token": "wrong", "intents": 1}}, 4004),
        ({"op": 6, "d": {"token": "wrong", "session_id": "x", "seq": 1}}, 4004),
        ({"op": 3, "d": {}}, 4003),
        ({"op": 2, "d": {"intents": 1 << 15}}, 4014),
    ],
)
async def test_the_gateway_closes_with_discords_codes(caller: Caller, said: Wire, close: int) -> None:
    said["d"] = {"token": caller.local.token} | said["d"]
    async with aiohttp.ClientSession() as session, session.ws_connect(caller.local.gateway.url) as socket:
        assert (await socket.receive_json(timeout=5))["op"] == 10
        await socket.send_json({"op": 1, "d": None})
        assert (await socket.receive_json(timeout=5))["op"] == 11
        await socket.send_json(said)

        await socket.receive(timeout=5)
        assert socket.close_code == close


async def test_an_unknown_session_cannot_be_resumed(caller: Caller) -> None:
    resume = {"op": 6, "d": {"token": caller.local.token, "session_id": "x", "seq": 1}}
    async with aiohttp.ClientSession() as session, session.ws_connect(caller.local.gateway.url) as socket:
        await socket.receive_json(timeout=5)
        await socket.send_json(resume)
        answer = await socket.receive_json(timeout=5)

    assert (answer["op"], answer["d"]) == (9, False)


async def test_a_gateway_that_is_down_takes_no_connection(caller: Caller) -> None:
    caller.local.gateway.is_up = False
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(caller.local.gateway.url)


async def test_waiting_in_vain_says_for_what(caller: Caller) -> None:
    with pytest.raises(TimeoutError, match=r"a bot to identify did not come within 0\.01 s"):
        await caller.local.wait_ready(timeout=0.01)


async def test_a_body_that_is_no_json_is_refused(caller: Caller) -> None:
    used = await caller.used()
    async with aiohttp.ClientSession() as session:
        url = f"{caller.local.api_url}/interactions/{used.id}/{used.token}/callback"
        async with session.post(url, data=b"{", headers={"Content-Type": "application/json"}) as answer:
            assert answer.status == 400


@pytest.mark.parametrize(
    ("wanted", "status", "part", "place"),
    [
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
async def test_a_file_is_served_in_parts_to_who_asks(
    caller: Caller, wanted: str, status: int, part: bytes, place: str | None
) -> None:
    mia = caller.local.world.people["mia"]
    message = await caller.local.post(mia, "", Upload("a.mp4", b"0123456789"))

    asked = {"Range": wanted}
    async with aiohttp.ClientSession() as session, session.get(message.media[0].url, headers=asked) as answer:
        assert (answer.status, await answer.read()) == (status, part)
        assert answer.headers.get("Content-Range") == place


async def test_the_contract_finds_what_is_wrong(caller: Caller) -> None:
    """Proves that the contract looks: a request against it is named."""
    await caller.ask("POST", f"/channels/{caller.local.world.general.id}/messages", {"content": 7, "flags": "x"})
    await caller.ask("GET", "/users/@me/nothing")

    wrong, unknown = map(contract.violations, caller.local.requests)

    assert len(wrong) == 2
    assert unknown == ["GET /users/@me/nothing: no such route"]
