"""A PostgreSQL server for tests, where Debian's or Ubuntu's package `postgresql` is installed.

Each is made in a folder of its own, listens on one free port of this machine alone, and is gone with its folder.
PostgreSQL refuses to run as root, so it runs as `postgres` or `nobody` there.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

STARTS_WITHIN_S = 40.0
USER = "bot"
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests that are not about what survives: nothing is written through to the disk."""
_NUMBERS = itertools.count(1)


@functools.cache
def binaries() -> Path:
    """Where `initdb` is; skips the test where there is none, unless POSTGRES_REQUIRED is set."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    path = found[-1] if found else shutil.which("initdb")
    if path is None:
        if os.environ.get("POSTGRES_REQUIRED"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed; Debian and Ubuntu have it in the package postgresql")
    return Path(path).parent


class PostgresServer:
    """One server; `start` and `stop` it as often as needed, and `close` it at the end."""

    def __init__(self, folder: Path, port: int, options: dict[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port
        self.options = options
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, options: dict[str, str] | None = None) -> Self:
        """A new, empty server, started. With the `options`, else written through to the disk as PostgreSQL is."""
        server = cls.in_new_folder(options)
        server.run("initdb", "-D", server.data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        server.start()
        return server

    @classmethod
    def in_new_folder(cls, options: dict[str, str] | None = None) -> Self:
        """Nothing is in it yet."""
        binaries()
        folder = Path(tempfile.mkdtemp(prefix="pg-"))
        if (user := _user()) is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        return cls(folder, port, options or {})

    def standby(self) -> PostgresServer:
        """A copy that follows this server; from now on a COMMIT here is answered once it is there, too."""
        follower = PostgresServer.in_new_folder(self.options)
        follower.run(
            "pg_basebackup", "-D", follower.data, "-h", "127.0.0.1", "-p", self.port, "-U", USER, "-R", "-c", "fast"
        )
        follower.start()
        with self.connect() as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            self.wait(
                lambda: (
                    connection.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone()
                    is not None
                )
            )
        return follower

    def promote(self) -> None:
        """A standby becomes a server of its own, which nobody has to confirm to."""
        with self.connect() as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            connection.execute("SELECT pg_promote()")
            connection.execute("SELECT pg_reload_conf()")

    def address(self, database: str = "postgres") -> str:
        """For DATABASE_URL."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """Each statement is a transaction of its own."""
        return psycopg.connect(self.address(database), autocommit=True)

    def make_database(self, template: str = "template1") -> str:
        """A new database's name."""
        name = f"t{os.getpid()}_{next(_NUMBERS)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Also while somebody is connected."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def start(self) -> None:
        """Returns once it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "",
            "max_connections": "60", "shared_buffers": "32MB", **self.options,
        }  # fmt: skip
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [binaries() / "postgres", "-D", self.data, *given], stdout=log, stderr=log, **_as_user()
            )
        self.wait(self._is_up)

    def wait(self, happened: Callable[[], bool]) -> None:
        """Until something of this server is so."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not happened():
            assert self._process is None or self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def _is_up(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def pid(self) -> int | None:
        """Of the main process, while it runs."""
        return None if self._process is None else self._process.pid

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends what is under way and closes the database, SIGQUIT is as if the machine failed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(STARTS_WITHIN_S)
            self._process = None

    def signal_all(self, how: signal.Signals) -> None:
        """To the main process and those of all connections: SIGSTOP is a machine that stands still, SIGCONT its end."""
        assert self.pid is not None
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in (self.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):  # its connection was closed in this moment
                os.kill(pid, how)

    def run(self, name: str, *arguments: object) -> str:
        """One of PostgreSQL's own programs; fails the test where it fails. What it said."""
        ended = subprocess.run(
            [binaries() / name, *map(str, arguments)], capture_output=True, check=False, timeout=60,
            cwd=self.folder, **_as_user(),
        )  # fmt: skip
        said = f"{ended.stdout.decode()}{ended.stderr.decode()}"
        assert ended.returncode == 0, said
        return said

    def log(self) -> str:
        """What it has said, the newest."""
        return "\n".join(re.split("\n", (self.folder / "log").read_text())[-30:])

    def close(self) -> None:
        """Ends it and deletes its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)


def _user() -> pwd.struct_passwd | None:
    """Who runs it in place of root."""
    if os.getuid() != 0:
        return None
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _as_user() -> dict[str, Any]:
    user = _user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
