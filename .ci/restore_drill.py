"""Restores a scheduled backup in a second folder, and looks whether every unfinished video ends as it should.

    uv run python .ci/restore_drill.py

The real bot runs in the sandbox with BACKUP_EVERY. It is killed with one video at the provider, one whose request is
being sent, and one in the queue. A second folder has its newest backup and nothing else. The bot that is started there
finishes the first, ends and refunds the others, and pays for nothing again. Exit code 0 if all of that is so.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bot.store.migrations import migrate
from tests.e2e.stage import DONE, Stage
from tests.e2e.test_deploys import Hold
from tests.ledger_audit import differences

SETTINGS = {"BACKUP_EVERY": "1m", "MAX_CONCURRENT_JOBS": "2", "MAX_JOBS_PER_USER": "9"}
ENDS = {"rendering": "delivered", "submitting": "unknown", "waiting": "cancelled"}
WORDS = {"delivered": DONE, "unknown": "will not send the request again by itself", "cancelled": "video was canceled"}
DUE_IN_S = 8.0
"""The first scheduled backup: there is an earlier one, nearly a minute old."""


def earlier_backup(stage: Stage) -> None:
    """So that the next one is made when the videos are on their way."""
    made = datetime.now(UTC) - timedelta(seconds=60 - DUE_IN_S)
    (stage.folder / "backups").mkdir()
    migrate(stage.folder / "backups" / f"animate-{made:%Y-%m-%dT%H-%M-%SZ}.db")


async def unfinished(stage: Stage) -> Hold:
    """Three videos, each stopped in another state; what holds the second request is returned."""
    await asked(stage, ["rendering"])
    create = Hold(lambda exchange: exchange.route == "create")
    stage.provider.on_exchange(create)
    await stage.animate()
    await create.reached()
    await asked(stage, list(ENDS))
    return create


async def asked(stage: Stage, states: list[str]) -> None:
    """Asks for one more, and waits until the videos are in these states, each with its card."""
    await stage.animate()
    cards = "SELECT COUNT(*) FROM cards WHERE message IS NOT NULL"
    await stage.booked(lambda: stage.states() == states and stage.rows(cards) == [(len(states),)])


def backup_with(stage: Stage, states: list[str]) -> Path | None:
    """The newest backup, if it has the videos in these states."""
    for file in sorted((stage.folder / "backups").glob("animate-*.db"))[-1:]:
        if [state for (state,) in stage.rows_of(file, "SELECT state FROM jobs ORDER BY id")] == states:
            return file
    return None


async def restored(stage: Stage, backup: Path, second: Path) -> list[str]:
    """Starts the bot in the second folder; what is not as it should be."""
    shutil.copy(backup, second / "animate.db")
    stage.folder = second
    paid = stage.provider.creates
    await stage.start_bot()
    for job in list(stage.provider.jobs.values()):
        stage.provider.finish(job.id)
    await stage.settled()
    states, texts = stage.states(), [message.text() for message in stage.public()]
    wrong = []
    for (was, end), now, text in zip(ENDS.items(), states, texts, strict=True):
        if now != end or WORDS[end] not in text:
            wrong.append(f"a video that was {was} is {now}, and its card says {text!r}")
    if stage.provider.creates != paid:
        wrong.append(f"{stage.provider.creates - paid} videos were paid again")
    with closing(sqlite3.connect(stage.database)) as books:
        return wrong + differences(books)


async def main() -> int:
    """The exit code."""
    with tempfile.TemporaryDirectory(prefix="animate-restored-") as second:
        stage = Stage(SETTINGS, render_s=None, spawn=asyncio.create_subprocess_exec)
        first = stage.folder
        earlier_backup(stage)
        try:
            await stage.start()
            create = await unfinished(stage)
            await stage.booked(lambda: backup_with(stage, list(ENDS)) is not None, 90)
            assert stage.bot is not None
            stage.bot.kill()
            await stage.bot.wait()
            create.resume()
            backup = backup_with(stage, list(ENDS))
            assert backup is not None
            wrong = await restored(stage, backup, Path(second))
        finally:
            await stage.stop()
            shutil.rmtree(first, ignore_errors=True)
    good = f"restored from {backup.name}: every unfinished video ended as it should, none was paid twice"
    print(*wrong or [good], sep="\n")  # noqa: T201 - the answer
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
