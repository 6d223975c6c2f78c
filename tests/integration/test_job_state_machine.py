"""Members, admins, the provider, the host and time in any order: after every step each job has its owner, its slot, its
credits, and at most one video; and once all is well again, whatever was asked for ends, and new requests are taken.
"""
# ruff: noqa: FBT001 - rules are called by name

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.errors import BotError
from bot.jobs.circuit_breaker import LONGEST_PAUSE_S, State
from bot.models import JobId, UserId
from bot.providers.protocols import Phase
from tests.fakes import GONE, IN_PLACE, PASSING
from tests.harness import MODELS, Harness
from tests.ledger_audit import differences

MEMBERS = range(1, 7)
MOODS = ("takes", "takes", "moderated", "unpaid", "forbidden", "lost", "lost", "lost but named", "nobody there", "busy")
UNDER_WAY = ("waiting", "submitting", "rendering", "delivering")
HOUR_S = 3_600.0
BOUNDS_S = {"timed_out": HOUR_S / 2, "queue_timeout": 2 * HOUR_S}
ASKS = st.tuples(st.sampled_from(MEMBERS), st.sampled_from(MODELS), st.sampled_from([True, True, True, None, False]))


class Jobs(RuleBasedStateMachine):
    """One bot, restarted now and then. Few rules, so that each of them has its turn in most runs."""

    @initialize(slots=st.sampled_from([1, 2, 6]), asks=st.lists(ASKS, min_size=1, max_size=4))
    def begins(self, slots: int, asks: list[tuple[int, str, bool | None]]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bot = Harness(Path(self.folder.name), slots=slots)
        self.bot.begin()
        self.newcomers = 1_000
        self.ask(asks)

    @rule(asks=st.lists(ASKS, min_size=1, max_size=3))
    def ask(self, asks: list[tuple[int, str, bool | None]]) -> None:
        """Some at once; whom a limit or the provider refuses goes away."""
        for member, model, shown in asks:
            with contextlib.suppress(BotError):
                self.bot.ask(member, model, shown=shown)

    @rule(mood=st.sampled_from(MOODS), model=st.sampled_from(MODELS))
    def everybody_asks(self, mood: str, model: str) -> None:
        """For one model, of which the provider makes something else from now on."""
        self.bot.provider.moods[model] = mood
        self.ask([(member, model, True) for member in MEMBERS])
        self.bot.passes(70.0, steps=2)

    @rule(data=st.data(), what=st.sampled_from(["cancel", "hide", "hide", "press", "press"]))
    def somebody_presses(self, data: st.DataObject, what: str) -> None:
        """A button: the job is cancelled, or hidden, or at least its task starts anew."""
        match what:
            case "cancel":
                for job in self._one(data, "waiting"):
                    self.bot.cancel(job)
            case "hide":
                for job in self._one(data, "submitting", "rendering", "delivering"):
                    self.bot.hide(job)
            case _:
                for job in self._one(data, *UNDER_WAY):
                    self.bot.run(self.bot.worker.recheck(job))

    @rule(member=st.sampled_from(MEMBERS), what=st.sampled_from(["block", "pause", "let in", "let in"]))
    def an_admin_decides(self, member: int, what: str) -> None:
        match what:
            case "block":
                self.bot.block(member)
            case "pause":
                self.bot.pause()
            case _:
                self._let_everybody_in()

    @rule(model=st.sampled_from(MODELS), mood=st.sampled_from([*MOODS, "refuses the key", "is well"]))
    def the_provider_takes_jobs_otherwise(self, model: str, mood: str) -> None:
        match mood:
            case "refuses the key":
                self.bot.provider.key_works = False
            case "is well":
                self.bot.provider.is_well()
                self.bot.settle()
            case _:
                self.bot.provider.moods[model] = mood

    @rule(what=st.sampled_from(["waits", "answers", "done", "done", "failed", "denies", "is silent", "tells"]))
    def the_provider_answers_otherwise(self, what: str) -> None:
        provider = self.bot.provider
        match what:
            case "waits":
                provider.gate.clear()
            case "answers":
                provider.gate.set()
            case "done":
                provider.finishes()
            case "failed":
                provider.finishes(Phase.FAILED)
            case _:
                provider.denies, provider.silent = what == "denies", what == "is silent"
        self.bot.settle()

    @rule(
        member=st.sampled_from(MEMBERS), picture=st.sampled_from([IN_PLACE, PASSING, GONE, "the chat", "all is there"])
    )
    def what_is_in_the_chat_can_be_had_or_not(self, member: int, picture: str) -> None:
        if picture in ("the chat", "all is there"):
            self.bot.chat.unwell = picture == "the chat"
        else:
            self.bot.chat.pictures[UserId(member)] = picture

    @rule(seconds=st.sampled_from([1.0, 70.0, 70.0, 200.0, 600.0, 2_000.0, 8_000.0]), done=st.booleans())
    def time_passes(self, seconds: float, done: bool) -> None:
        if done:
            self.bot.provider.finishes()
        self.bot.passes(seconds)

    @rule(seconds=st.sampled_from([HOUR_S, 3 * HOUR_S, -3 * HOUR_S, 1_200.0, -1_200.0]))
    def the_hosts_clock_is_set(self, seconds: float) -> None:
        """See `nobody_is_refunded_before_the_time`."""
        self.bot.sets_the_clock(seconds)
        self.bot.provider.gate.set()
        for (job,) in self.bot.rows("SELECT id FROM jobs WHERE state IN ('waiting', 'rendering')"):
            self.bot.run(self.bot.worker.recheck(JobId(job)))
        self.bot.passes(70.0, steps=2)

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
    def nobody_is_refunded_before_the_time(self) -> None:
        """Whatever the host's clock was set to. What an earlier process wrote down is believed."""
        for job, failure in self.bot.rows(
            "SELECT id, failure FROM jobs WHERE failure IN ('timed_out', 'queue_timeout')"
        ):
            if job in self.bot.asked_at_s:
                assert self.bot.loop.now_s - self.bot.asked_at_s[job] >= BOUNDS_S[failure]

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
            assert self.bot.context.circuit_breakers.faults() == []

    def _let_everybody_in(self) -> None:
        for member in MEMBERS:
            self.bot.unblock(member)
        self.bot.resume()

    def _all_is_well(self) -> None:
        self._let_everybody_in()
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
            if refused is None and self.bot.context.circuit_breakers.of("default").state(model) is not State.OPEN:
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
    max_examples=6,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.thorough
@pytest.mark.timeout(300)
class TestMoreJobs(TestJobs):  # type: ignore[misc,valid-type]  # made by Hypothesis
    """Five times as many lives."""

    settings = settings(TestJobs.settings, max_examples=50)
