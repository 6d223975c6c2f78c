"""`python -m sandbox` as a newcomer types it: what is read at the end, and what is left behind, which is nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from sandbox.__main__ import main
from sandbox.environment import Environment
from sandbox.process import PROJECT
from sandbox.signals import run_in
from tests.thorough import mostly_thorough

COMMAND = (sys.executable, "-m", "sandbox")


@contextlib.asynccontextmanager
async def run(tmp_path: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, with a folder of its own for what is temporary."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(process: asyncio.subprocess.Process, words: str) -> str:
    """Reads what it says until these words come."""
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(30):
        while words not in said:
            line = await process.stdout.readline()
            assert line, said
            said += line.decode()
    return said


async def ended(process: asyncio.subprocess.Process) -> str:
    """The rest of what it says."""
    assert process.stdout is not None
    async with asyncio.timeout(40):
        rest = await process.stdout.read()
        await process.wait()
    return rest.decode()


def left(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def bots(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize(
    ("options", "code", "last"),
    [
        (["--output", "{tmp}/out"], 0, "The video is in the card above (720×1280, 4 s"),
        pytest.param(["--image", "{tmp}/none.jpg"], 1, "cannot read the picture", marks=pytest.mark.thorough),
        pytest.param(
            ["--prompt", "Here is your video [moderated]"], 1, "under its content rules", marks=pytest.mark.thorough
        ),
        pytest.param(["--image", "{tmp}/damaged.jpg"], 1, "credits are back", marks=pytest.mark.thorough),
    ],
)
async def test_the_end_is_told_and_nothing_is_left_behind(
    tmp_path: Path, options: list[str], code: int, last: str
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8\xff not a picture")

    async with run(temporary, *(option.format(tmp=tmp_path) for option in options)) as process:
        said = await ended(process)

    assert last in said
    assert process.returncode == code, said
    assert left(temporary) == []


@pytest.mark.parametrize(
    "number", mostly_thorough([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], by_default=[signal.SIGINT])
)
async def test_ended_half_way_it_takes_its_bot_and_its_folder_with_it(tmp_path: Path, number: signal.Signals) -> None:
    async with run(tmp_path, "--prompt", "[slow]") as process:
        await until(process, "Rendering")
        children = bots(process)
        assert children
        process.send_signal(number)
        rest = await ended(process)

    assert "Traceback" not in rest
    assert process.returncode == 128 + number
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert left(tmp_path) == []


async def test_servers_without_a_bot_end_well_and_leave_nothing(tmp_path: Path) -> None:
    async with run(tmp_path, "--serve") as process:
        await until(process, "Press Ctrl-C to stop.")
        process.send_signal(signal.SIGTERM)
        await ended(process)

    assert process.returncode == 0
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--real-provider"], "You can use --real-provider only with --page."),
        (["--serve", "--port", "8080"], "You can use --port only with --page."),
        (["--page", "--prompt", "hat"], "You can use --prompt only without --page and --serve."),
        (["--page", "--prompt", ""], "You can use --prompt only without --page and --serve."),
        (["--page", "--seconds", "0"], "You can use --seconds only without --page and --serve."),
        (["--serve", "--command", "/quota"], "You can use --command only without --page and --serve."),
        (["--serve", "--set", "BUDGET_CREDITS=8"], "You can use --set only without --serve."),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert main(options) == 2
    assert capsys.readouterr().out == f"{sentence}\n"


async def test_an_environment_goes_down_and_its_folder_with_it_whatever_fails() -> None:
    environment = Environment()

    async def broken() -> int:
        await environment.start(bot=False)
        raise ValueError("something else")

    stop = environment.provider.stop

    async def stop_badly() -> None:
        await stop()
        raise OSError("does not end well")

    environment.provider.stop = stop_badly  # type: ignore[method-assign]  # a server that fails as it stops

    with pytest.raises(OSError, match="does not end well"):
        await run_in(environment, broken())
    assert not environment.folder.exists()


async def test_a_second_signal_does_not_disturb_the_end() -> None:
    environment = Environment()

    async def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0)  # the signal is told here
            await environment.start(bot=False)
        return 0

    assert await run_in(environment, work()) == 128 + signal.SIGTERM
    assert not environment.folder.exists()


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit) as ended_by:
        main(["--page", f"--port={port}"])

    assert ended_by.value.code == 2
    assert f"{port} is not a port. Use a number from 1 to 65535, or 0 for any free port." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("BUDGET_CREDITS", "BUDGET_CREDITS is not a setting. Use a name and a value, such as BUDGET_CREDITS=8."),
        ("MAX_JOBS=4", "MAX_JOBS is not a setting of the bot. Did you mean MAX_JOBS_PER_USER?"),
        ("FOO=4", "FOO is not a setting of the bot. .env.example lists all settings."),
    ],
)
def test_a_setting_that_is_none_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str], typed: str, sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended_by:
        main(["--set", typed])

    assert ended_by.value.code == 2
    assert sentence in capsys.readouterr().err


async def test_the_bot_says_which_setting_is_wrong(tmp_path: Path) -> None:
    wrong = ["--set", "MAX_JOBS_PER_USER=4", "--set", "QUOTA_DEFAULT_CREDITS=many"]
    async with run(tmp_path, *wrong) as process:
        said = await ended(process)

    assert said.splitlines() == [
        "The bot did not start. It says:",
        "QUOTA_DEFAULT_CREDITS is wrong: it should be a whole number from 0 to 1000000.",
    ]
    assert process.returncode == 1


@pytest.mark.thorough
async def test_a_setting_holds_for_the_bot_that_is_started(tmp_path: Path) -> None:
    async with run(tmp_path, "--set", "QUOTA_DEFAULT_CREDITS=50", "--command", "/quota") as process:
        said = await ended(process)

    assert "50 credits left" in said
    assert process.returncode == 0


async def test_an_admin_types_several_commands_and_reads_each_once(tmp_path: Path) -> None:
    spoken = ["/animate-admin others allowed:True", "/animate-admin log channel:#general", "/animate-admin foo:1"]
    options = [word for command in spoken for word in ("--command", command)]
    async with run(tmp_path, "--as", "admin", *options, "--as", "mia", "--command", spoken[0]) as process:
        said = await ended(process)

    assert [line for line in said.splitlines() if line.startswith("@")] == [
        *(f"@admin: {command}" for command in spoken),
        f"@mia: {spoken[0]}",
    ]
    assert "Videos are now logged in #general. Before: no channel." in said
    assert "is hidden from mia" in said
    assert process.returncode == 1


@pytest.mark.thorough
async def test_a_prompt_of_nothing_is_refused_as_discord_does(tmp_path: Path) -> None:
    async with run(tmp_path, "--prompt", "") as process:
        said = await ended(process)

    assert "The option prompt takes 1 to 2000 characters" in said
    assert process.returncode == 1


@pytest.mark.thorough
async def test_a_typed_command_takes_a_choice_as_it_is_shown_and_a_private_video_is_followed(tmp_path: Path) -> None:
    typed = "/animate prompt:a hat show:Only to me"
    async with run(tmp_path, "--output", str(tmp_path / "kept"), "--command", typed) as process:
        said = await ended(process)

    assert "It is saved here:" in said
    assert process.returncode == 0
