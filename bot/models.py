"""The values of the domain: ids, a video as asked for, a job, its states. Standard library only; nothing here acts."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NewType, Self

JobId = NewType("JobId", int)
"""A job's id is the id of the interaction that asked for it: unique at Discord, so a replay is seen."""
UserId = NewType("UserId", int)
GuildId = NewType("GuildId", int)
ChannelId = NewType("ChannelId", int)
MessageId = NewType("MessageId", int)
Ticket = NewType("Ticket", str)
"""JSON that a wire needs to follow one job, read by that wire alone; over 2 KB only for a very long id."""
Scope = NewType("Scope", int)
"""Where credits are counted: a guild's id, or DIRECT for direct messages and user-installs."""
DIRECT = Scope(0)


class Period(enum.StrEnum):
    """How often a quota renews, in UTC; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class JobState(enum.StrEnum):
    """Where a job stands. The moves between them are `bot.store.jobs.MOVES`."""

    WAITING = "waiting"  # reserved; not yet sent to the provider
    SUBMITTING = "submitting"  # the paid request may be under way
    RENDERING = "rendering"  # the provider has it and gave an id
    DELIVERING = "delivering"  # the provider is done; the video goes to Discord
    DELIVERED = "delivered"  # Discord holds the bytes
    UNDELIVERED = "undelivered"  # paid and kept on disk; Discord does not hold the bytes
    FAILED = "failed"  # no video came of it
    CANCELLED = "cancelled"  # ended before it was sent, or by the provider, which charges nothing
    UNKNOWN = "unknown"  # the answer to the paid request was lost; never sent again
    TIMED_OUT = "timed_out"  # refunded, after the deadline or a lost answer; a late result is still delivered

    @property
    def holds_slot(self) -> bool:
        """Counts against the jobs at the provider at once."""
        return self in (JobState.SUBMITTING, JobState.RENDERING)

    @property
    def needs_work(self) -> bool:
        """The worker picks it up again after a restart."""
        return self in UNFINISHED or self is JobState.TIMED_OUT


UNFINISHED = (JobState.WAITING, JobState.SUBMITTING, JobState.RENDERING, JobState.DELIVERING)


class FailureKind(enum.StrEnum):
    """Why no video came of a job. Each has our own sentence in `bot.chat.text`."""

    MODERATED = "moderated"  # prompt, picture or result refused by the provider's rules
    PERSON = "person"  # a person in the picture, refused by the provider
    BAD_REQUEST = "bad_request"  # the provider did not take this request (400, 405, 422, a redirect)
    TOO_LARGE = "too_large"  # 413
    KEY = "key"  # 401: the operator's key is refused
    BALANCE = "balance"  # 402, 403: out of balance, or not allowed
    MODEL = "model"  # 404, 410: model or service gone
    OVER_PRICE = "over_price"  # the provider asks for more than was reserved
    BUSY = "busy"  # nothing made and nobody to take it for too long
    PROVIDER = "provider"  # the provider says the render failed
    TIMED_OUT = "timed_out"
    GONE = "gone"  # the provider had it, and then knew no such job any more
    LOST_ANSWER = "lost_answer"  # the outcome of the paid request is not known
    RESULT_GONE = "result_gone"  # rendered, but the file cannot be had any more
    PICTURE = "picture"  # the picture cannot be used
    QUEUE_TIMEOUT = "queue_timeout"  # two hours in the queue
    NO_CARD = "no_card"  # the answer at Discord is not ours, or gone
    CANCELLED = "cancelled"  # by the member, while waiting
    BLOCKED = "blocked"  # the member was shut out while waiting


class Show(enum.StrEnum):
    """To whom a video is shown where it was asked for; without one, to all who see the channel."""

    HERE = "here"
    SPOILER = "spoiler"  # to all, covered until somebody uncovers it
    ME = "me"  # to its member alone: never in public, whatever happens to its card


@dataclass(frozen=True, slots=True)
class VideoSpec:
    """What a member asked for: the one value that goes from the command through the store to the provider.

    `size` is "WIDTHxHEIGHT", or None until the picture has shown its orientation. As typed, model and length may be
    open, and there is no price yet; `Catalog.complete` makes a whole one of it. An option of /animate is one more field
    with None as its default, of a type that JSON has: the store keeps, exports and erases it by itself.
    """

    model: str = ""
    prompt: str = ""
    seconds: int = 0
    size: str | None = None
    credits: int = 0
    show: str | None = None  # a `Show`
    style: str | None = None  # its label in the catalog
    allowed: str | None = None  # ids of the models that the server's rules let make it; None: any
    rate: int | None = None  # credits per second of the sizes among which the picture decides; None: of the cheapest
    last_image: str | None = None  # where Discord has the picture that the video ends with
    loop: bool | None = None  # it ends with the picture it begins with
    sound: bool | None = None  # None where the model leaves no choice, or nothing is said of it
    seed: int | None = None  # drawn by the bot where the model takes one
    takes: int | None = None  # so many videos of one request, each a job; `credits` are those of one
    take: int | None = None  # which of them this is, from 1

    @property
    def last_picture(self) -> Picture | None:
        """The picture of its own that it ends with."""
        return None if self.last_image is None else Picture(self.last_image, "last picture", None, None, None, None)

    @property
    def alone(self) -> VideoSpec:
        """Without its other takes: another video of one of them is one video."""
        return replace(self, takes=None, take=None)

    @property
    def total(self) -> int:
        """Credits for all takes."""
        return self.credits * (self.takes or 1)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as Discord described it; `url` is signed and dies within a day or so.

    `size_bytes` is None where Discord does not say: an embed's picture, a sticker.
    """

    url: str
    filename: str
    size_bytes: int | None
    content_type: str | None
    width: int | None
    height: int | None
    spoiler: bool = False  # shown only to those who ask for it; so is its video


