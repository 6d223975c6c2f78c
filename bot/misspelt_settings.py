"""Finds settings that are spelled wrong: nothing reads them, and their default would hold without a word."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

OF_OTHERS = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"})
"""Read by libraries, and not by us under these names."""

PREFIXES = ("DISCORD_", "VIDEO_", "QUOTA_", "BUDGET_", "DIRECT_", "GPTPROTO_", "POLL_", "PROGRESS_", "KEEP_")
"""Whatever begins so is meant for this bot."""

_NEAR, _RESEMBLING = 0.8, 0.6
_SHORTEST = 6  # of what may be a slip: three letters resemble too much


def misspelt(names: Iterable[str], settings: Collection[str]) -> dict[str, str]:
    """The names among these that are meant for this bot and are no setting of it, each with the nearest that is."""
    known = {name.upper() for name in settings}
    found: dict[str, str] = {}
    for name in names:
        given = name.upper()
        if given in known | OF_OTHERS:
            continue
        is_ours = given.startswith(PREFIXES)
        if is_ours or len(given) >= _SHORTEST:
            nearest = difflib.get_close_matches(given, sorted(known), 1, _RESEMBLING if is_ours else _NEAR)
            if nearest or is_ours:
                found[name] = nearest[0] if nearest else ""
    return found


def sentence(name: str, nearest: str, place: str) -> str:
    """What is said of one."""
    if nearest:
        return f"{name} in {place} is not a setting of this bot: did you mean {nearest}?"
    return f"{name} in {place} is not a setting of this bot."
