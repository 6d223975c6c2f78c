"""The first answer with a card, against a server that answers as Discord does or does not."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import discord
import pytest
from aiohttp import web
from discord import ui
from discord.http import Route
from discord.webhook.async_ import interaction_message_response_params

from bot.chat.cloudflare_block import CloudflareBlock
from bot.chat.discord_errors import ErrorKind, error_kind_of
from bot.chat.first_answer import Answer, body_of, send_card
from bot.models import MessageId

TAKEN = {"interaction": {"id": "9", "type": 2, "response_message_id": "55", "response_message_ephemeral": True}}


class Discord:
    """Gives one answer after the other, the last one for ever; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.asked: list[tuple[str, Any]] = []
        self._runner = web.ServerRunner(web.Server(self._answer))
        self.url = ""

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append((request.path_qs, await request.json()))
        return self.answers.pop(0)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Discord]:
    server = Discord()
    await server.start()
    monkeypatch.setattr(Route, "BASE", server.url)
    yield server
    await server.stop()


@pytest.fixture
async def interaction() -> AsyncIterator[discord.Interaction[Any]]:
    session = aiohttp.ClientSession(trace_configs=[CloudflareBlock(time.monotonic).trace()])
    http = SimpleNamespace(proxy=None, proxy_auth=None)
    asked = SimpleNamespace(id=9, token="token", _session=session, client=SimpleNamespace(http=http))
    asked.response = discord.InteractionResponse(cast("Any", asked))
    yield cast("Any", asked)
    await session.close()


def a_card() -> ui.LayoutView:
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.Container(ui.TextDisplay("in line")))
    return view


def refusal(status: int, code: int, **headers: str) -> web.Response:
    return told({"message": "no", "code": code, "retry_after": 0.01}, status, **headers)


def told(body: object, status: int = 200, **headers: str) -> web.Response:
    """As Discord tells it: without a charset."""
    said = json.dumps(body).encode()
    return web.Response(body=said, status=status, headers={"Content-Type": "application/json", **headers})


async def test_a_card_is_sent_as_discord_py_would_and_the_interaction_knows_that_it_is_answered(
    server: Discord, interaction: discord.Interaction[Any]
) -> None:
    server.answers = [told(TAKEN)]

    assert await send_card(interaction, body_of(a_card())) == Answer(MessageId(55), ephemeral=True)

    kind, nobody = discord.InteractionResponseType.channel_message, discord.AllowedMentions.none()
    own = interaction_message_response_params(type=kind.value, view=a_card(), allowed_mentions=nobody)
    assert server.asked == [("/interactions/9/token/callback?with_response=1", own.payload)]
    assert interaction.response.is_done()
    assert interaction.response.type is kind
    with pytest.raises(discord.InteractionResponded):
        await send_card(interaction, body_of(a_card()))


@pytest.mark.parametrize("said", [{}, [], {"interaction": {"id": "9"}}, {"interaction": None}])
async def test_an_answer_that_does_not_tell_of_a_message_leaves_the_card_unknown_but_answered(
    server: Discord, interaction: discord.Interaction[Any], said: object
) -> None:
    server.answers = [told(said)]
    assert await send_card(interaction, body_of(a_card())) is None
    assert interaction.response.is_done()


async def test_a_rate_limit_of_discords_is_waited_for(server: Discord, interaction: discord.Interaction[Any]) -> None:
    server.answers = [refusal(429, 0, Via="1.1 google"), told(TAKEN)]
    assert await send_card(interaction, body_of(a_card())) is not None
    assert len(server.asked) == 2


@pytest.mark.parametrize(("status", "code"), [(400, 200000), (400, 40060), (404, 10062), (429, 0)])
async def test_what_discord_refuses_is_told_as_discord_py_tells_it_and_leaves_the_interaction_unanswered(
    server: Discord, interaction: discord.Interaction[Any], status: int, code: int
) -> None:
    server.answers = [refusal(status, code)]
    with pytest.raises(discord.HTTPException) as refused:
        await send_card(interaction, body_of(a_card()))
    assert (refused.value.status, refused.value.code) == (status, code)
    assert (error_kind_of(refused.value) is ErrorKind.REFUSED) == (status == 400)
    assert not interaction.response.is_done()


async def test_while_the_edge_bars_this_address_no_first_answer_is_sent(
    server: Discord, interaction: discord.Interaction[Any]
) -> None:
    server.answers = [web.Response(text="error code: 1015", status=429, headers={"Retry-After": "60"})]
    with pytest.raises(discord.HTTPException):
        await send_card(interaction, body_of(a_card()))
    with pytest.raises(discord.RateLimited):
        await send_card(interaction, body_of(a_card()))
    assert len(server.asked) == 1


async def test_the_first_answer_goes_by_the_proxy(
    server: Discord, interaction: discord.Interaction[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers = [told(TAKEN)]
    interaction.client.http.proxy = server.url
    monkeypatch.setattr(Route, "BASE", "http://discord.invalid/api")
    assert await send_card(interaction, body_of(a_card())) is not None
    assert len(server.asked) == 1
