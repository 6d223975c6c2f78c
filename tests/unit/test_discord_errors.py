"""What an error of Discord says about the way to a card; only codes that speak about the way shut it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import discord
import pytest

from bot.chat.discord_errors import TROUBLE, UPLOAD_LIMITS, ErrorKind, error_kind_of, own_upload_limit, told

JSON = "application/json"
PAGE = "text/html; charset=UTF-8"
TOKEN = "aW50ZXJhY3Rpb246MTIz"


def http_error(status: int, code: int = 0, *, content_type: str = JSON) -> discord.HTTPException:
    """As discord.py makes it of an answer of Discord, or of a page."""
    response = cast("Any", SimpleNamespace(status=status, reason="", headers={"Content-Type": content_type}))
    kind = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    return kind(response, {"code": code, "message": "no"} if content_type == JSON else "<html>no</html>")


@pytest.mark.parametrize(
    ("error", "error_kind"),
    [
        (http_error(401, 50027), ErrorKind.TRANSPORT_DEAD),  # the token of the interaction, used up
        (http_error(404, 10015), ErrorKind.TRANSPORT_DEAD),
        (http_error(404, 10062), ErrorKind.TRANSPORT_DEAD),
        (http_error(404, 10003), ErrorKind.TRANSPORT_DEAD),
        (http_error(403, 50001), ErrorKind.TRANSPORT_DEAD),
        (http_error(403, 50007), ErrorKind.TRANSPORT_DEAD),  # direct messages
        (http_error(404, 10008), ErrorKind.REMOVED),
        (http_error(403, 50013), ErrorKind.NOT_PERMITTED),
        (http_error(400, 50083), ErrorKind.ARCHIVED),
        (http_error(400, 160005), ErrorKind.ARCHIVED),
        (http_error(400, 160009), ErrorKind.NO_REPLY),
        (http_error(403, 160010), ErrorKind.NO_REPLY),
        (http_error(413), ErrorKind.TOO_LARGE),
        (http_error(413, content_type=PAGE), ErrorKind.TOO_LARGE),
        (http_error(400, 40005), ErrorKind.TOO_LARGE),
        (http_error(400, 50035), ErrorKind.REFUSED),
        (http_error(400, 200000), ErrorKind.REFUSED),  # AutoMod
        (http_error(429), ErrorKind.PASSING),
        (http_error(500), ErrorKind.PASSING),
        (http_error(502), ErrorKind.PASSING),
        (discord.RateLimited(30.0), ErrorKind.PASSING),
        (aiohttp.ClientConnectionError(), ErrorKind.PASSING),
        (TimeoutError(), ErrorKind.PASSING),
        (OSError(), ErrorKind.PASSING),
    ],
)
def test_an_error_tells_what_becomes_of_a_route(error: Exception, error_kind: ErrorKind) -> None:
    assert isinstance(error, TROUBLE)
    assert error_kind_of(error) is error_kind


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 429])
def test_a_page_of_an_edge_says_nothing_about_a_card(status: int) -> None:
    assert error_kind_of(http_error(status, content_type=PAGE)) is ErrorKind.PASSING


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, 0),  # the bot's own token was reset
        (401, 40001),
        (401, 50014),
        (403, 0),
        (403, 40333),  # "internal network error": the address is barred for now
        (404, 0),
        (403, 40003),  # direct messages opened too fast
        (403, 99_999),  # a code that is not known yet
    ],
)
def test_a_refusal_without_a_code_about_the_way_passes(status: int, code: int) -> None:
    assert error_kind_of(http_error(status, code)) is ErrorKind.PASSING


def test_an_error_in_the_log_has_kind_and_codes_but_no_words() -> None:
    url = f"https://discord.com/api/v10/webhooks/1/{TOKEN}/messages/2"
    key = cast("Any", SimpleNamespace(host="discord.com", port=443, is_ssl=True, ssl=True))
    errors: list[tuple[BaseException, str]] = [
        (http_error(403, 50001), "Forbidden 403, code 50001"),
        (aiohttp.ConnectionTimeoutError(f"Connection timeout to host {url}"), "ConnectionTimeoutError"),
        (aiohttp.ClientConnectorError(key, OSError(111, "Connection refused")), "ClientConnectorError ECONNREFUSED"),
        (aiohttp.ClientResponseError(cast("Any", SimpleNamespace(real_url=url)), (), status=502, message=url),
         "ClientResponseError 502"),
        (discord.RateLimited(90.0), "RateLimited"),
    ]  # fmt: skip

    assert [told(error) for error, _ in errors] == [line for _, line in errors]


@pytest.mark.parametrize(("tier", "limit"), [(0, 20_000_000), (1, 20_000_000), (2, 50_000_000), (3, 100_000_000)])
def test_by_its_own_token_the_bot_may_upload_what_discord_documents(tier: int, limit: int) -> None:
    assert own_upload_limit(tier) == limit


def test_a_boost_that_is_not_known_yet_counts_as_none() -> None:
    assert own_upload_limit(max(UPLOAD_LIMITS) + 1) == 20_000_000
