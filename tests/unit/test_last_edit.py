"""A card's last edit and what goes with it, against a server on loopback that is unwell."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import discord
import pytest
from aiohttp import web
from discord import ui
from discord.http import Route as DiscordRoute

from bot.chat.cloudflare_block import CloudflareBlock
from bot.chat.discord_errors import ErrorKind, Transport
from bot.chat.edit_rate_limit import EditRateLimit
from bot.chat.last_edit import LastEdit
from bot.chat.send_once import SendOnce
from bot.chat.transports import Transports
from bot.chat.upload_limits import STEPS, KnownLimits
from bot.models import Job, JobId, UserId
from tests.builders import GUILD, NOON, a_card, a_job


class Memory:
    """Forgets all."""

    async def token_died(self, job: JobId) -> None: ...

    async def bot_lost_access(self, job: JobId) -> None: ...

    async def card_removed(self, job: JobId) -> None: ...


class Edge:
    """Answers every request with `status`, and counts."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: dict[str, str] = {}
        self.body = "<html>"
        self.requests: list[tuple[str, str, str | None, int]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((request.method, request.path, request.headers.get("Authorization"), len(body)))
        if self.status == 200:
            return web.json_response({"id": "9"})
        return web.Response(status=self.status, body=self.body.encode(), headers=self.headers)


@pytest.fixture(name="edge")
async def _edge(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Edge]:
    edge = Edge()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{tail:.*}", edge.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setattr(DiscordRoute, "BASE", f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield edge
    await runner.cleanup()


@asynccontextmanager
async def _transports(server: dict[str, object] | None = None) -> AsyncIterator[Transports]:
    """`server` is what Discord has told of it; None: nothing, another process is told of it."""
    client = discord.Client(intents=discord.Intents.none())
    client.http.token = "bot-token"
    if server is not None:
        client._connection._add_guild_from_data(cast(Any, {"id": GUILD} | server))
    transports = Transports(client, Memory(), now=lambda: NOON)
    try:
        yield transports
    finally:
        await transports.close()


async def _sleepless(_seconds: float) -> None: ...


def _view(_plain: bool) -> ui.LayoutView:  # noqa: FBT001 - as the last edit hands it
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay("done"))
    return view


def _video(folder: Path) -> Path:
    path = folder / "1.mp4"
    path.write_bytes(b"v" * 2**20)
    return path


@pytest.mark.parametrize(
    ("card", "path"),
    [
        pytest.param({"bot_reaches": False}, "/webhooks/1/interaction-token/messages/3", id="token"),
        pytest.param({"token": None}, "/channels/2/messages/3", id="bot", marks=pytest.mark.thorough),
    ],
)
async def test_an_upload_that_is_never_taken_ends_and_was_not_sent_all_the_time(
    edge: Edge, tmp_path: Path, card: dict[str, Any], path: str
) -> None:
    job: Job = a_job(card=a_card(**card))
    async with _transports() as transports:
        error_kind = await LastEdit(transports, EditRateLimit(time.monotonic, _sleepless)).make(
            job, _view, [(job, _video(tmp_path))], for_s=2.0
        )

    assert error_kind is ErrorKind.PASSING
    assert 2 <= len(edge.requests) <= 6
    assert {(method, there) for method, there, *_ in edge.requests} == {("PATCH", path)}
    assert {key for *_, key, _ in edge.requests} == {None if "webhooks" in path else "Bot bot-token"}
    assert all(size > 2**20 for *_, size in edge.requests)


async def test_an_upload_by_either_token_has_no_bound_in_all_but_its_own() -> None:
    client = discord.Client(intents=discord.Intents.none())
    once = SendOnce(client, CloudflareBlock(time.monotonic))

    timeout = once.session.timeout
    await once.close()

    assert timeout.total is None  # discord.py's session gives up after 300 s
    assert timeout.sock_read == 120


async def test_a_word_for_the_member_alone_is_sent_once_whatever_comes_back(edge: Edge) -> None:
    async with _transports() as transports:
        with pytest.raises(discord.DiscordServerError):
            await transports.send_ephemeral_followup(a_job(), "a word")

    assert [there for _, there, *_ in edge.requests] == ["/webhooks/1/interaction-token"]


