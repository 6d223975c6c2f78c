"""The bot's one HTTP server. What it answers is in `health` and `hosted_pictures`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from aiohttp import web

from bot.errors import SettingsError

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 64
"""Beyond that the oldest one is cut: a request here takes milliseconds, so an old connection waits for nothing."""
MOST_REQUEST_BYTES = 4096
ENDS_WITHIN_S = 1.0


class HttpServer:
    """Owns the port. A proxy in front of it brings https and everything else that the open internet needs."""

    def __init__(self, routes: Iterable[web.RouteDef], *, most_connections: int = MOST_CONNECTIONS) -> None:
        app = web.Application(client_max_size=MOST_REQUEST_BYTES)
        app.add_routes(routes)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=ENDS_WITHIN_S,
            keepalive_timeout=15.0,
            max_line_size=MOST_REQUEST_BYTES,
            max_field_size=MOST_REQUEST_BYTES,
        )
        self._most_connections = most_connections
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens, and tells the port. Raises SettingsError when it cannot."""
        await self._runner.setup()
        try:
            self._listener = await asyncio.get_running_loop().create_server(self._connected, host, port)
        except OSError as error:
            raise SettingsError(
                [f"HTTP_HOST and HTTP_PORT are wrong: {host}:{port} cannot be used ({error})."]
            ) from error
        bound: int = self._listener.sockets[0].getsockname()[1]
        log.info("health at http://%s:%s/healthz", host, bound)
        return bound

    async def close(self) -> None:
        """Stops listening, and ends every connection."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()

    def _connected(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        transports = [each.transport for each in server.connections]
        living = [transport for transport in transports if transport is not None and not transport.is_closing()]
        if len(living) >= self._most_connections:
            living[0].abort()
        return server()
