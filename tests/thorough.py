"""What the default run leaves to `pytest -m thorough`: more of a kind that it shows already."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def mostly_thorough(values: Iterable[Any], by_default: Collection[Any]) -> list[Any]:
    """For `parametrize`: all values, of which the default run takes those of `by_default`.

    Raises ValueError where `by_default` names another.
    """
    every = list(values)
    if missing := [value for value in by_default if value not in every]:
        raise ValueError(f"none of the values: {missing}")
    return [pytest.param(value, marks=() if value in by_default else pytest.mark.thorough) for value in every]
