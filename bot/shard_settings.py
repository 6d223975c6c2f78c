"""The settings of a bot that runs as several processes: the shards of this one, and what it does."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

MOST_SHARDS = 16_384
SHARDS_SHOULD_BE = {
    "ROLE": "all, gateway or worker",
    "SHARD_COUNT": f"a whole number from 1 to {MOST_SHARDS}, or empty for what Discord recommends",
    "TAKEOVER_SECONDS": "a number from 3 to 600",
    "SHARD_IDS": "numbers of shards, such as 0-15 or 0-7,12, or empty for all",
}
_PART = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


class ShardSettings(BaseSettings):
    """A part of `bot.settings.Settings`."""

    shard_ids: Annotated[frozenset[int], NoDecode] = frozenset()
    shard_count: int | None = Field(default=None, ge=1, le=MOST_SHARDS)
    role: Literal["all", "gateway", "worker"] = "all"
    takeover_seconds: float = Field(default=30.0, ge=3, le=600, allow_inf_nan=False)

    @field_validator("shard_ids", mode="before")
    @classmethod
    def _ids(cls, value: object) -> object:
        return shard_ids(value) if isinstance(value, str) else value

    @field_validator("role", mode="before")
    @classmethod
    def _lower_role(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    def shard_faults(self, *, several_processes: bool) -> dict[str, str]:
        """One sentence for each setting that does not fit the others, by its name."""
        faults: dict[str, str] = {}
        if self.shard_ids and self.shard_count is None:
            faults["SHARD_COUNT"] = "SHARD_COUNT is missing: SHARD_IDS needs the number of shards of all processes."
        elif self.shard_ids and max(self.shard_ids) >= (self.shard_count or 0):
            faults["SHARD_IDS"] = f"SHARD_IDS is wrong: each number should be below SHARD_COUNT, {self.shard_count}."
        if not several_processes:
            needs = "needs PostgreSQL in DATABASE_URL: only one process can use a SQLite file."
            if self.shard_ids:
                faults.setdefault("SHARD_IDS", f"SHARD_IDS {needs}")
            if self.role != "all":
                faults["ROLE"] = f"ROLE={self.role} {needs}"
        return faults


def shard_ids(text: str) -> frozenset[int]:
    """The numbers of `0-15,20`. Raises ValueError."""
    found: set[int] = set()
    for part in text.replace(",", " ").split():
        matched = _PART.fullmatch(part)
        if matched is None:
            raise ValueError("no number of a shard")
        first, last = int(matched[1]), int(matched[2] or matched[1])
        if last < first or last >= MOST_SHARDS:
            raise ValueError("no range of shards")
        found.update(range(first, last + 1))
    return frozenset(found)
