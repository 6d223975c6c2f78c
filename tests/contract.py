"""Holds recorded exchanges against Discord's published contract (OpenAPI 3.1, beside the project, not in it)."""

import functools
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from sandbox.discord import Exchange

SPEC = Path(__file__).parents[2] / "shared" / "discord-openapi.json"
_URN = "urn:discord"


def available() -> bool:
    """The contract is no part of the project; where it is absent, callers skip."""
    return SPEC.is_file()


def violations(exchange: Exchange) -> list[str]:
    """What the request does that the contract does not know: route, query, body. Empty when all is well."""
    if exchange.part != "api":
        return []
    template = _template(exchange.method, exchange.path)
    if template is None:
        return [f"{exchange.method} {exchange.path}: no such route"]
    path_item = _spec()["paths"][template]
    operation = path_item[exchange.method.lower()]
    parameters = [*path_item.get("parameters", []), *operation.get("parameters", [])]
    known = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    faults = [f"no such query parameter: {name}" for name in exchange.query.keys() - known]
    if "requestBody" in operation:
        pointer = ["paths", template, exchange.method.lower(), "requestBody", "content"]
        faults += _faults((*pointer, "application/json", "schema"), exchange.body)
    elif exchange.body is not None or exchange.files:
        faults.append("a body where none belongs")
    return [f"{exchange.method} {template}: {fault}" for fault in faults]


def response_violations(exchange: Exchange) -> list[str]:
    """What a successful answer holds that the contract does not: keeps the stand-in honest.

    Errors are left out: the contract calls their inner codes integers, where Discord sends names.
    """
    template = _template(exchange.method, exchange.path)
    if exchange.part != "api" or template is None or not 200 <= exchange.status < 300:
        return []
    responses = _spec()["paths"][template][exchange.method.lower()]["responses"]
    if str(exchange.status) not in responses:
        return [f"{exchange.method} {template}: no answer {exchange.status}"]
    if "content" not in responses[str(exchange.status)]:
        return []
    pointer = ["paths", template, exchange.method.lower(), "responses", str(exchange.status), "content"]
    faults = _faults((*pointer, "application/json", "schema"), exchange.response)
    return [f"{exchange.method} {template} -> {exchange.status}: {fault}" for fault in faults]


def schema_violations(name: str, value: object) -> list[str]:
    """Of any value against a named schema of the contract."""
    return _faults(("components", "schemas", name), value)


@functools.cache
def _spec() -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(SPEC.read_text())
    # The docs allow the index of the upload as an integer (reference.mdx#uploading-files), and every library
    # sends it so; the contract knows the string alone.
    attachment = spec["components"]["schemas"]["MessageAttachmentRequest"]["properties"]
    attachment["id"] = {"anyOf": [attachment["id"], {"type": "integer", "minimum": 0}]}
    # discord.py sends ids it fills in itself as integers, which Discord takes.
    mentions = spec["components"]["schemas"]["MessageAllowedMentionsRequest"]["properties"]["users"]
    mentions["items"] = {"anyOf": [mentions["items"], {"type": "integer"}]}
    schemas = spec["components"]["schemas"]
    for name, field in (("CreatePrivateChannelRequest", "recipient_id"), ("MessageReferenceRequest", "message_id")):
        properties = schemas[name]["properties"]
        properties[field] = {"anyOf": [properties[field], {"type": "integer"}]}
    return spec


@functools.cache
def _registry() -> Registry[Any]:
    empty: Registry[Any] = Registry()
    registry: Registry[Any] = empty.with_resource(_URN, DRAFT202012.create_resource(_spec()))
    return registry


@functools.cache
def _validator(pointer: tuple[str, ...]) -> Draft202012Validator:
    fragment = "/".join(step.replace("~", "~0").replace("/", "~1") for step in pointer)
    return Draft202012Validator({"$ref": f"{_URN}#/{quote(fragment)}"}, registry=_registry())


def _faults(pointer: tuple[str, ...], value: object) -> list[str]:
    return [_told(error) for error in _validator(pointer).iter_errors(value)]


def _told(error: ValidationError) -> str:
    deepest = best_match([error]) or error
    return f"{deepest.json_path}: {deepest.message[:300]}"


@functools.cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """The more literal first: `@original` before `{message_id}`."""
    paths = sorted(_spec()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path) for path in paths]


def _template(method: str, path: str) -> str | None:
    for pattern, template in _templates():
        if pattern.fullmatch(path) and method.lower() in _spec()["paths"][template]:
            return template
    return None
