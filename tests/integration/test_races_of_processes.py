"""Three processes on one PostgreSQL database at once: no quota, server limit or budget is exceeded by a credit."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Database

pytestmark = pytest.mark.postgres

PROJECT = Path(__file__).parents[2]
PROCESSES = 3
DEADLINE_S = 50.0

CHILD = """
import asyncio, json, sys
from collections import Counter
from bot.errors import ReservationRefused
from bot.models import FailureKind, JobState, Limit, Limits, Period, Scope, UserId
from bot.store import jobs
from bot.store.database import Store
from bot.store.reservations import reserve
from tests.builders import NOON, a_job, limits

async def main():
    address, process, given = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    operator = limits(given["quota"], budget=given["budget"], jobs_per_user=given["jobs"])
    store = await Store.open(address)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)

    async def ask(turn):
        number = process * 10_000 + turn
        job = a_job(number, member=UserId(turn % given["members"]), scope=Scope(turn % given["servers"]))
        try:
            await store.write(reserve(job, [], operator))
        except ReservationRefused as error:
            return str(error.reason)
        if given["cancels"] and turn % 3 == 0:
            await store.write(jobs.move(
                job.id, JobState.WAITING, JobState.CANCELLED, now=NOON, failure=FailureKind.NO_CARD))
            return "cancelled"
        return "reserved"

    print(json.dumps(Counter(await asyncio.gather(*map(ask, range(given["each"]))))), flush=True)
    await store.close()

asyncio.run(main())
"""


async def race(address: str, **given: object) -> Counter[str]:
    """What came of all requests: each process asks `each` times at once, all begin together."""
    pipe = asyncio.subprocess.PIPE
    words = {"servers": 1, "members": 1, "budget": 10**6, "jobs": 1_000, "quota": 10**6, "cancels": False} | given
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, address, str(number), json.dumps(words), cwd=PROJECT, stdin=pipe, stdout=pipe
        )
        for number in range(PROCESSES)
    ]
    try:
        async with asyncio.timeout(DEADLINE_S):
            for child in children:
                assert await _line(child) == b"open\n"
            for child in children:
                assert child.stdin is not None
                child.stdin.write(b"go\n")
            found = [json.loads(await _line(child)) for child in children]
            await asyncio.gather(*(child.wait() for child in children))
    finally:
        for child in children:
            if child.returncode is None:
                child.kill()
            await child.communicate()
    return sum((Counter(each) for each in found), Counter[str]())


async def _line(child: asyncio.subprocess.Process) -> Any:
    assert child.stdout is not None
    return await child.stdout.readline()


async def test_two_hundred_at_once_on_a_quota_of_ten_videos_get_ten(postgres_address: str) -> None:
    outcomes = await race(postgres_address, each=67, quota=40)

    assert outcomes == {"reserved": 10, "quota": 191}
    assert Database(postgres_address).differences() == []


async def test_two_hundred_at_once_of_a_member_who_may_have_two_get_two(postgres_address: str) -> None:
    outcomes = await race(postgres_address, each=67, jobs=2, servers=3)

    assert outcomes == {"reserved": 2, "too_many_jobs": 199}


async def test_a_budget_is_kept_while_members_cancel_and_ask_in_several_servers(postgres_address: str) -> None:
    """What comes back may be spent again, so how many got a video differs; the books say that none was too many."""
    outcomes = await race(postgres_address, each=67, budget=40, members=20, servers=4, cancels=True)

    assert 0 < outcomes["reserved"] <= 10
    assert outcomes["budget"] > 0
    assert Database(postgres_address).differences() == []
