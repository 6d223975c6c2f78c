"""Valid jobs, cards and limits, taking only what matters; and what an admin decides, in short."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.catalog import Catalog, load_catalog
from bot.models import (
    Card,
    Change,
    ChangeContext,
    ChannelId,
    GuildId,
    Job,
    JobId,
    JobState,
    Limit,
    Limits,
    MessageId,
    Period,
    Picture,
    Press,
    Scope,
    Source,
    UserId,
    VideoSpec,
)
from bot.store import quotas
from bot.store.database import Tx, Unit

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
GUILD = Scope(810_000_000_000_000_001)
MEMBER = UserId(910_000_000_000_000_001)
ADMIN = UserId(910_000_000_000_000_099)


def seed_catalog() -> Catalog:
    """The packaged catalog, with nobody but a server of one's own: there Sora 2 has not ended."""
    return load_catalog().offered_by({"gptproto": "http://127.0.0.1/v1"})


def a_spec(**changes: Any) -> VideoSpec:
    """Four seconds of sora-2."""
    return replace(VideoSpec(model="sora-2", prompt="puts on a hat", seconds=4, size=None, credits=4), **changes)


@dataclass(frozen=True, slots=True)
class _WithAnOption(VideoSpec):
    mood: str | None = None


def an_option(mood: str) -> VideoSpec:
    """As it would be had /animate one option more."""
    return _WithAnOption("sora-2", "puts on a hat", 4, None, 4, mood=mood)


def a_picture(**changes: Any) -> Picture:
    """An upright JPEG of a phone."""
    picture = Picture(
        url="https://cdn.example/cat.jpg",
        filename="cat.jpg",
        size_bytes=200_000,
        content_type="image/jpeg",
        width=3000,
        height=4000,
    )
    return replace(picture, **changes)


def a_card(*, at: datetime = NOON, **changes: Any) -> Card:
    """A card in a guild, its message stored, its token fresh."""
    card = Card(
        application=1,
        channel=ChannelId(2),
        guild=GuildId(GUILD),
        message=MessageId(3),
        token="interaction-token",
        token_ends_at=at + timedelta(minutes=15),
        upload_limit_bytes=10 * 1024 * 1024,
        bot_reaches=True,
    )
    return replace(card, **changes)


def a_press(card: Card | None = None, *, at: datetime = NOON) -> Press:
    """A press on that card, or on one as `a_card` makes it."""
    message = (card or a_card()).message
    assert message is not None
    return Press(message, "fresh", at + timedelta(minutes=15), 10_000_000)


def a_job(number: int = 1, *, cost: int = 4, at: datetime = NOON, **changes: Any) -> Job:
    """A job just asked for; `number` makes its id and key."""
    job = Job(
        id=JobId(number),
        key=f"key{number}",
        state=JobState.WAITING,
        state_at=at,
        created_at=at,
        scope=GUILD,
        member=MEMBER,
        spec=a_spec(credits=cost),
        picture=a_picture(),
        card=a_card(at=at),
        endpoint="https://videos.example/v1",
    )
    return replace(job, **changes)


def limits(
    default: int = 20,
    per: Period = Period.DAY,
    *,
    direct: int | None = None,
    budget: int = 1_000_000,
    budget_per: Period = Period.DAY,
    jobs_per_user: int = 1_000,
) -> Limits:
    """The operator's limits; what is not named stands in nobody's way."""
    return Limits(
        default=Limit(default, per),
        direct=Limit(default if direct is None else direct, per),
        budget=Limit(budget, budget_per),
        jobs_per_user=jobs_per_user,
    )


def by(scope: Scope = GUILD, now: datetime = NOON) -> ChangeContext:
    """The admin, acting there and then."""
    return ChangeContext(scope, ADMIN, now)


def grant(member: UserId, credits: int, *, scope: Scope = GUILD, now: datetime = NOON) -> Unit[int]:  # noqa: A002 - the domain's word
    """Bonus credits; returns the id they are kept under."""

    def unit(tx: Tx) -> int:
        quotas.grant(by(scope, now), member, credits, None)(tx)
        newest = tx.one("SELECT MAX(id) AS bonus_id FROM bonus_credits")
        assert newest is not None
        bonus_id: int = newest["bonus_id"]
        return bonus_id

    return unit


def reset(member: UserId, *, scope: Scope = GUILD, now: datetime = NOON) -> Unit[None]:
    """Forgets the member's use so far."""
    return quotas.reset(by(scope, now), member)


def set_own(member: UserId, credits: int, per: Period = Period.DAY, *, scope: Scope = GUILD) -> Unit[None]:  # noqa: A002 - the domain's word
    """A quota of the member's own."""
    return quotas.set_member(by(scope), member, Limit(credits, per, Source.OWN))


def set_role(role: int, credits: int, per: Period = Period.DAY, *, scope: Scope = GUILD) -> Unit[Change]:  # noqa: A002 - the domain's word
    """A quota for all who have the role."""
    return quotas.set_role(by(scope), role, Limit(credits, per, Source.ROLE, role))


def set_default(credits: int, per: Period = Period.DAY, *, scope: Scope = GUILD) -> Unit[Change]:  # noqa: A002 - the domain's word
    """The server's default quota."""
    return quotas.set_default(by(scope), Limit(credits, per, Source.SERVER))


def set_server_limit(credits: int, per: Period = Period.DAY, *, scope: Scope = GUILD) -> Unit[Change]:  # noqa: A002 - the domain's word
    """All that the server may spend."""
    return quotas.set_server_limit(by(scope), Limit(credits, per, Source.SERVER))
