"""The words of a provider: found in an error of any shape, and made safe for the operator's log. Pure."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

MAX_WORDS = 200
"""Characters of a provider's text that go to the log."""

_ERROR_NAMES = (
    "error",
    "code",
    "type",
    "message",
    "detail",
    "msg",
    "fail_reason",
    "failure_reason",
    "reason",
)
_MAX_TEXT = 20_000  # of one string, for the patterns that are searched in it
_MAX_DEPTH = 6
_OPENING, _COLON, _COMMA = (re.compile(rf"\s*{mark}\s*") for mark in (r"\{", ":", ","))
_SECRETS = re.compile(r"\bsk-[\w-]{6,}|(?i:\bbearer\s+)[^\s\"',}]+")


def parsed(body: bytes) -> Any:
    """The body as JSON, or None."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # also undecodable bytes, and integers of thousands of digits
        return None


def parsed_as_far_as_it_came(body: bytes) -> dict[str, Any]:
    """The members of a JSON object that arrived whole before the body was cut."""
    text = body[:_MAX_TEXT].decode("utf-8", "ignore")
    decoder, found = json.JSONDecoder(), dict[str, Any]()
    at = _OPENING.match(text)
    while at is not None:
        try:
            name, end = decoder.raw_decode(text, at.end())
            colon = _COLON.match(text, end)
            if not isinstance(name, str) or colon is None:
                break
            value, end = decoder.raw_decode(text, colon.end())
        except (ValueError, RecursionError):
            break
        at = _COMMA.match(text, end)
        if at is not None:  # a number before the cut may lack digits
            found[name] = value
    return found


def error_text(body: bytes) -> str:
    """Code, type and message of an error in one line, whatever its shape; else the body itself."""
    if told := said(parsed(body)):
        return told
    return body[:_MAX_TEXT].decode("utf-8", "replace")


def said(value: Any) -> str:
    """Code, type and message of what is parsed already, also from JSON inside a message."""
    return " ".join(dict.fromkeys(_error_words(value)))[:_MAX_TEXT]


def is_html(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def for_the_log(text: str, key: str) -> str:
    """One line of at most MAX_WORDS characters without the key or anything that looks like one."""
    if len(key) >= 4:
        text = text.replace(key, "[key]")
    text = _SECRETS.sub("[key]", text[: 10 * MAX_WORDS])
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"


def embedded(text: str) -> Iterator[Any]:
    """The first JSON object inside a text, as LiteLLM leaves them; of eight beginnings at most."""
    start = text.find("{")
    for _ in range(8):
        if start < 0:
            return
        with contextlib.suppress(ValueError, RecursionError):
            yield json.JSONDecoder().raw_decode(text, start)[0]
            return
        start = text.find("{", start + 1)


def _error_words(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name in _ERROR_NAMES:
            yield from _error_words(value.get(name), depth + 1)
        if value.get("content_filter"):  # Bifrost
            yield "content_filter"
        if not value.get("error"):
            yield from _error_words(value.get("data"), depth + 1)
    elif isinstance(value, list):
        for item in value[:10]:
            yield from _error_words(item, depth + 1)
    elif isinstance(value, str) and value.strip():
        text = value[:_MAX_TEXT].strip()
        yield text
        for part in embedded(text):
            yield from _error_words(part, depth + 1)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)[:40]
