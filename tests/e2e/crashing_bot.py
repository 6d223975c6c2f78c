"""The real bot, which dies by kill -9 right after its n-th commit: `CRASH_AFTER_COMMIT=n`."""

from __future__ import annotations

import asyncio
import os
import signal

from bot import app, log
from bot.settings import Settings
from bot.store.sqlite import Writer


class CrashingWriter(Writer):
    """Counts commits; the one that is asked for is the last."""

    commits = 0

    def commit_now(self) -> None:
        super().commit_now()
        type(self).commits += 1
        if self.commits == int(os.environ.get("CRASH_AFTER_COMMIT", "0")):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settings = Settings.load()
    log.set_up(settings.log_level, settings.log_format, settings.secrets)
    asyncio.run(app.run(settings, writer=CrashingWriter))
