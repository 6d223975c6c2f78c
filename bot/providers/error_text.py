"""The words of a provider: found in an error of any shape, and made safe for the operator's log. Pure."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_WORDS = 200
"""Characters of a provider's text that go to the log."""

_CODE_NAMES = ("code", "type", "error_code", "error_type", "fail_reason", "failure_reason", "finish_reason", "reason")
_ERROR_NAMES = ("error", *_CODE_NAMES[:4], "message", "detail", "msg", *_CODE_NAMES[4:])
_FILTERED = re.compile(r"content_?filter$|rai_?media_?filtered", re.IGNORECASE)
"""Members that tell of moderation by being there (Bifrost, Veo)."""
_CODE = re.compile(r"[A-Za-z][\w.:/-]{2,79}")
_MAX_TEXT = 20_000  # of one string, for the patterns that are searched in it
_MAX_DEPTH = 6
_MAX_PIECES = 100
_OPENING, _COLON, _COMMA = (re.compile(rf"\s*{N_}\s*") for N_ in (r"\{", ":", ","))
_SECRETS = re.compile(
    r"\bsk-[\w-]{6,}|(?i:\bbearer\s+)[^\s\"',}]+"
    r"|(?i:\b(?:api[_-]?key|token|secret|signature|password)[\"']?\s*[=:]\s*[\"']?)(?=[^\s\"',}&]*\d)[^\s\"',}&]{6,}"
)
_ADDRESS = re.compile(
    r"(?i:\b(https?|wss?|ftp)://)"
    r"([^\s\"'<>\\^`{|}@?#/]*@)?([^\s\"'<>\\^`{|}?#]*)([?#][^\s\"'<>\\^`{|}]*)?"
)
_SIGNED = re.compile(r"([?&][\w.-]*(?:sig|token|key|auth|secret|credential|hm)[\w.-]*=)[^\s&\"']+", re.IGNORECASE)
"""Whoever has an address with its signature has the file: a log gets neither that nor a password."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an error says, piece by piece; `codes` are those that are identifiers and stand where those stand."""

    pieces: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pieces)

    @property
    def text(self) -> str:
        """All of it in one line."""
        return " ".join(self.pieces)[:_MAX_TEXT]


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


def error_said(body: bytes) -> Said:
    """Code, type and message of an error, whatever its shape; else the body itself."""
    found = parsed(body)
    if isinstance(found, dict):  # a job, perhaps, with what the member wrote
        body = json.dumps(_without_prompts(found), ensure_ascii=False).encode("utf-8", "replace")
    return said(found) or Said((_as_text(body),))


def error_text(body: bytes) -> str:
    """The same in one line."""
    return error_said(body).text


def said(value: Any) -> Said:
    """Code, type and message of what is parsed already, also from JSON inside a message."""
    found = list(itertools.islice(_error_words(value), _MAX_PIECES))
    codes = (text for name, text in found if name in _CODE_NAMES or name == "error" if _CODE.fullmatch(text))
    return Said(tuple(dict.fromkeys(text for _, text in found)), tuple(dict.fromkeys(codes)))


def _without_prompts(value: Any, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, dict):
        kept = {name: inner for name, inner in value.items() if "prompt" not in name.lower()}
        return {name: _without_prompts(inner, depth + 1) for name, inner in kept.items()}
    return [_without_prompts(inner, depth + 1) for inner in value[:10]] if isinstance(value, list) else value


def _as_text(body: bytes) -> str:
    """The body where it is text; of anything else how it begins, since bytes are nothing to print."""
    head = body[:_MAX_TEXT]
    text = head.decode("utf-8", "replace")
    odd = sum(1 for c in text[:400] if c == "\ufffd" or not (c.isprintable() or c.isspace()))
    if 10 * odd > len(text[:400]):
        return f"{len(body)} bytes that are no text, beginning {head[:12].hex(' ')}"
    return text


def is_html(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def for_the_log(text: str, key: str) -> str:
    """One line of at most MAX_WORDS characters without the key or anything that looks like one."""
    if len(key) >= 4:
        text = text.replace(key, "[key]")
    text = _ADDRESS.sub(_without_secrets, text[: 10 * MAX_WORDS])
    text = _SECRETS.sub("[key]", _SIGNED.sub(r"\1…", text))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"


def _without_secrets(address: re.Match[str]) -> str:
    return f"{address[1]}://{address[3]}{'?…' if address[4] else ''}"


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


def _error_words(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Each word with the name that it stands under."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for inner in _ERROR_NAMES:
            yield from _error_words(value.get(inner), inner, depth + 1)
        for inner in list(value)[:50]:
            if value[inner] and _FILTERED.match(inner):
                yield "code", inner[:80]
                yield from _error_words(value[inner], inner, depth + 1)
        if not value.get("error"):
            yield from _error_words(value.get("data"), "", depth + 1)
    elif isinstance(value, list):
        for item in value[:10]:
            yield from _error_words(item, name, depth + 1)
    elif isinstance(value, str) and value.strip():
        text = value[:_MAX_TEXT].strip()
        yield name, text
        for part in embedded(text):
            yield from _error_words(part, "", depth + 1)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield name, str(value)[:40]
