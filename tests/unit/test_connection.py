"""By which proxy Discord is reached, and what ended the connection, as the operator reads it."""

from __future__ import annotations

from typing import Any, cast

import aiohttp
import discord
import pytest

from bot.chat.connection import is_gateway, proxy_to
from bot.chat.connection_errors import ended, login_failed
from bot.errors import ChatUnavailable, SettingsError
from tests.unit.test_discord_errors import PAGE, http_error

REST, GATEWAY = "https://discord.com/api/v10", "wss://gateway.discord.gg"
OTHER = "https://rest.example/api/v10"
NAMES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without any proxy."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("settings", "rest", "gateway"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128", "http://proxy:3128"),
        ({"https_proxy": "http://mia:secret@proxy:3128"}, "http://mia:secret@proxy:3128", "http://mia:secret@proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128", "http://proxy:3128"),
        ({"HTTPS_PROXY": ""}, None, None),
        ({"HTTP_PROXY": "http://proxy:3128"}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "discord.com"}, None, "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".discord.gg, localhost"}, "http://proxy:3128", None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, None, None),
    ],
)  # fmt: skip
def test_the_environment_says_by_which_proxy_each_of_discords_hosts_is_reached(
    environment: pytest.MonkeyPatch, settings: dict[str, str], rest: str | None, gateway: str | None
) -> None:
    for name, value in settings.items():
        environment.setenv(name, value)

    assert (proxy_to(REST), proxy_to(GATEWAY)) == (rest, gateway)


@pytest.mark.parametrize("proxy", ["socks5://proxy:1080", "ftp://proxy", "http://"])
def test_a_proxy_that_cannot_be_used_is_one_sentence(environment: pytest.MonkeyPatch, proxy: str) -> None:
    environment.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(SettingsError) as refused:
        proxy_to(REST)
    assert refused.value.sentences == ("HTTPS_PROXY has to begin with http:// or https://.",)


def _refused(cause: discord.HTTPException) -> discord.LoginFailure:
    failure = discord.LoginFailure("refused")
    failure.__cause__ = cause
    return failure


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (_refused(http_error(401)), "DISCORD_TOKEN is wrong: Discord refuses it."),
        (_refused(http_error(401, content_type=PAGE)), "DISCORD_API_URL is wrong: what answers at"),
        (http_error(404), "DISCORD_API_URL is wrong: what answers at"),
        (http_error(403, content_type=PAGE), "DISCORD_API_URL is wrong: what answers at"),
        (http_error(405), "DISCORD_API_URL is wrong: what answers at"),
        (KeyError("id"), "DISCORD_API_URL is wrong: what answers at"),
        (TypeError("string indices"), "DISCORD_API_URL is wrong: what answers at"),
    ],
)
def test_what_is_no_discord_is_told_as_a_wrong_setting(error: Exception, sentence: str) -> None:
    told = login_failed(error, OTHER)

    assert isinstance(told, SettingsError)
    assert str(told).startswith(sentence)


@pytest.mark.parametrize("error", [http_error(503), http_error(429), discord.RateLimited(90)])
def test_a_discord_that_is_unwell_at_login_is_no_wrong_setting(error: Exception) -> None:
    assert isinstance(login_failed(error, OTHER), ChatUnavailable)


@pytest.mark.parametrize("error", [http_error(403, content_type=PAGE), http_error(404), KeyError("id")])
def test_at_discords_own_address_it_is_not_the_address_that_is_wrong(error: Exception) -> None:
    assert isinstance(login_failed(error, REST), ChatUnavailable)


def _closed(code: int) -> discord.ConnectionClosed:
    return discord.ConnectionClosed(cast("Any", None), shard_id=0, code=code)


@pytest.mark.parametrize("code", [4010, 4011, 4012, 4013, 4014, 4099])
def test_a_gateway_that_takes_this_bot_no_more_is_one_sentence(code: int) -> None:
    told = ended(_closed(code), REST)

    assert isinstance(told, ChatUnavailable)
    assert f"({code})" in str(told)


def test_intents_that_are_not_granted_are_one_sentence() -> None:
    assert "(4014)" in str(ended(discord.PrivilegedIntentsRequired(0), REST))


def test_a_token_that_the_gateway_refuses_is_a_wrong_setting() -> None:
    assert isinstance(ended(_closed(4004), REST), SettingsError)


def test_trouble_of_the_network_is_told_without_an_address_that_may_hold_a_token() -> None:
    told = ended(aiohttp.ServerDisconnectedError("https://discord.com/webhooks/1/secret"), REST)

    assert str(told) == f"Discord cannot be reached at {REST}: ServerDisconnectedError"
    assert ended(RuntimeError("ours"), REST) is None


@pytest.mark.parametrize("url", ["wss://gateway.discord.gg", "ws://127.0.0.1:8/gateway/"])
def test_a_gateway_is_the_address_of_a_websocket(url: str) -> None:
    assert is_gateway(url)


@pytest.mark.parametrize("url", ["https://discord.com", "wss://", "", None, 7])
def test_anything_else_is_no_gateway(url: object) -> None:
    assert not is_gateway(url)
