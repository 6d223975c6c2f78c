"""Whether the shards of all processes fit together: each tells the others which it has.

Nothing of it is stored, so a process that is gone is in nobody's way.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection

NAMED = 20
"""Shards that a sentence names, at most."""


class OwnShards:
    """Those of this process. Without `ids` it has all of them; `count` is None for what Discord recommends."""

    def __init__(self, ids: Collection[int], count: int | None, name: str | None = None) -> None:
        self._ids = frozenset(ids)
        self._count = count
        self._name = name or f"process {os.getpid()} on {socket.gethostname()}"

    @property
    def told(self) -> str:
        """For others; 4 KB at most, however many shards there are."""
        return f"{self._count or 0}:{sum(1 << shard for shard in self._ids):x}:{self._name}"

    def fault(self, told: str) -> str | None:
        """What is wrong between this process and another, by what that one has told; None if nothing is."""
        count, _, rest = told.partition(":")
        ids, _, name = rest.partition(":")
        try:
            their_count, theirs = int(count), _shards(int(ids, 16))
        except ValueError:  # of another version
            return None
        if their_count != (self._count or 0):
            return (
                f"SHARD_COUNT is {_counted(self._count or 0)} here and {_counted(their_count)} in {name}: some servers"
                " are heard twice and others not at all. Set the same number in all processes."
            )
        both = self._ids & theirs if self._ids and theirs else self._ids | theirs
        if both or not (self._ids and theirs):
            return (
                f"SHARD_IDS of {name} has {_named(both)} of this process, too: their servers are heard twice."
                " Each shard should be in one process."
            )
        return None


def _shards(mask: int) -> frozenset[int]:
    return frozenset(shard for shard in range(mask.bit_length()) if mask >> shard & 1)


def _counted(count: int) -> str:
    return str(count) if count else "empty"


def _named(shards: frozenset[int]) -> str:
    """None of them stands for all."""
    if not shards:
        return "every shard"
    first = ", ".join(map(str, sorted(shards)[:NAMED]))
    return f"shard {first}" if len(shards) == 1 else f"shards {first}{' and more' if len(shards) > NAMED else ''}"