@dataclass(frozen=True, slots=True)
class Card:
    """Where a job is shown, and how it may be reached.

    `token` is a credential for that one message for 15 minutes; it leaves the store when it is dead.
    `bot_reaches` is whether the bot's own token can edit there (its guild, channel visible). `ephemeral` is so from the
    reservation on where the member wants it: nothing about the job is ever posted in its channel.
    """

    application: int
    channel: ChannelId
    guild: GuildId | None
    message: MessageId | None
    token: str | None
    token_ends_at: datetime
    upload_limit_bytes: int
    bot_reaches: bool
    ephemeral: bool = False
    finished: bool = False  # its last edit is made, or can never be made
    removed: bool = False  # somebody deleted it
    hidden: bool = False  # by its member, who finds the video in /videos
    shown_channel: ChannelId | None = None  # where the video stands, if not on the card
    shown_message: MessageId | None = None
    locale: str | None = None  # Discord's name for the language of those who read the card
    member_locale: str | None = None  # the member's own
    request: JobId | None = None  # the first of several takes, which all share this card
    apart: bool = False  # of a take: its video is shown in a message of its own, not with the others

    @property
    def place(self) -> tuple[ChannelId, MessageId] | None:
        """The message with the video, or the card; None where there is none."""
        if self.shown_channel is not None and self.shown_message is not None:
            return self.shown_channel, self.shown_message
        return None if self.message is None or self.removed else (self.channel, self.message)

    @property
    def is_readable(self) -> bool:
        """Whether the bot's own token can read the message with the video; one elsewhere is a direct message."""
        is_direct = self.shown_channel not in (None, self.channel)
        return self.place is not None and (is_direct or (self.bot_reaches and not self.ephemeral))

    @property
    def places(self) -> list[tuple[ChannelId, MessageId]]:
        """Every message of the job that may still stand: the card, and the one with the video."""
        card = None if self.message is None or self.removed else (self.channel, self.message)
        return [place for place in dict.fromkeys((card, self.place)) if place is not None]


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed a button of a message: for 15 minutes its token reaches that message, wherever it stands."""

    message: MessageId
    token: str
    token_ends_at: datetime
    upload_limit_bytes: int


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """A message of ours that is to be deleted: by this token, or by the bot's own where that reaches the message."""

    channel: ChannelId
    message: MessageId
    token: str | None = None
    token_ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One video from reservation to delivery. Immutable: every move yields a new one."""

    id: JobId
    key: str
    state: JobState
    state_at: datetime
    created_at: datetime
    scope: Scope
    member: UserId
    spec: VideoSpec
    picture: Picture
    card: Card
    endpoint: str  # root of the API that it was, or will be, sent to
    provider: str = "default"  # as the catalog calls it
    wire: str = "openai"  # the protocol that it speaks
    request_key: str | None = None  # a UUID, stored before anything is sent
    fallback_from: str | None = None  # the models that refused, in order, where `spec.model` stands in for them
    not_before: datetime | None = None
    first_sent_at: datetime | None = None  # first sent to the provider
    last_sent_at: datetime | None = None  # last sent
    ticket: Ticket | None = None  # the provider has it: what is needed to follow it there
    result_url: str | None = None
    result_expires_at: datetime | None = None
    cost_usd: float | None = None  # as the provider tells
    failure: FailureKind | None = None
    again_of: JobId | None = None  # the job whose card was pressed for this one; its kept picture is used
    continues: JobId | None = None  # the job whose last frame is this one's picture
    picture_author: UserId | None = None  # whose picture it is, where it is not the member's own
    deleted: bool = False  # by its member, or with all their data: nothing more is shown of it
    fetched: bool = False  # of an undelivered one: its video has been on our disk

    def evolve(self, **changes: Any) -> Self:
        """A copy with these fields changed."""
        return replace(self, **changes)


class Source(enum.StrEnum):
    """Where a member's quota comes from."""

    OWN = "own"
    ROLE = "role"
    SERVER = "server"  # the server's default
    SETTING = "setting"  # the operator's default


