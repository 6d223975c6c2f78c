"""`python -m bot healthy` asks the bot at its port, and says in one sentence what it found."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.health_check import ask

PROJECT = Path(__file__).parents[2]


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A port of this machine that gives one answer, or none, and keeps the connection until the block is left."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        ended = threading.Event()

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(1024)
                connection.sendall(answer)
                ended.wait(20)

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            serving.join(20)


@pytest.fixture(name="env", autouse=True)
def _env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HTTP_HOST", raising=False)
    monkeypatch.delenv("HTTP_PORT", raising=False)
    return monkeypatch


@pytest.mark.parametrize("host", ["", "127.0.0.1", "0.0.0.0"])
def test_a_bot_that_answers_is_healthy(env: pytest.MonkeyPatch, host: str) -> None:
    env.setenv("HTTP_HOST", host)
    with answering(b"HTTP/1.0 200 OK\r\n\r\nok\n") as port:
        env.setenv("HTTP_PORT", str(port))
        assert ask() == (True, "the bot is running")


def test_the_port_is_read_from_the_file_of_settings_too(tmp_path: Path) -> None:
    with answering(b"HTTP/1.0 200 OK\r\n\r\nok\n") as port:
        (tmp_path / ".env").write_text(f"http_port={port}\n")
        assert ask() == (True, "the bot is running")


def test_a_bot_that_answers_with_an_error_is_not_healthy(env: pytest.MonkeyPatch) -> None:
    with answering(b"HTTP/1.0 500 Internal Server Error\r\n\r\n") as port:
        env.setenv("HTTP_PORT", str(port))
        is_healthy, sentence = ask()

    assert not is_healthy
    assert "500" in sentence


def test_a_bot_that_hangs_is_not_healthy(env: pytest.MonkeyPatch) -> None:
    with answering(b"") as port:
        env.setenv("HTTP_PORT", str(port))
        is_healthy, sentence = ask(within_s=0.1)

    assert (is_healthy, sentence) == (False, f"the bot does not answer at port {port}: timed out")


def test_where_nothing_listens_the_command_ends_with_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # free again below
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "HTTP_PORT": str(port)}

    ended = subprocess.run(
        [sys.executable, "-m", "bot", "healthy"],
        cwd=tmp_path, env=environment, check=False, timeout=30, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stdout.startswith(f"the bot does not answer at port {port}: ")


@pytest.mark.parametrize("port", [None, "", "0", "none"])
def test_without_a_port_nothing_is_asked(env: pytest.MonkeyPatch, port: str | None) -> None:
    if port is not None:
        env.setenv("HTTP_PORT", port)

    assert ask() == (True, "HTTP_PORT is not set: there is no port to ask")


def test_it_loads_no_event_loop_and_none_of_the_libraries(tmp_path: Path) -> None:
    """A container runs it every half minute."""
    code = "import sys; from bot.__main__ import main; main(['healthy']); print(*sys.modules)"

    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=True, timeout=30, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    loaded = set(ended.stdout.split())
    assert "bot.health_check" in loaded
    assert loaded & {"asyncio", "ssl", "http.client", "aiohttp", "discord", "pydantic", "dotenv"} == set()
