"""`python -m bot check`, as an operator types it, between a local Discord and local providers."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.chat.client import PERMISSIONS
from bot.store.migrations import scripts
from sandbox.discord.exchange import Reply
from sandbox.discord.server import LocalDiscord
from sandbox.process import BotProcess
from sandbox.providers.base import LocalProvider
from sandbox.providers.comfy_router import LocalComfyRouter
from sandbox.providers.comfy_workflow import NODES, ComfySettings
from sandbox.providers.comfyui import LocalComfyUI
from sandbox.providers.openrouter import LocalOpenRouter
from sandbox.providers.queue_wire import LocalFal
from tests import forkserver
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage
from tests.e2e.test_health import free_port
from tests.thorough import mostly_thorough

NOT_DISCORDS = {
    "elsewhere": (Reply(302, None, {"Location": "https://example.com/"}), "redirects to https://example.com/."),
    "down": (Reply(503, {}), "Discord cannot answer now (HTTP 503). Try again later."),
    "not found": (Reply(404, "<html>"), "is not Discord's API (HTTP 404)."),
    "a page": (Reply(401, "<html>"), "is not Discord's API (HTTP 401)."),
}
SCOPES = ["bot", "applications.commands"]
INSTALL_LINKS = {
    "complete": (PERMISSIONS.value, SCOPES, "ok       servers: the bot can be added to servers"),
    "administrator": (8, SCOPES, "ok       servers: the bot can be added to servers"),
    "lacking": (
        PERMISSIONS.value & ~(1 << 15),
        ["bot"],
        "warning  servers: Discord's install link leaves out applications.commands, Attach Files. ",
    ),
}
DISCORD = ["token", "servers", "members", "invite link", "access", "privacy policy", "clock"]


async def checked(stage: Stage, *arguments: str, **settings: str) -> tuple[int, list[str]]:
    """The command's exit code and lines."""
    folder = stage.folder / "check"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    process = BotProcess(
        folder, {**stage.settings(), **settings}, ("-m", "bot", "check", *arguments), spawn=forkserver.spawn
    )
    await process.start()
    return await process.wait(30), process.log().strip().splitlines()


def subjects(lines: list[str]) -> list[str]:
    return [line[9:].partition(":")[0] for line in lines[:-1]]


def about(lines: list[str], subject: str) -> list[str]:
    """What is said of it, with the level before it."""
    return [line for line in lines if line[9:].startswith(f"{subject}: ")]


def application(discord: LocalDiscord, **changes: Any) -> None:
    """What the developer portal says."""
    told = {
        "id": str(discord.application_id), "name": "animate-bot", "bot_public": False, "bot_require_code_grant": False,
        "interactions_endpoint_url": None, "integration_types_config": {"0": {}, "1": {}}, **changes,
    }  # fmt: skip
    discord.refuse("GET /applications/@me", Reply(200, told))


@pytest.fixture(name="idle")
async def _idle(build: Build) -> Stage:
    """A stage whose bot was not started yet."""
    return await build(start=False)


async def test_all_is_well_and_a_line_each_says_so(idle: Stage) -> None:
    code, lines = await checked(idle)

    assert code == 0, lines
    ended = [line for line in lines if "catalog:" in line]  # sora-2 has an end, wherever it is
    assert subjects([line for line in lines if line not in ended]) == [
        "settings", *DISCORD, "provider gptproto", "models of gptproto", "database", "disk", "disk",
    ]  # fmt: skip
    assert all(line.startswith("ok ") for line in lines[:-1] if line not in ended)
    assert about(lines, "token") == ["ok       token: Discord accepts it; this is the bot animate-bot"]
    (invite,) = about(lines, "invite link")
    assert f"client_id={idle.discord.application_id}" in invite
    assert f"permissions={PERMISSIONS.value}" in invite
    assert lines[-1].startswith("No problems, ")


