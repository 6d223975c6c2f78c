"""Cuts the excerpts out of the published descriptions.

uv run python -m sandbox.contracts.excerpt discord path/to/openapi.json
uv run python -m sandbox.contracts.excerpt videos path/to/openapi.json
uv run --with pyyaml python -m sandbox.contracts.excerpt comfy_router path/to/comfy-sdk/spec/router-openapi.yaml
uv run --with pyyaml python -m sandbox.contracts.excerpt comfy_api path/to/comfy-sdk/spec/openapi.yaml
"""

import json
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from sandbox.contracts import comfy_api, comfy_router, videos
from sandbox.contracts.contract import FOLDER, Body
from sandbox.discord import LocalDiscord

# Words for people; a check does not need them.
WORDS = {
    "title",
    "description",
    "summary",
    "example",
    "examples",
    "tags",
    "operationId",
    "security",
    "deprecated",
    "headers",
}
NAMED = {"properties", "schemas", "paths"}
"""Objects whose keys are names, not keywords."""
SOURCES = {
    "videos": videos.OPERATIONS,
    "comfy_router": comfy_router.OPERATIONS,
    "comfy_api": comfy_api.OPERATIONS,
}
COMFY = {"license": {"name": "MIT", "copyright": "Copyright (c) 2026 Comfy Org"}}
"""Comfy's descriptions say nothing of a licence themselves; the package comfy-sdk, in which they lie, is MIT."""
COMFY_ERRORS = {"comfy_router": comfy_router.ERRORS, "comfy_api": comfy_api.ERRORS}


def operations(name: str) -> set[tuple[str, str]]:
    """Method and path of all that the local servers answer."""
    if name in SOURCES:
        return {(method, path) for path, method in SOURCES[name].values()}
    return {(method.lower(), template) for method, template in LocalDiscord().operations}


def excerpt(spec: Body, wanted: Collection[tuple[str, str]], also: Collection[str] = ()) -> Body:
    """The operations that are wanted, their successful answers alone, and the schemas they need; some others also."""
    paths = {
        path: {key: _operation(spec, item[key]) for key in item if (key, path) in wanted}
        | {"parameters": item.get("parameters", [])}
        for path, item in spec["paths"].items()
        if any((method, path) in wanted for method in item)
    }
    kept: Body = {"paths": _bare(paths), "schemas": {}}
    missing = [*_named(kept["paths"]), *also]
    while missing:
        name = missing.pop()
        if name not in kept["schemas"]:
            kept["schemas"][name] = _bare(spec["components"]["schemas"][name])
            missing += _named(kept["schemas"][name])
    about = {"title": spec["info"]["title"], "version": spec["info"]["version"], "license": spec["info"]["license"]}
    return {
        "openapi": spec["openapi"],
        "info": about,
        "paths": kept["paths"],
        "components": {"schemas": kept["schemas"]},
    }


def _operation(spec: Body, operation: Body) -> Body:
    kept = {key: operation[key] for key in ("parameters", "requestBody") if key in operation}
    if "parameters" in kept:
        kept["parameters"] = [_parameter(spec, each) for each in kept["parameters"]]
    return kept | {"responses": {code: each for code, each in operation["responses"].items() if code.startswith("2")}}


def _parameter(spec: Body, parameter: Body) -> Body:
    """The parameter itself, also where it is referred to."""
    place, _, name = parameter.get("$ref", "").rpartition("/")
    found: Body = spec["components"]["parameters"][name] if place == "#/components/parameters" else parameter
    return found


def _bare(node: Any, *, named: bool = False) -> Any:
    if isinstance(node, list):
        return [_bare(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _bare(value, named=not named and key in NAMED)
        for key, value in node.items()
        if named or not (key in WORDS or key.startswith("x-"))
    }


def _named(node: Any) -> Iterator[str]:
    """The schemas that are referred to."""
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _named(each)
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"].rpartition("/")[2]


def written(spec: Body) -> str:
    """A line to each path and schema, so that a change can be read."""

    def lines(part: Body) -> str:
        return ",\n".join(f"{json.dumps(key)}: {json.dumps(part[key], ensure_ascii=False)}" for key in sorted(part))

    head = {key: spec[key] for key in ("openapi", "info")}
    paths, schemas = lines(spec["paths"]), lines(spec["components"]["schemas"])
    return f'{json.dumps(head)[:-1]}, "paths": {{\n{paths}\n}}, "components": {{"schemas": {{\n{schemas}\n}}}}}}\n'


def _read(source: Path) -> Body:
    text = source.read_text("utf-8")
    if source.suffix == ".json":
        read: Body = json.loads(text)
    else:
        import yaml  # of nobody's but whoever makes the excerpt

        read = yaml.safe_load(text)
    return read


if __name__ == "__main__":
    name, source = sys.argv[1:]
    spec = _read(Path(source))
    also: Collection[str] = ()
    if name in COMFY_ERRORS:
        spec["info"] |= COMFY
        also = COMFY_ERRORS[name]
    made = excerpt(spec, operations(name), also)
    (FOLDER / f"{name}.json").write_text(written(made), "utf-8")
