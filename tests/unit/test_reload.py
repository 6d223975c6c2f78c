"""The catalog read anew while the bot runs: what this process cannot do is refused, and nothing ends the reloading."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot import log
from bot.reload import Reloader
from bot.settings import Settings
from bot.wire_config import ChatModelConfig

CATALOG = """
[providers.mine]
wire = "openrouter"
url = "http://127.0.0.1:8000/v1"
key = "MY_KEY"

[[models]]
id = "a"
seconds = [4]
sizes = ["720x1280"]
credits = 1
"""


class Bot:
    """Everything that a reload touches; `offered` are the models of each."""

    def __init__(self) -> None:
        self.offered: list[list[str]] = []
        self.renewed = asyncio.Event()
        self.config: ChatModelConfig | None = None
        self.context = SimpleNamespace(
            providers=SimpleNamespace(use=lambda _: []),
            catalog=SimpleNamespace(become=lambda new: self.offered.append([model.id for model in new.models])),
            queue=SimpleNamespace(use=lambda _: None),
        )

    def check_workflows(self) -> None: ...

    async def renew_commands(self) -> None:
        self.renewed.set()

    def reloader(self, settings: Settings, load: Callable[[], Settings] = Settings.load) -> Reloader:
        return Reloader(
            settings, cast("Any", self.context), cast("Any", self), cast("Any", self), cast("Any", self), load
        )


@pytest.fixture(name="catalog")
def _catalog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "catalog.toml"
    path.write_text(CATALOG)
    for name, value in {"DISCORD_TOKEN": "a-token-of-discord", "MY_KEY": "first", "VIDEO_CATALOG": str(path)}.items():
        monkeypatch.setenv(name, value)
    return path


async def reloaded(bot: Bot, reloader: Reloader) -> None:
    """Once, to its end."""
    bot.renewed.clear()
    running = asyncio.create_task(reloader.run())
    reloader.ask()
    async with asyncio.timeout(5):
        await bot.renewed.wait()
    running.cancel()


def test_a_model_whose_picture_this_process_cannot_serve_is_refused(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """PUBLIC_URL takes effect at the next start."""
    bot, settings = Bot(), Settings.load()
    monkeypatch.setenv("PUBLIC_URL", "https://bot.example.com")
    monkeypatch.setenv("HTTP_PORT", "8080")
    catalog.write_text(CATALOG + 'picture = "url"\n')

    asyncio.run(bot.reloader(settings)._reload())

    assert bot.offered == []
    assert "PUBLIC_URL and HTTP_PORT are needed for a" in caplog.text


async def test_a_reload_that_fails_in_any_way_is_not_the_last(catalog: Path, caplog: pytest.LogCaptureFixture) -> None:
    bot, settings = Bot(), Settings.load()
    fails = [True]

    def load() -> Settings:
        if fails:
            fails.clear()
            reloader.ask()
            raise RuntimeError("something nobody thought of")
        return Settings.load()

    reloader = bot.reloader(settings, load)
    await reloaded(bot, reloader)

    assert bot.offered == [["a"]]
    assert "the catalog stays as it was" in caplog.text


async def test_a_key_of_any_reload_is_in_no_line_of_the_log(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: list[set[str]] = []
    monkeypatch.setattr(log, "set_up", lambda *given: hidden.append(set(given[2])))
    bot, settings = Bot(), Settings.load()
    reloader = bot.reloader(settings)

    for key in ("second", "third", "first"):
        monkeypatch.setenv("MY_KEY", key)
        await reloaded(bot, reloader)

    assert hidden[-1] >= {"first", "second", "third", "a-token-of-discord"}
    assert all(later >= earlier for earlier, later in itertools.pairwise(hidden))


async def test_the_chat_model_is_that_of_the_newest_reload_with_its_key_out_of_the_log(
    catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden: list[set[str]] = []
    monkeypatch.setattr(log, "set_up", lambda *given: hidden.append(set(given[2])))
    bot, settings, key = Bot(), Settings.load(), catalog.with_name("key")
    reloader = bot.reloader(settings)
    chat = {"URL": "http://127.0.0.1:8001/v1", "MODEL": "words", "PER_DAY": "3", "KEY_FILE": str(key)}
    for name, value in chat.items():
        monkeypatch.setenv(f"PROMPT_HELPER_{name}", value)

    for word in ("one-key", "another-key"):
        key.write_text(word)
        await reloaded(bot, reloader)
        assert bot.config == ChatModelConfig("http://127.0.0.1:8001/v1", "words", word, 3)
    for name in chat:
        monkeypatch.delenv(f"PROMPT_HELPER_{name}")
    await reloaded(bot, reloader)

    assert bot.config is None
    assert hidden[-1] >= {"one-key", "another-key"}


def test_a_chat_model_that_cannot_be_asked_changes_nothing(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bot, settings = Bot(), Settings.load()
    bot.config = asked = ChatModelConfig("http://127.0.0.1:8001/v1", "words", None, 3)
    monkeypatch.setenv("PROMPT_HELPER_URL", "http://127.0.0.1:8002/v1")

    asyncio.run(bot.reloader(settings)._reload())

    assert bot.config is asked
    assert bot.offered == []
    assert "PROMPT_HELPER_MODEL is missing" in caplog.text
