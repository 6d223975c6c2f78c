"""What the lines that a task logs are about, so that each of them names its job, whoever writes it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from bot.models import Job

_ABOUT: ContextVar[Mapping[str, object]] = ContextVar("about", default={})  # noqa: B039 - never changed in place


def about(**fields: object) -> None:
    """From here on the lines of this task, and of those that it starts, are about this and nothing else."""
    _ABOUT.set(fields)


def about_job(job: Job) -> None:
    """As `about`, for whoever works on a job."""
    about(job=job.id, user=job.member, guild=job.card.guild, provider=job.provider, state=job.state)


def current() -> Mapping[str, object]:
    """What the lines of this task are about; empty where nothing was said."""
    return _ABOUT.get()
