"""The sandbox's terminal: a card is drawn over its last state and nothing else, and stays at the end."""

from __future__ import annotations

import io
import os
import re

from hypothesis import given
from hypothesis import strategies as st

from sandbox.terminal import EDGE, Screen, columns, folded, plain

_STEERS = re.compile(r"\x1b\[(\d*)([AJKm])")


class Terminal(io.StringIO):
    """So much of a terminal as the screen uses: rows, wrapping, wide signs; it wraps anew when its width changes."""

    def __init__(self, width: int = 80, height: int = 24) -> None:
        super().__init__()
        self.width, self.height = width, height
        self.lines: list[str] = [""]
        """Lines as they were written, each wrapped to the width when looked at; the cursor is before the last."""
        self._at = 0

    def isatty(self) -> bool:
        return True

    def size(self) -> os.terminal_size:
        return os.terminal_size((self.width, self.height))

    def write(self, text: str) -> int:
        place = 0
        while place < len(text):
            if steer := _STEERS.match(text, place):
                self._steer(steer[2], int(steer[1] or 0))
                place = steer.end()
            else:
                self._sign(text[place])
                place += 1
        return len(text)

    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]

    def _sign(self, sign: str) -> None:
        if sign == "\n":
            self._at += 1
            self.lines += [""] * (self._at + 1 - len(self.lines))
        elif sign != "\r":
            self.lines[self._at] += sign

    def _steer(self, kind: str, number: int) -> None:
        match kind:
            case "A":  # by rows of the screen, and a line may have several
                while number > 0 and self._at > 0:
                    self._at -= 1
                    number -= max(1, -(-columns(self.lines[self._at]) // self.width))
                assert number == 0, "the cursor went into the middle of a line"
            case "J":
                del self.lines[self._at + 1 :]
                self.lines[self._at] = ""
            case "K":
                self.lines[self._at] = ""


def a_card(words: str, state: str) -> str:
    return f"### {state}\n```\n{words}\n```\n-# <@7> · 4 credits"


def test_a_finished_card_stands_once_and_stays_above_what_is_said_to_its_member() -> None:
    terminal = Terminal()
    screen = Screen(terminal, terminal.size)
    long = "puts on a hat and looks at the sunset " * 4

    screen.say("@mia: /animate")
    for state in ("In the queue", "Rendering", "Done"):
        screen.draw(a_card(long, state), {7: "mia"})
    screen.say()
    screen.draw("Only for you, and long enough that it takes more than one row of a terminal of eighty columns.", {})
    screen.say("  (only you see this)")

    assert terminal.shown() == [
        "@mia: /animate",
        "  │ Done",
        "  │ puts on a hat and looks at the sunset puts on a hat and looks at the sunset",
        "  │ puts on a hat and looks at the sunset puts on a hat and looks at the sunset",
        "  │ @mia · 4 credits",
        "  │ Only for you, and long enough that it takes more than one row of a terminal",
        "  │ of eighty columns.",
        "  (only you see this)",
    ]


def test_a_terminal_that_became_narrower_is_drawn_over_by_the_rows_it_has_now() -> None:
    terminal = Terminal()
    screen = Screen(terminal, terminal.size)
    screen.say("above")
    screen.draw(a_card("日本語の文字がたくさんあります。" * 3, "Rendering"), {7: "mia"})

    terminal.width = 33
    screen.draw(a_card("日本語の文字がたくさんあります。" * 3, "Done"), {7: "mia"})

    shown = terminal.shown()
    assert shown[:2] == ["above", "  │ Done"]
    assert "".join(row.removeprefix(EDGE) for row in shown[2:-1]) == "日本語の文字がたくさんあります。" * 3
    assert max(map(columns, shown)) < 33


def test_a_card_that_is_taller_than_the_terminal_is_drawn_anew_below() -> None:
    terminal = Terminal(height=4)
    screen = Screen(terminal, terminal.size)

    for state in ("Rendering", "Done"):
        screen.draw(a_card("a\nb\nc", state), {7: "mia"})

    assert [row for row in terminal.shown() if "Rendering" in row or "Done" in row] == ["  │ Rendering", "  │ Done"]


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5), st.lists(st.integers(1, 120), min_size=5, max_size=5))
def test_whatever_a_card_says_and_however_wide_the_terminal_is_only_its_last_state_stands(
    states: list[str], widths: list[int]
) -> None:
    terminal, last = Terminal(height=10_000), Terminal(height=10_000)
    screen = Screen(terminal, terminal.size)
    screen.say("above")
    for number, width in enumerate(widths[: len(states)]):
        terminal.width = last.width = width
        screen.draw(f"{number} {states[number]}", {})
    Screen(last, last.size).draw(f"{len(states) - 1} {states[-1]}", {})

    assert terminal.lines == ["above", *last.lines]


@given(st.text(), st.integers(2, 90))
def test_rows_are_no_wider_than_they_may_be_and_lose_nothing_but_spaces(line: str, width: int) -> None:
    line = plain(line, {}, 0).replace("\n", " ")
    rows = folded(line, width)

    assert all(columns(row) <= width for row in rows)
    assert "".join(re.sub(r"\s", "", row) for row in rows) == re.sub(r"\s", "", line)


def test_an_address_is_not_cut_so_that_it_can_be_copied() -> None:
    address = "/tmp/" + "a" * 100

    assert folded(f"saved as {address}", 40, breaks=False) == ["saved as", address]


def test_a_prompt_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in plain("a\x1b[2Jb", {}, 0)


def test_a_moment_is_read_as_a_date() -> None:
    assert plain("until <t:1796520010:f>.", {}, now=0.0) == "until 2026-12-06 01:20 UTC."
