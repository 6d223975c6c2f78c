"""What came of many runs, as the table that the harness ends with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.providers.registry import PROVIDERS
from tests.faults.kinds import KINDS
from tests.faults.runs import Outcome

ERRORS_SHOWN = 20
BY_PROVIDER = (
    *("jobs", "charged", "delivered", "undelivered", "failed", "cancelled", "timed_out", "unknown"),
    *("paid twice", "charged and refunded", "lost", "unfinished", "answer", "strange"),
)
"""States and promises."""


@dataclass(slots=True)
class Tally:
    """Adds up outcomes."""

    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """One more run."""
        self.outcomes.append(outcome)

    @property
    def broken(self) -> list[Outcome]:
        """Runs in which a promise did not hold."""
        return [outcome for outcome in self.outcomes if outcome.verdict.broken]

    def table(self) -> str:
        """Faults by kind, then the promises, then what is allowed and counted."""
        return "\n".join([*self._kinds(), "", *self._providers(), "", *self._promises(), "", *self._counted()])

    def _kinds(self) -> Iterator[str]:
        drawn = Counter(name for outcome in self.outcomes for _, name in outcome.plan.strikes)
        skipped = Counter(name for outcome in self.outcomes for name in outcome.plan.skipped)
        struck: Counter[str] = Counter()
        broken: Counter[str] = Counter()
        for outcome in self.outcomes:
            struck.update(outcome.struck)
            broken.update(name for _, name in outcome.plan.strikes if outcome.verdict.broken)
        yield f"{'fault':<26} {'runs':>6} {'struck':>7} {'skipped':>8} {'in broken runs':>15}"
        for name in KINDS:
            yield f"{name:<26} {drawn[name]:>6} {struck[name]:>7} {skipped[name]:>8} {broken[name]:>15}"

    def _providers(self) -> Iterator[str]:
        yield f"{'provider':<14} {'runs':>6}" + "".join(f" {title}" for title in BY_PROVIDER)
        for name in (*PROVIDERS, "none"):
            runs = sum(name in outcome.plan.providers for outcome in self.outcomes)
            total: Counter[str] = Counter()
            for outcome in self.outcomes:
                total.update(outcome.verdict.providers.get(name, Counter()))
            yield f"{name:<14} {runs:>6}" + "".join(f" {total[title]:>{len(title)}}" for title in BY_PROVIDER)
        yield "none: sent to nobody. Unknown at comfy-*: nobody can be asked, for a reason that stands below."

    def _promises(self) -> Iterator[str]:
        verdicts = [outcome.verdict for outcome in self.outcomes]
        restarts = sum(len(outcome.plan.restarts) for outcome in self.outcomes)
        by_itself = sum(outcome.ended_by_itself for outcome in self.outcomes)
        yield f"{'runs':<34} {len(verdicts):>6}"
        yield f"{'restarts without faults':<34} {restarts:>6}"
        yield f"{'ended by itself, started again':<34} {by_itself:>6}"
        yield f"{'jobs':<34} {sum(v.jobs for v in verdicts):>6}"
        yield f"{'paid at the provider':<34} {sum(v.paid for v in verdicts):>6}"
        for promise, count in {
            "paid twice": sum(len(v.paid_twice) for v in verdicts),
            "charged and refunded": sum(len(v.charged_and_refunded) for v in verdicts),
            "lost": sum(len(v.lost) for v in verdicts),
            "ledger differences": sum(len(v.ledger) for v in verdicts),
            "unfinished": sum(len(v.unfinished) for v in verdicts),
            "answered wrongly": sum(len(v.answers) for v in verdicts),
            "cards left at a passing state": sum(len(v.passing) for v in verdicts),
            "secrets told": sum(len(v.secrets) for v in verdicts),
            "dead routes hammered": sum(len(v.hammered) for v in verdicts),
            "otherwise strange": sum(len(v.strange) for v in verdicts),
        }.items():
            yield f"{promise:<34} {count:>6}"
        most = max((v.most_invalid for v in verdicts), default=0), max((v.most_missing for v in verdicts), default=0)
        yield f"{'most 401 and 403, most 404':<34} {most[0]:>6}, {most[1]}  of a job in one life of the bot"

    def _counted(self) -> Iterator[str]:
        for title, counts in {
            "jobs by state": [o.verdict.states for o in self.outcomes],
            "commands by answer": [o.verdict.outcomes for o in self.outcomes],
            "unknown": [o.verdict.unknown for o in self.outcomes],
            "undelivered": [o.verdict.undelivered for o in self.outcomes],
            "shown more than once": [o.verdict.shown_again for o in self.outcomes],
            "passing cards out of every reach": [o.verdict.out_of_reach for o in self.outcomes],
            "without an answer": [o.verdict.unanswered for o in self.outcomes],
        }.items():
            total: Counter[str] = Counter()
            for one in counts:
                total.update(one)
            yield f"{title:<34} {total.total():>6}"
            yield from (f"  {reason:<60} {count:>6}" for reason, count in total.most_common())
        errors: Counter[str] = Counter()
        for outcome in self.outcomes:
            errors.update(outcome.errors)
        yield f"{'errors in the log':<34} {errors.total():>6}"
        yield from (f"  {line:<92} {count:>6}" for line, count in errors.most_common(ERRORS_SHOWN))


def story(outcome: Outcome) -> str:
    """A broken run: what it was, what broke, how to play it alone."""
    plan = outcome.plan
    faults = ", ".join(f"{name} at {at:.1f} s" for at, name in plan.strikes)
    where = " + ".join(plan.providers)
    lines = [f"run {plan.run} of seed {plan.seed} ({outcome.seconds:.1f} s), {where}: {faults}"]
    lines += [f"  BROKEN {sentence}" for sentence in outcome.verdict.broken]
    lines += [f"  alone: uv run python benchmarks/faults.py --seed {plan.seed} --only {plan.run}"]
    return "\n".join(lines)
