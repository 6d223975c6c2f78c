"""A local chat model behind `/chat/completions`, which improves prompts. Written from OpenAI's description."""

import asyncio
import json
from typing import Any, Self

from aiohttp import web

from sandbox.providers.http import open_site

ENDING = ", in soft evening light, while the camera slowly moves in"


class LocalChatModel:
    """Answers what it is told to; `requests` are the bodies it has read, `keys` the headers with the key."""

    def __init__(self, key: str = "key-of-the-chat-model") -> None:
        self.key = key
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.fault: str | None = None
        """None, or "busy", "silent", "elsewhere", "empty", "junk"."""
        self.words: str | None = None
        """What it says in place of the prompt with a few words more."""
        self._runner = web.ServerRunner(web.Server(self._answer))
        self._ends = asyncio.Event()

    async def start(self) -> None:
        """Listens on loopback."""
        await self._runner.setup()
        self.url = f"{await open_site(self._runner, 0)}/v1"

    async def stop(self) -> None:
        """Ends every answer under way."""
        self._ends.set()
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    def bot_settings(self) -> dict[str, str]:
        """What the bot is told of it."""
        return {
            "PROMPT_HELPER_URL": self.url,
            "PROMPT_HELPER_MODEL": "small-talk",
            "PROMPT_HELPER_KEY": self.key,
        }

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.keys.append(request.headers.get("Authorization", ""))
        if request.method != "POST" or request.path != "/v1/chat/completions":
            return _told(404, {"error": {"message": "no such route"}})
        body = json.loads(await request.content.read())
        self.requests.append(body)
        if self.keys[-1] != f"Bearer {self.key}":
            return _told(401, {"error": {"message": "wrong key"}})
        match self.fault:
            case "busy":
                return _told(429, {"error": {"message": "too many"}})
            case "silent":
                await self._ends.wait()
            case "elsewhere":
                return web.Response(status=307, headers={"Location": f"{self.url}/elsewhere"})
            case "empty":
                return _told(200, {"choices": []})
            case "junk":
                return web.Response(body=b"\xff" * 300_000)
        prompt = next(message["content"] for message in body["messages"] if message["role"] == "user")
        words = self.words if self.words is not None else f"{prompt}{ENDING}"
        message = {"role": "assistant", "content": words}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return _told(200, {"id": "chat-1", "object": "chat.completion", "model": body["model"], "choices": [choice]})


def _told(status: int, body: object) -> web.Response:
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")
