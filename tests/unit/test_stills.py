"""Stills of a member's list are made once, after the list is shown; what cannot be made is not asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import discord

from bot.i18n.translations import TranslationCatalog
from bot.models import Job, JobId, JobState, UserId
from cogs.videos import Videos
from tests.builders import a_job, seed_catalog


class Library:
    """Two videos; Discord shows no message of the second any more."""

    def __init__(self) -> None:
        self.jobs = [a_job(1).evolve(state=JobState.DELIVERED), a_job(2).evolve(state=JobState.DELIVERED)]
        self.made: dict[JobId, bytes] = {}
        self.tried: list[JobId] = []

    async def newest(self, _member: UserId, _count: int) -> list[Job]:
        return self.jobs

    async def kept(self, _among: Sequence[Job]) -> set[JobId]:
        return set()

    async def stills(self, among: Sequence[Job]) -> dict[JobId, bytes]:
        return {job.id: self.made[job.id] for job in among if job.id in self.made}

    async def joinable(self, _member: UserId, _among: Sequence[Job]) -> set[JobId]:
        return set()

    def has_still(self, _job: Job) -> bool:
        return True

    async def make_still(self, job: Job) -> bool:
        self.tried.append(job.id)
        if job.id == self.jobs[0].id:
            self.made[job.id] = b"jpeg"
        return job.id in self.made


class Typed:
    """A command, and the messages by which it was answered, each with the number of its files."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.user = SimpleNamespace(id=7)
        self.locale = discord.Locale.american_english
        self.type = discord.InteractionType.application_command
        self.sent: list[int] = []
        self.response = SimpleNamespace(is_done=lambda: False, send_message=self._send)

    async def _send(self, *, files: list[discord.File], **_parts: object) -> None:
        self.sent.append(len(files))

    async def edit_original_response(self, *, attachments: list[discord.File], **_parts: object) -> None:
        self.sent.append(len(attachments))


async def test_a_list_gets_its_stills_once_and_asks_in_vain_once() -> None:
    filling: dict[int, asyncio.Task[None]] = {}
    client = SimpleNamespace(filling=filling, leave_list=lambda _member: None, translation_catalog=TranslationCatalog())
    library = Library()
    cog = Videos(cast("Any", library), seed_catalog())
    seen: list[list[int]] = []

    for _ in range(2):
        typed = Typed(client)
        await cog.turn(cast("Any", typed), 0)
        for task in list(filling.values()):
            await task
        seen.append(typed.sent)

    assert seen == [[0, 1], [1]]
    assert library.tried == [1, 2]
    assert filling == {}
