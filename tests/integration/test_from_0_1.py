"""A database of 0.1 under this version: every row survives under today's names, and what was under way goes on."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.errors import StoreUnusable
from bot.jobs.providers import Providers
from bot.models import FailureKind, JobId, JobState, LedgerKind, Period, Scope, UserId
from bot.providers.openai import OpenAIProvider
from bot.providers.protocols import CreateRequest, Phase
from bot.providers.wires import connect
from bot.store import balances, jobs, ledger, users
from bot.store.database import Store
from bot.store.migrations import from_0_1, migrate, scripts
from bot.wire_config import ModelWire, ProviderConfig
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings
from tests.builders import NOON, limits
from tests.integration.test_migrations import fill, names, rows, schema
from tests.integration.test_store import bytes_of
from tests.integration.wires import picture
from tests.ledger_audit import differences

OF_0_1 = (Path(__file__).parents[1] / "data" / "schema_0_1.sql").read_text("utf-8")
DAY = (NOON.date() - NOON.date().replace(1970, 1, 1)).days
MS = int(NOON.timestamp() * 1000)
A_LIFE: dict[str, dict[str, object]] = {
    "budget": {"id": 1, "lines": 5},
    "servers": {"scope": 5, "ceiling_credits": 90, "ceiling_per": "ever"},
    "members": {"scope": 5, "member": 6, "epoch": 0, "credits": 30, "per": "ever"},
    "people": {"member": 6, "silent_at": MS},
    "budget_use": {"day": DAY, "credits": 4},
    "server_use": {"scope": 5, "day": DAY, "credits": 4},
    "member_use": {"scope": 5, "member": 6, "epoch": 0, "day": DAY, "credits": 3},
    "pots": {"id": 1, "scope": 5, "member": 6, "remaining": 1},
    "job_pots": {"job": 7, "pot": 1, "credits": 1},
    "jobs": {
        "id": 7, "key": "7k3m9qz", "state": "rendering", "state_at": MS, "created_at": MS, "scope": 5, "member": 6,
        "day": DAY, "epoch": 0, "model": "sora-2", "prompt": "puts on a hat", "seconds": 4, "size": "720x1280",
        "credits": 4, "from_allowance": 3, "picture_url": "https://cdn.example/cat.jpg", "picture_name": "cat.jpg",
        "picture_bytes": 0, "endpoint": "https://videos.example/v1", "tried_at": MS, "submitted_at": MS,
        "provider_id": "video_7",
    },
    "cards": {
        "job": 7, "application": 1, "channel": 2, "guild": 5, "message": 3, "token": "a-token", "token_ends_at": MS,
        "upload_limit": 10_485_760, "bot_reaches_at": MS,
    },
}  # fmt: skip
LINES: list[dict[str, object]] = [
    {"id": 1, "kind": "grant", "credits": 2, "from_pots": 2},
    {"id": 2, "kind": "allowance", "limit_credits": 30, "limit_per": "ever", "limit_source": "own"},
    {
        "id": 3, "kind": "reserve", "job": 7, "credits": -4, "from_allowance": -3, "from_pots": -1, "from_budget": -4,
        "day": DAY, "epoch": 0, "limit_credits": 30, "limit_per": "ever", "limit_source": "own",
        "ceiling_credits": 90, "ceiling_per": "ever", "budget_credits": 1000, "budget_per": "day",
    },
]  # fmt: skip
NOTHING: dict[str, object] = {
    "at": MS,
    "scope": 5,
    "member": 6,
    "credits": 0,
    "from_allowance": 0,
    "from_pots": 0,
    "from_budget": 0,
}


SECRET = "sk-live-0123456789abcdef"


def a_request() -> CreateRequest:
    return CreateRequest("", ModelWire("sora-2"), "puts on a hat", 4, "720x1280", picture("720x1280"))


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "animate.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OF_0_1)
    return path


def test_the_schema_is_what_a_new_database_has_and_every_row_survives(path: Path) -> None:
    fill(path)
    before = rows(path)

    migrate(path)

    fresh = path.with_name("fresh.db")
    migrate(fresh)
    assert schema(path) == schema(fresh)
    found, columns = rows(path), names(path)
    for table, kept in before.items():
        new = next((to for to, of in from_0_1._TABLES.items() if of == table), table)
        values = [{value for value in row if value is not None} for row in kept]
        if table == "jobs":  # the provider's id is in the ticket
            values = [{each for each in row if not str(each).startswith("provider_id ")} for row in values]
        assert len(found[new]) == len(kept) > 0
        assert all(of <= set(row) for of, row in zip(values, found[new], strict=True)), columns[new]


def live(path: Path, **of_the_job: object) -> None:
    """The rows of one job under way, and of what its member and server have."""
    with closing(sqlite3.connect(path)) as connection:
        for table, row in [*A_LIFE.items(), *(("ledger", NOTHING | line) for line in LINES)]:
            values = row | of_the_job if table == "jobs" else row
            slots = ", ".join(f":{name}" for name in values)
            connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({slots})", values)
        connection.commit()


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_video_under_way_is_asked_for_where_it_is_with_the_key(path: Path, slash: str) -> None:
    async with LocalOpenAI(key=SECRET, render=tiny_mp4, settings=OpenAISettings(render_seconds=None)) as local:
        mine = ProviderConfig("gptproto", "openai", local.url, SECRET)
        first = OpenAIProvider(mine)
        parts = json.loads(await first.create(a_request()))
        await first.close()
        live(path, endpoint=parts["endpoint"] + slash, provider_id=parts["id"])
        store = await Store.open(path)
        (job,) = await store.read(jobs.to_resume())
        await store.close()
        providers = Providers([mine], connect, ProviderConfig)
        local.finish(parts["id"])

        assert job.ticket is not None
        status = await providers.of(job).status(job.ticket)

        assert status.phase is Phase.DONE
        await providers.close()


async def test_what_was_under_way_goes_on_with_every_credit(path: Path) -> None:
    live(path)

    store = await Store.open(path)
    (job,) = await store.read(jobs.to_resume())
    balance = await store.read(balances.balance(Scope(5), UserId(6), [], limits(), NOON))
    muted = await store.read(users.has_muted_mentions(UserId(6)))
    moved = await store.write(jobs.move(job.id, job.state, JobState.FAILED, now=NOON, failure=FailureKind.PROVIDER))
    after = await store.read(balances.balance(Scope(5), UserId(6), [], limits(), NOON))
    newest = await store.read(ledger.newest(Scope(5), UserId(6), 9))
    await store.close()

    assert (job.id, job.state, job.wire) == (JobId(7), JobState.RENDERING, "openai")
    assert (job.picture.filename, job.picture.size_bytes, job.last_sent_at) == ("cat.jpg", None, NOON)
    assert (balance.limit.credits, balance.limit.per, balance.used, balance.bonus) == (30, Period.TOTAL, 3, 1)
    assert muted
    assert moved is not None
    assert (after.used, after.bonus) == (0, 2)
    assert [line.kind for line in newest][1:] == [LedgerKind.RESERVE, LedgerKind.QUOTA, LedgerKind.GRANT]
    with closing(sqlite3.connect(path)) as connection:
        assert differences(connection) == []


def test_a_second_start_changes_nothing(path: Path) -> None:
    fill(path)
    migrate(path)
    before = schema(path), rows(path)

    migrate(path)

    assert (schema(path), rows(path)) == before
    assert before[0]["versions"] == [(number,) for number, _ in scripts()]


def test_where_it_breaks_it_leaves_the_database_of_0_1(path: Path) -> None:
    fill(path)
    before = schema(path), rows(path)
    first = (1, scripts()[0][1] + "INSERT INTO nowhere VALUES (1);")

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(path, [first])

    assert (schema(path), rows(path)) == before


async def test_one_from_before_0_1_was_released_is_refused_and_left_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM schema_versions WHERE version = 9")
        connection.commit()
    before = bytes_of(path)

    with pytest.raises(StoreUnusable) as caught:
        await Store.open(path)

    assert str(caught.value).startswith(f"{path} was written before 0.1 was released (schema 8); start 0.1 on it once")
    assert bytes_of(path) == before
