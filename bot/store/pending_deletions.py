"""Messages of ours that are to be deleted. A row stands from the unit that decides so until the message is deleted at
Discord, or cannot be: whatever ends the process between, the next start goes on (`bot.jobs.retention`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.models import ChannelId, MessageId
from bot.store.database import Tx, Unit


@dataclass(frozen=True, slots=True)
class Kind:
    """One of a job's messages: its columns in `cards`, and when the bot's own token may reach it."""

    message: str
    channel: str
    is_reached: str


CARD = Kind("message", "channel", "bot_reaches_at IS NOT NULL AND ephemeral_at IS NULL")
SHOWN = Kind("shown_message", "shown_channel", "(shown_channel <> channel OR bot_reaches_at IS NOT NULL)")
"""The video, where it stands in another message; one in another channel is a direct message."""
MENTION = Kind("mention_message", "channel", "bot_reaches_at IS NOT NULL")


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """A message of ours that is to be deleted."""

    channel: ChannelId
    message: MessageId


def add(tx: Tx, kinds: Sequence[Kind], where: str, **values: object) -> None:
    """Of the jobs in question, the messages of these kinds that the bot's own token reaches."""
    for kind in kinds:
        tx.changed(
            f"INSERT INTO pending_deletions (message, channel) SELECT {kind.message}, {kind.channel}"
            f" FROM cards JOIN jobs ON jobs.id = cards.job"
            f" WHERE {where} AND {kind.message} IS NOT NULL AND {kind.is_reached} ON CONFLICT (message) DO NOTHING",
            **values,
        )


def following(last: MessageId) -> Unit[PendingDeletion | None]:
    """The message that is to be deleted after that one: the oldest of the newer ones, else the oldest of all."""

    def unit(tx: Tx) -> PendingDeletion | None:
        newer = tx.one(
            "SELECT channel, message FROM pending_deletions WHERE message > :last ORDER BY message LIMIT 1", last=last
        )
        row = newer or tx.one("SELECT channel, message FROM pending_deletions ORDER BY message LIMIT 1")
        return None if row is None else PendingDeletion(ChannelId(row["channel"]), MessageId(row["message"]))

    return unit


def forget(*messages: MessageId) -> Unit[int]:
    """They are deleted, or cannot be, or stay after all."""
    return lambda tx: sum(
        tx.changed("DELETE FROM pending_deletions WHERE message = :message", message=message) for message in messages
    )
