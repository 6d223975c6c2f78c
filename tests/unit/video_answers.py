"""Answers of `/v1/videos` servers as they were recorded or read in their source, and their mutation."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass, field
from typing import Any

from bot.providers.responses import Answer


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer and where it is from."""

    source: str
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def answer(self) -> Answer:
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return Answer(self.status, self.headers, raw)


SEED_DONE = {
    "id": "video_****",
    "object": "video",
    "status": "completed",
    "model": "sora-2",
    "progress": 100,
    "seconds": "4",
    "size": "720x1280",
    "soraVideoUrl": "https://oss.gptproto.com/ai/api6ebf99.mp4",
    "created_at": "1766556441",
    "completed_at": "1766556506",
    "expires_at": "1766560106",
}
VLLM_FAILED = {
    "id": "video_gen_9f",
    "object": "video",
    "status": "failed",
    "progress": 0,
    "error": {"code": 500, "message": "CUDA out of memory"},
}
LITELLM_WRAPPED = {
    "error": {
        "message": "litellm.APIError: APIError: Hosted_vllmException - " + json.dumps(VLLM_FAILED),
        "type": None,
        "param": None,
        "code": "422",
    }
}

CREATED = {
    "gptproto": Recorded("gptproto-seed.txt", {**SEED_DONE, "status": "queued", "progress": 0}),
    "openai": Recorded("openai types/video.py", {"id": "video_68", "object": "video", "status": "queued"}),
    "litellm": Recorded(
        "[RUN] litellm 1.106.2", {"id": "video_" + "bGl0ZWxsbTpjdXN0b21f" * 6 + "==", "status": "queued"}
    ),
    "vllm-omni": Recorded("vllm-omni protocol/videos.py", {"id": "video_gen_9f", "status": "queued", "progress": 0}),
    "sglang": Recorded("sglang protocol.py", {"id": "6f0e1d0a-5b5e-4d43-9d7e-2e4f2d9d6a11", "status": "queued"}),
    "tensorrt-llm": Recorded(
        "TensorRT-LLM openai_video_routes.py", {"id": "video_ab", "status": "queued", "progress": None}, 202
    ),
    "new-api": Recorded("QuantumNous/new-api#1988", {"task_id": "task_abc"}),
    "new-api data": Recorded("new-api relay_task.go", {"code": "success", "data": {"task_id": "task_abc"}}),
    "bifrost": Recorded("bifrost core/schemas/videos.go", {"id": "video_1:openai", "object": "video", "progress": 0.0}),
    "gptproto v3": Recorded("gptproto-sdk docs/API.md", {"id": "job-1", "status": "pending"}, 202),
}

