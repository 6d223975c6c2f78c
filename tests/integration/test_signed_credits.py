"""Bonus credits from outside: given once for a key, to whoever knows the secret, and to nobody else."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.http_server import HttpServer
from bot.models import DIRECT
from bot.signed_credits import CreditRequest, SignedCredits, sign
from bot.store import credit_requests
from bot.store.credit_requests import Granted
from bot.store.database import Store
from tests.builders import GUILD, MEMBER, NOON, by
from tests.ledger_audit import differences

SECRET = "a-secret-of-more-than-32-characters"
ASKED = {"key": "order-1", "server": str(GUILD), "member": str(MEMBER), "credits": 40, "reason": "order 1"}


class Shop:
    """Sends requests; `store` is the bot's."""

    def __init__(self, port: int, store: Store) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.store = store

    async def asks(self, *, body: bytes | None = None, sent_at: str | None = None, **changes: Any) -> tuple[int, Any]:
        """Status and answer, or the word of the error."""
        body = json.dumps(ASKED | changes).encode() if body is None else body
        timestamp = sent_at or str(int(NOON.timestamp()))
        return await self.sends(timestamp, f"sha256={sign(SECRET.encode(), timestamp, body)}", body)

    async def sends(self, timestamp: str, signature: str, body: bytes) -> tuple[int, Any]:
        headers = {"X-Timestamp": timestamp, "X-Signature": signature}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.address}/credits", data=body, headers=headers) as answer,
        ):
            said = await answer.json()
            return answer.status, said["error"]["code"] if "error" in said else said

    async def grants(self) -> list[tuple[Any, ...]]:
        rows = await self.store.read(lambda tx: tx.all("SELECT scope, member, credits, reason FROM ledger ORDER BY id"))
        return [tuple(row) for row in rows]


@pytest.fixture(name="shop")
async def _shop(tmp_path: Path) -> AsyncIterator[Shop]:
    store = await Store.open(tmp_path / "animate.db")

    async def grant(asked: CreditRequest) -> Granted | None:
        unit = credit_requests.grant(by(asked.scope), asked.member, asked.credits, asked.reason, key=asked.key)
        return await store.write(unit)

    credits_ = SignedCredits(SECRET, grant=grant, knows=lambda scope: scope == GUILD, now=lambda: NOON)
    server = HttpServer(credits_.routes())
    yield Shop(await server.start("127.0.0.1", 0), store)
    await server.close()
    await store.close()
    with closing(sqlite3.connect(tmp_path / "animate.db")) as connection:
        assert differences(connection) == []


async def test_a_signed_request_grants_once_however_often_it_comes(shop: Shop) -> None:
    first, *others = await asyncio.gather(*(shop.asks() for _ in range(8)))
    answers = sorted([first, *others], key=lambda answer: answer[1]["repeated"])

    assert answers[0] == (200, {"granted": 40, "bonus_credits": 40, "repeated": False})
    assert answers[1:] == [(200, {"granted": 40, "bonus_credits": 40, "repeated": True})] * 7
    assert await shop.asks(credits=41) == (409, "key_used")
    assert await shop.asks(member="5") == (409, "key_used")
    assert await shop.asks(key="order-2", credits=2) == (200, {"granted": 2, "bonus_credits": 42, "repeated": False})
    assert await shop.asks(key="order-3", server=None, reason=None) == (
        200,
        {"granted": 40, "bonus_credits": 40, "repeated": False},
    )
    assert await shop.grants() == [
        (GUILD, MEMBER, 40, "order 1"),
        (GUILD, MEMBER, 2, "order 1"),
        (DIRECT, MEMBER, 40, None),
    ]


async def test_whoever_does_not_know_the_secret_or_heard_an_old_request_gets_nothing(shop: Shop) -> None:
    body, now = json.dumps(ASKED).encode(), str(int(NOON.timestamp()))
    right = f"sha256={sign(SECRET.encode(), now, body)}"
    late = [str(int((NOON + by_).timestamp())) for by_ in (timedelta(seconds=-301), timedelta(seconds=301))]

    refused = [
        await shop.sends(now, "", body),
        await shop.sends(now, right.removeprefix("sha256="), body),
        await shop.sends(now, right[:-1] + ("0" if right[-1] != "0" else "1"), body),
        await shop.sends(now, f"sha256={sign(b'another secret', now, body)}", body),
        await shop.sends(str(int(now) + 1), right, body),
        await shop.sends(now, right, body.replace(b"40", b"49")),
        await shop.sends(now, "sha256=é", body),
    ]

    assert refused == [(401, "bad_signature")] * 7
    assert [await shop.asks(sent_at=time) for time in late] == [(401, "bad_time")] * 2
    assert await shop.asks(sent_at="soon") == (401, "bad_time")
    assert await shop.grants() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"credits": 0}, {"credits": 1_000_001}, {"credits": "40"}, {"credits": True}, {"credits": 4.0},
        {"member": None}, {"member": 910}, {"member": "mia"}, {"member": "0"}, {"member": "9" * 19},
        {"server": "home"}, {"key": ""}, {"key": "k" * 201}, {"key": None}, {"key": "k\ud800"},
        {"reason": "r" * 201}, {"reason": "a\nb"},
        {"more": 1},
        {"body": b"[]"}, {"body": b"{"}, {"body": b"\xff"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_request_that_is_not_as_it_should_be_grants_nothing(shop: Shop, changes: dict[str, Any]) -> None:
    assert await shop.asks(**changes) == (400, "bad_request")
    assert await shop.grants() == []


async def test_servers_that_the_bot_is_not_in_and_large_bodies_are_refused(shop: Shop) -> None:
    assert await shop.asks(server="5") == (404, "unknown_server")
    assert await shop.asks(body=b"x" * 10_000) == (413, "too_large")
    assert await shop.grants() == []
