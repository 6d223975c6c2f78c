"""Log set-up: one event a line, as text or JSON, on standard error. No line can be forged, and none holds a secret.

Whatever is logged passes `hide` and `one_line`, tracebacks and the loggers of libraries included. So no caller has to
know what an error of a library carries in its text: an address with a token in it, a signed query, a header.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any
from urllib.parse import quote

from bot.log_context import current

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"

MAX_CHARACTERS = 8_000
"""Of one message, or of one line of a traceback."""

_BOUNDED_BELOW = 12  # a secret shorter than this is hidden as a word of its own only: it may be part of others
_SHORTEST = 4

_NOT_SIGNED = r"https?://[^\s/]+/oauth2/authorize\?"  # the invite link: nothing in it is secret, and it is to be read
_NAMES = r"authorization|proxy-authorization|x-api-key|api-key|set-cookie|cookie"
_VALUES = r"access[_-]?token|refresh[_-]?token|token|api[_-]?key|secret|password|signature|session_id"
_SLASH = r"(?:\\{0,4}/|%2F)"  # some JSON has a backslash before it, and its repr two
_END = r"[^\s\"'<>,;)}\]\\]"

_HIDDEN: tuple[tuple[re.Pattern[str], str], ...] = (
    # https://docs.discord.com/developers/interactions/receiving-and-responding: the token stands in the path
    (
        re.compile(rf"(?i)({_SLASH}(?:webhooks|interactions){_SLASH}[^/%\s\\]{{1,64}}{_SLASH})" + _END[:-1] + r"/?#]+"),
        r"\1[token]",
    ),
    # of `hosted_pictures`: whoever has the whole address has the picture
    (re.compile(rf"(?i)(pictures{_SLASH}[0-9]{{1,20}}-[0-9]{{1,12}}-)[\w-]{{8,}}"), r"\1[signature]"),
    (re.compile(r"aW50ZXJhY3Rpb2[\w+/=-]+"), "[token]"),  # "interaction" in base64: how a token of one begins
    (re.compile(r"\b[\w-]{20,100}\.[\w-]{5,100}\.[\w-]{20,}"), "[token]"),  # the token of a bot
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@\"'<>]{1,256}@"), r"\1[hidden]@"),
    (
        re.compile(rf"(?i)(?!{_NOT_SIGNED})" + r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s?#\"'<>]{0,2048})[?#][^\s\"'<>]*"),
        r"\1?[hidden]",
    ),
    (
        re.compile(r"(?i)(?<!/oauth2/authorize)(?<=[^\s?])(?:\?|%3F)[\w.~\[\]-]{1,100}(?:=|%3D)[^\s\"'<>]*"),
        "?[hidden]",
    ),  # of a path alone
    (
        re.compile(rf"(?i)(\b(?:{_NAMES})\b[\"']?\s*[:=,]\s*(?:b?[\"'])?)(?:(?:bot|bearer|basic|token)\s+)?{_END}+"),
        r"\1[hidden]",
    ),
    (re.compile(rf"(?i)((?:{_VALUES})[\"']?\s*[:=]\s*(?:b?[\"'])?){_END}+"), r"\1[hidden]"),
    (re.compile(r"\b(Bearer|Basic|Bot)(\s+)(?=\S*\d)[\w.~+/=-]{8,}"), r"\1\2[hidden]"),
    (re.compile(r"\bsk-[\w-]{6,}"), "[key]"),
)


class _Hider:
    """Takes secrets out of a text: what looks like one, and the operator's own by their letters."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted(
            {form for one in secrets if len(one) >= _SHORTEST for form in _forms(one)}, key=len, reverse=True
        )
        self._known = re.compile("|".join(map(_found, known))) if known else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub("[secret]", text)
        for form, instead in _HIDDEN:
            text = form.sub(instead, text)
        return text


def _forms(secret: str) -> set[str]:
    """As it is, and as it stands in addresses, in Python's quotes and in JSON."""
    quoted = quote(secret, safe=""), quote(secret)
    return {secret, *quoted, repr(secret)[1:-1], repr(secret.encode())[2:-1], json.dumps(secret)[1:-1]}


def _found(secret: str) -> str:
    whole = re.escape(secret)
    return whole if len(secret) >= _BOUNDED_BELOW else rf"(?<![\w-]){whole}(?![\w-])"


def printable(text: str) -> str:
    """What is printed beside the log: one line, without anything that looks like a secret."""
    return cleaner(())(text)


def cleaner(secrets: Iterable[str]) -> Callable[[str], str]:
    """As `printable`, and without these secrets."""
    hide = _Hider(secrets)
    return lambda text: one_line(hide(text))


