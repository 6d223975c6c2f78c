"""Whose turn it is to identify at the gateway, where several processes share it."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.store.database import Tx, Unit
from bot.store.row_mapping import to_ms

APART = timedelta(seconds=5.5)
"""Discord takes one IDENTIFY of a bucket in 5 s; the rest is for the way there, which is never the same twice."""


def claim_turn(bucket: int, *, now: datetime) -> Unit[timedelta]:
    """Takes the bucket's next turn, and returns how long it is until then: nothing where it is now, and taken.

    Two hosts' clocks differ by less than the pause. A turn further ahead is of a clock that was set, and holds nobody.
    """

    def unit(tx: Tx) -> timedelta:
        moment, apart = to_ms(now), to_ms(now) - to_ms(now - APART)
        tx.changed(
            "INSERT INTO identifies (bucket, at) VALUES (:bucket, 0) ON CONFLICT (bucket) DO NOTHING", bucket=bucket
        )
        taken = tx.changed(
            "UPDATE identifies SET at = :now WHERE bucket = :bucket AND (at <= :before OR at > :after)",
            bucket=bucket,
            now=moment,
            before=moment - apart,
            after=moment + apart,
        )
        if taken:
            return timedelta()
        found = tx.one("SELECT at FROM identifies WHERE bucket = :bucket", bucket=bucket)
        last = moment if found is None else found["at"]
        return timedelta(milliseconds=max(1, last + apart - moment))

    return unit
