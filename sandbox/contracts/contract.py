"""A published OpenAPI description, and values held against it. Each check is built once: bursts ask thousands."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

try:
    from jsonschema_rs import Draft202012Validator, Registry, ValidationError, ValidationErrorKind
except ModuleNotFoundError as error:
    raise SystemExit(
        f"The sandbox needs the package {error.name}. Start it with `uv run`, which installs it."
    ) from error

FOLDER = Path(__file__).parent
TOLD = 300
"""So many characters of a fault are told: it quotes what was sent."""
_URN = "urn:contract"

Body = dict[str, Any]


class Contract:
    """`loosen` changes the description where the documentation allows more than it says."""

    def __init__(self, path: Path, loosen: Callable[[Body], object] = lambda _spec: None) -> None:
        self._path = path
        self._loosen = loosen
        self._checks: dict[tuple[str, ...], Draft202012Validator] = {}

    @functools.cached_property
    def spec(self) -> Body:
        spec: Body = json.loads(self._path.read_text("utf-8"))
        self._loosen(spec)
        return spec

    def faults(self, pointer: tuple[str, ...], value: object) -> list[str]:
        """What of the value does not fit the schema at that place of the description, a sentence each."""
        return [_told(error) for error in self.errors(pointer, value)]

    def errors(self, pointer: tuple[str, ...], value: object) -> list[ValidationError]:
        """As `faults`; where several schemas might have fitted, what is wrong by the one that was meant."""
        return [inner for error in self._check(pointer).iter_errors(value) for inner in _innermost(error)]

    def _check(self, pointer: tuple[str, ...]) -> Draft202012Validator:
        if pointer not in self._checks:
            fragment = "/".join(step.replace("~", "~0").replace("/", "~1") for step in pointer)
            schema = {"$ref": f"{_URN}#/{quote(fragment)}"}
            self._checks[pointer] = Draft202012Validator(schema, registry=self._registry)
        return self._checks[pointer]

    @functools.cached_property
    def _registry(self) -> Registry:
        return Registry([(_URN, self.spec)])


def _told(error: ValidationError) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    return f"${place}: {error.message[:TOLD]}"


def _innermost(error: ValidationError) -> list[ValidationError]:
    """The schema that was meant is one of the right `type`, and the one that comes furthest into the value.

    Where none is of the right type, that is what is wrong.
    """
    if not isinstance(error.kind, ValidationErrorKind.OneOfNotValid | ValidationErrorKind.AnyOf):
        return [error]
    branches = error.kind.context
    meant = [faults for faults in branches if not any(_is_other_type(fault) for fault in faults)]
    if not meant:
        return [next(fault for fault in branches[0] if _is_other_type(fault))]
    nearest = max(meant, key=lambda faults: (len(faults[0].instance_path), -len(faults)))
    return [inner for fault in nearest for inner in _innermost(fault)]


def _is_other_type(fault: ValidationError) -> bool:
    return isinstance(fault.kind, ValidationErrorKind.Enum | ValidationErrorKind.Constant) and fault.instance_path[
        -1:
    ] == ["type"]
