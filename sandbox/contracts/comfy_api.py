"""Holds exchanges with the Comfy API v2 against the description that Comfy publishes (in the package comfy-sdk)."""

from collections.abc import Mapping
from typing import Any

from sandbox.contracts.contract import FOLDER, Body, Contract
from sandbox.providers.exchange import Exchange

_JOB = "/api/v2/jobs/{id}"
OPERATIONS: Mapping[str, tuple[str, str]] = {
    "upload": ("/api/v2/assets", "post"),
    "create": ("/api/v2/jobs", "post"),
    "poll": (_JOB, "get"),
    "workflow": (f"{_JOB}/workflow", "get"),
    "cancel": (f"{_JOB}/cancel", "post"),
    "content": ("/api/v2/assets/{id}/content", "get"),
}
ERRORS = ("ErrorEnvelope",)
UNCHECKED = ("list", "health", "file", "by_hash")
"""What the proxy has beyond the description, and a question that is answered without a body."""


def _with_null(node: Any) -> None:
    """`nullable` is of OpenAPI 3.0; JSON Schema says it otherwise."""
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _with_null(each)
    if isinstance(node, dict) and node.pop("nullable", False) is True:
        whole = dict(node)
        node.clear()
        node["anyOf"] = [whole, {"type": "null"}]


CONTRACT = Contract(FOLDER / "comfy_api.json", _with_null)


def violations(exchange: Exchange) -> list[str]:
    """What request and reply hold that the description does not."""
    if exchange.route in UNCHECKED:
        return []
    if exchange.route not in OPERATIONS:
        return [f"{exchange.method} {exchange.path}: no such route"]
    path, method = OPERATIONS[exchange.route]
    operation = CONTRACT.spec["paths"][path][method]
    found = [*_request(exchange, path, operation), *_reply(exchange, operation)]
    return [f"{exchange.method} {exchange.path}: {each}" for each in found]


def _request(exchange: Exchange, path: str, operation: Body) -> list[str]:
    kind = exchange.headers.get("content-type", "").partition(";")[0]
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return ["a form where none belongs"] if exchange.parts else []
    if kind not in content:
        return [f"no such request: {kind}"]
    if exchange.route == "create":
        pointer = ("paths", path, "post", "requestBody", "content", kind, "schema")
        key = exchange.headers.get("idempotency-key")
        return CONTRACT.faults(pointer, exchange.fields) + ([] if key else ["no key"])
    known = content[kind]["schema"]
    names = [part.name for part in exchange.parts]
    unknown = [f"no such field: {name}" for name in names if name not in known["properties"]]
    return unknown + [f"no field {name}" for name in known["required"] if name not in names]


def _reply(exchange: Exchange, operation: Body) -> list[str]:
    if exchange.answer is None or exchange.cut:
        return []
    if exchange.status >= 400:
        return CONTRACT.faults(("components", "schemas", "ErrorEnvelope"), exchange.reply)
    if str(exchange.status) not in operation["responses"]:
        return [f"no answer {exchange.status}"]
    schema = operation["responses"][str(exchange.status)]["content"].get("application/json", {}).get("schema")
    if schema is None:  # bytes
        return []
    return CONTRACT.faults(("components", "schemas", schema["$ref"].rpartition("/")[2]), exchange.reply)
