"""A ComfyUI on loopback, by its own routes: uploads, the queue, the history, progress on a WebSocket.

After `server.py` and `execution.py` of ComfyUI. It has no key, and takes the id of a job from the client.
"""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

from aiohttp import web

from sandbox.providers.base import Given, LocalProvider
from sandbox.providers.comfy_workflow import Asked, ComfySettings, Refusal, object_info, prompt_of, read
from sandbox.providers.exchange import Answer, ErrorReply, Exchange, Route
from sandbox.providers.faults import VIDEO
from sandbox.providers.jobs import VideoJob

STEPS = 20
TICK_SECONDS = 0.05


class LocalComfyUI(LocalProvider):
    """Jobs wait in the queue, run, and stand in the history when they have ended; `forget` is a restart."""

    routes = (
        Route("upload", "POST", "/upload/image"),
        Route("create", "POST", "/prompt", kind="create"),
        Route("poll", "GET", "/queue", kind="poll"),
        Route("history", "GET", "/history/{job_id}", kind="poll"),
        Route("content", "GET", "/view", kind="file"),
        Route("progress", "GET", "/ws"),
        Route("dequeue", "POST", "/queue"),
        Route("interrupt", "POST", "/interrupt"),
        Route("cancel", "POST", "/api/jobs/{job_id}/cancel"),
        Route("node", "GET", "/object_info/{name}"),
        Route("stats", "GET", "/system_stats"),
    )
    id_fields = ("prompt_id",)
    settings: ComfySettings

    def __init__(self, **given: Unpack[Given]) -> None:
        super().__init__(**given)
        self.uploads: dict[str, bytes] = {}
        self.listeners = 0
        """Sockets that are open."""
        self._asked: dict[str, Asked] = {}
        self._clients: dict[str, str] = {}

    def usual_settings(self) -> ComfySettings:
        return ComfySettings()

    def bot_settings(self, folder: Path) -> dict[str, str]:
        """The catalog sends no key, unless the settings say how."""
        auth = {"VIDEO_API_AUTH": "bearer"} if self.settings.wants_key else {}
        return {"VIDEO_CATALOG": "comfyui", "VIDEO_API_URL": self.url, "VIDEO_API_KEY": self.key, **auth}

    def is_authorized(self, exchange: Exchange) -> bool:
        return not self.settings.wants_key or super().is_authorized(exchange)

    def forget(self) -> None:
        """As a restart does: what waited or ran is gone, and so is the history; files stay."""
        for job in self.jobs.values():
            self.settle(job)
            if not job.is_over:
                self.cancel(job.id)
            job.is_deleted = True

    def find(self, exchange: Exchange) -> VideoJob | None:
        if exchange.route == "content":
            return self._saved(exchange)
        if exchange.route == "poll":  # asked for one job as a rule: the one that has waited longest
            return next((job for job in self.jobs.values() if not job.is_over and not job.is_deleted), None)
        return self.with_key(exchange.job_id or "")

    def prompt_of(self, exchange: Exchange) -> str:
        return prompt_of(exchange.fields.get("prompt"))

    def error_body(self, error: ErrorReply) -> Any:
        body = {"type": error.kind or "error", "message": error.message, "details": error.code or "", "extra_info": {}}
        return {"error": body, "node_errors": {}}

    async def answer(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        match exchange.route:
            case "upload":
                return self._uploaded(exchange)
            case "create":
                return self._created(exchange)
            case "poll":
                return Answer(200, {"queue_running": self._listed("running"), "queue_pending": self._listed("queued")})
            case "history":
                return Answer(200, {} if job is None or not job.is_over else {job.key: self._entry(job)})
            case "content":
                saved = self._saved(exchange)  # also of a job that is forgotten
                video = self.video(saved) if saved else None
                return Answer(200, video, VIDEO) if video else Answer(404)
            case "dequeue":
                for name in exchange.fields.get("delete") or ():
                    self._dequeue(name)
                return Answer(200)
            case "interrupt":
                self._interrupt(exchange.fields.get("prompt_id"))
                return Answer(200)
            case "cancel":
                name = exchange.job_id or ""
                return Answer(200, {"cancelled": self._dequeue(name) or self._interrupt(name)})
            case "node":
                return Answer(200, object_info(self.settings, exchange.in_path["name"]))
            case "stats":
                return Answer(200, {"system": {"os": "posix", "comfyui_version": self.settings.version}, "devices": []})
        return Answer(404, "404: Not Found", {"Content-Type": "text/plain"})

    async def stream(self, exchange: Exchange, request: web.BaseRequest) -> web.StreamResponse | None:
        """Tells a client how far its jobs are, until it leaves or the server stops."""
        if exchange.route != "progress":
            return None
        socket = web.WebSocketResponse(heartbeat=5)
        await socket.prepare(request)
        reader = asyncio.create_task(_read(socket), name="comfyui socket")
        told: dict[str, int] = {}
        self.listeners += 1
        try:
            while not reader.done():
                for job in self._running_for(exchange.query.get("clientId", "")):
                    if told.get(job.id) != job.progress:
                        told[job.id] = job.progress
                        await socket.send_json(self._progress(job))
                await self.pause(TICK_SECONDS)
        except ConnectionError:
            pass  # it left, or the server stops
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            await socket.close()
            self.listeners -= 1
            self.changes.notify()
        return socket

    def _uploaded(self, exchange: Exchange) -> Answer:
        picture = next((part for part in exchange.parts if part.name == "image" and part.filename), None)
        if picture is None:
            return Answer(400)
        folder = exchange.fields.get("subfolder", "")
        self.uploads[f"{folder}/{picture.filename}" if folder else str(picture.filename)] = picture.body
        return Answer(
            200, {"name": picture.filename, "subfolder": folder, "type": exchange.fields.get("type", "input")}
        )

    def _created(self, exchange: Exchange) -> Answer:
        name = exchange.fields.get("prompt_id") or str(uuid.uuid4())
        if not _is_canonical(name):
            return self.error(ErrorReply(400, "prompt_id must be a valid UUID", "invalid_prompt_id"))
        asked = read(exchange.fields.get("prompt"), self.settings, self.uploads)
        if isinstance(asked, Refusal):
            error = {"type": asked.type, "message": asked.message, "details": "", "extra_info": {}}
            return Answer(400, {"error": error, "node_errors": asked.node_errors})
        # The same id twice is taken twice, as ComfyUI does.
        job = self.make(
            exchange, prompt=asked.prompt, model="local", seconds=asked.seconds, size=asked.size,
            picture=self.uploads.get(asked.picture), job_id="" if name in self.jobs else name, key=name,
            seed=asked.seed, last_picture=self.uploads.get(asked.last_picture or ""),
        )  # fmt: skip
        self._asked[job.id] = asked
        count = sum(each.saved_as == asked.saved_as for each in self._asked.values())
        job.file_name = f"{asked.saved_as.rpartition('/')[2]}_{count:05}_.mp4"
        self._clients[job.id] = str(exchange.fields.get("client_id", ""))
        return Answer(200, {"prompt_id": name, "number": len(self.jobs), "node_errors": {}})

    def _listed(self, state: str) -> list[list[Any]]:
        for job in self.jobs.values():
            self.settle(job)
        numbered = enumerate(self.jobs.values())
        found: list[list[Any]] = [
            [number, job.key, {}, {}, []] for number, job in numbered if job.state == state and not job.is_deleted
        ]
        return found[:1] + found[:0:-1]  # a heap: only the first is in its place

    def _entry(self, job: VideoJob) -> dict[str, Any]:
        asked = self._asked[job.id]
        outputs: dict[str, Any] = {}
        event, told = "execution_success", {"prompt_id": job.key}
        if job.state == "cancelled":
            event = "execution_interrupted"
        elif job.error is not None:
            event = "execution_error"
            error = {"exception_type": job.error.kind or "RuntimeError", "exception_message": job.error.message}
            told = {**told, "node_id": asked.sampler, "node_type": "KSampler", **error}
        else:
            file = {"filename": job.file_name, "subfolder": asked.folder, "type": "output"}
            outputs = {"saved": {"images": [file], "animated": [True]}}
        is_well = event == "execution_success"
        status = {"status_str": "success" if is_well else "error", "completed": is_well, "messages": [[event, told]]}
        return {"prompt": [0, job.key, {}, {}, []], "outputs": outputs, "status": status, "meta": {}}

    def _saved(self, exchange: Exchange) -> VideoJob | None:
        place = exchange.query.get("subfolder", ""), exchange.query.get("filename")
        jobs = self.jobs.values()
        return next((job for job in jobs if (self._asked[job.id].folder, job.file_name) == place), None)

    def _dequeue(self, name: str) -> bool:
        job = self.with_key(name)
        if job is None or job.state != "queued" or job.is_deleted:
            return False
        self.cancel(job.id)
        job.is_deleted = True  # no trace of it is left
        return True

    def _interrupt(self, name: str | None) -> bool:
        """Only the job that is named, as newer servers do."""
        job = self.with_key(name or "")
        if job is None or job.state != "running" or job.is_deleted:
            return False
        self.cancel(job.id)
        return True

    def _running_for(self, client: str) -> Iterator[VideoJob]:
        for job in list(self.jobs.values()):
            if self._clients.get(job.id) == client:
                self.settle(job)
                if job.state == "running":
                    yield job

    def _progress(self, job: VideoJob) -> dict[str, Any]:
        steps = {"value": STEPS * job.progress // 100, "max": STEPS, "prompt_id": job.key}
        return {"type": "progress", "data": {**steps, "node": self._asked[job.id].sampler}}


async def _read(socket: web.WebSocketResponse) -> None:
    """Answers pings, and ends when the client has left."""
    async for _message in socket:
        pass


def _is_canonical(name: Any) -> bool:
    try:
        return isinstance(name, str) and str(uuid.UUID(name)) == name
    except ValueError:
        return False
