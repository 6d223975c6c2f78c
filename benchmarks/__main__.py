"""Every figure that the design wants held, measured here and now, as one table with verdicts.

    uv run python -m benchmarks [first-answer] [jobs] [polls] [pictures] [faults] [tests] [--quick]

Without names it measures all, in about an hour and a quarter on two cores; `--quick` takes fewer rounds and runs, in
about a quarter of an hour, and its figures are less sure. Exit code 1 where a figure is missed. The soak is a command
of its own: `uv run python benchmarks/soak.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import faults, first_answer, many, pace, pictures
from benchmarks.figures import Figure, table

PROJECT = Path(__file__).parents[1]
SUITE_MINUTES = 3.0
SEED = 1


def of_first_answer(*, quick: bool) -> list[Figure]:
    return asyncio.run(first_answer.measured(3 if quick else 7, only_answers=True))


def of_jobs(*, quick: bool) -> list[Figure]:
    return asyncio.run(many.measured(10_000, 15.0 if quick else 30.0))


def of_polls(*, quick: bool) -> list[Figure]:
    return pace.measured(SEED, 2_000 if quick else 20_000)


def of_pictures(*, quick: bool) -> list[Figure]:
    return pictures.against_plain_pillow(3 if quick else 7)


def of_faults(*, quick: bool) -> list[Figure]:
    """The promises; one process on SQLite."""
    runs = range(1, 11 if quick else 201)
    tally = faults.play_all(SEED, runs)
    played = len(tally.outcomes)
    return [
        Figure(f"faults: runs of {len(runs)} that ended", played, "runs", len(runs), digits=0, at_least=True),
        Figure(f"faults: broken promises in {played} runs", len(tally.broken), "runs", 0, digits=0),
    ]


def of_tests(*, quick: bool) -> list[Figure]:  # noqa: ARG001 - the suite has one length
    """How long the default suite takes."""
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=PROJECT, check=False).returncode
    took = (time.monotonic() - began) / 60
    return [
        Figure("the default test suite", took, "min", SUITE_MINUTES),
        Figure("the default test suite: exit code", code, "", 0, digits=0),
    ]


ROWS: dict[str, Callable[..., list[Figure]]] = {
    "first-answer": of_first_answer,
    "jobs": of_jobs,
    "polls": of_polls,
    "pictures": of_pictures,
    "faults": of_faults,
    "tests": of_tests,
}


def machine() -> str:
    """What it was measured on."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the start"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what the design wants held.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}; without one, all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and runs: less time, less sure")
    options = parser.parse_args()
    if unknown := set(options.rows) - ROWS.keys():
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    measured_on, found = machine(), []
    for name in options.rows or ROWS:
        print(f"\n== {name}", flush=True)
        found += ROWS[name](quick=options.quick)
    print(f"\n{measured_on}\n\n{table(found)}")
    return 0 if all(figure.is_held for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
