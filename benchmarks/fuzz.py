"""Pictures and provider's answers mutated by the thousand: nothing but our own errors may come out.

    uv run python benchmarks/fuzz.py [--pictures 20000] [--answers 20000] [--seed 0]

Prints crashes, the worst times, the peak memory, and how often each sentence was said. Exit code 1 on a crash.
Hold: no crash, under 600 MB. What libtiff and libjpeg write to stderr is theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import random
import re
import sys
import time
import traceback
import warnings
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from bot.errors import PictureRefused, VideoError
from bot.images.resize import fit
from bot.providers.http import Timeouts
from bot.providers.openai import OpenAIProvider, ticket_of
from bot.providers.protocols import CreateRequest
from bot.wire_config import ModelWire, ProviderConfig
from tests.integration.video_server import http_answer, provider, sends_and_closes
from tests.unit import images_samples, video_answers
from tests.unit.test_responses import check_read

OVER_THE_WIRE = 20  # one answer in so many also goes through the client and a socket
SPEC = CreateRequest("a-key", ModelWire("sora-2"), "a hat", 4, "720x1280", b"\xff\xd8\xff")


class Tally:
    """What came out, and what took longest."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.crashes: list[str] = []
        self.worst: list[tuple[float, str]] = []
        self.peak = 0

    def note(self, name: str, outcome: str, begun: float) -> None:
        self.outcomes[re.sub(r"\d+(\.\d+)?", "N", outcome)] += 1
        self.worst = sorted([*self.worst, (time.perf_counter() - begun, name)], reverse=True)[:3]
        self.peak = max(self.peak, psutil.Process().memory_info().rss)

    def crash(self, name: str) -> None:
        self.crashes.append(f"{name}: {traceback.format_exc(limit=-3)}")

    def report(self) -> None:
        total = sum(self.outcomes.values()) + len(self.crashes)
        print(f"\n{total} {self.what}: {len(self.crashes)} crashes, peak {self.peak / 1e6:.0f} MB")
        print("  worst: " + ", ".join(f"{taken * 1000:.0f} ms ({name})" for taken, name in self.worst))
        for outcome, count in self.outcomes.most_common():
            print(f"  {count:6} {outcome}")
        for crash in self.crashes[:10]:
            print(crash)


def pictures(count: int, seed: int) -> Tally:
    tally = Tally("mutated pictures")
    for number in range(seed, seed + count):
        name, data = images_samples.mutated(random.Random(number))
        begun = time.perf_counter()
        try:
            fit(data, 320, 180)
            outcome = "(fitted)"
        except PictureRefused as refused:
            outcome = refused.sentence
        except BaseException:  # noqa: BLE001 - finding these is what this is for
            tally.crash(f"{number} {name}")
            continue
        tally.note(f"{number} {name}", outcome, begun)
    return tally


def answers(count: int, seed: int) -> Tally:
    tally = Tally("mutated answers read")
    for number in range(seed, seed + count):
        answer = video_answers.mutated(random.Random(number))
        begun = time.perf_counter()
        try:
            check_read(answer)
        except BaseException:  # noqa: BLE001 - finding these is what this is for
            tally.crash(str(number))
            continue
        tally.note(str(number), "(read)", begun)
    return tally


async def answers_over_the_wire(count: int, seed: int) -> Tally:
    """The same through the client: a create and a poll each, from bytes that are cut now and then."""
    tally = Tally("mutated answers over the wire, create and poll")
    async with provider() as there:
        api = OpenAIProvider(
            ProviderConfig("mine", "openai", there.url, "sk-fuzz-0123", "raw"), timeouts=Timeouts(5, 5, 5)
        )
        for number in range(seed, seed + count * OVER_THE_WIRE, OVER_THE_WIRE):
            chance = random.Random(number)
            answer = video_answers.mutated(chance)
            sent = http_answer(answer.status, answer.body, **{"connection": "close", **_sendable(answer.headers)})
            if chance.random() < 0.2:
                sent = sent[: chance.randrange(len(sent) + 1)]
            there.on("POST /v1/videos", sends_and_closes(sent))
            there.on("GET /v1/videos/v", sends_and_closes(sent))
            for call in (api.create(SPEC), api.status(ticket_of(api.endpoint, "v"))):
                begun = time.perf_counter()
                try:
                    outcome = type(await call).__name__
                except VideoError as error:
                    outcome = type(error).__name__
                except BaseException:  # noqa: BLE001 - finding these is what this is for
                    tally.crash(str(number))
                    continue
                tally.note(str(number), outcome, begun)
        await api.close()
    return tally


def _sendable(headers: object) -> dict[str, str]:
    assert isinstance(headers, dict)
    return {name: value.encode("latin-1", "replace").decode("ascii", "replace") for name, value in headers.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pictures", type=int, default=20_000)
    arguments.add_argument("--answers", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    warnings.simplefilter("ignore")
    tallies = [
        pictures(chosen.pictures, chosen.seed),
        answers(chosen.answers, chosen.seed),
        asyncio.run(answers_over_the_wire(chosen.answers // OVER_THE_WIRE, chosen.seed)),
    ]
    for tally in tallies:
        tally.report()
    sys.exit(any(tally.crashes for tally in tallies))


if __name__ == "__main__":
    main()
