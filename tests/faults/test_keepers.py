"""Why a command in a server of one of several processes had no answer."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from random import Random

import pytest

from tests.faults.keeper import Away, Life
from tests.faults.keepers import Freeze, Keepers
from tests.faults.place import Place

AT = 100.0
KILLED = Life(0.0, 0, ended_at=AT + 0.5, code=-9, wanted=signal.SIGKILL)
LOST = Life(0.0, 0, ended_at=AT - 0.8, code=-9, wanted=signal.SIGKILL)
STOPPED = Life(0.0, 0, ended_at=AT - 0.8, code=0, wanted=signal.SIGTERM)
ENDED_ITSELF = Life(0.0, 0, ended_at=AT + 1.0, code=1)
GAP = Away(AT - 1.0, AT + 1.0)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place({}, render_s=0.1)
    yield place
    await place.stop()


@pytest.fixture
def keepers(place: Place) -> Keepers:
    return Keepers(place, Random(1), processes=1)


def why(keepers: Keepers, at: float = AT) -> str | None:
    return keepers.why_unheard(keepers.place.discord.world.general, at)


def test_a_command_that_its_process_heard_and_did_not_answer_is_a_fault(keepers: Keepers) -> None:
    keepers.each[0].lives = [Life(0.0, 0)]

    assert why(keepers) is None


@pytest.mark.parametrize(
    ("life", "away", "reason"),
    [
        (KILLED, [], "its process was killed before it answered"),
        (ENDED_ITSELF, [], "its process ended itself after it stood still"),
        (LOST, [GAP], "its process was lost, and the next one was not connected yet"),
    ],
)
def test_nobody_else_could_answer_for_a_process_that_was_lost(
    keepers: Keepers, life: Life, away: list[Away], reason: str
) -> None:
    keepers.each[0].lives, keepers.each[0].away = [life, Life(AT + 0.9, 0)], away

    assert why(keepers) == reason


@pytest.mark.parametrize(
    ("until", "reason"),
    [(AT + 1.0, None), (AT + 2.8, "its process was stopped, and the next one was connected too late")],
)
def test_the_next_process_hears_what_came_before_it_unless_it_comes_late(
    keepers: Keepers, until: float, reason: str | None
) -> None:
    keepers.each[0].lives, keepers.each[0].away = [STOPPED, Life(AT - 0.7, 0)], [Away(AT - 1.0, until)]

    assert why(keepers) == reason


def test_nothing_is_left_to_a_process_that_is_stopped_while_it_starts_after_another_was_killed(
    keepers: Keepers,
) -> None:
    """Seed 51, run 12."""
    starting = Life(AT - 0.7, 0, ended_at=AT - 0.5, code=-15, wanted=signal.SIGTERM)
    keepers.each[0].lives, keepers.each[0].away = [LOST, starting, Life(AT - 0.4, 0)], [GAP]

    assert why(keepers) == "its process was lost, and the next one was not connected yet"


def test_a_process_that_stood_still_is_excused_until_it_has_caught_up(keepers: Keepers) -> None:
    life = Life(0.0, 0)
    keepers.each[0].lives = [life]
    keepers.each[0].freezes.append(Freeze(life, AT - 1.0, AT + 1.0))

    assert why(keepers) == "its process was frozen"
    assert why(keepers, AT + 30.0) is None


def test_what_became_of_another_process_is_no_excuse(place: Place) -> None:
    keepers = Keepers(place, Random(1), processes=2)
    home = keepers.of(keepers.place.discord.world.general)
    for keeper in keepers.each:
        keeper.lives = [Life(0.0, 0) if keeper is home else KILLED]

    assert why(keepers) is None
