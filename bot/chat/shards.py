"""Which shards of the gateway a process has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

SHARD_SHIFT = 22


@dataclass(frozen=True, slots=True)
class Shards:
    """What this process has of the gateway. `ids` are sorted; none stands for all of them.

    `count` is that of all processes; None for what Discord recommends. `turn` waits until a shard of this bucket may
    identify; without it, discord.py's own pauses hold for this process alone.
    """

    ids: tuple[int, ...] = ()
    count: int | None = None
    has_gateway: bool = True
    turn: Callable[[int], Awaitable[None]] | None = None

    def has(self, shard: int) -> bool:
        """Whether this process connects that shard."""
        return not self.ids or shard in self.ids


ALL_SHARDS = Shards()


def shard_of(guild: int, count: int) -> int:
    """Which of so many shards is told of a server."""
    return (guild >> SHARD_SHIFT) % count
