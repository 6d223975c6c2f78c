"""A person's own data, behind `Service.personal_data`: mentions, a copy of all that is kept, being forgotten."""

from __future__ import annotations

import asyncio
import json

from bot.catalog import last_choices
from bot.errors import UserError
from bot.i18n.marking import N_
from bot.jobs.admin import ANSWER_WITHIN_S
from bot.jobs.context import Clock
from bot.jobs.files import Files
from bot.jobs.retention import Retention
from bot.jobs.store_cache import StoreCache
from bot.models import JobId, Keeping, UserId, VideoSpec
from bot.store import export, jobs, users
from bot.store.database import Store

TOO_MUCH = N_(
    "The bot keeps more about you than fits into one message. Ask the person who runs this bot for your data."
)


class PersonalData:
    """All raise StoreUnavailable."""

    def __init__(self, *, store: Store, retention: Retention, clock: Clock, files: Files) -> None:
        self._store = store
        self._files = files
        self._retention = retention
        self._clock = clock
        self._choices = StoreCache(store, users.last_choices, _choices_changed)

    @property
    def keeping(self) -> Keeping:
        """How long words and pictures are kept."""
        return self._retention.keeping

    async def has_muted_mentions(self, member: UserId) -> bool:
        """Whether they want no mentions."""
        return await self._store.read(users.has_muted_mentions(member))

    async def set_mentions_muted(self, member: UserId, *, muted: bool) -> None:
        """From now on, everywhere."""
        unit = users.set_mentions_muted(member, self._clock.now() if muted else None)
        await self._store.write(unit, start_within_s=ANSWER_WITHIN_S)

    async def last_choices(self, member: UserId) -> VideoSpec | None:
        """What they last chose, to be their defaults; None where nothing is remembered."""
        kept = await self._choices.of(member)
        return None if kept is None else last_choices.from_json(kept)

    def ask_last_choices(self, member: UserId) -> None:
        """`last_choices` will be asked for soon."""
        self._choices.ask(member)

    async def remember_choices(self, member: UserId, typed: VideoSpec, complete: VideoSpec) -> None:
        """What they chose just now, where that is news."""
        chosen = last_choices.as_json(typed, complete)
        if chosen != (await self._choices.of(member) or "{}"):
            await self._store.write(users.remember_choices(member, chosen))

    async def keeps_choices(self, member: UserId) -> bool:
        """Whether what they choose is remembered."""
        return not await self._store.read(users.are_choices_off(member))

    async def set_choices_kept(self, member: UserId, *, kept: bool) -> None:
        """From now on; what was remembered is deleted."""
        unit = users.set_choices_off(member, None if kept else self._clock.now())
        await self._store.write(unit, start_within_s=ANSWER_WITHIN_S)

    async def is_of(self, member: UserId, job: JobId) -> bool:
        """Whether the job is theirs."""
        found = await self._store.read(jobs.find(job))
        return found is not None and found.member == member

    async def export(self, member: UserId, *, at_most_bytes: int) -> bytes:
        """All that is kept about them, as JSON. Raises UserError where it is more than can be sent."""
        document = await self._store.read(export.export(member, now=self._clock.now()))
        names = await asyncio.to_thread(self._files.names_of, {JobId(int(video["id"])) for video in document["videos"]})
        for video in document["videos"]:
            video["files_kept"] = sorted(names.get(JobId(int(video["id"])), []))
        content = await asyncio.to_thread(_json, document)
        if len(content) > at_most_bytes:
            raise UserError(TOO_MUCH)
        return content

    async def forget(self, member: UserId) -> int:
        """Deletes what may be deleted; tells how many of their videos go on, to be deleted when they end."""
        return await self._retention.forget(member)


def _choices_changed(event: object) -> UserId | None:
    return event.member if isinstance(event, users.ChoicesChanged) else None


def _json(document: export.Entry) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1).encode()