async def test_it_pays_for_nothing_writes_nothing_and_tells_no_secret(idle: Stage) -> None:
    _, lines = await checked(idle)

    assert idle.provider.creates == 0
    assert {x.method for x in idle.discord.requests} == {"GET"}
    assert not idle.database.exists()
    assert not (idle.folder / "data").exists()
    for secret in (idle.discord.token, idle.provider.key):
        assert secret not in "\n".join(lines)


async def test_it_works_beside_the_running_bot(stage: Stage) -> None:
    code, lines = await checked(stage)

    assert code == 0, lines
    (database,) = about(lines, "database")
    assert database.endswith(f"opens, with schema {scripts()[-1][0]}")
    await stage.over(await stage.animate())


async def test_programs_get_the_same_as_json(idle: Stage) -> None:
    code, lines = await checked(idle, "--json", DISCORD_TOKEN="no-token")

    found = json.loads("\n".join(lines))
    assert code == 1
    assert found[1] == {
        "level": "problem", "subject": "token",
        "text": "DISCORD_TOKEN is wrong: Discord refuses it. Copy it again from the developer portal.",
    }  # fmt: skip


async def test_a_wrong_setting_is_one_sentence_as_at_the_start(idle: Stage) -> None:
    assert await checked(idle, POLL_SECONDS="0") == (
        2, ["POLL_SECONDS is wrong: it should be a number above 0, up to 3600."]
    )  # fmt: skip


class TestTheToken:
    async def test_a_refused_one_is_told_and_the_providers_are_asked_all_the_same(self, idle: Stage) -> None:
        code, lines = await checked(idle, DISCORD_TOKEN="no-token")

        assert code == 1
        assert about(lines, "token")[0].startswith("problem  token: DISCORD_TOKEN is wrong: Discord refuses it.")
        assert about(lines, "servers") == []
        assert about(lines, "provider gptproto") == ["ok       provider gptproto: it accepts the key"]

    @pytest.mark.parametrize("answer", mostly_thorough(NOT_DISCORDS, by_default=["not found"]))
    async def test_what_is_not_discord_is_told(self, idle: Stage, answer: str) -> None:
        reply, said = NOT_DISCORDS[answer]
        idle.discord.refuse("GET /users/@me", reply)

        code, lines = await checked(idle)

        assert code == 1
        assert said in about(lines, "token")[0]

    async def test_a_discord_out_of_reach_is_told(self, idle: Stage) -> None:
        code, lines = await checked(idle, DISCORD_API_URL="http://127.0.0.1:9/api/v10")

        assert code == 1
        assert about(lines, "token")[0].startswith("problem  token: Discord cannot be reached at http://127.0.0.1:9/")


