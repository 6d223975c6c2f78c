"""Holds exchanges with Comfy Router against the description that Comfy publishes (in the package comfy-sdk, MIT)."""

from collections.abc import Mapping

from sandbox.contracts.contract import FOLDER, Body, Contract
from sandbox.providers.exchange import Exchange

CONTRACT = Contract(FOLDER / "comfy_router.json")

_MODEL = "/v2/models/{provider}/{model}"
_REQUEST = f"{_MODEL}/requests/{{request_id}}"
OPERATIONS: Mapping[str, tuple[str, str]] = {
    "models": ("/v2/models", "get"),
    "model": (_MODEL, "get"),
    "estimate": (f"{_MODEL}/estimate", "post"),
    "create": (f"{_MODEL}/requests", "post"),
    "poll": (f"{_REQUEST}/status", "get"),
    "result": (_REQUEST, "get"),
    "cancel": (f"{_REQUEST}/cancel", "put"),
}
ERRORS = ("RouterErrorResponse", "RouterValidationErrorResponse")
_CANCEL_FOUND_ENDED = 409  # an answer of its own form, not an error


def violations(exchange: Exchange) -> list[str]:
    """What request and reply hold that the description does not."""
    if exchange.route == "file":
        return []  # where a result's address leads: outside of the API
    if exchange.route not in OPERATIONS:
        return [f"{exchange.method} {exchange.path}: no such route"]
    path, method = OPERATIONS[exchange.route]
    operation = CONTRACT.spec["paths"][path][method]
    found = [*_parameters(exchange, operation), *_request(exchange, operation), *_reply(exchange, operation)]
    return [f"{exchange.method} {exchange.path}: {each}" for each in found]


def _parameters(exchange: Exchange, operation: Body) -> list[str]:
    known = {each["name"].lower(): each for each in operation.get("parameters", ())}
    unknown = [f"no such query parameter: {name}" for name in exchange.query if name not in known]
    key = exchange.headers.get("idempotency-key")
    if key is None or "idempotency-key" not in known:
        return unknown + ([] if key is None else ["a key where none belongs"])
    longest = known["idempotency-key"]["schema"]["maxLength"]
    return unknown + ([] if 0 < len(key) <= longest else [f"a key of {len(key)} characters"])


def _request(exchange: Exchange, operation: Body) -> list[str]:
    if "requestBody" not in operation:
        return ["a body where none belongs"] if exchange.body or exchange.parts else []
    kind = exchange.headers.get("content-type", "").partition(";")[0]
    return [] if kind in operation["requestBody"]["content"] and exchange.fields else [f"no such request: {kind}"]


def _reply(exchange: Exchange, operation: Body) -> list[str]:
    if exchange.answer is None or exchange.cut:
        return []
    if exchange.status >= 400 and not (exchange.route == "cancel" and exchange.status == _CANCEL_FOUND_ENDED):
        return _error(exchange)
    if exchange.route == "cancel":
        return _faults("RouterQueueCancelResponse", exchange.reply)
    if str(exchange.status) not in operation["responses"]:
        return [f"no answer {exchange.status}"]
    schema = operation["responses"][str(exchange.status)]["content"]["application/json"]["schema"]
    return _faults(schema["$ref"].rpartition("/")[2], exchange.reply)


def _error(exchange: Exchange) -> list[str]:
    reply = exchange.reply
    is_list = isinstance(reply, dict) and isinstance(reply.get("detail"), list)
    headers = {name.lower() for name in exchange.answer.headers} if exchange.answer else set()
    unsaid = [] if "x-comfy-error-type" in headers else ["an error without its header"]
    return unsaid + _faults(ERRORS[is_list], reply)


def _faults(name: str, value: object) -> list[str]:
    return CONTRACT.faults(("components", "schemas", name), value)
