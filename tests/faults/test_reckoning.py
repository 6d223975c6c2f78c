"""The harness can fail: every account that was tampered with is reported, and only that."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from random import Random

import aiohttp
import pytest

from tests.faults.collect import collect
from tests.faults.keeper import Keeper
from tests.faults.place import Place, until
from tests.faults.reckoning import Account, Command, Paid, Shown, Stored, reckon
from tests.faults.scene import Scene, opened

MIA, ANA = 1, 2
VIDEO = b"\x00\x00\x00\x18ftypmp42" + b"a clip" * 20
OTHER = b"\x00\x00\x00\x18ftypmp42" + b"another" * 20

ASKED = Command("a hat", MIA, "card")
PAID = Paid("a hat", VIDEO)
SHOWN = Shown("video-abc.mp4", VIDEO)
STORED = Stored(7, "abc", "a hat", "delivered")
HONEST = Account(commands=(ASKED,), paid=(PAID,), shown=(SHOWN,), stored=(STORED,))


def _with(account: Account = HONEST, **changes: object) -> Account:
    return replace(account, **changes)  # type: ignore[arg-type]  # the account's own fields


def test_an_honest_account_breaks_nothing() -> None:
    verdict = reckon(HONEST)

    assert verdict.broken == []
    assert (verdict.jobs, verdict.paid, verdict.states["delivered"]) == (1, 1, 1)


KEPT = replace(STORED, state="undelivered", file=VIDEO, undelivered_because="its card was taken away")
LOST = {
    "delivered, but to nobody": _with(shown=()),
    "delivered, but with other bytes": _with(shown=(replace(SHOWN, content=OTHER),)),
    "delivered, but to another": _with(shown=(replace(SHOWN, only_to=ANA),)),
    "kept, but the file is gone": _with(stored=(replace(KEPT, file=None),), shown=()),
    "kept, but half of it": _with(stored=(replace(KEPT, file=VIDEO[:50]),), shown=()),
    "failed, though the video was made": _with(stored=(replace(STORED, state="failed", failure="provider"),)),
    "cancelled, though it was paid for": _with(stored=(replace(STORED, state="cancelled"),), shown=()),
    "result gone, though it is there": _with(stored=(replace(STORED, state="failed", failure="result_gone"),)),
    "paid, and the store knows nothing": _with(stored=(), shown=()),
    "delivered, though never made": _with(paid=()),
    "taken away, and nothing kept": _with(shown=(replace(SHOWN, taken_away=True),)),
    "deleted, and its member never said so": _with(
        shown=(replace(SHOWN, taken_away=True),), stored=(replace(STORED, deleted=True),)
    ),
    "to be deleted, and gone without being deleted": _with(
        commands=(replace(ASKED, said_delete=True),), shown=(replace(SHOWN, taken_away=True),)
    ),
    "posted where its card was taken away": _with(shown=(replace(SHOWN, after_removal=True),)),
}


@pytest.mark.parametrize("account", LOST.values(), ids=LOST)
def test_a_video_that_is_not_where_it_should_be_is_lost(account: Account) -> None:
    assert reckon(account).lost != []


SAFE = {
    "in a message to the member alone": _with(shown=(replace(SHOWN, only_to=MIA),)),
    "taken away, and kept for its member": _with(
        shown=(replace(SHOWN, taken_away=True),), stored=(replace(STORED, file=VIDEO),)
    ),
    "deleted as its member wanted": _with(
        commands=(replace(ASKED, said_delete=True),),
        shown=(replace(SHOWN, taken_away=True),),
        stored=(replace(STORED, deleted=True),),
    ),
    "covered as its picture is": _with(
        commands=(replace(ASKED, spoiler=True),),
        shown=(replace(SHOWN, filename="SPOILER_video-abc.mp4", spoiler=True),),
    ),
    "shown, but its card is out of every reach": _with(
        commands=(replace(ASKED, card_out_of_reach="its channel is gone"),)
    ),
    "kept on disk": _with(stored=(KEPT,), shown=()),
    "with more behind it": _with(shown=(replace(SHOWN, content=VIDEO + b" "),)),
    "expired": _with(
        paid=(replace(PAID, is_gone=True),), stored=(replace(STORED, state="failed", failure="result_gone"),), shown=()
    ),
    "of unknown fate": _with(stored=(replace(STORED, state="unknown", unknown_because="killed"),), shown=()),
    "made twice, and charged for once": _with(paid=(replace(PAID, video=None, is_charged=False), PAID)),
    "cancelled, and free": _with(
        paid=(replace(PAID, video=None, is_charged=False),), stored=(replace(STORED, state="cancelled"),), shown=()
    ),
    "never made, the render failed": _with(
        paid=(replace(PAID, video=None),), stored=(replace(STORED, state="failed", failure="provider"),), shown=()
    ),
}


@pytest.mark.parametrize("account", SAFE.values(), ids=SAFE)
def test_what_is_safe_is_not_reported(account: Account) -> None:
    assert reckon(account).broken == []


OTHERS = {
    "made twice": (_with(paid=(PAID, PAID)), "paid twice"),
    "cancelled, and charged for": (
        _with(paid=(replace(PAID, video=None),), stored=(replace(STORED, state="cancelled"),), shown=()),
        "charged and refunded",
    ),
    "books that disagree": (_with(book_differences=("bonus_credits (1, 2)",)), "ledger"),
    "a job under way": (_with(stored=(replace(STORED, state="rendering"),)), "unfinished"),
    "a card that is not closed": (_with(stored=(replace(STORED, card_finished=False),)), "unfinished"),
    "no answer": (
        Account(commands=(Command("a hat", MIA, "nothing"),)),
        "answer",
    ),
    "a card and a refusal": (_with(commands=(replace(ASKED, also_refused=True),)), "answer"),
    "a card without a job": (_with(stored=(), paid=(), shown=()), "answer"),
    "a refusal that was paid for": (_with(commands=(replace(ASKED, outcome="refused"),)), "answer"),
    "a card that stands still": (_with(commands=(replace(ASKED, passing_card="Rendering"),)), "passing"),
    "a card that waits for what has failed": (
        _with(
            commands=(replace(ASKED, passing_card="In the queue"),),
            paid=(),
            shown=(),
            stored=(replace(STORED, state="failed", failure="picture"),),
        ),
        "passing",
    ),
    "refused although all is well": (_with(last=("'a hat' was refused for 150 s",)), "answer"),
    "a covered picture's video that everybody sees": (_with(commands=(replace(ASKED, spoiler=True),)), "answer"),
    "a video for its member alone that everybody sees": (_with(commands=(replace(ASKED, only_me=True),)), "answer"),
    "a secret": (_with(secrets=("the API key is in the log",)), "secret"),
    "a dead route hammered": (_with(invalid={"'a hat', life 1": 4}), "hammered"),
    "a card looked for without end": (_with(missing={"'a hat', life 1": 5}), "hammered"),
    "unknown without a reason": (_with(stored=(replace(STORED, state="unknown"),), shown=()), "strange"),
    "undelivered without a reason": (
        _with(stored=(replace(KEPT, undelivered_because=None),), shown=()),
        "strange",
    ),
}


@pytest.mark.parametrize(("account", "promise"), OTHERS.values(), ids=OTHERS)
def test_every_other_broken_promise_is_told_by_its_name(account: Account, promise: str) -> None:
    (sentence,) = {told.partition(":")[0] for told in reckon(account).broken}

    assert sentence == promise


def test_what_is_broken_is_counted_for_the_provider_that_the_job_was_sent_to() -> None:
    scarf = Stored(8, "def", "a scarf", "delivered", provider="fal")
    hat = replace(STORED, provider="comfyui")
    commands = (ASKED, Command("a scarf", ANA, "card"))
    account = _with(commands=commands, paid=(PAID, PAID, Paid("a scarf", OTHER)), stored=(hat, scarf))

    found = reckon(account).providers

    assert found["comfyui"]["paid twice"] == 1
    assert (found["fal"]["paid twice"], found["fal"]["charged"], found["fal"]["lost"]) == (0, 1, 1)


async def test_a_real_account_is_honest_until_it_is_falsified() -> None:
    async with opened(Place({}, render_s=0.1), Random(1)) as scene:
        world = scene.place.discord.world
        await scene.ask(world.people["mia"], world.general, "a hat")
        await scene.ask(world.people["ana"], world.general, "a scarf")
        await until(lambda: all(job.is_over for job in scene.place.provider.jobs.values()), 20)
        await until(lambda: scene.place.states() == ["delivered", "delivered"], 20)
        await scene.keeper.close()
        assert reckon(collect(scene)).broken == []

        with closing(sqlite3.connect(scene.place.database)) as connection:
            connection.execute("UPDATE jobs SET state = 'failed', failure = 'provider' WHERE prompt = 'a hat'")
            connection.execute("UPDATE member_usage SET credits = credits - 1")
            connection.commit()
        (hat,) = (job for job in scene.place.provider.jobs.values() if job.prompt == "a hat")
        scene.place.provider.jobs["again"] = hat
        scarf = scene.asked[1].interaction.message
        assert scarf is not None
        scarf.revisions.append(scarf.revisions[0])
        falsified = reckon(collect(scene))

    assert len(falsified.paid_twice) == 1
    assert [told.split()[0:2] for told in falsified.lost].count(["'a", "hat'"]) == 2  # of the one that was made twice
    assert len(falsified.lost) == 3  # the scarf's card shows no video any more
    assert len(falsified.ledger) >= 2
    assert len(falsified.passing) == 1
    assert "In the queue" in falsified.passing[0]


async def test_the_key_of_one_provider_is_seen_when_it_comes_to_another() -> None:
    place = Place({}, render_s=0.1)
    scene = Scene(place, Keeper(place, Random(1)), Random(1))
    await place.start(bot=False)
    try:
        provider = place.provider
        other = await place.replace(provider)
        scene.watch(other)
        scene.watch(provider)
        for key in (provider.key, other.key):
            async with aiohttp.request("GET", f"{other.url}/videos/x", headers={"Authorization": f"Bearer {key}"}):
                pass
    finally:
        await place.stop()

    assert scene.leaks == ["GET /v1/videos/x came with the key of another provider"]
