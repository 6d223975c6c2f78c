"""A card in the terminal: Discord's markdown as plain words, redrawn in place where the terminal can."""

import os
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TextIO

BOLD, DIM, OFF = "\x1b[1m", "\x1b[2m", "\x1b[0m"
EDGE = "  │ "
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_STYLES = {"### ": BOLD, "-# ": DIM}
_EMOJI_FORM = "\ufe0f"
"""After a sign that may be narrow: it is to be shown as an emoji, which is wide."""

Size = Callable[[], os.terminal_size]


def plain(text: str, names: Mapping[int, str], now: float) -> str:
    """The text as a member reads it: names for mentions, words for times, no fences, nothing that steers a terminal."""
    text = re.sub(r"<@&?(\d+)>", lambda m: f"@{names.get(int(m[1]), m[1])}", text)
    text = re.sub(r"<#(\d+)>", lambda m: f"#{names.get(int(m[1]), m[1])}", text)
    text = re.sub(r"<t:(\d+):R>", lambda m: _relative(int(m[1]) - now), text)
    text = re.sub(
        r"<t:(\d+)(?::[a-zA-Z])?>", lambda m: f"{datetime.fromtimestamp(int(m[1]), UTC):%Y-%m-%d %H:%M} UTC", text
    )
    text = re.sub(r"<(https?://[^>]+)>", r"\1", text)
    text = "".join(c if c == "\n" or unicodedata.category(c) != "Cc" else " " for c in text)
    lines = [line for line in text.split("\n") if line != "```"]
    return "\n".join(line.replace("**", "").replace("`", "") for line in lines)


def _relative(seconds: float) -> str:
    size, unit = next(((n, unit) for n, unit in _UNITS if abs(seconds) >= n), (1, "second"))
    count = round(abs(seconds) / size)
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"in {words}" if seconds >= 0 else f"{words} ago"


def columns(text: str) -> int:
    """How many columns of a terminal the text takes, at most."""
    return sum(_columns(c) for c in text)


def _columns(sign: str) -> int:
    if sign == _EMOJI_FORM:
        return 1
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def folded(line: str, width: int, *, breaks: bool = True) -> list[str]:
    """The line in rows of at most so many columns, between words where it can be.

    `breaks`: a word that is wider than that is cut; otherwise it stays whole, to be copied.
    """
    rows = [""]
    for word in re.findall(r"\s+|\S+", line):
        if rows[-1] and columns(rows[-1] + word) > width:
            rows[-1] = rows[-1].rstrip()
            rows.append("")
            word = word.lstrip()  # noqa: PLW2901 - the space is where the row ends
        for sign in word if breaks else [word]:
            if rows[-1] and columns(rows[-1] + sign) > width:
                rows.append("")
            rows[-1] += sign
    return rows if len(rows) == 1 or rows[-1] else rows[:-1]


class Screen:
    """Where cards are drawn. On a terminal a card is drawn over its last state; in a file each state follows."""

    def __init__(self, out: TextIO | None = None, size: Size | None = None) -> None:
        self._out = out = out or sys.stdout
        self._is_terminal = out.isatty()
        self._size = size or (lambda: os.get_terminal_size(out.fileno()))
        self._rows: list[str] = []
        """What is drawn of the card now, as words without style."""
        self._last: str | None = None

    def say(self, line: str = "") -> None:
        """A line of its own, below whatever was drawn; that stays."""
        self.keep()
        rows = [row for each in line.split("\n") for row in self._folded(each, breaks=False)]
        print("\n".join(rows), file=self._out, flush=True)

    def keep(self) -> None:
        """What was drawn stays as it is; the next card begins below."""
        self._rows, self._last = [], None

    def draw(self, text: str, names: Mapping[int, str]) -> None:
        """The card as it is now; nothing where it has not changed."""
        words = plain(text, names, time.time())
        if words == self._last:
            return
        self._last = words
        styled = [row for line in words.split("\n") for row in self._styled(line)]
        shown = [f"{EDGE}{style}{row}{OFF if style else ''}\n" for style, row in styled]
        if self._is_terminal:
            self._out.write(self._back() + "".join(f"\x1b[2K{row}" for row in shown) + "\x1b[J")
        else:
            self._out.write("".join(shown) + "  ·\n")
        self._out.flush()
        self._rows = [EDGE + row for _, row in styled]

    def _back(self) -> str:
        """To the card's first row. A terminal that has become narrower since has wrapped the rows.

        What has left the screen above cannot be drawn over; the card is then drawn anew below.
        """
        width, lines = self._room()
        height = sum(max(1, -(-columns(row) // width)) for row in self._rows)
        return f"\x1b[{height}A\r" if 0 < height < lines else ""

    def _styled(self, line: str) -> Iterator[tuple[str, str]]:
        mark = next((mark for mark in _STYLES if line.startswith(mark)), "")
        style = _STYLES.get(mark, "") if self._is_terminal else ""
        return ((style, row) for row in self._folded(line.removeprefix(mark)))

    def _folded(self, line: str, *, breaks: bool = True) -> list[str]:
        if not self._is_terminal:
            return [line]
        width = self._room()[0] - 1 - (columns(EDGE) if breaks else 0)
        return folded(line, max(width, 2), breaks=breaks)

    def _room(self) -> tuple[int, int]:
        """Columns and lines now; a terminal that does not say is taken for one of the usual size."""
        size = self._size()
        return size.columns or 80, size.lines or 24
