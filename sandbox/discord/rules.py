"""What Discord refuses, and how it says so: error codes, form errors, the bounds of messages."""

import enum
import re

from sandbox.contracts.discord_schema import CONTRACT
from sandbox.discord.wire import Wire

CONTENT_LIMIT = 2000
EMBEDS_TEXT_LIMIT = 6000
FILES_LIMIT = 10
NONCE_LIMIT = 25


class Flag(enum.IntFlag):
    """resources/message.mdx#message-object-message-flags."""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    HAS_SNAPSHOT = 1 << 14
    COMPONENTS_V2 = 1 << 15


class Code(enum.IntEnum):
    """topics/opcodes-and-status-codes.mdx#json-json-error-codes."""

    GENERAL = 0
    UNKNOWN_APPLICATION = 10002
    UNKNOWN_CHANNEL = 10003
    UNKNOWN_GUILD = 10004
    UNKNOWN_MESSAGE = 10008
    UNKNOWN_WEBHOOK = 10015
    UNKNOWN_INTERACTION = 10062
    UNKNOWN_COMMAND = 10063
    TOO_MANY_NEW_COMMANDS = 30034
    DMS_TOO_FAST = 40003
    TOO_LARGE = 40005
    ALREADY_ACKNOWLEDGED = 40060
    TOO_MANY_FOLLOWUPS = 40094
    ADDRESS_BLOCKED = 40333
    MISSING_ACCESS = 50001
    NOT_YOUR_MESSAGE = 50005
    EMPTY_MESSAGE = 50006
    DMS_CLOSED = 50007
    MISSING_PERMISSIONS = 50013
    INVALID_WEBHOOK_TOKEN = 50027
    INVALID_RECIPIENTS = 50033
    INVALID_FORM = 50035
    THREAD_ARCHIVED = 50083
    INVALID_JSON = 50109
    ENTRY_POINT_LEFT_OUT = 50240
    REPLY_WITHOUT_HISTORY = 160009
    REPLY_TO_AGE_RESTRICTED = 160010


_FAULTS = {
    Code.UNKNOWN_APPLICATION: (404, "Unknown Application"),
    Code.UNKNOWN_CHANNEL: (404, "Unknown Channel"),
    Code.UNKNOWN_GUILD: (404, "Unknown Guild"),
    Code.UNKNOWN_MESSAGE: (404, "Unknown Message"),
    Code.UNKNOWN_WEBHOOK: (404, "Unknown Webhook"),
    Code.UNKNOWN_INTERACTION: (404, "Unknown interaction"),
    Code.UNKNOWN_COMMAND: (404, "Unknown application command"),
    Code.TOO_MANY_NEW_COMMANDS: (400, "Max number of daily application command creates has been reached (200)"),
    Code.ADDRESS_BLOCKED: (403, "internal network error"),
    Code.ENTRY_POINT_LEFT_OUT: (400, "You cannot remove this app's Entry Point command in a bulk update operation."),
    Code.DMS_TOO_FAST: (403, "You are opening direct messages too fast."),
    Code.TOO_LARGE: (413, "Request entity too large"),
    Code.ALREADY_ACKNOWLEDGED: (400, "Interaction has already been acknowledged."),
    Code.TOO_MANY_FOLLOWUPS: (400, "Maximum number of follow up messages has been reached."),
    Code.MISSING_ACCESS: (403, "Missing Access"),
    Code.NOT_YOUR_MESSAGE: (403, "Cannot edit a message authored by another user"),
    Code.EMPTY_MESSAGE: (400, "Cannot send an empty message"),
    Code.DMS_CLOSED: (403, "Cannot send messages to this user"),
    Code.MISSING_PERMISSIONS: (403, "Missing Permissions"),
    Code.INVALID_WEBHOOK_TOKEN: (401, "Invalid Webhook Token"),
    Code.INVALID_RECIPIENTS: (400, "Invalid Recipient(s)"),
    Code.THREAD_ARCHIVED: (400, "Thread is archived"),
    Code.REPLY_WITHOUT_HISTORY: (400, "You cannot reply without permission to read message history"),
    Code.REPLY_TO_AGE_RESTRICTED: (400, "You cannot refer to a message of an age-restricted channel"),
}


