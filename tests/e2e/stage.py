"""An environment with fast settings, and what every whole-path test asks of it."""

from __future__ import annotations

import asyncio
import io
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image

from sandbox.discord.cdn import Upload
from sandbox.discord.commands import OptionValue
from sandbox.discord.messages import Interaction, Message
from sandbox.discord.server import LocalDiscord
from sandbox.discord.world import Channel, Person
from sandbox.environment import Environment
from sandbox.process import BOT, Spawn
from sandbox.providers.base import LocalProvider
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings
from tests import forkserver

FAST = {
    "POLL_SECONDS": "0.05",
    "PROGRESS_SECONDS": "0.05",
    "SSL_CERT_FILE": os.devnull,
    "OPERATOR_DIRECT_MESSAGES": "off",
}
"""Nothing here speaks TLS, and reading the machine's certificates is a tenth of a bot's start."""
DONE = "Here is your video"
FIRST_LINE = "Your picture and prompt are sent to"
_ELSEWHERE = ("Your video is ready", "Your videos are ready")
OVER = (DONE, "Here are your videos", *_ELSEWHERE, "No video", "Video canceled", "Videos canceled")
CRASHING_BOT = (str(Path(__file__).with_name("crashing_bot.py")),)


class Stage(Environment):
    """An environment whose renders take a tenth of a second, seen through its members and its books."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        arguments: Sequence[str] = BOT,
        render_s: float | None = 0.1,
        provider: LocalProvider | None = None,
        discord: LocalDiscord | None = None,
        spawn: Spawn = forkserver.spawn,
    ) -> None:
        super().__init__(
            settings={**FAST, **(settings or {})},
            discord=discord or LocalDiscord(),
            provider=provider or LocalOpenAI(render=tiny_mp4, settings=OpenAISettings(render_seconds=render_s)),
            arguments=arguments,
            spawn=spawn,
        )

    @property
    def mia(self) -> Person:
        return self.discord.world.people["mia"]

    @property
    def admin(self) -> Person:
        return self.discord.world.people["admin"]

    async def animate(
        self,
        person: Person | None = None,
        *,
        channel: Channel | None = None,
        picture: bytes | None = None,
        **options: OptionValue,
    ) -> Interaction:
        """The person uses /animate; the command is on its way when this returns."""
        given: dict[str, OptionValue] = {
            "image": Upload("cat.png", picture or png(), "image/png"),
            "prompt": "puts on a hat",
        }
        return await self.discord.invoke(
            person or self.mia, "animate", channel=channel, forge=False, **{**given, **options}
        )

    async def rendering(self, **options: Any) -> tuple[Interaction, Message]:
        """A command whose card already says that it is rendered; options as for `animate`."""
        asked = await self.animate(**options)
        card = await asked.answer()
        assert card is not None
        await self.until(card, "Rendering")
        return asked, card

    def public(self, channel: Channel | None = None) -> list[Message]:
        """What everybody sees in a channel, the general one unless said otherwise."""
        there = self.discord.messages(channel or self.discord.world.general)
        return [message for message in there if not message.is_ephemeral]

    async def reply(self, person: Person, command: str, **options: object) -> str:
        """What the person reads as the answer to a command."""
        asked = await self.discord.invoke(person, command, **options)  # type: ignore[arg-type]  # checked by it
        message = await asked.answer()
        assert message is not None
        return message.text()

    async def told(self, interaction: Interaction, count: int, within_s: float = 10) -> list[str]:
        """Waits for so many private words beside a card; without the one that everybody reads below their first."""

        def private() -> list[Message]:
            return [word for word in interaction.followups if FIRST_LINE not in word.text()]

        await self.discord.wait_for(lambda: len(private()) >= count, within_s, f"{count} private words")
        assert all(word.is_ephemeral for word in interaction.followups)
        return [word.text() for word in private()]

    async def until(self, message: Message, *words: str, within_s: float = 20) -> str:
        """Waits until the message says one of these words; its text."""
        await self.discord.wait_for(
            lambda: any(word in message.text() for word in words), within_s, f"one of {words} in {message.text()!r}"
        )
        return message.text()

    async def over(self, interaction: Interaction, within_s: float = 20) -> Message:
        """Waits until the interaction's card says how it ended."""
        await self.discord.wait_for(lambda: interaction.message is not None, within_s, "a card")
        message = interaction.message
        assert message is not None
        await self.until(message, *OVER, within_s=within_s)
        return message

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Straight from the bot's database file."""
        return self.rows_of(self.database, sql)

    def rows_of(self, database: Path, sql: str) -> list[tuple[object, ...]]:
        """Straight from a database file."""
        with closing(sqlite3.connect(database, timeout=5)) as connection:
            return connection.execute(sql).fetchall()

    def states(self) -> list[str]:
        """Every job's state, oldest first."""
        return [str(state) for (state,) in self.rows("SELECT state FROM jobs ORDER BY id")]

    def age(self, seconds: float) -> None:
        """While the bot is down: its only job was asked for so much earlier."""
        with closing(sqlite3.connect(self.database, timeout=5)) as connection, connection:
            connection.execute("UPDATE jobs SET created_at = created_at - ?", (int(seconds * 1000),))

    def shorten_token(self, seconds: float) -> None:
        """While the bot is down: its only card's token has so long to live, for all it knows."""
        with closing(sqlite3.connect(self.database, timeout=5)) as connection, connection:
            connection.execute("UPDATE cards SET token_ends_at = ?", (int((time.time() + seconds) * 1000),))

    async def settled(self, within_s: float = 20) -> None:
        """Waits until every job has ended and its card says so."""
        await self.booked(self._is_settled, within_s)

    async def booked(self, predicate: Callable[[], bool], within_s: float = 20) -> None:
        """Looks into the database file, which tells nobody when it changes, until the predicate holds."""
        deadline = time.monotonic() + within_s
        while not predicate():
            assert time.monotonic() < deadline, f"not within {within_s} s: {predicate.__name__}; {self.states()}"
            await asyncio.sleep(0.02)

    def _is_settled(self) -> bool:
        open_jobs = self.rows(
            "SELECT 1 FROM jobs JOIN cards ON cards.job = jobs.id WHERE finished_at IS NULL"
            " OR state IN ('waiting', 'submitting', 'rendering', 'delivering')"
        )
        return not open_jobs


def png(width: int = 270, height: int = 480) -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 120, 40)).save(buffer, "PNG")
    return buffer.getvalue()
