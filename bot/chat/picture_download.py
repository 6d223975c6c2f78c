"""Fetches a member's picture: from Discord's own hosts alone, also after a redirect, and never more than it said."""

from __future__ import annotations

import asyncio
import http

import aiohttp
from yarl import URL

from bot.chat.discord_errors import told
from bot.errors import ChatUnavailable, PictureRefused
from bot.i18n.marking import N_
from bot.models import Picture
from bot.proxy import proxy_for

DISCORDS = ("discordapp.com", "discordapp.net", "discord.com")
"""Attachments, what the media proxy shows of other places, stickers: by https, at hosts of these domains."""
HTTPS_PORT = 443
REDIRECTS = 3
WITHIN_S, IDLE_S, CONNECTED_WITHIN_S = 60.0, 15.0, 10.0
"""For one try, in all; between two pieces of it; for the connection."""
UNSIZED_BYTES = 26 * 1024 * 1024
"""Read of a picture whose size Discord does not tell; one that is longer is too large anyway."""
PICTURE_GONE = N_("The picture is no longer on Discord. Attach it again.")
PICTURE_ELSEWHERE = N_("This picture is not stored on Discord. Save it, then attach it.")
_MAY_PASS = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_EARLY, http.HTTPStatus.TOO_MANY_REQUESTS)


class PictureFetcher:
    """Owns its connections. Where Discord's API is elsewhere, by a setting, its host counts as one of Discord's."""

    def __init__(self, api_url: str) -> None:
        self._api = URL(api_url)
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, picture: Picture) -> bytes:
        """One try. Raises PictureRefused where another would end the same, else ChatUnavailable."""
        if not picture.url:  # its author has had it deleted
            raise PictureRefused(PICTURE_GONE)
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=WITHIN_S, sock_read=IDLE_S, sock_connect=CONNECTED_WITHIN_S)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            return await self._follow(self._session, picture)
        except ValueError:  # no address at all; aiohttp's own word for it is one, too
            raise PictureRefused(PICTURE_ELSEWHERE) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:  # not handed on: it has the signed address
            raise ChatUnavailable(f"the picture could not be fetched: {told(error)}") from None

    async def close(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()

    async def _follow(self, session: aiohttp.ClientSession, picture: Picture) -> bytes:
        address = URL(picture.url)
        for _ in range(REDIRECTS + 1):
            if not self._is_discords(address):
                raise PictureRefused(PICTURE_ELSEWHERE)
            async with session.get(address, allow_redirects=False, proxy=proxy_for(address)) as answer:
                if answer.status not in (301, 302, 303, 307, 308):
                    return await _read(answer, picture.size_bytes)
                address = address.join(URL(answer.headers.get("Location", "")))
        raise PictureRefused(PICTURE_GONE)

    def _is_discords(self, address: URL) -> bool:
        host = address.host or ""
        if address.user or address.password:
            return False
        if address.scheme == "https" and any(host == one or host.endswith(f".{one}") for one in DISCORDS):
            return address.explicit_port in (None, HTTPS_PORT)
        return address.is_absolute() and address.origin() == self._api.origin()


async def _read(answer: aiohttp.ClientResponse, size_bytes: int | None) -> bytes:
    if answer.status >= 500 or answer.status in _MAY_PASS:
        raise ChatUnavailable(f"the picture could not be fetched: HTTP {answer.status}")
    if answer.status != http.HTTPStatus.OK:
        raise PictureRefused(PICTURE_GONE)
    try:
        return await answer.content.readexactly(size_bytes or UNSIZED_BYTES)
    except asyncio.IncompleteReadError as error:
        if size_bytes is None:
            return error.partial
        raise ChatUnavailable(f"the picture was cut short: {len(error.partial)} of {size_bytes} bytes") from None