@dataclass(frozen=True, slots=True)
class Limit:
    """So many credits per period, and who set them; `role` is the role's id where the source is a role."""

    credits: int
    per: Period
    source: Source = Source.SETTING
    role: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A limit as it was and as it is now; None where there is none."""

    before: Limit | None
    after: Limit | None


@dataclass(frozen=True, slots=True)
class Bonus:
    """Bonus credits given (or, below 0, taken back), and how many the member now has."""

    change: int
    left: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits, from the settings; `direct` is the quota outside of servers."""

    default: Limit
    direct: Limit
    budget: Limit
    jobs_per_user: int


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long what nothing needs any more is kept, from the settings. `prompts` is None where they stay for ever."""

    prompts: timedelta | None
    pictures: timedelta


KEPT_FOR = timedelta(days=7)
"""A finished video stays so long where no message of the bot shows it to its member for good."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What a member can spend now. `renews_at` is None where the period is TOTAL; `running` are unfinished videos."""

    limit: Limit
    used: int
    bonus: int
    renews_at: datetime | None
    running: int

    @property
    def left(self) -> int:
        """Credits of the quota that are left; never below 0, also after the quota was lowered."""
        return max(0, self.limit.credits - self.used)

    @property
    def spendable(self) -> int:
        """What is left of the quota, and the bonus credits."""
        return self.left + self.bonus


class RefusalReason(enum.StrEnum):
    """Why a reservation was refused. Nothing is charged."""

    PAUSED = "paused"  # by the server's admins
    BLOCKED = "blocked"
    TOO_MANY_JOBS = "too_many_jobs"  # MAX_JOBS_PER_USER
    AGAIN_UNDER_WAY = "again_under_way"  # one unfinished Again to a card
    TOO_MANY_REFUNDS = "too_many_refunds"  # five of one day refunded after the provider had taken them
    QUOTA = "quota"
    SERVER_LIMIT = "server_limit"  # the server's
    BUDGET = "budget"  # the operator's


class LedgerKind(enum.StrEnum):
    """What a ledger line records."""

    RESERVE = "reserve"
    REFUND = "refund"
    GRANT = "grant"
    REVOKE = "revoke"
    RESET = "reset"
    QUOTA = "quota"
    PAUSE = "pause"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Server:
    """How a server stands. `paused_at` is None while jobs are taken; no `log_channel`, no log.

    `others_allowed`: members may animate pictures that other people posted.
    """

    paused_at: datetime | None = None
    pause_reason: str | None = None
    log_channel: ChannelId | None = None
    others_allowed: bool = False


@dataclass(frozen=True, slots=True)
class ChangeContext:
    """Who changes what where, and when."""

    scope: Scope
    actor: UserId
    now: datetime
    acts: list[int] = field(default_factory=list, compare=False)
    """Filled by the units: under which ids what they changed can be undone."""


@dataclass(frozen=True, slots=True)
class GatewaySession:
    """A session of one of `shards` at Discord's gateway, the last event that was heard in it, and its servers."""

    shard: int
    shards: int
    session: str
    sequence: int
    gateway: str
    servers: tuple[int, ...] = ()
