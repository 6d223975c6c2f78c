"""A card in the terminal: Discord's markdown as plain words, redrawn in place where the terminal can."""

import re
import sys
import time
from collections.abc import Mapping
from typing import TextIO

BOLD, DIM, OFF = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def plain(text: str, names: Mapping[int, str], now: float) -> str:
    """The text as a member reads it: names for mentions, words for times, no fences."""
    text = re.sub(r"<@&?(\d+)>", lambda m: f"@{names.get(int(m[1]), m[1])}", text)
    text = re.sub(r"<t:(\d+):R>", lambda m: _relative(int(m[1]) - now), text)
    text = re.sub(r"<(https?://[^>]+)>", r"\1", text)
    lines = [line for line in text.split("\n") if line != "```"]
    return "\n".join(line.replace("**", "").replace("`", "") for line in lines)


def _relative(seconds: float) -> str:
    size, unit = next(((n, unit) for n, unit in _UNITS if abs(seconds) >= n), (1, "second"))
    count = round(abs(seconds) / size)
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"in {words}" if seconds >= 0 else f"{words} ago"


class Screen:
    """Where cards are drawn. On a terminal a card is drawn over its last state; in a file each state follows."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._height = 0
        self._last = ""

    def say(self, line: str = "") -> None:
        """A line of its own, below whatever was drawn."""
        self._height, self._last = 0, ""
        print(line, file=self._out, flush=True)

    def draw(self, text: str, names: Mapping[int, str]) -> None:
        """The card as it is now; nothing where it has not changed."""
        words = plain(text, names, time.time())
        if words == self._last:
            return
        self._last = words
        lines = [self._styled(line) for line in words.split("\n")]
        if self._is_terminal and self._height:
            self._out.write(f"\x1b[{self._height}A\x1b[J")
        self._out.write("\n".join(f"  │ {line}" for line in lines) + "\n")
        if not self._is_terminal:
            self._out.write("  ·\n")
        self._out.flush()
        self._height = len(lines)

    def _styled(self, line: str) -> str:
        style, words = "", line
        for mark, its_style in (("### ", BOLD), ("-# ", DIM)):
            if line.startswith(mark):
                style, words = its_style, line.removeprefix(mark)
        return f"{style}{words}{OFF}" if style and self._is_terminal else words
