"""`python -m bot [run | check | healthy | backup | move | usage | catalog]`.

Exit code 2: wrong settings or arguments; 1: any other error.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bot.version import VERSION

if TYPE_CHECKING:  # loaded late, see `_do`
    from bot.settings import Settings

WRONG_SETTINGS = 2
FAILED = 1

THREADS_END_S = 2.0
"""A thread that asks a dead name server cannot be told to stop; once all is closed the process waits no longer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns the exit code."""
    options = parser().parse_args((sys.argv[1:] if arguments is None else arguments) or ["run"])
    try:
        # Process 1 of a container never hears a signal that it has no handler for.
        signal.signal(signal.SIGTERM, _leave if options.command == "run" else signal.default_int_handler)
        code = _healthy() if options.command == "healthy" else _do(options)
        return _stay() if code == WRONG_SETTINGS and options.command == "run" and options.stay else code
    except KeyboardInterrupt:
        return 0


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m bot`; without a command it means `run`."""
    top = argparse.ArgumentParser(
        prog="python -m bot",
        description="animate-bot, a Discord bot that turns pictures into videos. Without a command, it runs the bot.",
        epilog="Settings are read from the environment and from .env; .env.example lists them all.",
    )
    top.add_argument("--version", action="version", version=f"animate-bot {VERSION}", help="print the version")
    commands = top.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the bot")
    run.add_argument("--sync", action="store_true", help="send the commands to Discord even if nothing changed")
    run.add_argument(
        "--restored",
        action="store_true",
        help="use once, after you restored a database that `backup` did not write: nothing in it is sent a second time",
    )
    run.add_argument(
        "--stay",
        action="store_true",
        help="if a setting is wrong, say so and wait to be stopped; for services that would start the bot again",
    )
    backup = commands.add_parser(
        "backup", help="copy the database; works while the bot runs and needs only DATABASE_URL"
    )
    backup.add_argument("file", type=Path, help="the copy to write; the file must not exist yet")
    move = commands.add_parser(
        "move",
        help="move the whole database to PostgreSQL, or back to SQLite",
        description="Stop the bot first. Each address is written as in DATABASE_URL. The target has to be a file that "
        "does not exist yet, or an empty database. On any failure nothing is changed.",
    )
    move.add_argument("source", help="the database as it is")
    move.add_argument("target", help="where it is to be")
    check = commands.add_parser(
        "check",
        help="say what is missing before you run the bot",
        description="Asks Discord and every provider, and looks at the database and the disk. It costs nothing, "
        "changes nothing, and works while the bot runs. Exit code 0: the bot can work; 1: there is a problem; "
        "2: a setting is wrong.",
    )
    check.add_argument("--json", action="store_true", help="print the result as JSON")
    usage = commands.add_parser(
        "usage",
        help="show what all servers used and what it cost",
        description="Reads the database; works while the bot runs.",
    )
    usage.add_argument(
        "--days", type=_days, default=30, metavar="N", help="how many days, including today (%(default)s)"
    )
    usage.add_argument("--json", action="store_true", help="print the result as JSON")
    commands.add_parser(
        "healthy",
        help="say whether the bot answers at HTTP_PORT; for the health check of a container",
        description="Asks the bot that runs on this machine. Exit code 0: it answers, or HTTP_PORT is not set; "
        "1: it does not answer.",
    )
    catalog = commands.add_parser("catalog", help="write a catalog from a provider's own list of models")
    catalog.add_argument("provider", choices=("openrouter", "comfy-router"), help="whose list")
    catalog.add_argument("--output", type=Path, metavar="FILE", help="the file to write; it must not exist yet")
    catalog.add_argument(
        "--usd-per-credit",
        type=_dollars,
        default=0.10,
        metavar="DOLLARS",
        help="how many US dollars a credit stands for at most (%(default).2f); prices are rounded up to whole credits",
    )
    catalog.add_argument("--url", help="another address of the provider's API; no key is sent there")
    return top


def _dollars(text: str) -> float:
    """Raises ValueError, which argparse tells."""
    value = float(text)
    if not 0.0001 <= value <= 1_000:
        raise ValueError
    return value


