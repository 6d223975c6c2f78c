"""What jobs need of the chat they are shown in. `bot.chat` implements it; nothing here knows Discord."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from bot.errors import PictureRefused
from bot.models import ChannelId, Job, JobId, MessageId, PendingDeletion


@dataclass(frozen=True, slots=True)
class FoundCard:
    """The answer that stands in the chat; it may be another bot's, with the same token."""

    message: MessageId
    ephemeral: bool
    is_ours: bool


class DeliveryOutcome(enum.Enum):
    """How a finished video reached the member."""

    UPLOADED = enum.auto()  # the chat holds the bytes
    LINK_ONLY = enum.auto()  # too large there: the card shows the provider's link, which will expire
    TOO_LARGE = enum.auto()  # too large for what the chat really takes: `upload_limit` is smaller now
    NOWHERE = enum.auto()  # every transport is dead, or does not take the file
    APART = enum.auto()  # of several takes: the card does not take them; each has to go by itself
    LATER = enum.auto()  # the chat has taken it by no transport for as long as it is tried at a time


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of a delivery; channel and message say where the video stands, if not on the card.

    `card_tells`: where it is not held, the card says where the video is.
    """

    outcome: DeliveryOutcome
    channel: ChannelId | None = None
    message: MessageId | None = None
    card_tells: bool = False


class Due(enum.Enum):
    """How a render stands to when its end was expected."""

    AHEAD = enum.auto()
    NOW = enum.auto()  # half of those like it have ended
    LATE = enum.auto()  # nearly all have


@dataclass(frozen=True, slots=True)
class Progress:
    """How full a render's bar is; and, where earlier ones allow an estimate, when it is due.

    `queue_position` is its place in the provider's own queue, from 1. `can_cancel`: the provider may still cancel it
    so that nothing is charged.
    """

    percent: int
    due: Due | None = None
    due_at: datetime | None = None
    queue_position: int | None = None
    can_cancel: bool = False


class HoldReason(enum.Enum):
    """Why a job does not go, whoever else is in the queue."""

    PAUSED = enum.auto()  # by the server's admins
    CIRCUIT_OPEN = enum.auto()  # the video service is not used for now
    RETRY = enum.auto()  # the video service did not take it: tried again at a set time
    KEY = enum.auto()  # it has long not been found out whether the video service takes the bot's key


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The position of a waiting job in the queue, from 1, and when it will start, as far as that is known."""

    position: int | None = None
    starts_at: datetime | None = None
    hold_reason: HoldReason | None = None


ProgressView = Progress | QueuePosition
"""What may be said of a job under way."""


class CardMemory(Protocol):
    """Keeps what the chat learns of the transports to a card over restarts.

    Raises nothing: what is lost is learnt again.
    """

    async def token_died(self, job: JobId) -> None:
        """The interaction's token is dead."""

    async def bot_lost_access(self, job: JobId) -> None:
        """The bot's own token cannot reach the card any more."""

    async def card_removed(self, job: JobId) -> None:
        """Somebody deleted the card."""


class PostMemory(CardMemory, Protocol):
    """Keeps, too, that a video was sent as a message of its own: at most once, also over a crash."""

    async def claim_post(self, job: JobId, channel: ChannelId | None, *, again_for: timedelta) -> bool | None:
        """Whether the video may be sent as a message of its own: remembered before it is sent, so that it stands once.

        For so long it may be sent again to the same `channel`, where that does not double it. True for the first time,
        False for another, None where it may not be sent, or the claim cannot be kept.
        """

    async def release_post(self, job: JobId) -> None:
        """The first such message was certainly not taken."""


class Chat(Protocol):
    """Where cards are shown. Calls that say so wait out passing trouble by themselves; cancelling them is safe."""

    async def find_card(self, job: Job) -> FoundCard | None:
        """The answer to the job's interaction; None where there is none, or none can be seen any more.

        Raises ChatUnavailable.
        """

    async def fetch_picture(self, job: Job, *, last: bool = False) -> bytes:
        """The bytes of the attachment, or of the one that the video ends with.

        Raises PictureRefused when it cannot be had, ChatUnavailable.
        """

    async def fetch_video(self, job: Job, address: str) -> AsyncIterator[bytes] | None:
        """The video of a job that is over, in pieces, from the message that shows it, else from `address`, if any.

        None where neither is to be had. Raises ChatUnavailable, also while it is read.
        """

    def show(self, job: Job, progress_view: ProgressView | None = None) -> None:
        """Brings the card up to date soon, newest state first; returns at once. Nothing new costs nothing."""

    def log_job(self, job: Job, channel: ChannelId) -> None:
        """Lists the job in a server's log channel, once, if it can; returns at once."""

    async def finish(self, job: Job, refused: PictureRefused | None = None) -> None:
        """The card's last edit, for a job without a video on its card, and a private word where one is due.

        A job that failed for its picture has its card removed, and the member alone told why it was `refused`.
        Waits until it is made or can never be made.
        """

    def upload_limit(self, job: Job) -> int:
        """Bytes that one file may have where the job's video is to be shown."""

    async def deliver(self, job: Job, video: Path, *, reencoded: bool) -> Delivery:
        """The card's last edit, with the video; to the member alone where the card is gone. Waits as `finish` does.

        The card says so where the video was `reencoded` to fit.
        """

    def show_takes(self, takes: Sequence[Job]) -> None:
        """As `show`, for the card that these share; from then on `show` of one of them brings it up to date."""

    async def deliver_takes(self, takes: Sequence[Job], videos: Mapping[JobId, Path]) -> DeliveryOutcome:
        """The last edit of the card that these share, with all the videos, and how the other takes ended.

        LATER and NOWHERE: the card says that they are kept, if it can. Waits as `finish` does.
        """

    async def finish_takes(self, takes: Sequence[Job], refused: PictureRefused | None = None) -> bool:
        """The card that these share is to say how each stands, without a video; then as `finish`. Whether it does."""

    async def show_address(self, job: Job) -> bool:
        """The card says that the video is ready and cannot be fetched yet, and where it is. Whether it says so now."""

    async def mention(self, job: Job, count: int = 1) -> MessageId | None:
        """Tells the member that so many videos are done, by one short reply; tried once. Returns that, or None."""

    def introduce(self, job: Job) -> None:
        """Tells the member alone where picture and prompt go, once, if it can; returns at once."""

    async def delete_message(self, message: PendingDeletion) -> bool:
        """Deletes a message of ours. False where it may be tried again; True where it is gone or out of reach."""

    def forget(self, job: Job) -> None:
        """The job is over, or its card has changed under it: what is remembered of its transports is dropped."""
