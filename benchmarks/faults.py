"""The long run of the fault harness: the real bot between a local Discord and local providers, and everything fails.

    uv run python benchmarks/faults.py --runs 200 --seed 1 [--jobs 2] [--only RUN] [--kind NAME]… [--provider NAME]…

With `--processes 3`, three processes share a PostgreSQL server, and one of them is killed, frozen or rolled at a time.

Each run draws its providers, commands, faults and moments from the seed and its number; it ends without faults, a
restart or two and the reckoning (`tests/faults/reckoning.py`). The draw is the same every time; the races are the
machine's own, so a broken run may take a few goes to break again. Ends with the table; exit code 1 where a promise was
broken, with the seed and number of each such run and the folder that its log, database and requests are kept in.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from sandbox.providers.registry import PROVIDERS
from tests.faults import several
from tests.faults.kinds import KINDS
from tests.faults.runs import Outcome, draw, play
from tests.faults.table import Tally, story

KEEP = Path(tempfile.gettempdir(), "animate-faults")


def one(
    seed: int, run: int, kinds: tuple[str, ...], providers: tuple[str, ...], keep: Path, *, keep_all: bool = False
) -> Outcome:
    """One run, in a process of its own: two on one loop would be late for each other."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        plan = draw(seed, run, kinds=kinds or None, providers=providers or None)
        return asyncio.run(play(plan, keep=keep, keep_all=keep_all))
    except KeyboardInterrupt:  # the bot and its tmpfs are taken down by now; the pool would go on with the next run
        os._exit(1)


def main() -> int:
    parser = argparse.ArgumentParser(description="Play runs of faults and hold the promises against them.")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first", type=int, default=1, help="number of the first run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--only", type=int, default=None, metavar="RUN", help="this run alone, with all it did")
    parser.add_argument("--kind", action="append", default=[], choices=list(KINDS), help="these faults, none drawn")
    parser.add_argument("--provider", action="append", default=[], choices=list(PROVIDERS), help="these, none drawn")
    parser.add_argument("--processes", type=int, default=1, help="several share PostgreSQL; one of them is struck")
    parser.add_argument("--keep", type=Path, default=KEEP)
    parser.add_argument("--keep-all", action="store_true", help="the logs of runs in which nothing broke, too")
    options = parser.parse_args()
    if options.processes > 1:
        return several_processes(options)
    kinds, providers = tuple(options.kind), tuple(options.provider)
    if options.only is not None:
        outcome = one(options.seed, options.only, kinds, providers, options.keep, keep_all=options.keep_all)
        print(*outcome.told, story(outcome), sep="\n")
        return 1 if outcome.verdict.broken else 0
    numbers = range(options.first, options.first + options.runs)
    tally = play_all(
        options.seed,
        numbers,
        kinds,
        providers,
        options.keep,
        at_once=options.jobs,
        keep_all=options.keep_all,
    )
    if tally.broken:
        runs = sorted(outcome.plan.run for outcome in tally.broken)
        print(f"BROKEN in {len(runs)} runs of seed {options.seed}: {runs}; their logs are in {options.keep}")
        return 1
    return 0


def several_processes(options: argparse.Namespace) -> int:
    """Runs with several processes, one after the other; exit code 1 where a promise was broken."""
    numbers = range(options.first, options.first + options.runs)
    if options.only is not None:
        numbers = range(options.only, options.only + 1)
    outcomes: list[several.Outcome] = []
    for run in numbers:
        provider = options.provider[0] if options.provider else None
        playing = several.play(options.seed, run, processes=options.processes, provider=provider, keep=options.keep)
        outcomes.append(asyncio.run(playing))
        print(several.line(outcomes[-1]), *outcomes[-1].verdict.broken, sep="\n  ", flush=True)
    broken = [outcome.run for outcome in outcomes if outcome.verdict.broken]
    print(
        f"\nseed {options.seed}, {len(outcomes)} runs of {options.processes} processes",
        *several.table(outcomes),
        sep="\n",
    )
    print(f"broken promises in {len(broken)} runs {broken or ''}")
    return 1 if broken else 0


def play_all(
    seed: int,
    numbers: Sequence[int] = range(1, 201),
    kinds: tuple[str, ...] = (),
    providers: tuple[str, ...] = (),
    keep: Path = KEEP,
    *,
    at_once: int = 2,
    keep_all: bool = False,
) -> Tally:
    """Plays these runs, each in a process of its own, and prints the table. At Ctrl-C, of those that have ended."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tally, began = Tally(), time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(at_once, mp_context=spawn) as pool:
        try:
            running = [pool.submit(one, seed, number, kinds, providers, keep, keep_all=keep_all) for number in numbers]
            for done in concurrent.futures.as_completed(running):
                tally.add(done.result())
                if done.result().verdict.broken:
                    print(story(done.result()), flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.terminate()
            print("stopped; what came out so far:")
    print(f"\n{tally.table()}\n\nseed {seed}, {time.monotonic() - began:.0f} s")
    return tally


if __name__ == "__main__":
    sys.exit(main())
