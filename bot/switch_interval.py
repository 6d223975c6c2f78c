"""How long one of Python's threads may keep the others waiting."""

from __future__ import annotations

import sys

AT_MOST_S = 0.0005
"""The database's thread gives its turn away with every statement, and each time waits for the next one while the event
loop is at work. With Python's own 5 ms, sixteen reservations of eighteen statements each took a second in a burst of
commands. Measured: `benchmarks/first_answer.py`."""


def set_switch_interval() -> None:
    """From here on."""
    sys.setswitchinterval(AT_MOST_S)
