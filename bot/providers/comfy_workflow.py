"""A ComfyUI workflow with placeholders: filled for one request, and checked against what a server has. Pure.

The workflow is in ComfyUI's API format: node id -> {"class_type", "inputs"}. A string such as "{{width}}" takes the
value's own type; inside a longer string the value stands as text. The braces are double, since a prompt of a
workflow's own may have single ones.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any

from bot.providers import json_template
from bot.providers.protocols import CreateRequest
from bot.sizes import parse_size
from bot.wire_config import ModelWire

PLACEHOLDERS = frozenset(
    ("prompt", "negative_prompt", "image", "last_image", "width", "height", "seconds", "fps", "frames", "seed", "key")
)
"""`image` and `last_image` are what the server calls the uploaded pictures; `key` is the request's own id."""

_BRACES = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)(!s)?\s*\}\}")
_SEED_BITS = 48  # every program that reads the workflow counts so far without rounding
_SAMPLER = re.compile(r"^(?:KSampler(?!Select)|SamplerCustom)|Sampler$")
_MAX_LISTED = 10


def filled(workflow: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The workflow for one request; an input whose placeholder has no value (None) is left out."""
    return json_template.filled(workflow, values, _BRACES)


def placeholders(workflow: Any) -> frozenset[str]:
    """The names in braces, anywhere in it."""
    return json_template.placeholders(workflow, _BRACES)


def values(request: CreateRequest) -> dict[str, Any]:
    """What the placeholders of a request stand for, but for the pictures."""
    width, height = parse_size(request.size)
    fps = request.model.fps
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt or "",
        "width": width,
        "height": height,
        "seconds": request.seconds,
        "fps": fps,
        "frames": None if fps is None else frames(request.seconds, fps),
        "seed": seed_of(request.key) if request.seed is None else request.seed,
        "key": job_id_of(request.key),
    }


def frames(seconds: int, fps: float) -> int:
    """Wan and LTX count the first frame apart: one more than a multiple, which ComfyUI rounds down to."""
    return round(seconds * fps) + 1


def seed_of(key: str) -> int:
    """Chance that is the same each time the same request is sent."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()) >> (256 - _SEED_BITS)


def job_id_of(key: str) -> str:
    """The key as ComfyUI takes ids: a UUID in lower case, with hyphens."""
    try:
        return str(uuid.UUID(key))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, key))


def samplers(workflow: Mapping[str, Any]) -> list[str]:
    """The nodes that take the time, in the order of their ids' appearance."""
    return [node for node, part in workflow.items() if _SAMPLER.search(_class_of(part))]


def saved_as(workflow: Mapping[str, Any], key: str) -> str | None:
    """How the names of the files begin that a node saves, below ComfyUI's output folder; None where no key is in it."""
    for node in workflow.values():
        prefix = _inputs_of(node).get("filename_prefix")
        if isinstance(prefix, str) and "key" in placeholders(prefix):
            found = filled({"saved": prefix}, {"key": job_id_of(key)})["saved"]
            return None if placeholders(found) or "%" in found else str(found)
    return None


def classes(workflow: Mapping[str, Any]) -> list[str]:
    """The node classes it uses, each once."""
    return list(dict.fromkeys(filter(None, map(_class_of, workflow.values()))))


def faults(model: ModelWire) -> list[str]:
    """What is wrong with a model's workflow whatever the server, one sentence each, without its full stop."""
    workflow = model.workflow
    named = f"The workflow of {model.name}"
    if not workflow:
        return [f"{model.name} has no workflow: name a file in ComfyUI's API format"]
    if isinstance(workflow.get("nodes"), list) and "links" in workflow:
        return [f"{named} is in the format of ComfyUI's editor: export it with Export (API)"]
    if not all(_class_of(part) for part in workflow.values()):
        return [f"{named} is not in ComfyUI's API format: each node needs a class_type"]
    used = placeholders(workflow)
    found = [f"{named} has the unknown placeholder {{{{{name}}}}}" for name in sorted(used - PLACEHOLDERS)]
    found += [f"{named} has no {{{{{name}}}}}" for name in ("image", "prompt") if name not in used]
    if used & {"frames", "fps"} and not model.fps:
        found.append(f"{named} counts frames: the model needs fps, its frames per second")
    return found


def missing(model: ModelWire, info: Mapping[str, Any]) -> list[str]:
    """What a server lacks for a model's workflow. `info` is what /object_info says of each class that it knows."""
    workflow = model.workflow or {}
    unknown = [name for name in classes(workflow) if name not in info]
    found = []
    if unknown:
        listed = ", ".join(unknown[:_MAX_LISTED]) + (" …" if len(unknown) > _MAX_LISTED else "")
        found.append(f"ComfyUI lacks nodes that the workflow of {model.name} uses: {listed}")
    for part in workflow.values():
        name = _class_of(part)
        for field, value in _inputs_of(part).items():
            options = _options(info.get(name), field)
            if options is not None and isinstance(value, str) and not placeholders(value) and value not in options:
                found.append(f'ComfyUI has no "{value}" as {field} of {name}, which the workflow of {model.name} uses')
    return found


def _class_of(node: Any) -> str:
    found = node.get("class_type") if isinstance(node, Mapping) else None
    return found if isinstance(found, str) else ""


def _inputs_of(node: Any) -> Mapping[str, Any]:
    found = node.get("inputs") if isinstance(node, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _options(info: Any, field: str) -> list[Any] | None:
    """What an input may be, where it is a plain choice: a file of a folder, mostly. None where it is anything else."""
    inputs = info.get("input") if isinstance(info, Mapping) else None
    for group in ("required", "optional"):
        spec = (inputs or {}).get(group, {}).get(field) if isinstance(inputs, Mapping) else None
        if not isinstance(spec, list) or not spec:
            continue
        if isinstance(spec[0], list):
            return spec[0]
        extra = spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}
        if spec[0] == "COMBO" and isinstance(extra.get("options"), list) and "remote" not in extra:
            return list(extra["options"])
    return None
