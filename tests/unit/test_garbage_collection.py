"""Python's garbage collector stays out of the bot's start, and leaves alone what came with it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from bot import garbage_collection
from bot.app import _freeze_when_started


class Node:
    """One of two that hold each other."""

    other: Node


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    gc.enable()


def a_circle() -> tuple[Node, weakref.ref[Node]]:
    first, second = Node(), Node()
    first.other, second.other = second, first
    return first, weakref.ref(first)


def test_what_the_start_made_is_never_looked_at_again_and_what_comes_later_is() -> None:
    garbage_collection.begin()
    assert not gc.isenabled()
    old, of_the_start = a_circle()
    garbage_collection.freeze()
    new, of_later = a_circle()

    assert gc.isenabled()
    assert old not in gc.get_objects(generation=2)
    del old, new
    gc.collect()
    assert of_later() is None
    assert of_the_start() is not None


async def test_where_discord_tells_nothing_the_collector_is_at_work_all_the_same() -> None:
    garbage_collection.begin()
    await _freeze_when_started([asyncio.Event()], within_s=0.01)
    assert gc.isenabled()


async def test_the_collector_goes_to_work_once_the_servers_and_the_jobs_are_there() -> None:
    garbage_collection.begin()
    ready, taken_up = asyncio.Event(), asyncio.Event()
    freezing = asyncio.create_task(_freeze_when_started([ready, taken_up]))
    for part in (ready, taken_up):
        await asyncio.sleep(0)
        assert not gc.isenabled()
        part.set()
    await freezing
    assert gc.isenabled()