class TestTheApplication:
    async def test_commands_that_go_elsewhere_are_told(self, idle: Stage) -> None:
        application(idle.discord, interactions_endpoint_url="https://example.com/interactions")

        code, lines = await checked(idle)

        assert code == 1
        assert "Remove the Interactions Endpoint URL" in about(lines, "commands")[0]

    async def test_an_invite_link_that_cannot_work_is_told(self, idle: Stage) -> None:
        application(idle.discord, bot_require_code_grant=True)

        code, lines = await checked(idle)

        assert code == 1
        assert "Turn off Requires OAuth2 Code Grant" in about(lines, "invite link")[0]

    async def test_without_an_installation_to_servers_or_for_members_it_says_which(self, idle: Stage) -> None:
        application(idle.discord, integration_types_config={"1": {}})
        code, lines = await checked(idle)
        assert (code, about(lines, "servers")[0][:7]) == (1, "problem")

    async def test_members_need_not_be_able_to_install_it(self, idle: Stage) -> None:
        application(idle.discord, integration_types_config={"0": {}})

        code, lines = await checked(idle)

        assert (code, about(lines, "members")[0][:7]) == (0, "warning")

    async def test_an_application_that_does_not_say_is_a_warning(self, idle: Stage) -> None:
        application(idle.discord, integration_types_config=None)

        code, lines = await checked(idle)

        assert (code, about(lines, "installation")[0][:7]) == (0, "warning")

    @pytest.mark.parametrize("kind", mostly_thorough(INSTALL_LINKS, by_default=["lacking"]))
    async def test_what_the_portals_install_link_lacks_is_told(self, idle: Stage, kind: str) -> None:
        permissions, scopes, said = INSTALL_LINKS[kind]
        link = {"oauth2_install_params": {"scopes": scopes, "permissions": str(permissions)}}
        application(idle.discord, integration_types_config={"0": link, "1": {}})

        code, lines = await checked(idle)

        assert code == 0
        assert about(lines, "servers")[0].startswith(said)

    async def test_a_public_bot_is_told_who_can_spend_its_budget_and_wants_a_privacy_policy(self, idle: Stage) -> None:
        application(idle.discord, bot_public=True)
        code, lines = await checked(idle)

        assert code == 0
        (access,), (policy,) = about(lines, "access"), about(lines, "privacy policy")
        assert "set ALLOWED_GUILDS" in access
        assert "set DIRECT_CREDITS=0" in access
        assert policy.startswith("warning  privacy policy: none is set")

        _, lines = await checked(idle, ALLOWED_GUILDS="1", DIRECT_CREDITS="0")
        assert about(lines, "access") == ["ok       access: the bot is public, and only ALLOWED_GUILDS can use it"]

    async def test_a_privacy_policy_is_shown(self, idle: Stage) -> None:
        application(idle.discord, bot_public=True, privacy_policy_url="https://example.com/privacy")

        _, lines = await checked(idle)

        assert about(lines, "privacy policy") == ["ok       privacy policy: https://example.com/privacy"]


@pytest.mark.parametrize("by_s", mostly_thorough([-3600, 600], by_default=[-3600]))
async def test_a_clock_that_is_wrong_is_told(build: Build, by_s: int) -> None:
    said = "1:00:00 ahead of Discord's" if by_s < 0 else "0:10:00 behind Discord's"
    stage = await build(start=False, discord=LocalDiscord(clock=lambda: time.time() + by_s))

    code, lines = await checked(stage)

    assert code == 0
    assert about(lines, "clock")[0].startswith(f"warning  clock: the clock of this machine is {said}")


CATALOG = """
[providers.{name}]
wire = "{wire}"
url = "{url}"
{more}

[[models]]
id = "{name}-model"
provider = "{name}"
name = "{model}"
seconds = [5]
sizes = ["720x1280"]
credits = 1
{model_more}
"""
QUEUE = 'body = {prompt = "{prompt}", image_url = "{picture}"}\nresult = "video.url"'


class Four:
    """A bot with four providers, of which the first is the local fal."""

    def __init__(self) -> None:
        self.fal, self.router, self.openrouter = LocalFal(), LocalComfyRouter(), LocalOpenRouter()
        self.comfyui = LocalComfyUI(settings=ComfySettings())
        self.all: list[LocalProvider] = [self.fal, self.router, self.openrouter, self.comfyui]

    def settings(
        self, folder: Path, *, openrouter_model: str = "alibaba/wan-2.6", comfyui_more: str = ""
    ) -> dict[str, str]:
        path = folder / "four.toml"
        path.write_text(
            CATALOG.format(name="fal", wire="queue", url=self.fal.url, more='key = "FAL_KEY"\nauth = "key"',
                           model="fal-ai/any", model_more=QUEUE)
            + CATALOG.format(name="router", wire="queue", url=self.router.url,
                             more='dialect = "comfy-router"\nkey = "COMFY_API_KEY"\nauth = "x-api-key"',
                             model="minimax/minimax-h3", model_more=QUEUE)
            + CATALOG.format(name="openrouter", wire="openrouter", url=self.openrouter.url,
                             more='key = "OPENROUTER_API_KEY"', model=openrouter_model, model_more="")
            + CATALOG.format(name="comfyui", wire="comfyui", url=self.comfyui.url, more='auth = "none"',
                             model="wan", model_more=f'workflow = "wan-2.2.json"\nfps = 24\n{comfyui_more}')
        )  # fmt: skip
        keys = {"COMFY_API_KEY": self.router.key, "OPENROUTER_API_KEY": self.openrouter.key}
        return {
            "VIDEO_CATALOG": str(path), "VIDEO_API_URL": self.fal.url, "VIDEO_API_KEY": self.fal.key, **keys,
        }  # fmt: skip


