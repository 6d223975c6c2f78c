"""The rules of a server as they are held against a request: of all words that are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.catalog import Catalog, Style
from bot.errors import WordBarred
from bot.jobs.server_rules import RulesOfServers
from bot.models import VideoSpec
from bot.server_rules import NOWHERE
from bot.store import server_rules
from bot.store.database import Store
from tests.builders import GUILD, by, seed_catalog


def a_catalog() -> Catalog:
    catalog = seed_catalog()
    catalog.styles = (Style("Horror", "dark, with gore"),)
    return catalog


@pytest.fixture(name="store")
async def _store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "animate.db")
    yield store
    await store.close()


async def test_a_barred_word_of_a_style_is_barred_too(store: Store) -> None:
    await store.write(server_rules.set_server(by(GUILD), age_restricted_only=None, barred_words=["gore"]))
    held = RulesOfServers(store, a_catalog())

    plain = await held.check(GUILD, [], NOWHERE, VideoSpec("sora-2", "a hat"))
    with pytest.raises(WordBarred):
        await held.check(GUILD, [], NOWHERE, VideoSpec("sora-2", "a hat", style="Horror"))

    assert plain.prompt == "a hat"