def _days(text: str) -> int:
    """Raises ValueError, which argparse tells."""
    if not 1 <= int(text) <= 3_660:
        raise ValueError
    return int(text)


def _leave(*_: object) -> None:
    """Until the bot has its own handlers nothing is open, and an exception could get lost in what is loading."""
    os._exit(0)


def _healthy() -> int:
    from bot import health_check

    is_healthy, sentence = health_check.ask()
    print(sentence, flush=True)  # noqa: T201 - the answer
    return 0 if is_healthy else FAILED


def _stay() -> int:
    """Waits for SIGTERM or Ctrl-C. What Docker is told to keep running it starts again whatever the exit code was."""
    signal.signal(signal.SIGTERM, _leave)  # a loop that has run left none
    _say("The bot waits to be stopped. Correct the settings, then start it again.")
    while True:
        signal.pause()


def _do(options: argparse.Namespace) -> int:
    """Loading takes half a second, so it is done here: a SIGTERM meanwhile finds its handler already."""
    from bot.errors import SettingsError
    from bot.file_permissions import write_for_this_user_alone

    write_for_this_user_alone()
    try:
        if options.command == "backup":
            return _back_up(options.file)
        if options.command == "move":
            return _move(options)
        if options.command == "check":
            return _check(options)
        if options.command == "usage":
            return _tell_usage(options)
        if options.command == "catalog":
            return _write_catalog(options)
        return _run(options)
    except SettingsError as error:
        _say(*error.sentences)
        return WRONG_SETTINGS


def _run(options: argparse.Namespace) -> int:
    import asyncio
    import platform

    from bot import allocator, garbage_collection, log, proxy, switch_interval

    allocator.keep_little()
    garbage_collection.begin()
    switch_interval.set_switch_interval()
    load_aiohttp()
    from bot.settings import Settings, misspelt_in_environment

    settings = Settings.load_spelled()
    proxy.read_env_file()
    log.set_up(settings.log_level, settings.log_format, settings.secrets)
    flush = _send_errors(settings)
    logging.getLogger("bot").info("animate-bot %s on Python %s", VERSION, platform.python_version())
    for sentence in misspelt_in_environment(settings.key_names):
        logging.getLogger(__name__).warning("%s", sentence)
    return asyncio.run(_bot(settings, options, flush))


def load_aiohttp() -> None:
    """Begins to load it, beside whatever else is loaded: much of it is reading the machine's certificates, twice."""
    threading.Thread(target=importlib.import_module, args=("aiohttp",), name="load-aiohttp").start()


def _send_errors(settings: Settings) -> Callable[[], None]:
    """What is to be called at the end. Raises SettingsError where the extra is missing."""
    if settings.sentry_dsn is None:
        return lambda: None
    from bot import log, sentry  # not loaded where nobody wants it

    return sentry.begin(settings.sentry_dsn.get_secret_value(), log.cleaner(settings.secrets))


def _check(options: argparse.Namespace) -> int:
    import asyncio

    from bot import log, proxy
    from bot.settings import Settings

    settings = Settings.load_spelled()
    proxy.read_env_file()
    log.set_up("ERROR", settings.log_format, settings.secrets)
    if settings.sentry_dsn is not None:
        from bot import sentry

        sentry.client_class()
    return asyncio.run(_checked(settings, options))


async def _checked(settings: Settings, options: argparse.Namespace) -> int:
    from bot import log
    from bot.check import check
    from bot.check.findings import as_json, as_lines, has_problem

    clean = log.cleaner(settings.secrets)
    found = [each.cleaned(clean) for each in await check(settings)]
    print(as_json(found) if options.json else "\n".join(as_lines(found)), flush=True)  # noqa: T201 - the answer
    return _ended(FAILED if has_problem(found) else 0)


def _write_catalog(options: argparse.Namespace) -> int:
    import asyncio

    from bot import proxy

    proxy.read_env_file()
    return asyncio.run(_written(options))


