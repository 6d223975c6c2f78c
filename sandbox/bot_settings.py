"""`--set NAME=VALUE`: a setting of the bot that the sandbox starts. Whether the value fits is the bot's to say."""

import argparse
import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from sandbox.process import PROJECT

EXAMPLE = PROJECT / ".env.example"
"""Has a line for each setting."""
OF_CATALOGS = ("_KEY", "_FILE")
"""Keys whose names a catalog chooses, and what is read from files, are not in the example."""


def setting(typed: str) -> tuple[str, str]:
    """A name and its value. Raises argparse.ArgumentTypeError."""
    name, is_set, value = typed.partition("=")
    name = name.strip().upper()
    if not is_set or not name:
        raise argparse.ArgumentTypeError(f"{typed} is not a setting. Use a name and a value, such as BUDGET_CREDITS=8.")
    known = re.findall(r"^#?([A-Z_]+)=", EXAMPLE.read_text("utf-8"), re.MULTILINE) if EXAMPLE.is_file() else [name]
    if name not in known and not name.endswith(OF_CATALOGS):
        nearest = difflib.get_close_matches(name, known, 1)
        ask = f"Did you mean {nearest[0]}? " if nearest else ""
        raise argparse.ArgumentTypeError(f"{name} is not a setting of the bot. {ask}.env.example lists all settings.")
    return name, value


def settings(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The last of each name counts. A catalog of yours is found from the folder that the bot runs in, too."""
    found = dict(given)
    catalog = Path(found.get("VIDEO_CATALOG", ""))
    return found | ({"VIDEO_CATALOG": str(catalog.resolve())} if catalog.is_file() else {})
