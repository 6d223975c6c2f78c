"""Errors of an adapter of our own, which break what is tried again and again: one traceback, then a line each time."""

from __future__ import annotations

import logging
from collections import OrderedDict

from bot.models import Job, JobId

log = logging.getLogger(__name__)

REMEMBERED = 1_000
"""Kinds of errors; of what was forgotten the next is logged with its traceback again."""


class AdapterErrorLog:
    """What was logged already, of each job."""

    def __init__(self) -> None:
        self._logged: OrderedDict[tuple[JobId, str, str], None] = OrderedDict()

    def log(self, job: Job, what: str, error: Exception) -> None:
        """`what` has failed by `error`, which no adapter should raise."""
        kind = (job.id, what, type(error).__name__)
        is_new = kind not in self._logged
        log.error("job=%s %s failed: %s", job.id, what, type(error).__name__, exc_info=error if is_new else None)
        self._logged[kind] = None
        if len(self._logged) > REMEMBERED:
            self._logged.popitem(last=False)