async def _written(options: argparse.Namespace) -> int:
    from bot.make_catalog import NoCatalogError, catalog_of

    try:
        text = await catalog_of(options.provider, url=options.url, usd_per_credit=options.usd_per_credit)
        if options.output is None:
            print(text, end="", flush=True)  # noqa: T201 - the answer
        else:
            with options.output.open("x", encoding="utf-8") as file:
                file.write(text)
            print(f"The catalog is in {options.output}. To use it, set VIDEO_CATALOG={options.output}")  # noqa: T201 - the answer
    except NoCatalogError as error:
        _say(*str(error).splitlines())
        return _ended(FAILED)
    except OSError as error:
        _say(f"{options.output} was not written: {error.strerror}")
        return _ended(FAILED)
    return _ended(0)


def _ended(code: int) -> int:
    """The code; threads that still wait for somebody keep the process no longer than `THREADS_END_S`."""
    last = threading.Timer(THREADS_END_S, os._exit, (code,))
    last.daemon = True
    last.start()
    return code


async def _bot(settings: Settings, options: argparse.Namespace, flush: Callable[[], None]) -> int:
    from bot import app
    from bot.errors import ChatUnavailable, SettingsError, StoreError

    code = FAILED
    try:
        await app.run(settings, force_sync=options.sync, restored=options.restored)
        code = 0
    except SettingsError as error:
        _say(*error.sentences)
        code = WRONG_SETTINGS
    except (StoreError, ChatUnavailable) as error:
        _say(str(error))
    except Exception:
        logging.getLogger(__name__).exception("the bot ended")
    finally:
        flush()  # nothing else goes on any more
        if not (code == WRONG_SETTINGS and options.stay):
            _ended(code)
    return code


def _back_up(target: Path) -> int:
    from bot.errors import StoreError
    from bot.store.backup import back_up

    try:
        size_bytes = back_up(_database(), target)
    except StoreError as error:
        _say(str(error))
        return FAILED
    except KeyboardInterrupt:
        _say(f"stopped: {target} was not written")
        return FAILED
    print(f"The database is backed up to {target.absolute()} ({size_bytes:,} bytes).")  # noqa: T201 - the answer
    return 0


def _move(options: argparse.Namespace) -> int:
    from bot import database_address
    from bot.errors import StoreError
    from bot.store.move import move

    source, target = (database_address.checked(url) for url in (options.source, options.target))
    try:
        moved = move(source, target)
    except StoreError as error:
        _say(str(error))
        return FAILED
    except KeyboardInterrupt:
        _say("stopped: nothing was moved")
        return FAILED
    for table, rows in moved.rows.items():
        print(f"{table}: {rows:,} rows")  # noqa: T201 - the answer
    print(f"The ledger is as it was: {moved.lines:,} lines, {moved.credits:,} credits.")  # noqa: T201 - the answer
    print("Everything is moved. Set DATABASE_URL to the new address, then start the bot.")  # noqa: T201 - the answer
    return 0


def _tell_usage(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from bot import usage_report
    from bot.errors import StoreError
    from bot.settings import Settings

    try:
        found = usage_report.report(Settings.load_spelled(), options.days, datetime.now(UTC))
    except StoreError as error:
        _say(str(error))
        return FAILED
    print(usage_report.as_json(found) if options.json else "\n".join(usage_report.as_lines(found)))  # noqa: T201 - the answer
    return 0


def _database() -> Path:
    """DATABASE_URL alone is read: no token is needed, and no fault of another setting matters.

    Raises SettingsError where it is no SQLite file.
    """
    from bot.errors import SettingsError
    from bot.settings import Settings

    given = {name: field.default for name, field in Settings.model_fields.items() if not field.is_required()}
    del given["database_url"]
    path = Settings.load(**given | dict.fromkeys(("discord_token", "video_api_key"), "-")).database_path
    if path is None:
        raise SettingsError(["`backup` is for SQLite only: back up PostgreSQL with pg_dump, see docs/operations.md."])
    return path


def _say(*sentences: str) -> None:
    from bot.log import printable

    print(*map(printable, sentences), sep="\n", file=sys.stderr, flush=True)  # noqa: T201 - for the operator's terminal


if __name__ == "__main__":
    sys.exit(main())
