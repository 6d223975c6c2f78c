"""Messages of ours that are to be deleted. A row stands from the unit that decides so until the message is deleted at
Discord, or cannot be: whatever ends the process between, the next start goes on (`bot.jobs.retention`).

Where the bot's own token does not reach the message, the row has the token that does, and ends with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.models import ChannelId, MessageId, PendingDeletion
from bot.store.database import Tx, Unit
from bot.store.row_mapping import maybe_time


@dataclass(frozen=True, slots=True)
class Kind:
    """One of a job's messages: its columns in `cards`, and when the bot's own token may reach it.

    `has_token`: `cards.token`, while there is one, reaches it, too.
    """

    message: str
    channel: str
    is_reached: str
    has_token: bool = False


CARD = Kind("message", "channel", "bot_reaches_at IS NOT NULL AND ephemeral_at IS NULL", has_token=True)
SHOWN = Kind("shown_message", "shown_channel", "(shown_channel <> channel OR bot_reaches_at IS NOT NULL)")
"""The video, where it stands in another message; one in another channel is a direct message."""
MENTION = Kind("mention_message", "channel", "bot_reaches_at IS NOT NULL")


_LATER = "CASE WHEN token IS NULL THEN 1 ELSE 0 END"
"""0 for what has to be deleted while its token lives."""


def add(tx: Tx, kinds: Sequence[Kind], where: str, **values: object) -> None:
    """Of the jobs in question, the messages of these kinds that the bot's own token reaches, or the card's token."""
    for kind in kinds:
        by_token = "cards.token IS NOT NULL" if kind.has_token else "1 = 0"
        tx.changed(
            f"INSERT INTO pending_deletions (message, channel, token, token_ends_at) SELECT {kind.message},"
            f" {kind.channel}, CASE WHEN {kind.is_reached} THEN NULL ELSE cards.token END,"
            f" CASE WHEN {kind.is_reached} THEN NULL ELSE cards.token_ends_at END"
            f" FROM cards JOIN jobs ON jobs.id = cards.job WHERE {where} AND {kind.message} IS NOT NULL"
            f" AND ({kind.is_reached} OR {by_token}) ON CONFLICT (message) DO NOTHING",
            **values,
        )


def following(last: PendingDeletion | None) -> Unit[PendingDeletion | None]:
    """The message that is to be deleted after that one, in turn; first those whose token is about to end."""

    def unit(tx: Tx) -> PendingDeletion | None:
        select, order = (
            "SELECT channel, message, token, token_ends_at FROM pending_deletions",
            f"ORDER BY {_LATER}, message LIMIT 1",
        )
        row = last and tx.one(
            f"{select} WHERE {_LATER} > :later OR ({_LATER} = :later AND message > :message) {order}",
            later=int(last.token is None),
            message=last.message,
        )
        row = row or tx.one(f"{select} {order}")
        if row is None:
            return None
        ends_at = maybe_time(row["token_ends_at"])
        return PendingDeletion(ChannelId(row["channel"]), MessageId(row["message"]), row["token"], ends_at)

    return unit


def forget(*messages: MessageId) -> Unit[int]:
    """They are deleted, or cannot be, or stay after all."""
    return lambda tx: sum(
        tx.changed("DELETE FROM pending_deletions WHERE message = :message", message=message) for message in messages
    )