@pytest.fixture(name="four")
async def _four() -> AsyncIterator[Four]:
    four = Four()
    for provider in four.all:
        await provider.start()
    yield four
    for provider in four.all:
        await provider.stop()


class TestProviders:
    async def test_each_is_asked_about_its_key_and_its_models(self, idle: Stage, four: Four) -> None:
        code, lines = await checked(idle, **four.settings(idle.folder))

        assert code == 0, lines
        assert [line for line in lines if "provider" in line or "models" in line] == [
            "ok       provider fal: it accepts the key",
            "ok       models of fal: fal-model",
            "ok       provider router: it accepts the key",
            "ok       models of router: router-model",
            "ok       provider openrouter: it accepts the key",
            "ok       models of openrouter: openrouter-model",
            f"ok       provider comfyui: it answers at {four.comfyui.url}",
            "ok       models of comfyui: comfyui-model",
        ]
        assert sum(provider.creates for provider in four.all) == 0

    async def test_a_refused_key_names_its_variable_and_the_others_are_fine(self, idle: Stage, four: Four) -> None:
        settings = four.settings(idle.folder)

        code, lines = await checked(
            idle, **settings | {"VIDEO_API_KEY": "wrong-one", "OPENROUTER_API_KEY": "wrong-two"}
        )

        assert code == 1
        (fal,), (openrouter,) = about(lines, "provider fal"), about(lines, "provider openrouter")
        assert fal.startswith("problem  provider fal: it refuses the key")
        assert fal.endswith("Put a valid one into VIDEO_API_KEY or FAL_KEY.")
        assert openrouter.endswith("Put a valid one into OPENROUTER_API_KEY.")
        assert about(lines, "models of fal") == []
        assert about(lines, "provider router") == ["ok       provider router: it accepts the key"]
        assert "wrong-one" not in "\n".join(lines)

    async def test_one_that_is_down_is_told_and_the_others_are_fine(self, idle: Stage, four: Four) -> None:
        settings = four.settings(idle.folder)
        await four.router.stop()

        code, lines = await checked(idle, **settings)

        assert code == 1
        assert about(lines, "provider router")[0].startswith("problem  provider router: no usable answer from http://")
        assert lines[-1].startswith("1 problem, ")

    async def test_a_model_that_is_not_listed_is_told(self, idle: Stage, four: Four) -> None:
        code, lines = await checked(idle, **four.settings(idle.folder, openrouter_model="acme/gone"))

        assert code == 1
        (models,) = about(lines, "models of openrouter")
        assert models.startswith("problem  models of openrouter: openrouter does not list the model acme/gone. ")

    async def test_a_model_that_comfy_router_does_not_have_is_told(self, idle: Stage, four: Four) -> None:
        four.router.settings.models = ["minimax/another"]

        code, lines = await checked(idle, **four.settings(idle.folder))

        assert code == 1
        (models,) = about(lines, "models of router")
        assert models.startswith("problem  models of router: router does not have the model minimax/minimax-h3")

    async def test_a_node_that_comfyui_lacks_is_told(self, idle: Stage, four: Four) -> None:
        four.comfyui.settings.nodes = [node for node in NODES if node != "SaveVideo"]

        code, lines = await checked(idle, **four.settings(idle.folder))

        assert code == 1
        assert "SaveVideo" in about(lines, "models of comfyui")[0]

    async def test_a_provider_without_its_key_is_a_warning(self, idle: Stage, four: Four) -> None:
        settings = four.settings(idle.folder)
        del settings["OPENROUTER_API_KEY"]

        code, lines = await checked(idle, **settings)

        assert code == 0
        words = "OPENROUTER_API_KEY is not set: the models of openrouter are not on offer."
        assert about(lines, "catalog") == [f"warning  catalog: {words}"]

    async def test_models_that_have_ended_are_told_with_what_to_use_instead(self, idle: Stage, four: Four) -> None:
        ended = 'retired = { on = 2026-01-02, instead = ["fal-model"] }'
        settings = four.settings(idle.folder, comfyui_more=ended)

        _, lines = await checked(idle, **settings)

        words = "the model comfyui-model ended on 2026-01-02 and is not on offer. Use fal-model instead."
        assert about(lines, "catalog") == [f"warning  catalog: {words}"]