class ApiError(Exception):
    """A refusal as Discord words it: HTTP status, code, message, and `errors` by field."""

    def __init__(self, status: int, code: int, message: str, errors: Wire | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.body: Wire = {"message": message, "code": int(code)} | ({"errors": errors} if errors else {})


def refusal(code: Code) -> ApiError:
    status, message = _FAULTS[code]
    return ApiError(status, code, message)


Path = tuple[str | int, ...]
_PUBLISHED = {
    "maxLength": "BASE_TYPE_MAX_LENGTH", "minLength": "BASE_TYPE_REQUIRED", "required": "BASE_TYPE_REQUIRED",
    "maxItems": "BASE_TYPE_BAD_LENGTH", "minItems": "BASE_TYPE_BAD_LENGTH", "minimum": "NUMBER_TYPE_RANGE",
    "maximum": "NUMBER_TYPE_RANGE", "enum": "BASE_TYPE_CHOICES", "const": "BASE_TYPE_CHOICES",
}  # fmt: skip
"""By the keyword of the description. What it says of types and formats, Discord is not so strict about."""


class Form:
    """Faults found in a body, by field; reported together as one 50035 (reference.mdx#error-messages)."""

    def __init__(self) -> None:
        self.errors: Wire = {}

    def add(self, path: Path, code: str, message: str) -> None:
        at = self.errors
        for step in path:
            at = at.setdefault(str(step), {})
        at.setdefault("_errors", []).append({"code": code, "message": message})

    def check_length(self, path: Path, value: object, limit: int, *, least: int = 0) -> None:
        if value is None:
            return
        if not isinstance(value, str):
            self.add(path, "STRING_TYPE_CONVERT", "Only strings are accepted.")
        elif len(value) > limit:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")
        elif len(value) < least:
            self.add(path, "BASE_TYPE_REQUIRED", "This field is required")

    def check_published(self, pointer: tuple[str, ...], value: object, path: Path = ()) -> None:
        """Lengths, counts, ranges and choices, as Discord's published description of this value has them."""
        for error in CONTRACT.errors(("components", "schemas", *pointer), value):
            at, kind = (*path, *error.instance_path), error.kind
            if kind.name == "required":
                self.add((*at, kind.as_dict()["property"]), _PUBLISHED[kind.name], "This field is required")
            elif kind.name == "type" and error.instance is None:
                self.add(at, "BASE_TYPE_REQUIRED", "This field is required")
            elif kind.name in {"enum", "const"} and at[-1] == "type":
                self.add(at, "UNION_TYPE_CHOICES", error.message)
            elif kind.name in _PUBLISHED:
                self.add(at, _PUBLISHED[kind.name], error.message)

    def settle(self) -> None:
        """Raises the refusal if any fault was found."""
        if self.errors:
            raise ApiError(400, Code.INVALID_FORM, "Invalid Form Body", self.errors)


def invalid(path: Path, code: str, message: str) -> ApiError:
    form = Form()
    form.add(path, code, message)
    return ApiError(400, Code.INVALID_FORM, "Invalid Form Body", form.errors)


def add_legacy_fault(form: Form, name: str) -> None:
    message = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
    form.add((name,), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", message)


def check_legacy(form: Form, body: Wire, *, v2: bool) -> None:
    """Content, embeds and nonce; with Components V2 there is neither content nor embeds nor the like."""
    if v2:
        for name in ("content", "embeds", "poll", "sticker_ids"):
            if body.get(name):
                add_legacy_fault(form, name)
    form.check_length(("content",), body.get("content"), CONTENT_LIMIT)
    if isinstance(nonce := body.get("nonce"), str):
        form.check_length(("nonce",), nonce, NONCE_LIMIT)
    embeds = body.get("embeds") or []
    form.check_published(("MessageCreateRequest", "properties", "embeds"), embeds, ("embeds",))
    if sum(len(embed.get(name) or "") for embed in embeds for name in ("title", "description")) > EMBEDS_TEXT_LIMIT:
        form.add(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")


_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_EVERYONE = re.compile(r"@(everyone|here)")


def mentions(text: str, allowed: Wire | None) -> tuple[list[int], list[int], bool]:
    """Users, roles and whether everyone is mentioned; without `allowed_mentions` all of them count."""
    wanted = {"parse": ["users", "roles", "everyone"]} if allowed is None else allowed
    parse = wanted.get("parse") or []
    users = {int(found) for found in _USER.findall(text)}
    roles = {int(found) for found in _ROLE.findall(text)}
    if "users" not in parse:
        users &= {int(one) for one in wanted.get("users") or []}
    if "roles" not in parse:
        roles &= {int(one) for one in wanted.get("roles") or []}
    return sorted(users), sorted(roles), "everyone" in parse and bool(_EVERYONE.search(text))