async def test_a_ban_by_the_edge_is_obeyed_by_every_session_until_it_is_over(edge: Edge) -> None:
    now = [100.0]
    block = CloudflareBlock(lambda: now[0])
    edge.status, edge.headers = 429, {"Retry-After": "40"}
    async with (
        aiohttp.ClientSession(trace_configs=[block.trace()]) as one,
        aiohttp.ClientSession(trace_configs=[block.trace()]) as other,
    ):
        async with one.get(f"{DiscordRoute.BASE}/users/@me"):
            pass
        with pytest.raises(discord.RateLimited) as refused:
            await other.get(f"{DiscordRoute.BASE}/users/@me")
        now[0] += 40
        async with other.get(f"{DiscordRoute.BASE}/users/@me"):
            pass

    assert refused.value.retry_after == 40
    assert len(edge.requests) == 2


async def test_discords_own_429_bars_nobody(edge: Edge) -> None:
    block = CloudflareBlock(time.monotonic)
    edge.status, edge.headers = 429, {"Retry-After": "40", "Via": "1.1 google", "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession(trace_configs=[block.trace()]) as session,
        session.get(f"{DiscordRoute.BASE}/users/@me"),
    ):
        pass

    assert block.left_s == 0


def test_each_refusal_of_a_size_makes_the_next_smaller_until_none_is_worth_a_try() -> None:
    now = [NOON]
    limits = KnownLimits(lambda: now[0])
    sizes = [13 * 2**20]
    while limits.refused("there", sizes[-1]):
        sizes.append(limits.lower_of(50_000_000, "there"))

    assert sizes[1:3] == [STEPS[4], STEPS[5]]
    assert sizes == sorted(set(sizes), reverse=True)
    assert len(sizes) < 16
    assert limits.lower_of(50_000_000, "elsewhere") == 50_000_000
    now[0] += timedelta(days=1)
    assert limits.lower_of(50_000_000, "there") == 50_000_000


async def test_what_was_refused_by_the_bots_own_token_counts_in_the_whole_server_and_by_a_members_for_them() -> None:
    job = a_job(card=a_card(upload_limit_bytes=100_000_000))
    other = a_job(2, member=UserId(job.member + 1), card=a_card(channel=7, upload_limit_bytes=100_000_000))
    async with _transports() as transports:
        assert transports.refused_size(job, Transport.TOKEN, 60_000_000)
        assert transports.refused_size(job, Transport.BOT, 11_000_000)
        found = [
            transports.upload_limit(one, transport)
            for one in (job, other)
            for transport in (Transport.TOKEN, Transport.BOT, None)
        ]

    assert found == [50_000_000, 10_000_000, 20_000_000, 100_000_000, 10_000_000, 20_000_000]


@pytest.mark.parametrize("server", [None, {"unavailable": True}], ids=["of-another-process", "not-told-of-yet"])
async def test_where_the_servers_boosts_are_not_known_its_members_limit_counts_as_long_as_discord_refuses_nothing(
    server: dict[str, object] | None,
) -> None:
    job = a_job(card=a_card(upload_limit_bytes=100_000_000))
    async with _transports(server) as transports:
        before = [transports.upload_limit(job, transport) for transport in (Transport.BOT, None)]
        transports.refused_size(job, Transport.BOT, 60_000_000)
        after = transports.upload_limit(job, Transport.BOT)

    assert (before, after) == ([100_000_000, 20_000_000], 50_000_000)


async def test_a_token_that_dies_takes_its_members_limit_along_before_the_upload_is_sent_again(
    edge: Edge, tmp_path: Path
) -> None:
    edge.status, edge.headers = 401, {"Content-Type": "application/json"}
    edge.body = '{"message": "Invalid Webhook Token", "code": 50027}'
    job = a_job(card=a_card(upload_limit_bytes=100_000_000))
    path = tmp_path / "1.mp4"
    path.write_bytes(b"v" * 21_000_000)
    async with _transports({}) as transports:
        error_kind = await LastEdit(transports, EditRateLimit(time.monotonic, _sleepless)).make(
            job, _view, [(job, path)], for_s=2.0
        )
        limit = transports.upload_limit(job, Transport.TOKEN)

    assert error_kind is ErrorKind.TOO_LARGE
    assert [there for _, there, *_ in edge.requests] == ["/webhooks/1/interaction-token/messages/3"]
    assert limit == 100_000_000  # nothing was learnt of it
