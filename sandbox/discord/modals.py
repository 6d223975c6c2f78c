"""Modals: what Discord demands of one, and what its client lets a person submit."""

from collections.abc import Iterator, Mapping, Sequence

from sandbox.discord.commands import CannotInvoke
from sandbox.discord.components import CUSTOM_ID_LIMIT, TEXT_LIMIT, Kind
from sandbox.discord.rules import Form, Path
from sandbox.discord.wire import Wire

TITLE_LIMIT = 45  # receiving-and-responding.mdx:318-322
PARTS_LIMIT = 5
LABEL_LIMIT = 45  # components/reference.mdx:2013-2035
DESCRIPTION_LIMIT = 100
PLACEHOLDER_LIMITS = {Kind.TEXT_INPUT: 100, Kind.STRING_SELECT: 150}
TYPED_LIMIT = 4000
OPTIONS_LIMIT = 25
OPTION_LIMIT = 100

Typed = str | Sequence[str]
"""What a person puts into one field: text, or the values picked."""


def check_modal(data: Wire) -> None:
    """Raises the refusal that Discord answers a faulty modal with."""
    form = Form()
    form.check_length(("custom_id",), data.get("custom_id") or "", CUSTOM_ID_LIMIT, least=1)
    form.check_length(("title",), data.get("title") or "", TITLE_LIMIT, least=1)
    parts = data.get("components") or []
    if not 1 <= len(parts) <= PARTS_LIMIT:
        form.add(("components",), "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {PARTS_LIMIT} in length.")
    for number, part in enumerate(parts):
        _check_part(form, ("components", number), part)
    ids = [field.get("custom_id") for field in fields_of(data)]
    if len(set(ids)) < len(ids):
        form.add(("components",), "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    form.settle()


def _check_part(form: Form, path: Path, part: Wire) -> None:
    if part.get("type") == Kind.TEXT:
        form.check_length((*path, "content"), part.get("content") or "", TEXT_LIMIT, least=1)
        return
    if part.get("type") != Kind.LABEL:
        form.add((*path, "type"), "UNION_TYPE_CHOICES", 'Value of field "type" must be one of (10, 18).')
        return
    form.check_length((*path, "label"), part.get("label") or "", LABEL_LIMIT, least=1)
    form.check_length((*path, "description"), part.get("description"), DESCRIPTION_LIMIT)
    field, path = part.get("component") or {}, (*path, "component")
    form.check_length((*path, "custom_id"), field.get("custom_id") or "", CUSTOM_ID_LIMIT, least=1)
    kind = field.get("type")
    if kind not in PLACEHOLDER_LIMITS:
        form.add((*path, "type"), "UNION_TYPE_CHOICES", "This local Discord knows text inputs and string selects.")
        return
    form.check_length((*path, "placeholder"), field.get("placeholder"), PLACEHOLDER_LIMITS[Kind(kind)])
    if kind == Kind.TEXT_INPUT:
        form.check_length((*path, "value"), field.get("value"), TYPED_LIMIT)
    else:
        _check_options(form, (*path, "options"), field.get("options") or [])


def _check_options(form: Form, path: Path, options: list[Wire]) -> None:
    if not 1 <= len(options) <= OPTIONS_LIMIT:
        form.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {OPTIONS_LIMIT} in length.")
    for number, option in enumerate(options):
        for name in ("label", "value"):
            form.check_length((*path, number, name), option.get(name) or "", OPTION_LIMIT, least=1)
    if len({option.get("value") for option in options}) < len(options):
        form.add(path, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is already used")


def fields_of(modal: Wire) -> Iterator[Wire]:
    """What can be filled in, in its order."""
    return (part["component"] for part in modal.get("components") or [] if part.get("component"))


def filled(modal: Wire, values: Mapping[str, Typed], *, forge: bool) -> list[Wire]:
    """`components` of the submit; what is not touched keeps what was filled in. Raises `CannotInvoke`."""
    known = {field["custom_id"] for field in fields_of(modal)}
    if not forge and (unknown := values.keys() - known):
        raise CannotInvoke(f"The form has no {sorted(unknown)}; it has {sorted(known)}.")
    return [
        {
            "type": int(Kind.LABEL),
            "id": number,
            "component": _filled(field, values.get(field["custom_id"]), 100 + number, forge=forge),
        }
        for number, field in enumerate(fields_of(modal), 1)
    ]


def _filled(field: Wire, typed: Typed | None, key: int, *, forge: bool) -> Wire:
    name, needed = field["custom_id"], field.get("required") is not False
    wire: Wire = {"type": field["type"], "id": key, "custom_id": name}
    if field["type"] == Kind.TEXT_INPUT:
        text = (field.get("value") or "") if typed is None else str(typed)
        least, most = max(field.get("min_length") or 0, needed), field.get("max_length") or TYPED_LIMIT
        if not forge and (text or needed) and not least <= len(text) <= most:
            raise CannotInvoke(f"The field {name!r} takes {least} to {most} characters, not {len(text)}.")
        return wire | {"value": text}
    options = [option["value"] for option in field["options"]]
    chosen = [option["value"] for option in field["options"] if option.get("default")]
    picked = chosen if typed is None else [typed] if isinstance(typed, str) else list(typed)
    least, most = (1 if needed else 0), field.get("max_values") or 1
    if not forge and (not least <= len(picked) <= most or not set(picked) <= set(options)):
        raise CannotInvoke(f"The field {name!r} takes {least} to {most} of {options}, not {picked}.")
    return wire | {"values": picked}
