"""What stands in for Sentry: its envelope endpoint on loopback (https://develop.sentry.dev/sdk/data-model/envelopes/)."""

from __future__ import annotations

import json
from typing import Any, Self

from aiohttp import web

KEY = "0123456789abcdef0123456789abcdef"


class LocalSentry:
    """Serves while it is open. `events` are those that came, `text` is all that came."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.text = ""
        self.dsn = ""
        app = web.Application()
        app.router.add_post("/api/7/envelope/", self._take)
        self._runner = web.AppRunner(app)

    async def _take(self, request: web.Request) -> web.Response:
        if f"sentry_key={KEY}" not in request.headers["X-Sentry-Auth"]:
            return web.Response(status=403)
        told = (await request.read()).decode()
        self.text += told
        _, *items = filter(None, told.splitlines())
        for head, payload in zip(items[::2], items[1::2], strict=True):
            assert json.loads(head)["type"] == "event"
            self.events.append(json.loads(payload))
        return web.json_response({})

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.dsn = f"http://{KEY}@127.0.0.1:{port}/7"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
