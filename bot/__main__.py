"""`python -m bot`: runs the bot from its settings. Exit code 2 for settings, 1 for anything else that ends it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from bot import app, log
from bot.errors import ChatUnavailable, SettingsError, StoreError
from bot.settings import Settings

WRONG_SETTINGS = 2
FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bot", description="The animate bot. Settings: see .env.example.")
    parser.add_argument("command", nargs="?", choices=["run"], default="run", help="what to do (run)")
    parser.add_argument("--sync", action="store_true", help="send the commands to Discord even if they are unchanged")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load()
        log.set_up(settings.log_level, settings.log_format)
        asyncio.run(app.run(settings, force_sync=options.sync))
    except SettingsError as error:
        print(*error.sentences, sep="\n", file=sys.stderr)  # noqa: T201 - for the operator's terminal
        return WRONG_SETTINGS
    except (StoreError, ChatUnavailable) as error:
        print(error, file=sys.stderr)  # noqa: T201 - for the operator's terminal
        return FAILED
    except KeyboardInterrupt:
        return 0
    except Exception:
        logging.getLogger(__name__).exception("the bot ended")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