STATUSES = {
    "gptproto": Recorded("gptproto-seed.txt", SEED_DONE),
    "openai failed": Recorded(
        "openai types/video_create_error.py",
        {"id": "v", "status": "failed", "error": {"code": "moderation_blocked", "message": "Blocked."}},
    ),
    "vllm-omni failed": Recorded("vllm-omni api_server.py", VLLM_FAILED, 422),
    "litellm wrapped": Recorded("[RUN] litellm 1.106.2", LITELLM_WRAPPED, 422),
    "tensorrt-llm": Recorded(
        "TensorRT-LLM openai_protocol.py",
        {"id": "video_ab", "status": "postprocessing", "progress": None, "duration": 4.0, "error": None},
    ),
    "new-api": Recorded(
        "QuantumNous/new-api#5715",
        {
            "code": "success",
            "data": {
                "task_id": "task_abc",
                "status": "SUCCESS",
                "progress": "100%",
                "data": {"status": "in_progress"},
                "metadata": {"url": "https://cdn.example.com/a.mp4"},
            },
        },
    ),
    "new-api unknown task": Recorded("new-api relay_task.go", {"code": "task_not_exist", "data": None}, 400),
    "bifrost": Recorded(
        "bifrost core/schemas/videos.go",
        {
            "id": "v:openai",
            "status": "completed",
            "progress": 100.0,
            "videos": [{"url": "https://c.example.com/b.mp4"}],
        },
    ),
    "sglang": Recorded(
        "sglang stores.py",
        {"id": "6f0e", "status": "in_progress", "progress": 99, "url": None, "file_path": "/tmp/out.mp4"},
    ),
    "gptproto v3": Recorded(
        "gptproto-sdk docs/API.md",
        {"id": "job-1", "status": "completed", "unsigned_urls": ["https://c.example.com/c.mp4"]},
    ),
    "gptproto v3 wrapper": Recorded(
        "gptproto-sdk docs/API.md",
        {"data": {"id": "1", "status": "failed", "error": "x"}, "message": "ok", "code": 200},
    ),
    "flat": Recorded("gptproto v3 prose", {"code": 401, "message": "Token cannot be empty", "type": "error"}, 401),
    "detail": Recorded("FastAPI", {"detail": [{"loc": ["body", "size"], "msg": "field required"}]}, 422),
    "html": Recorded("a proxy", b"<html><body><h1>502 Bad Gateway</h1></body></html>", 502),
    "empty": Recorded("a proxy", b"", 500),
}

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, -0.0, float("nan"), float("inf"), 2**70, "", " ", "\0", "\ud800", "0",
    "42%", "%", "NaN", "9" * 400, "completed", "FAILED ", "failed", "error", "unknown", [], {}, [[]], [None], [{}],
    {"id": {"id": []}}, {"url": 1}, "https://", "http://[", "https://a/" + "b" * 9000, "https://\x7f", "javascript:1",
    "{" * 50, '{"status":"failed","id":"x"}', "x" * 5000, ["https://e.example.com/a.mp4"],
)  # fmt: skip
NAMES = (
    "id", "task_id", "status", "state", "progress", "data", "error", "code", "type", "message", "detail", "url", "urls",
    "video_url", "unsigned_urls", "metadata", "videos", "video", "expires_at", "seconds", "object", "soraVideoUrl",
    "output", "fail_reason", "content_filter", "result_url",
)  # fmt: skip
HEADER_NAMES = ("retry-after", "retry-after-ms", "llm_provider-retry-after", "openai-poll-after-ms", "date")
HEADER_VALUES = (
    "", "0", "-1", "1e400", "nan", "5", "5.5", "99999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT", "yesterday",
    "Wed, 99 Oct 99999 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 +9999", "\xff", "1,2",
)  # fmt: skip
HTTP_STATUSES = (
    200, 200, 200, 201, 202, 204, 302, 400, 401, 402, 403, 404, 408, 409, 422, 429, 451, 500, 502, 503, 999,
)  # fmt: skip


def named(value: object) -> str:
    """A cell of a table as part of a test's name; bodies are left out."""
    return str(value) if isinstance(value, str | int) and len(str(value)) < 60 else "-"


def mutated(chance: random.Random) -> Answer:
    """A recorded answer with one to five things wrong with it."""
    known = chance.choice([*CREATED.values(), *STATUSES.values()])
    body = copy.deepcopy(known.body)
    if not isinstance(body, bytes):
        for _ in range(chance.choice((1, 1, 2, 5))):
            body = _changed(chance, body)
        body = json.dumps(body).encode()
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        body = _bytes_changed(chance, body)
    headers = {name: chance.choice(HEADER_VALUES) for name in chance.sample(HEADER_NAMES, chance.choice((0, 1, 2)))}
    status = chance.choice((known.status, chance.choice(HTTP_STATUSES)))
    return Answer(status, headers, body, is_whole=chance.random() < 0.9)


def _changed(chance: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        match chance.randrange(5):
            case 0:
                del value[name]
            case 1:
                value[chance.choice(NAMES)] = value.pop(name)
            case 2:
                value[chance.choice(NAMES)] = copy.deepcopy(chance.choice((value, *ODD_VALUES)))
            case _:
                value[name] = _changed(chance, value[name])
        return value
    if isinstance(value, str) and chance.random() < 0.3:
        return chance.choice((value.upper(), f" {value}\n", value * 50, json.dumps(value), value[: len(value) // 2]))
    wrapped: tuple[Any, ...] = ({"data": value}, [value], {"data": [value]}, {"error": {"message": json.dumps(value)}})
    return copy.deepcopy(chance.choice((*wrapped, *ODD_VALUES, *ODD_VALUES)))


def _bytes_changed(chance: random.Random, body: bytes) -> bytes:
    at = chance.randrange(len(body) + 1)
    return chance.choice(
        (
            body[:at],
            body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :],
            b"\xef\xbb\xbf" + body,
            body.decode("utf-8", "replace").encode("utf-16"),
            body[:at] + b"[" * 3000 + body[at:],
            body + body,
            b'{"id":' + b"9" * 5000 + b"}",
        )
    )
