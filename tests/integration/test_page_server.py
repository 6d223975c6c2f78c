"""The page's server over real sockets, without a browser: who gets in, what it tells, what it refuses."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.discord import Upload
from sandbox.environment import Environment
from sandbox.page.actions import Refused
from sandbox.page.run import Unfit, real_provider, show
from sandbox.page.server import Page
from sandbox.process import PROJECT
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.registry import Choice
from tests.e2e.stage import Stage


@dataclass
class Browser:
    """What a browser sends, without one."""

    environment: Environment
    page: Page
    session: aiohttp.ClientSession

    async def get(self, path: str = "", **headers: str) -> tuple[int, Mapping[str, str]]:
        async with self.session.get(f"{self.page.url}{path}", headers=headers) as response:
            await response.read()
            return response.status, response.headers

    async def perform(self, asked: object, **files: bytes) -> Any:
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("action", json.dumps(asked))
        for name, data in files.items():
            form.add_field(name, data, filename=f"{name}.png", content_type="image/png")
        async with self.session.post(f"{self.page.url}actions", data=form) as response:
            return await response.json() if response.status == 200 else response.status

    async def told(self, socket: aiohttp.ClientWebSocketResponse, key: str) -> Any:
        """What a tab is told next under a key that begins so."""
        async with asyncio.timeout(5):
            while True:
                said = await socket.receive_json()
                for each in (*said["set"], *said["gone"]):
                    if each.startswith(key):
                        return said["set"].get(each, "gone")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    environment = Environment()
    await environment.start(bot=False)
    try:
        async with Page(environment) as page, aiohttp.ClientSession() as session:
            yield Browser(environment, page, session)
    finally:
        await environment.stop()


async def test_other_pages_and_other_names_are_kept_out(browser: Browser) -> None:
    host = browser.page.url.removeprefix("http://").rstrip("/")

    assert (await browser.get())[0] == 200
    assert (await browser.get(Host=host.replace("127.0.0.1", "localhost")))[0] == 200
    assert (await browser.get(Origin=f"http://{host}"))[0] == 200
    assert (await browser.get(Host="evil.example"))[0] == 403
    assert (await browser.get(Origin="http://evil.example"))[0] == 403
    assert (await browser.get("live?as=mia", Origin="http://evil.example"))[0] == 403
    assert (await browser.get("live?as=nobody"))[0] == 404


async def test_the_page_may_ask_nobody_else(browser: Browser) -> None:
    _, headers = await browser.get()

    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    places = {word for rule in policy.values() for word in rule.split() if "://" in word}
    assert places
    assert all("//127.0.0.1:" in place for place in places)
    text = [path.read_text("utf-8") for path in (PROJECT / "sandbox/page/static").iterdir()]
    assert len(text) > 10
    assert not any("https://" in one.replace("https?:", "") for one in text)


async def test_a_tab_is_told_everything_then_what_changes(browser: Browser) -> None:
    mia, general = browser.environment.discord.world.people["mia"], browser.environment.discord.world.general
    async with browser.session.ws_connect(f"{browser.page.url}live?as=mia") as socket:
        first = (await socket.receive_json(timeout=5))["set"]
        places = [place["name"] for key, place in first.items() if key.startswith("place:")]
        assert places == ["general", "restricted", "general", "Animate-Bot"]
        assert (first["world"]["me"], first["ledger"], first["log"]) == (str(mia.id), None, "")
        assert first["faults"]["bot"] == {"state": "none", "own": False}

        message = await browser.environment.discord.post(mia, "hello", Upload("cat.png", b"x"))
        assert (await browser.told(socket, f"message:{message.id}"))["content"] == "hello"
        await browser.environment.discord.delete_message(message)
        assert await browser.told(socket, f"message:{message.id}") == "gone"
        answer = await browser.perform(
            {"as": "mia", "action": "post", "place": str(general.id), "content": "by the page"}, cat=b"y"
        )
        assert answer == {}
        posted = await browser.told(socket, "message:")
        assert [file["filename"] for file in posted["attachments"]] == ["cat.png"]


async def test_a_private_message_is_told_to_its_person_alone_until_dismissed(browser: Browser) -> None:
    discord = browser.environment.discord
    people = discord.world.people
    used = await discord.invoke(people["mia"], "quota", forge=True)
    body = {"type": 4, "data": {"content": "you alone", "flags": 1 << 6}}
    callback = f"{discord.api_url}/interactions/{used.id}/{used.token}/callback"
    async with browser.session.post(callback, json=body) as response:
        assert response.status == 204
    message = await used.answer()
    assert message is not None
    keys = {name: dict(browser.page.view.pieces(people[name])).keys() for name in ("mia", "ana")}
    assert f"message:{message.id}" in keys["mia"]
    assert f"message:{message.id}" not in keys["ana"]

    dismiss = {"action": "dismiss", "message": str(message.id)}
    assert await browser.perform(dismiss | {"as": "ana"}) == {"error": "This message was deleted."}
    assert await browser.perform(dismiss | {"as": "mia"}) == {}

    assert f"message:{message.id}" not in dict(browser.page.view.pieces(people["mia"]))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"action": "post"}, "The page left out “content”. Reload it."),
        ({"action": "fly"}, "The sandbox does not know this action. Reload the page."),
        ({"action": "post", "place": "1", "content": "x"}, "This channel was deleted, or you cannot see it."),
        ({"action": "press", "message": "1", "custom_id": "x"}, "This message was deleted."),
        ({"action": "submit", "interaction": "1"}, "This form is no longer there."),
        ({"action": "inject", "what": "disk", "to": "full"}, "The sandbox does not know this fault."),
        ({"action": "inject", "what": "provider", "to": "unheard-of"}, "The sandbox does not know this fault."),
        ({"action": "inject", "what": "discord", "to": "unheard-of"}, "The sandbox does not know this fault."),
        ({"action": "inject", "what": "finish", "to": "video_1"}, "This job has already ended."),
        ({"action": "inject", "what": "bot", "to": "restart"}, "The sandbox runs no bot that can do this now."),
        ({"as": "nobody", "action": "post"}, "There is no member of that name."),
    ],
)
async def test_what_cannot_be_done_is_refused_in_a_sentence(browser: Browser, asked: Any, sentence: str) -> None:
    assert await browser.perform({"as": "mia"} | asked) == {"error": sentence}


async def test_what_discord_would_not_take_is_refused_in_its_words(browser: Browser) -> None:
    general = str(browser.environment.discord.world.general.id)

    empty = await browser.perform({"as": "mia", "action": "post", "place": general, "content": ""})
    command = await browser.perform({"as": "mia", "action": "invoke", "place": general, "command": "animate"})

    assert empty == {"error": "Discord refuses this: Cannot send an empty message"}
    assert command["error"].startswith("There is no command animate here")


async def test_another_api_is_taken_while_running_and_the_bot_is_started_anew_with_it() -> None:
    two = {name: Choice(name, lambda: LocalOpenAI(render=tiny_mp4)) for name in ("first", "second")}
    stage = Stage()
    await stage.start(bot=False)
    first = stage.provider
    try:
        async with Page(stage, providers=two) as page:
            with pytest.raises(Refused):
                await page.faults.apply("api", "second")  # no bot is here yet
            await page.faults.start_bot()
            await page.faults.apply("provider", "failing")
            await page.faults.apply("api", "second")
            card = await stage.over(await stage.animate())
            told = dict(page._inspector.pieces())
    finally:
        await stage.stop()

    assert (stage.provider.name, first.times_created(), stage.provider.times_created()) == ("second", 0, 1)
    assert not card.media
    assert any(key.startswith("request:") and "Video service" in str(piece.told()) for key, piece in told.items())


@pytest.mark.parametrize("asked", ["nonsense", 7, None])
async def test_nonsense_is_a_bad_request_and_no_crash(browser: Browser, asked: object) -> None:
    assert await browser.perform(asked) == 400


def test_a_real_provider_is_asked_for_with_its_address_and_key_and_at_its_own_pace(tmp_path: Path) -> None:
    given = {"VIDEO_API_URL": "https://videos.example/v1", "VIDEO_API_KEY": "k", "DISCORD_TOKEN": "no"}

    found = real_provider(given | {"VIDEO_CATALOG": "mine.toml"})

    assert found.keys() == {"VIDEO_API_URL", "VIDEO_API_KEY", "VIDEO_CATALOG", "POLL_SECONDS", "PROGRESS_SECONDS"}
    assert Path(found["VIDEO_CATALOG"]).is_absolute()
    assert float(found["POLL_SECONDS"]) >= 5
    for missing in ("VIDEO_API_URL", "VIDEO_API_KEY"):
        with pytest.raises(Unfit, match="VIDEO_API_URL and VIDEO_API_KEY"):
            real_provider({**given, missing: ""})


async def test_a_folder_that_is_given_outlives_the_environment(tmp_path: Path) -> None:
    environment = Environment(folder=tmp_path / "paid")
    await environment.start(bot=False)
    (environment.folder / "video.mp4").write_bytes(b"paid for")

    await environment.stop()

    assert (tmp_path / "paid" / "video.mp4").read_bytes() == b"paid for"


async def test_a_port_that_is_taken_is_told_in_a_sentence(browser: Browser) -> None:
    port, said = int(browser.page.url.rstrip("/").rpartition(":")[2]), list[str]()

    code = await show(said.append, LocalOpenAI(), port=port, opens=False, bot=False, real=False)

    assert code == 1
    assert said == [f"Port {port} is in use. Choose another one with --port."]


async def test_the_command_prints_the_address_and_ends_well_with_ctrl_c() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", "--page", "--serve", "--no-open",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(20):
        while b"Press Ctrl-C to stop." not in said:
            line = await process.stdout.readline()
            assert line, said
            said += line
        url = said.split()[4].decode()
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert "animate-bot sandbox" in await response.text()
        process.send_signal(signal.SIGINT)
        rest = await process.stdout.read()

        assert await process.wait() == 0
    assert rest == b""
    assert b"DISCORD_API_URL=http://127.0.0.1:" in said
