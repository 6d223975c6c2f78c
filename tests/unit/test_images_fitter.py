"""A picture is decoded in a process of its own: bounded, without secrets, gone with whoever asked for it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bot.errors import PictureRefused
from bot.images.fitter import Fitter
from bot.images.precheck import NOT_NOW, TOO_SLOW, UNREADABLE
from tests.unit.images_samples import drawing, encoded, samples

PROJECT = Path(__file__).parents[2]


@functools.cache
def large() -> bytes:
    """Takes over a tenth of a second, and more memory than half of what there is for decoding."""
    return encoded(drawing((5000, 4000), "RGBA"), "PNG", compress_level=1)


def wide(_upright: tuple[int, int]) -> str:
    return "1280x720"


def helpers(parent: psutil.Process | None = None) -> list[psutil.Process]:
    found = []
    for child in (parent or psutil.Process()).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "bot.images" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


async def until(is_so: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(20):
            while not is_so():  # noqa: ASYNC110 - processes tell nobody
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"{what} in 20 s")


async def test_the_size_is_chosen_by_how_the_picture_is_meant_to_be_seen_and_a_copy_comes_along() -> None:
    asked = []

    def choose(upright: tuple[int, int]) -> str:
        asked.append(upright)
        return "720x1280"

    fitted = await Fitter().fit(samples()["jpeg exif"], choose)

    assert asked == [(72, 96)]
    assert fitted.size == "720x1280"
    assert Image.open(io.BytesIO(fitted.jpeg)).size == (720, 1280)
    assert Image.open(io.BytesIO(fitted.copy)).size == (72, 96)


async def test_two_at_a_time_while_the_loop_runs_on() -> None:
    fitter, most, turns = Fitter(), 0, 0
    data = encoded(drawing((2000, 1500)), "JPEG")

    work = asyncio.gather(*(fitter.fit(data, wide) for _ in range(5)))
    while not work.done():
        most, turns = max(most, len(helpers())), turns + 1
        await asyncio.sleep(0.002)

    assert {Image.open(io.BytesIO(one.jpeg)).size for one in await work} == {(1280, 720)}
    assert most == 2
    assert turns > 20
    assert helpers() == []


async def test_a_picture_that_takes_much_memory_is_decoded_while_no_other_is() -> None:
    fitter = Fitter()
    work = [asyncio.create_task(fitter.fit(data, wide)) for data in (large(), large(), samples()["jpeg"])]
    ends: list[object] = []
    for task in work:
        task.add_done_callback(ends.append)
    busiest = 0
    while len(ends) < len(work):
        busiest = max(busiest, sum(memory(helper) > 100e6 for helper in helpers()))
        await asyncio.sleep(0.02)

    assert [task.result().size for task in work] == ["1280x720"] * 3
    assert busiest == 1


def memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


async def test_a_refusal_comes_with_its_sentence_and_values() -> None:
    with pytest.raises(PictureRefused) as refused:
        await Fitter().fit(encoded(drawing((200, 150)), "PNG"), wide, max_enlargement=4)

    assert refused.value.values == {"size": "200×150", "times": 6.4}
    assert "would have to be enlarged 6.4 times" in str(refused.value)


@pytest.mark.parametrize(("size", "is_taken"), [((320, 180), True), ((316, 178), False), ((180, 320), False)])
async def test_a_picture_is_enlarged_four_times_and_not_more(size: tuple[int, int], is_taken: bool) -> None:  # noqa: FBT001 - a column of the table
    fitting = Fitter().fit(encoded(drawing(size), "PNG"), wide, max_enlargement=4 if size[0] > size[1] else 2)

    if is_taken:
        assert (await fitting).size == "1280x720"
    else:
        with pytest.raises(PictureRefused):
            await fitting


async def test_a_decoder_that_does_not_end_is_killed_and_the_member_told() -> None:
    fitter = Fitter(within_s=0.05)

    with pytest.raises(PictureRefused) as refused:
        await fitter.fit(large(), wide)

    assert str(refused.value) == TOO_SLOW
    assert helpers() == []


async def test_a_decoder_that_dies_takes_nothing_along() -> None:
    fitter = Fitter()
    fitting = asyncio.create_task(fitter.fit(large(), wide))
    await until(helpers, "no process")
    os.kill(helpers()[0].pid, signal.SIGSEGV)

    with pytest.raises(PictureRefused) as refused:
        await fitting

    assert str(refused.value) == UNREADABLE
    assert (await fitter.fit(samples()["jpeg"], wide)).size == "1280x720"


async def test_where_no_process_can_be_started_the_picture_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with pytest.raises(PictureRefused) as refused:
        await Fitter().fit(samples()["jpeg"], wide)

    assert str(refused.value) == NOT_NOW


async def test_cancelled_it_is_gone_and_its_place_free() -> None:
    fitter = Fitter()
    tasks = [asyncio.create_task(fitter.fit(large(), wide)) for _ in range(2)]
    await until(lambda: len(helpers()) == 2, "no two processes")

    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert all(task.cancelled() for task in tasks)
    assert helpers() == []
    assert (await fitter.fit(samples()["jpeg"], wide)).size == "1280x720"


async def test_it_knows_no_secret_and_ends_with_the_bot() -> None:
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import asyncio, pathlib, sys\nfrom bot.images.fitter import Fitter\n"
        "asyncio.run(Fitter().fit(sys.stdin.buffer.read(), lambda upright: '1280x720'))",
        stdin=asyncio.subprocess.PIPE, cwd=PROJECT, env={**os.environ, "DISCORD_TOKEN": "secret"},
    )  # fmt: skip
    assert bot.stdin is not None
    bot.stdin.write(large())
    bot.stdin.close()
    await until(lambda: helpers(psutil.Process(bot.pid)), "no process")
    (helper,) = helpers(psutil.Process(bot.pid))
    assert "DISCORD_TOKEN" not in helper.environ()

    bot.kill()
    await bot.wait()

    await until(lambda: not helper.is_running() or helper.status() == psutil.STATUS_ZOMBIE, "it lived on")


def test_the_bot_itself_never_loads_a_decoder() -> None:
    code = "import sys, bot.images.fitter; sys.exit('PIL' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


@pytest.mark.parametrize("module", ["bot.images.__main__", "bot.transcode.__main__"])
def test_a_process_for_one_file_loads_no_event_loop(module: str) -> None:
    """It would take as long to load as the decoder."""
    code = f"import sys, {module}; sys.exit('asyncio' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