def one_line(text: str) -> str:
    """The text, with all that would end a line, move the cursor or turn the direction of reading as an escape."""
    if len(text) > MAX_CHARACTERS:
        text = text[: MAX_CHARACTERS - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class _Formatter(logging.Formatter):
    """Puts a record together from pieces that are clean, each in a line of its own."""

    def __init__(self, hide: _Hider) -> None:
        super().__init__(_TEXT)
        self._hide = hide

    def clean(self, text: str) -> str:
        """One line without secrets."""
        return one_line(self._hide(text[: 2 * MAX_CHARACTERS]))

    def message_of(self, record: logging.LogRecord) -> str:
        """What the record says, also where its arguments do not fit: they are not printed raw then."""
        try:
            return self.clean(record.getMessage())
        except Exception:  # noqa: BLE001 - whatever an argument's own __str__ raises
            return self.clean(f"{record.msg!s} (its arguments cannot be put in)")

    def trace_of(self, record: logging.LogRecord) -> list[str]:
        """The lines of its traceback, if it has one."""
        lines: list[str] = []
        if record.exc_info and record.exc_info[1] is not None:
            kind, error, trace = record.exc_info
            lines += _lines(traceback.TracebackException(kind, error, trace, compact=True))
        if record.stack_info:
            lines += record.stack_info.split("\n")
        return [self.clean(line) for line in lines]

    def format(self, record: logging.LogRecord) -> str:
        message = self.message_of(record)
        about = current()
        if "job" in about and "job=" not in message:
            message = f"job={about['job']} {message}"
        head = f"{self.formatTime(record)} {record.levelname} {self.clean(record.name)} {message}"
        return "\n".join([head, *self.trace_of(record)])

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's own signature
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


class _JsonFormatter(_Formatter):
    """One JSON object a line, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": self.clean(record.name),
            "message": self.message_of(record),
        }
        for name, value in {**current(), **named(record)}.items():
            if value is not None:
                line.setdefault(name, self._field(name, value))
        if trace := self.trace_of(record):
            line["error"] = "\n".join(trace)
        return json.dumps(line, ensure_ascii=False)

    def _field(self, name: str, value: object) -> object:
        if isinstance(value, int | float) and name not in _IDS:
            return value
        return self.clean(str(value))


_IDS = frozenset(("job", "user", "guild", "scope", "interaction", "channel", "message"))
"""Written as text: they are larger than many readers of JSON can count."""
_PLACE = re.compile(r"(?:(?<![\w.])(\w+)=)?%(?:%|[-+ #0]*\d*(?:\.\d+)?[a-zA-Z])")


def named(record: logging.LogRecord) -> dict[str, object]:
    """The arguments that stand behind a name in the message as it was written in the source: nobody can add one."""
    if not isinstance(record.msg, str) or not isinstance(record.args, tuple):
        return {}
    places = [found[1] for found in _PLACE.finditer(record.msg) if not found[0].endswith("%%")]
    if len(places) != len(record.args):
        return {}
    return {name: value for name, value in zip(places, record.args, strict=True) if name is not None}


def _lines(error: traceback.TracebackException) -> Iterator[str]:
    """A traceback as Python prints it, but each error's own text, notes included, is one piece."""
    if error.__cause__ is not None:
        yield from (
            *_lines(error.__cause__),
            "",
            "The above exception was the direct cause of the following exception:",
            "",
        )
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from (
            *_lines(error.__context__),
            "",
            "During handling of the above exception, another exception occurred:",
            "",
        )
    if error.stack:
        yield "Traceback (most recent call last):"
        for frame in error.stack.format():
            yield from frame.rstrip("\n").split("\n")
    yield "".join(error.format_exception_only()).rstrip("\n")
    for part in error.exceptions or ():
        yield from (f"  | {line}" for line in _lines(part))


FOLDED_S = 60.0
"""Of discord.py's lines about rate limits, one is written in so long; it tells how many were not."""


class _Folding(logging.Filter):
    """discord.py writes a line for each 429 that it waits for, which may be hundreds a minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._next_at = -FOLDED_S
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("discord.") or not _ABOUT_LIMITS.search(str(record.msg)):
            return True
        if self._now() < self._next_at:
            self._left_out += 1
            return False
        if self._left_out:
            record.msg = f"{record.msg} ({self._left_out} lines like this were left out)"
        self._next_at, self._left_out = self._now() + FOLDED_S, 0
        return True


_ABOUT_LIMITS = re.compile(r"(?i)rate.?limit|\b429\b")


class _Handler(logging.StreamHandler[Any]):
    """Standard error. A line that cannot be written is dropped: logging would print its arguments as they are."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Nowhere is left to say it."""


def set_up(level: str, log_format: str, secrets: Iterable[str] = ()) -> None:
    """Replaces the root logger's handlers; `secrets` are never printed. Also what ends the process goes this way.

    discord.py and others stay at INFO: their DEBUG lines are the whole traffic, prompts and pictures included.
    """
    handler = _Handler(sys.stderr)
    handler.addFilter(_Folding())
    hide = _Hider(secrets)
    handler.setFormatter(_JsonFormatter(hide) if log_format == "json" else _Formatter(hide))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("discord", "aiohttp", "aiosqlite", "PIL", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLevelName(level)))
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda raised: _uncaught(raised.exc_type, raised.exc_value, raised.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    logging.getLogger("bot").error("not caught", exc_info=(kind, error or kind(), trace))
