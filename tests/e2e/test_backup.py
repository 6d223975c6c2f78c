"""`python -m bot backup`, beside the running bot and without it; and the bot started from a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import aiohttp

from bot.store.migrations import migrate
from sandbox.process import BOT
from tests import forkserver
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage
from tests.e2e.test_deploys import Hold
from tests.e2e.test_health import free_port

STARTED = "started from a copy of the database: 1 waiting cancelled, 1 submitting unknown, all refunded; 1 continue"


async def back_up(target: Path | str, **settings: str) -> tuple[int, str, str]:
    """The command as an operator types it: exit code, answer, complaint."""
    return await forkserver.typed("-m", "bot", "backup", str(target), **settings)


def url(database: Path) -> str:
    return f"sqlite:///{database}"


def replace(database: Path, copy: Path) -> None:
    """As docs/operations.md says it: everything of the old database out of the way, then the copy in its place."""
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    shutil.copy(copy, database)


def copied(database: Path, target: Path) -> None:
    """As a snapshot of the machine has it: the file and its log."""
    for ending in ("", "-wal"):
        shutil.copy(f"{database}{ending}", f"{target}{ending}")


async def three_under_way(build: Build) -> tuple[Stage, Hold]:
    """One video rendering, one being submitted, one in the queue."""
    stage = await build({"MAX_CONCURRENT_JOBS": "2", "MAX_JOBS_PER_USER": "9"}, render_s=None)
    await stage.animate()
    await stage.booked(lambda: stage.states() == ["rendering"])
    create = Hold(lambda exchange: exchange.route == "create")
    stage.provider.on_exchange(create)
    await stage.animate()
    await create.reached()
    third = await stage.animate()
    await stage.booked(lambda: stage.states() == ["rendering", "submitting", "waiting"])
    await stage.discord.wait_for(lambda: third.message is not None, 10, "a card")
    await stage.booked(lambda: stage.rows("SELECT COUNT(*) FROM cards WHERE message IS NOT NULL") == [(3,)])
    return stage, create


async def carried_on_from_a_copy(stage: Stage) -> None:
    """The restored bot ends what it cannot know about, pays for nothing again, and finishes the rest."""
    paid = len(stage.provider.jobs)
    await stage.start_bot()
    assert stage.bot is not None
    assert STARTED in stage.bot.log()
    for job in stage.provider.jobs.values():
        stage.provider.finish(job.id)
    await stage.settled()

    assert stage.states() == ["delivered", "unknown", "cancelled"]
    assert len(stage.provider.jobs) == stage.provider.creates == paid == 2
    said = [message.text() for message in stage.public()]
    for text, words in zip(said, (DONE, "will not send the request again by itself", "Video canceled"), strict=True):
        assert words in text
    refunds = stage.rows("SELECT credits, from_budget FROM ledger WHERE kind = 'refund' ORDER BY job")
    assert refunds == [(4, 0), (4, 4)]


async def test_restored_from_a_backup_nothing_is_paid_again_and_what_is_known_goes_on(build: Build) -> None:
    stage, create = await three_under_way(build)
    copy = stage.folder / "backup.db"
    code, said, _ = await back_up(copy, DATABASE_URL=url(stage.database), POLL_SECONDS="no number")
    assert (code, said) == (0, f"The database is backed up to {copy} ({size_of(copy):,} bytes).")
    assert stage.bot is not None
    stage.bot.kill()
    await stage.bot.wait()
    create.resume()

    replace(stage.database, copy)
    await carried_on_from_a_copy(stage)

    assert await stage.bot.stop() == 0
    await stage.start_bot()
    assert stage.bot.log().count("started from a copy") == 1
    stage.provider.settings.render_seconds = 0.1
    card = await stage.over(await stage.animate())
    assert DONE in card.text()


async def test_a_copy_of_another_kind_is_started_with_restored(build: Build) -> None:
    stage, create = await three_under_way(build)
    assert stage.bot is not None
    stage.bot.kill()
    await stage.bot.wait()
    copy = stage.folder / "snapshot.db"
    copied(stage.database, copy)
    create.resume()

    for ending in ("", "-wal"):
        shutil.copy(f"{copy}{ending}", f"{stage.database}{ending}")
    stage.arguments = (*BOT, "run", "--restored")
    await carried_on_from_a_copy(stage)


async def test_a_video_that_was_delivered_since_the_backup_stays_on_its_card(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1", "MAX_JOBS_PER_USER": "9"}, render_s=None)
    asked = [await stage.animate()]
    await stage.booked(lambda: stage.states() == ["rendering"])
    asked += [await stage.animate()]
    await stage.booked(lambda: stage.rows("SELECT COUNT(*) FROM cards WHERE message IS NOT NULL") == [(2,)])
    copy = stage.folder / "backup.db"
    await back_up(copy, DATABASE_URL=url(stage.database))
    stage.provider.settings.render_seconds = 0.1
    for job in stage.provider.jobs.values():
        stage.provider.finish(job.id)
    for interaction in asked:
        await stage.over(interaction)
    await stage.settled()
    assert stage.bot is not None
    assert await stage.bot.stop() == 0
    shown = on_the_cards(stage)

    replace(stage.database, copy)
    stage.provider.faults.inject("poll:404", times=None)
    await stage.start_bot()
    await stage.settled()

    assert stage.states() == ["delivered", "cancelled"]
    assert on_the_cards(stage) == shown
    assert [len(videos) for _, videos in shown] == [1, 1]
    assert stage.provider.creates == len(stage.provider.jobs) == 2
    assert "2 cards show their video already and are left as they are" in stage.bot.log()


def on_the_cards(stage: Stage) -> list[tuple[str, list[bytes]]]:
    messages = stage.public()
    return [(message.text(), [file.data for file in message.media]) for message in messages]


async def test_beside_the_running_bot_it_disturbs_nothing(build: Build) -> None:
    stage = await build({"MAX_JOBS_PER_USER": "50", "QUOTA_DEFAULT_CREDITS": "1000"})
    asked = [await stage.animate() for _ in range(5)]

    code, _, _ = await back_up(stage.folder / "backup.db", DATABASE_URL=url(stage.database))
    for interaction in asked:
        await stage.over(interaction)
    await stage.settled()

    assert code == 0
    assert stage.states() == ["delivered"] * 5
    assert [file.name for file in stage.folder.glob("backup*")] == ["backup.db"]
    assert stage.rows_of(stage.folder / "backup.db", "PRAGMA integrity_check") == [("ok",)]
    assert stage.bot is not None
    assert "the database cannot be used" not in stage.bot.log()


async def test_what_cannot_be_backed_up_is_one_sentence(tmp_path: Path) -> None:
    copy, mine = tmp_path / "backup.db", tmp_path / "animate.db"
    migrate(mine)

    assert (await back_up(copy, DATABASE_URL=url(mine)))[0] == 0
    again_, elsewhere, wrong = (
        await back_up(copy, DATABASE_URL=url(mine)),
        await back_up(copy.with_name("other.db"), DATABASE_URL=url(tmp_path / "nowhere.db")),
        await back_up(copy.with_name("other.db"), DATABASE_URL="mysql://db"),
    )

    assert again_ == (1, "", f"{copy} exists and was not changed; name a file that does not exist yet")
    assert elsewhere == (1, "", f"{tmp_path}/nowhere.db cannot be backed up: there is no such file")
    assert wrong[0] == 2
    assert wrong[2].startswith("DATABASE_URL is wrong: it should be sqlite:///")


def size_of(path: Path) -> int:
    return path.stat().st_size


async def test_a_backup_that_cannot_be_made_is_told_to_the_operator_and_videos_go_on(build: Build) -> None:
    stage = await build(start=False)
    (stage.folder / "backups").write_text("a file is in the way")
    port = free_port()
    stage.use({"BACKUP_EVERY": "6h", "HTTP_PORT": str(port)})
    await stage.start_bot()

    card = await stage.over(await stage.animate())
    await stage.settled()
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
        ready = answer.status, (await answer.text()).splitlines()

    assert DONE in card.text()
    assert ready[0] == 200
    assert ready[1][0] == "ready"
    assert ready[1][1].startswith("no backup was made: ")
    assert stage.bot is not None
    assert "no backup was made, trying again in 0:10:00: " in stage.bot.log()


async def test_a_backup_is_made_at_the_start_and_not_again_at_the_next(build: Build) -> None:
    stage = await build({"BACKUP_EVERY": "6h"})
    backups = stage.folder / "backups"
    await stage.booked(lambda: bool(list(backups.glob("*.db"))))
    assert stage.bot is not None
    assert await stage.bot.stop() == 0

    await stage.start_bot()
    await stage.over(await stage.animate())
    await stage.settled()
    assert await stage.bot.stop() == 0

    assert len(list(backups.iterdir())) == 1
    assert stage.bot.log().count("backed up to") == 1
