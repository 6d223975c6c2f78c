"""Members, admins, the provider, the host and time in any order: after every step each job has its owner, its slot, its
credits, and at most one video; and once all is well again, whatever was asked for ends, and new requests are taken.
"""
# ruff: noqa: FBT001 - rules are called by name

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.errors import BotError
from bot.jobs.breaker import LONGEST_PAUSE_S, State
from bot.models import JobId, Press
from bot.store import cards
from bot.video.port import Phase
from tests.books import differences
from tests.fakes import GONE, IN_PLACE, PASSING
from tests.harness import MODELS, Harness

MEMBERS = st.integers(1, 3)
MODEL = st.sampled_from(MODELS)
MOODS = ("takes", "moderated", "unpaid", "lost", "nobody there", "busy")
UNDER_WAY = ("waiting", "submitting", "rendering", "delivering")
HOUR_S = 3_600.0


class Jobs(RuleBasedStateMachine):
    """One bot, restarted now and then."""

    @initialize(slots=st.integers(1, 3))
    def begins(self, slots: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bot = Harness(Path(self.folder.name), slots=slots)
        self.bot.begin()
        self.blocked: set[int] = set()
        self.newcomers = 1_000

    # What people do.

    @rule(member=MEMBERS, model=MODEL, shown=st.sampled_from([True, True, True, None, False]))
    def asks(self, member: int, model: str, shown: bool | None) -> None:
        try:
            self.bot.ask(member, model, shown=shown)
        except BotError:
            self.bot.settle()

    @rule(data=st.data())
    def cancels(self, data: st.DataObject) -> None:
        for job in self._one(data, "waiting"):
            self.bot.cancel(job)

    @rule(data=st.data())
    def hides(self, data: st.DataObject) -> None:
        for job in self._one(data, "submitting", "rendering", "delivering"):
            self.bot.hide(job)

    @rule(data=st.data())
    def presses(self, data: st.DataObject) -> None:
        """Any button: its token reaches the card, and the task starts anew."""
        for job in self._one(data, *UNDER_WAY):
            found = self.bot.job(job)
            if found.card.message is not None:
                press = Press(found.card.message, "token", found.card.token_ends_at, 10_000_000)
                self.bot.run(self.bot.store.write(cards.renew(job, press)))
                self.bot.run(self.bot.worker.recheck(job))

    @rule(member=MEMBERS)
    def is_blocked(self, member: int) -> None:
        self.bot.block(member)
        self.blocked.add(member)

    @precondition(lambda self: self.blocked)
    @rule()
    def are_unblocked(self) -> None:
        for member in self.blocked:
            self.bot.unblock(member)
        self.blocked.clear()

    @rule()
    def is_paused(self) -> None:
        self.bot.pause()

    @rule()
    def is_resumed(self) -> None:
        self.bot.resume()

    # What the world does.

    @rule(model=MODEL, mood=st.sampled_from(MOODS))
    def the_provider_takes_another_mood(self, model: str, mood: str) -> None:
        self.bot.provider.moods[model] = mood

    @rule(works=st.booleans())
    def the_key_is_changed(self, works: bool) -> None:
        self.bot.provider.key_works = works

    @rule(is_slow=st.booleans())
    def creates_are_answered_late(self, is_slow: bool) -> None:
        if is_slow:
            self.bot.provider.gate.clear()
        else:
            self.bot.provider.gate.set()
        self.bot.settle()

    @rule(phase=st.sampled_from([Phase.DONE, Phase.FAILED]))
    def renders_end(self, phase: Phase) -> None:
        self.bot.provider.finishes(phase)

    @rule(denies=st.booleans(), silent=st.booleans())
    def polls_are_answered_otherwise(self, denies: bool, silent: bool) -> None:
        self.bot.provider.denies, self.bot.provider.silent = denies, silent

    @rule(member=MEMBERS, picture=st.sampled_from([IN_PLACE, PASSING, GONE]))
    def pictures_can_be_had_or_not(self, member: int, picture: str) -> None:
        self.bot.chat.pictures[member] = picture  # type: ignore[index]  # ids are numbers

    @rule(unwell=st.booleans())
    def the_chat_is_unwell(self, unwell: bool) -> None:
        self.bot.chat.unwell = unwell

    @rule(seconds=st.sampled_from([1.0, 30.0, 70.0, 600.0, 2_000.0, 8_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.bot.passes(seconds)

    @rule(seconds=st.sampled_from([2 * HOUR_S, -2 * HOUR_S, 1_200.0, -1_200.0]))
    def the_hosts_clock_is_set(self, seconds: float) -> None:
        before = self.bot.rows("SELECT id, state FROM jobs ORDER BY id")
        self.bot.sets_the_clock(seconds)
        self.bot.settle()
        assert self.bot.rows("SELECT id, state FROM jobs ORDER BY id") == before

    @rule(is_told=st.booleans())
    def the_bot_is_restarted(self, is_told: bool) -> None:
        if is_told:
            self.bot.stop()
        else:
            self.bot.kill()
        self.bot.begin()

    # What always holds.

    @invariant()
    def every_job_has_its_owner(self) -> None:
        needing = self.bot.rows(
            "SELECT id FROM jobs JOIN cards ON cards.job = jobs.id WHERE finished_at IS NULL"
            " OR state IN ('waiting', 'submitting', 'rendering', 'delivering', 'timed_out')"
        )
        assert self.bot.worker.carried == {JobId(job) for (job,) in needing}

    @invariant()
    def slots_follow_the_states(self) -> None:
        at_provider = self.bot.rows("SELECT id FROM jobs WHERE state IN ('submitting', 'rendering')")
        assert self.bot.holding() == {job for (job,) in at_provider}

    @invariant()
    def the_books_are_right(self) -> None:
        assert self.bot.looked(differences) == []

    @invariant()
    def nothing_is_paid_twice_or_delivered_twice(self) -> None:
        assert max(self.bot.provider.made.values(), default=0) <= 1
        assert max(self.bot.chat.delivered.values(), default=0) <= 1

    @invariant()
    def every_finished_video_is_where_its_member_finds_it(self) -> None:
        for job, state, hidden in self.bot.rows(
            "SELECT id, state, hidden_at FROM jobs JOIN cards ON cards.job = jobs.id"
            " WHERE state IN ('delivered', 'undelivered')"
        ):
            is_kept = (self.bot.folder / "videos" / f"{job}.mp4").exists()
            assert is_kept if state == "undelivered" or hidden else is_kept or self.bot.chat.delivered[job] == 1

    def teardown(self) -> None:
        """All is well again: what is under way ends, and everybody is served."""
        if not hasattr(self, "bot"):
            return
        with self.folder, contextlib.closing(self.bot):
            self._all_is_well()
            for model in MODELS:
                self._is_served(model)
            for _ in range(8):  # as many as may have been in the queue, one slot at a time
                self.bot.provider.finishes()
                self.bot.passes(LONGEST_PAUSE_S, steps=10)
            self._all_is_well()
            assert self.bot.rows(f"SELECT id, state FROM jobs WHERE state IN {UNDER_WAY}") == []
            assert self.bot.desk.breaker.faults() == []

    def _all_is_well(self) -> None:
        self.are_unblocked()
        self.bot.resume()
        self.bot.provider.is_well()
        self.bot.chat.unwell = False
        self.bot.chat.pictures.clear()
        self.bot.settle()
        self.bot.passes(LONGEST_PAUSE_S + 200.0)

    def _is_served(self, model: str) -> None:
        """Whoever asks, once the pause is over; a probe that only ends with its render keeps others out till then."""
        refused: BotError | None = None
        for _ in range(4):
            self.newcomers += 1
            refused = self.bot.refused(self.newcomers, model)
            if refused is None and self.bot.desk.breaker.state(model) is not State.OPEN:
                return
            self.bot.provider.finishes()
            self.bot.passes(LONGEST_PAUSE_S)
        raise AssertionError(f"{model} is not served: {refused}")

    def _one(self, data: st.DataObject, *states: str) -> list[JobId]:
        """At most one job in one of these states."""
        found = [JobId(job) for (job,) in self.bot.rows(f"SELECT id FROM jobs WHERE state IN {(*states, '')}")]
        return [data.draw(st.sampled_from(found))] if found else []


TestJobs = Jobs.TestCase
TestJobs.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
