"""Holds exchanges of `/v1/videos` against OpenAI's published contract."""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.contracts.contract import FOLDER, Body, Contract
from sandbox.providers.exchange import Exchange

CONTRACT = Contract(FOLDER / "videos.json")

TIMES = ("created_at", "completed_at", "expires_at")
NULLABLE = ("completed_at", "expires_at", "prompt", "remixed_from_video_id", "error")
OPERATIONS = {
    "create": ("/videos", "post"),
    "list": ("/videos", "get"),
    "poll": ("/videos/{video_id}", "get"),
    "delete": ("/videos/{video_id}", "delete"),
    "content": ("/videos/{video_id}/content", "get"),
}


def _times_as_numbers(job: Body) -> Body:
    return {k: int(v) if k in TIMES and str(v).isdecimal() else v for k, v in job.items()}


def _nulls_present(job: Body) -> Body:
    return dict.fromkeys(NULLABLE) | job


def _no_url(job: Body) -> Body:
    is_url = str(job.get("soraVideoUrl", "http")).startswith("http")
    return {k: v for k, v in job.items() if k not in {"soraVideoUrl", "quality"} or not is_url}


# How the seed page differs from the contract; each turns its form into the contract's.
SEED: Mapping[str, Callable[[Body], Body]] = {
    "times are strings": _times_as_numbers,
    "nulls are left out": _nulls_present,
    "soraVideoUrl and quality are added": _no_url,
}


def violations(exchange: Exchange, seed: Mapping[str, Callable[[Body], Body]] = SEED) -> list[str]:
    """What request and reply hold that the contract does not, but for the seed's differences.

    Error replies are left out: the contract has no words for them.
    """
    if exchange.route in {"file", "models"}:
        return []  # where the seed's URL leads, and what tells of the key: outside of the API
    if exchange.route not in OPERATIONS:
        return [f"{exchange.method} {exchange.path}: no such route"]
    path, method = OPERATIONS[exchange.route]
    operation = CONTRACT.spec["paths"][path][method]
    found = [*_query(exchange, operation), *_request(exchange, operation), *_reply(exchange, operation, seed)]
    return [f"{exchange.method} {exchange.path}: {each}" for each in found]


def _query(exchange: Exchange, operation: Body) -> list[str]:
    known = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
    return [f"no such query parameter: {name}" for name in exchange.query.keys() - known]


def _request(exchange: Exchange, operation: Body) -> list[str]:
    if "requestBody" not in operation:
        return ["a body where none belongs"] if exchange.body or exchange.parts else []
    content_type = exchange.headers.get("content-type", "").partition(";")[0]
    content = operation["requestBody"]["content"]
    if content_type not in content:
        return [f"no such request: {content_type}"]
    schema = content[content_type]["schema"]
    known = CONTRACT.spec["components"]["schemas"][_name(schema)]["properties"]
    fields = dict(exchange.fields) if exchange.parts else json.loads(exchange.body)
    files = {part.name: "binary" for part in exchange.parts if part.filename is not None}
    unknown = [f"no such field: {name}" for name in fields.keys() - known.keys()]
    twice = ["a field given twice"] if len(fields | files) != len(exchange.parts or fields) else []
    return unknown + twice + _faults(_name(schema), fields | files)


def _reply(exchange: Exchange, operation: Body, seed: Mapping[str, Callable[[Body], Body]]) -> list[str]:
    if exchange.answer is None or not 200 <= exchange.status < 300:
        return []
    if str(exchange.status) not in operation["responses"]:
        return [f"no answer {exchange.status}"]
    content = operation["responses"][str(exchange.status)]["content"]
    if exchange.route == "content" and isinstance(exchange.answer.body, bytes):
        kind = exchange.answer.headers.get("Content-Type")
        return [] if kind in content else [f"no such content: {kind}"]
    if exchange.route == "content":  # the contract has text here; the seed's sample is the job
        return _faults("VideoResource", _allowed(exchange.reply, seed))
    reply = exchange.reply
    if exchange.route == "list":
        reply = {**reply, "data": [_allowed(job, seed) for job in reply["data"]]}
    elif exchange.route != "delete":
        reply = _allowed(reply, seed)
    return _faults(_name(content["application/json"]["schema"]), reply)


def _allowed(job: Any, seed: Mapping[str, Callable[[Body], Body]]) -> Any:
    return functools.reduce(lambda body, turn: turn(body), seed.values(), job) if isinstance(job, dict) else job


def _name(schema: Body) -> str:
    name: str = schema["$ref"].rpartition("/")[2]
    return name


def _faults(name: str, value: object) -> list[str]:
    return CONTRACT.faults(("components", "schemas", name), value)
