"""The cogs as discord.py takes them, into a bot that is not connected; what they do is tested through the whole bot."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.app import add_cogs
from bot.chat import buttons, privacy
from bot.chat.client import AnimateBot
from bot.chat.clock import DiscordClock
from bot.chat.connection import Connection
from bot.errors import StoreUnavailable
from bot.i18n.translations import TranslationCatalog
from tests.builders import seed_catalog

COGS = Path(__file__).parents[2] / "cogs"
API = "http://127.0.0.1:1/api"
SERVICE: Any = SimpleNamespace(
    catalog=seed_catalog(), library=None, personal_data=None, endpoint=API, retention=None, admin=None
)


@pytest.fixture
async def bot() -> AnimateBot:
    async def nothing(*_: object) -> None:
        pass

    bot = AnimateBot(
        api_url=API,
        allowed_guilds=frozenset(),
        memory=cast("Any", None),
        sessions=cast("Any", None),
        connection=Connection(API, DiscordClock()),
        translation_catalog=TranslationCatalog(),
        add_commands=nothing,
        resume=nothing,
        direct_is_open=False,
    )
    bot._connection.user = cast("Any", SimpleNamespace(id=1))
    await add_cogs(bot, SERVICE, cast("Any", SimpleNamespace(most_takes=4)), cast("Any", None))
    return bot


async def test_where_the_jobs_of_before_cannot_be_read_the_connection_ends_too(bot: AnimateBot) -> None:
    async def fail() -> None:
        raise StoreUnavailable("the disk is gone")

    async def listen(*, reconnect: bool) -> None:
        await asyncio.get_running_loop().create_future()

    bot._resume, bot._listen = fail, listen  # type: ignore[method-assign]

    with pytest.raises(StoreUnavailable, match="the disk is gone"):
        await asyncio.wait_for(bot.connect(), 5)
    assert not bot.resumed.is_set()


def entries() -> dict[str, ast.Module]:
    """The modules that `bot.app` calls, by name."""
    paths = [path for path in COGS.glob("*.py") if path.name != "__init__.py"] + list(COGS.glob("*/__init__.py"))
    assert len(paths) >= 8
    return {str(path.relative_to(COGS)): ast.parse(path.read_text("utf-8")) for path in paths}


def nested_commands(tree: ast.AST) -> Iterator[str]:
    """Functions inside of functions that a decorator makes a command."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for inner in (node for outer in functions for node in ast.walk(outer) if node is not outer):
        if isinstance(inner, ast.AsyncFunctionDef) and any("command" in ast.dump(d) for d in inner.decorator_list):
            yield inner.name


def test_each_module_holds_a_cog_and_ends_with_its_setup() -> None:
    for name, tree in entries().items():
        last = tree.body[-1]
        assert isinstance(last, ast.AsyncFunctionDef), name
        assert (last.name, last.args.args[0].arg) == ("setup", "bot"), name
        assert any(isinstance(node, ast.ClassDef) for node in tree.body), name


def test_no_command_is_a_function_inside_of_another() -> None:
    found = {str(path): list(nested_commands(ast.parse(path.read_text("utf-8")))) for path in COGS.rglob("*.py")}

    assert {name: inner for name, inner in found.items() if inner} == {}
    assert list(nested_commands(ast.parse("def f():\n @tree.command()\n async def g(): pass"))) == ["g"]


def test_a_command_that_is_reached_belongs_to_a_cog(bot: AnimateBot) -> None:
    names = [command.qualified_name for command in bot.tree.walk_commands()]

    assert {"animate", "quota", "videos", "privacy", "animate-admin quota set", "animate-admin pause"} <= set(names)
    assert all(getattr(command, "binding", bot) is not None for command in bot.tree.walk_commands())


def test_every_button_has_somebody_who_answers_it(bot: AnimateBot) -> None:
    assert set(bot.actions) == set(buttons._LABELS)
    assert set(bot.personal) == set(privacy._LABELS)
    assert bot.pages["videos"].__self__ is bot.get_cog("Videos")  # type: ignore[attr-defined]


async def test_a_cog_takes_its_commands_and_listeners_along_when_it_goes(bot: AnimateBot) -> None:
    assert len(bot.tree.get_commands()) == 6

    for name in list(bot.cogs):
        await bot.remove_cog(name)

    assert bot.tree.get_commands() == []
    assert not any(bot.extra_events.values())
