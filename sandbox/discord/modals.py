"""Modals: what Discord demands of one, and what its client lets a person submit."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from sandbox.discord.cdn import Upload
from sandbox.discord.commands import CannotInvoke, OptionValue
from sandbox.discord.components import SELECTS, Kind, id_giver
from sandbox.discord.rules import Form, Path
from sandbox.discord.wire import Wire
from sandbox.discord.world import Channel, Person, Role

PARTS_LIMIT = 5  # receiving-and-responding.mdx:318-322
LABEL_LIMIT = 45  # components/reference.mdx#label
TYPED_LIMIT = 4000
SHORT = 1  # a text input of one line
OPTIONS_LIMIT = 25
UPLOADS_LIMIT = 10
_PICKED: dict[int, tuple[type, ...]] = {
    Kind.STRING_SELECT: (str,),
    Kind.USER_SELECT: (Person,),
    Kind.ROLE_SELECT: (Role,),
    Kind.MENTIONABLE_SELECT: (Person, Role),
    Kind.CHANNEL_SELECT: (Channel,),
    Kind.UPLOAD: (Upload,),
}

Typed = OptionValue | Sequence[OptionValue]
"""What a person puts into one field: text, or what they picked."""
Resolve = Callable[[OptionValue, Wire], str | int | float | bool]


def fields_of(modal: Wire) -> Iterator[Wire]:
    """What can be filled in, in its order."""
    return (field for part in modal.get("components") or [] for field in _fields_in(part))


def _fields_in(part: Wire) -> list[Wire]:
    """Of a label its component; of a row, as libraries from before the label send it, the text inputs in it."""
    return [part["component"]] if part.get("component") else part.get("components") or []


def opened(data: Wire) -> Wire:
    """The modal as the client shows it: ids given. Raises the refusal that Discord answers a faulty one with."""
    form, parts = Form(), data.get("components") or []
    form.check_published(("ModalInteractionCallbackRequestData",), data | {"components": parts})
    _check_count(form, ("components",), parts, PARTS_LIMIT)
    form.settle()
    for number, part in enumerate(parts):
        _check_part(form, ("components", number), part)
    ids = [field.get("custom_id") for field in fields_of(data)]
    if len(set(ids)) < len(ids):
        form.add(("components",), "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    form.settle()
    give = id_giver([*parts, *fields_of(data)])
    return data | {"components": [_with_ids(part, give) for part in parts]}


def _with_ids(part: Wire, give: Callable[[Wire], int]) -> Wire:
    wire = part | {"id": give(part)}
    return _with_fields(wire, [field | {"id": give(field)} for field in _fields_in(part)])


def _with_fields(part: Wire, fields: list[Wire]) -> Wire:
    if part["type"] == Kind.ROW:
        return part | {"components": fields}
    return part | ({"component": fields[0]} if fields else {})


def _check_count(form: Form, path: Path, things: Sequence[object], most: int) -> None:
    if not 1 <= len(things) <= most:
        form.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {most} in length.")


def _check_part(form: Form, path: Path, part: Wire) -> None:
    """What the published description leaves open."""
    if part["type"] == Kind.LABEL:
        _check_field(form, (*path, "component"), part["component"])
    elif part["type"] == Kind.ROW:
        fields = part["components"]
        _check_count(form, (*path, "components"), fields, 1)
        form.check_length((*path, "components", 0, "label"), fields[0].get("label") or "", LABEL_LIMIT, least=1)
        _check_field(form, (*path, "components", 0), fields[0])


def _check_field(form: Form, path: Path, field: Wire) -> None:
    if field["type"] == Kind.TEXT_INPUT:
        _check_bounds(form, path, field, ("min_length", 0), ("max_length", TYPED_LIMIT))
    elif field["type"] in _PICKED:
        most = UPLOADS_LIMIT if field["type"] == Kind.UPLOAD else OPTIONS_LIMIT
        least = 0 if field.get("required") is False else 1
        _check_bounds(form, path, field, ("min_values", least), ("max_values", most))
        if field["type"] == Kind.STRING_SELECT:
            _check_options(form, path, field)
        if field.get("disabled"):
            form.add((*path, "disabled"), "MODAL_COMPONENT_DISABLED", "Modals cannot have disabled components.")
    else:
        known = ", ".join(str(int(each)) for each in sorted([Kind.TEXT_INPUT, *SELECTS, Kind.UPLOAD]))
        form.add((*path, "type"), "UNION_TYPE_CHOICES", f'Value of field "type" must be one of ({known}).')


def _check_bounds(form: Form, path: Path, field: Wire, lower: tuple[str, int], upper: tuple[str, int]) -> None:
    """A least number that is required, a most that has a limit, and the one not above the other."""
    least, most = field.get(lower[0]), field.get(upper[0])
    if least is not None and not lower[1] <= least <= upper[1]:
        form.add((*path, lower[0]), "NUMBER_TYPE_RANGE", f"Must be between {lower[1]} and {upper[1]}.")
    if most is not None and not max(1, least or 0) <= most <= upper[1]:
        form.add((*path, upper[0]), "NUMBER_TYPE_RANGE", f"Must be between {max(1, least or 0)} and {upper[1]}.")


def _check_options(form: Form, path: Path, field: Wire) -> None:
    options, at = field["options"], (*path, "options")
    if len({option.get("value") for option in options}) < len(options):
        form.add(at, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is already used")
    if (field.get("min_values") or 0) > len(options) or (field.get("max_values") or 0) > len(options):
        form.add(at, "BASE_TYPE_BAD_LENGTH", "There are fewer options than are to be chosen.")
    if sum(bool(option.get("default")) for option in options) > (field.get("max_values") or 1):
        form.add(at, "SELECT_COMPONENT_MAX_DEFAULT_VALUES", "More options are chosen by default than can be chosen.")


def filled(modal: Wire, values: Mapping[str, Typed], resolve: Resolve, *, forge: bool) -> Wire:
    """`data` of the submit; what is not touched keeps what was filled in. Raises `CannotInvoke` unless forged."""
    known = {field["custom_id"] for field in fields_of(modal)}
    if not forge and (unknown := values.keys() - known):
        raise CannotInvoke(
            f"The form has no field {', '.join(sorted(unknown))}. Its fields are {', '.join(sorted(known))}."
        )
    data: Wire = {"custom_id": modal["custom_id"], "components": []}
    resolved: Wire = {}
    for part in modal["components"]:
        entered = []
        for field in _fields_in(part):
            given = values.get(field["custom_id"])
            entry = _entered(field, _standing(field) if given is None else given, resolve, resolved, forge=forge)
            entered.append({name: field[name] for name in ("type", "id", "custom_id")} | entry)
        data["components"].append(_with_fields({"type": part["type"], "id": part["id"]}, entered))
    return data | ({"resolved": resolved} if resolved else {})


def _standing(field: Wire) -> Typed:
    """What a field holds before anybody touches it."""
    if field["type"] == Kind.TEXT_INPUT:
        return str(field.get("value") or "")
    return [option["value"] for option in field.get("options") or [] if option.get("default")]


def _entered(field: Wire, given: Typed, resolve: Resolve, resolved: Wire, *, forge: bool) -> Wire:
    if field["type"] == Kind.TEXT_INPUT:
        if not forge:
            _check_typed(field, given)
        return {"value": given}
    picked = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if not forge:
        _check_picked(field, picked)
    return {"values": [resolve(one, resolved) for one in picked]}


def _check_typed(field: Wire, text: object) -> None:
    name, needed = field["custom_id"], field.get("required") is not False
    if not isinstance(text, str):
        raise CannotInvoke(f"The field {name} takes text, not {text!r}.")
    least, most = max(field.get("min_length") or 0, int(needed)), field.get("max_length") or TYPED_LIMIT
    if (text or needed) and not least <= len(text) <= most:
        raise CannotInvoke(f"The field {name} takes {least} to {most} characters, not {len(text)}.")
    if field["style"] == SHORT and "\n" in text:
        raise CannotInvoke(f"The field {name} takes one line.")


def _check_picked(field: Wire, picked: list[OptionValue]) -> None:
    name, needed = field["custom_id"], field.get("required") is not False
    if not all(isinstance(one, _PICKED[field["type"]]) for one in picked):
        raise CannotInvoke(f"The field {name} takes a {Kind(field['type']).name.lower()}, not {picked!r}.")
    least, most = (1 if (given := field.get("min_values")) is None else given), field.get("max_values") or 1
    if (picked or needed) and not max(least, int(needed)) <= len(picked) <= most:
        raise CannotInvoke(f"The field {name} takes {least} to {most}, not {len(picked)}.")
    options = [option["value"] for option in field.get("options") or []]
    if field["type"] == Kind.STRING_SELECT and not set(picked) <= set(options):
        raise CannotInvoke(f"The field {name} takes {options}, not {picked}.")