class TestThePublicAddress:
    async def test_a_running_bot_answers_there(self, build: Build) -> None:
        stage = await build(start=False)
        address = {"HTTP_PORT": str(port := free_port()), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
        stage.use(address)
        await stage.start_bot()

        code, lines = await checked(stage)

        assert code == 0
        assert about(lines, "PUBLIC_URL") == [f"ok       PUBLIC_URL: the bot answers at http://127.0.0.1:{port}"]

    async def test_nobody_and_somebody_else_are_told_apart(self, idle: Stage, four: Four) -> None:
        _, closed = await checked(idle, PUBLIC_URL=four.fal.url, CREDITS_SECRET="0123456789abcdef" * 2)
        _, nobody = await checked(idle, PUBLIC_URL="http://127.0.0.1:9", HTTP_PORT="8080")
        _, other = await checked(idle, PUBLIC_URL=four.fal.url, HTTP_PORT="8080")

        assert about(closed, "PUBLIC_URL")[0].startswith("warning  PUBLIC_URL: HTTP_PORT is 0")
        assert about(closed, "CREDITS_SECRET")[0].startswith("warning  CREDITS_SECRET: HTTP_PORT is 0")
        assert about(nobody, "PUBLIC_URL")[0].startswith("warning  PUBLIC_URL: nobody answers at http://127.0.0.1:9 (")
        assert "is not the bot (HTTP 40" in about(other, "PUBLIC_URL")[0]


class TestTheDatabaseAndTheDisk:
    @staticmethod
    def _with_schema(database: Path, version: int) -> None:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE schema_versions (version INTEGER)")
            connection.execute("INSERT INTO schema_versions VALUES (?)", (version,))

    async def test_a_newer_database_is_told(self, idle: Stage) -> None:
        self._with_schema(idle.database, 99)

        code, lines = await checked(idle)

        assert code == 1
        assert "was written by a newer version of this bot (schema 99" in about(lines, "database")[0]
        idle.database.unlink()

    async def test_what_is_no_database_of_this_bot_is_told_and_stays_as_it_is(self, idle: Stage) -> None:
        idle.database.write_bytes(b"my diary, page 1 " * 500)
        before = idle.database.read_bytes()

        code, lines = await checked(idle)

        assert code == 1
        assert "is not a database this bot can read" in about(lines, "database")[0]
        assert idle.database.read_bytes() == before
        idle.database.unlink()

    async def test_folders_that_cannot_be_written_to_are_told(self, idle: Stage) -> None:
        code, lines = await checked(idle, DATA_DIR="/proc/nowhere", DATABASE_URL="sqlite:////proc/nowhere/a.db")

        assert code == 1
        assert about(lines, "disk")[0].startswith("problem  disk: this user cannot write to /proc (")
        assert about(lines, "database")[0].startswith("problem  database: this user cannot write to /proc (")

    async def test_a_file_in_the_place_of_the_folder_is_told(self, idle: Stage) -> None:
        (idle.folder / "data").write_text("not a folder")

        code, lines = await checked(idle)

        assert code == 1
        assert about(lines, "disk")[0].endswith("is not a folder.")
