"""What holds for all of the bot's requests to Discord: the proxy they go by, and what their answers tell of the bot."""

from __future__ import annotations

import logging
import re
import time
import types
from collections.abc import Callable

import aiohttp
import yarl
from discord.http import HTTPClient

from bot.chat.clock import DiscordClock
from bot.chat.global_rate_limit import GlobalRateLimit
from bot.errors import SettingsError
from bot.proxy import UnusableProxyError, proxy_for

log = logging.getLogger(__name__)

CALLBACK = re.compile(r"/interactions/([0-9]+)/[^/]+/callback")
UNAUTHORIZED = 401
REFUSED = "Discord refuses the bot's token. Put the new one into DISCORD_TOKEN and restart the bot"
_SCHEMES = {"ws": "http", "wss": "https"}


class Connection:
    """Listens to the answers of discord.py's own session. A refused token concerns no card."""

    def __init__(
        self, api_url: str, clock: DiscordClock, listen: Callable[[aiohttp.TraceConfig], object] = lambda _: None
    ) -> None:
        """`listen` is given each session's trace: others count its requests, too."""
        self._others_listen = listen
        self.rate_limit = GlobalRateLimit(time.monotonic)
        self._api_url = api_url
        self._clock = clock
        self._was_taken = False
        self._is_refused = False
        self.redirected_to: str | None = None

    def listen(self, trace: aiohttp.TraceConfig) -> aiohttp.TraceConfig:
        """For the session."""
        self.rate_limit.listen(trace)
        trace.on_request_end.append(self._answered)
        trace.on_request_redirect.append(self._redirected)
        self._others_listen(trace)
        return trace

    def faults(self) -> list[str]:
        """In words, for whoever watches the process."""
        return [REFUSED] if self._is_refused else []

    async def _answered(
        self, _session: aiohttp.ClientSession, _context: types.SimpleNamespace, told: aiohttp.TraceRequestEndParams
    ) -> None:
        if not str(told.url).startswith(self._api_url):
            return
        answer = told.response
        if "Age" not in answer.headers:  # else it comes out of somebody's cache
            self._clock.dated(answer.headers.get("Date"))
        if "Authorization" not in told.headers:
            if answer.ok and (found := CALLBACK.search(told.url.path)):
                self._clock.answered(int(found[1]))
        elif answer.ok:
            self._token_was_accepted()
        elif answer.status == UNAUTHORIZED and answer.content_type == "application/json":
            self._token_was_refused()

    async def _redirected(
        self, _session: aiohttp.ClientSession, _context: types.SimpleNamespace, told: aiohttp.TraceRequestRedirectParams
    ) -> None:
        if str(told.url).startswith(self._api_url):
            self.redirected_to = told.response.headers.get("Location", "elsewhere")

    def _token_was_accepted(self) -> None:
        if self._is_refused:
            log.warning("Discord accepts the bot's token again")
        self._was_taken, self._is_refused = True, False

    def _token_was_refused(self) -> None:
        """Told once. At login the refusal itself ends the bot, with a sentence of its own."""
        if self._was_taken and not self._is_refused:
            log.error("%s. Videos go on, and nothing about their cards is given up", REFUSED)
            self._is_refused = True


def proxy_to(url: str) -> str | None:
    """A gateway is reached as web pages are. Raises SettingsError for what is no proxy that can be used."""
    page = yarl.URL(url)
    try:
        proxy = proxy_for(page.with_scheme(_SCHEMES.get(page.scheme, page.scheme)))
    except UnusableProxyError as error:
        raise SettingsError([f"{error}."]) from error
    return None if proxy is None else str(proxy)


def dial_by_environment(http: HTTPClient) -> None:
    """discord.py has one proxy for all it does; the gateway stands on another host, for which another may be set."""
    proxy_to("wss://gateway.discord.gg")  # one that is wrong is told before anything is connected

    async def ws_connect(url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        session: aiohttp.ClientSession = http._HTTPClient__session  # type: ignore[attr-defined]  # noqa: SLF001 - as discord.py's own webhooks do
        return await session.ws_connect(
            url,
            proxy=proxy_to(url),
            max_msg_size=0,
            timeout=aiohttp.ClientWSTimeout(ws_close=30.0),
            autoclose=False,
            headers={"User-Agent": http.user_agent},
            compress=compress,
        )

    setattr(http, "ws_connect", ws_connect)  # noqa: B010 - a method of one object


def is_gateway(url: object) -> bool:
    """Whether this can be what Discord's `/gateway/bot` names."""
    return isinstance(url, str) and yarl.URL(url).scheme in _SCHEMES and bool(yarl.URL(url).host)
