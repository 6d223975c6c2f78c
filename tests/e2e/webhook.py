"""A webhook of the operator's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web


class Webhook:
    """Takes what is posted to it."""

    def __init__(self) -> None:
        self.posts: list[dict[str, object]] = []
        self.came = asyncio.Event()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.posts.append(await request.json())
        self.came.set()
        return web.Response(status=204)


@contextlib.asynccontextmanager
async def open_webhook() -> AsyncIterator[Webhook]:
    """Open for as long as it is asked for."""
    webhook = Webhook()
    app = web.Application()
    app.add_routes([web.post("/api/webhooks/1/secret-of-the-webhook", webhook.take)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    webhook.url = f"http://127.0.0.1:{port}/api/webhooks/1/secret-of-the-webhook"
    try:
        yield webhook
    finally:
        await runner.cleanup()
