"""Holds recorded exchanges of the local Discord against Discord's published contract."""

import functools
import re

from sandbox.contracts.discord_schema import CONTRACT
from sandbox.discord.exchange import Exchange


def violations(exchange: Exchange) -> list[str]:
    """What the request does that the contract does not know: route, query, body. Empty when all is well."""
    if exchange.part != "api":
        return []
    template = _template(exchange.method, exchange.path)
    if template is None:
        return [f"{exchange.method} {exchange.path}: no such route"]
    path_item = CONTRACT.spec["paths"][template]
    operation = path_item[exchange.method.lower()]
    parameters = [*path_item.get("parameters", []), *operation.get("parameters", [])]
    known = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    faults = [f"no such query parameter: {name}" for name in exchange.query.keys() - known]
    if "requestBody" in operation:
        pointer = ("paths", template, exchange.method.lower(), "requestBody", "content", "application/json", "schema")
        faults += CONTRACT.faults(pointer, exchange.body)
    elif exchange.body is not None or exchange.files:
        faults.append("a body where none belongs")
    return [f"{exchange.method} {template}: {fault}" for fault in faults]


def response_violations(exchange: Exchange) -> list[str]:
    """What a successful answer of the local Discord holds that the published description does not.

    Errors are left out: the contract calls their inner codes integers, where Discord sends names.
    """
    template = _template(exchange.method, exchange.path)
    if exchange.part != "api" or template is None or not 200 <= exchange.status < 300:
        return []
    method, status = exchange.method.lower(), str(exchange.status)
    responses = CONTRACT.spec["paths"][template][method]["responses"]
    if status not in responses:
        return [f"{exchange.method} {template}: no answer {status}"]
    if "content" not in responses[status]:
        return []
    pointer = ("paths", template, method, "responses", status, "content", "application/json", "schema")
    faults = CONTRACT.faults(pointer, exchange.response)
    return [f"{exchange.method} {template} -> {status}: {fault}" for fault in faults]


@functools.cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """The more literal first: `@original` before `{message_id}`."""
    paths = sorted(CONTRACT.spec["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path) for path in paths]


def _template(method: str, path: str) -> str | None:
    for pattern, template in _templates():
        if pattern.fullmatch(path) and method.lower() in CONTRACT.spec["paths"][template]:
            return template
    return None
