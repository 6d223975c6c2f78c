"""Secrets in files, as Docker, Kubernetes and systemd hand them over: `NAME_FILE` names the file that has NAME's value.

No sentence has the value of `NAME_FILE`: somebody may have put the secret itself there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ENDING = "_FILE"
_LARGEST_BYTES = 64 * 1024


def read(name: str, variables: Mapping[str, str]) -> str | None:
    """The value of NAME, from it or from the file; None where neither is set. Raises ValueError with one sentence."""
    value, path = variables.get(name), variables.get(name + ENDING)
    if path is None:
        return value
    if value is not None:
        raise ValueError(f"{name} and {name}{ENDING} are both set: remove one of them.")
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_BYTES).decode("utf-8").strip()
    except PermissionError:
        raise ValueError(f"{name}{ENDING} is wrong: this user may not read the file.") from None
    except (OSError, ValueError):
        raise ValueError(f"{name}{ENDING} is wrong: it should be the path of a text file that can be read.") from None
    if not content:
        raise ValueError(f"{name}{ENDING} is wrong: the file is empty.")
    return content


def one_word(secret: str) -> str:
    """The secret without blanks around it. Raises ValueError where it has characters that no key has."""
    value = secret.strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("blank, or with characters that no key has")
    return value
