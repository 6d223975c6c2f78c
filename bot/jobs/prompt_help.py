"""Improved prompts, from the operator's chat model, with a quota of their own; no video is made here."""

from __future__ import annotations

import asyncio
import logging

from bot.errors import PromptHelpUnavailable, UserError
from bot.i18n.marking import N_
from bot.jobs.admin import ANSWER_WITHIN_S
from bot.jobs.context import Clock
from bot.models import UserId
from bot.providers import chat_model
from bot.store import prompt_help
from bot.store.database import Store
from bot.wire_config import ChatModelConfig

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Of all members; each has one at a time."""
WAITS_S = 10.0
OFF = N_("This bot cannot improve prompts right now.")
ASKING = N_("The bot is already improving a prompt for you. Wait for the result.")
NONE_LEFT = N_("You have reached today's limit for improved prompts: {n}. To change the prompt yourself, press Edit.")
NO_ANSWER = N_("The prompt could not be improved. Nothing was charged. Try again in a minute, or use Edit.")


class PromptHelp:
    """`config` is None while it is off; it may change while the bot runs."""

    def __init__(self, store: Store, clock: Clock, config: ChatModelConfig | None) -> None:
        self.config = config
        self._store = store
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)
        self._asking: set[UserId] = set()

    @property
    def is_on(self) -> bool:
        """Whether there is a chat model to ask."""
        return self.config is not None

    @property
    def endpoint(self) -> str | None:
        """Where prompts are sent to."""
        return None if self.config is None else self.config.url

    async def reword(self, member: UserId, prompt: str) -> str:
        """One question, within 40 s. Raises UserError, with none of the day's times used, and StoreUnavailable."""
        config = self.config
        if config is None:
            raise UserError(OFF)
        if member in self._asking:
            raise UserError(ASKING)
        self._asking.add(member)
        try:
            return await self._ask(config, member, prompt)
        finally:
            self._asking.discard(member)

    async def _ask(self, config: ChatModelConfig, member: UserId, prompt: str) -> str:
        asked_at = self._clock.now()
        claim = prompt_help.claim(member, config.per_day, now=asked_at)
        if not await self._store.write(claim, start_within_s=ANSWER_WITHIN_S):
            raise UserError(NONE_LEFT, n=config.per_day)
        try:
            async with asyncio.timeout(WAITS_S):
                await self._places.acquire()
            try:
                return await chat_model.reword(config, prompt)
            finally:
                self._places.release()
        except (PromptHelpUnavailable, TimeoutError) as error:
            log.warning("user=%s no improved prompt: %s", member, str(error) or "too many at once")
            await self._store.write(prompt_help.release(member, now=asked_at))
            raise UserError(NO_ANSWER) from error
