"""All that the store keeps about a person, as a document for that person: plain words, no tokens, nobody else's id."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from bot.models import DIRECT, LedgerKind, UserId
from bot.store.database import Row, Tx, Unit
from bot.store.mapping import maybe_time
from bot.store.pseudonyms import ADMIN_ACTS

Entry = dict[str, Any]


def export(member: UserId, *, now: datetime) -> Unit[Entry]:
    """The document. Ids are text: they are longer than the numbers many programs can read. Times are UTC."""

    def unit(tx: Tx) -> Entry:
        return {
            "member": str(member),
            "written_at": now.astimezone(UTC).isoformat(),
            "preferences": _preferences(tx, member),
            "videos": [_video(row) for row in tx.all(_VIDEOS, member=member)],
            "credit_lines": [_line(row, member) for row in tx.all(_LINES, member=member)],
            "credits_used": [_usage(row) for row in tx.all(_USAGE, member=member)],
            "bonus_credits": [
                {"server": _server(row["scope"]), "left": row["remaining"]} for row in tx.all(_BONUS, member=member)
            ],
            "rules_for_you": [_rule(row) for row in tx.all(_RULES, member=member)],
            "done_as_an_admin": [_act(row, member) for row in tx.all(_ACTS, member=member)],
        }

    return unit


_VIDEOS = (
    "SELECT jobs.*, cards.channel, cards.guild, cards.message, cards.removed_at, cards.hidden_at, cards.shown_channel,"
    " cards.shown_message, cards.mentioned_at, cards.mention_message, cards.locale, cards.member_locale"
    " FROM jobs JOIN cards ON cards.job = jobs.id WHERE jobs.member = :member ORDER BY jobs.id"
)
_OF_MEMBER = "JOIN members ON members.scope = {0}.scope AND members.member = {0}.member WHERE members.member = :member"
"""By way of `members`, which has an index by person; the others have one by server and person."""
_LINES = (
    "SELECT ledger.*, jobs.key AS job_key FROM ledger LEFT JOIN jobs ON jobs.id = ledger.job"
    f" {_OF_MEMBER.format('ledger')} ORDER BY ledger.id"
)
_USAGE = (
    "SELECT member_usage.*, members.reset_count AS reset_count_now FROM member_usage"
    f" {_OF_MEMBER.format('member_usage')} ORDER BY member_usage.scope, member_usage.day"
)
_BONUS = (
    f"SELECT bonus_credits.scope, remaining FROM bonus_credits {_OF_MEMBER.format('bonus_credits')}"
    " ORDER BY bonus_credits.id"
)
_RULES = "SELECT * FROM members WHERE member = :member ORDER BY scope"
_ACTS = f"SELECT * FROM ledger WHERE actor = :member AND {ADMIN_ACTS} ORDER BY id"


def _preferences(tx: Tx, member: UserId) -> Entry:
    row = tx.one("SELECT * FROM users WHERE member = :member", member=member)
    if row is None:
        return {"mentions": True}
    return {
        "mentions": row["mentions_muted_at"] is None,
        "mentions_muted_at": _time(row["mentions_muted_at"]),
        "privacy_note_at": _time(row["privacy_note_at"]),
        "deletion_requested_at": _time(row["erasure_requested_at"]),
    }


def _video(row: Row) -> Entry:
    return {
        "id": str(row["id"]),
        "key": row["key"],
        "state": row["state"],
        "failure": row["failure"],
        "asked_for_at": _time(row["created_at"]),
        "in_this_state_since": _time(row["state_at"]),
        "sent_at": _time(row["last_sent_at"]),
        "deleted_at": _time(row["deleted_at"]),
        "made_again_from": _id(row["again_of"]),
        "rendered_ms": row["render_ms"],
        "server": _server(row["scope"]),
        "prompt": row["prompt"],
        "model": row["model"],
        "seconds": row["seconds"],
        "size": row["size"],
        "credits": row["credits"],
        "credits_of_the_quota": row["from_quota"],
        "picture": {
            "name": row["picture_name"],
            "address": row["picture_url"],
            "bytes": row["picture_bytes"],
            "type": row["picture_type"],
            "width": row["picture_width"],
            "height": row["picture_height"],
            "spoiler": row["picture_spoiler_at"] is not None,
            "posted_by_another": row["picture_author"] is not None,
        },
        "video": {
            "service": row["endpoint"],
            "id_at_the_service": row["provider_id"],
            "address": row["result_url"],
            "address_expires_at": _time(row["result_expires_at"]),
        },
        "card": {
            "server": _id(row["guild"]),
            "channel": _id(row["channel"] or None),
            "message": _id(row["message"]),
            "removed_at": _time(row["removed_at"]),
            "hidden_at": _time(row["hidden_at"]),
            "language": row["locale"],
            "your_language": row["member_locale"],
            "video_channel": _id(row["shown_channel"]),
            "video_message": _id(row["shown_message"]),
            "mentioned_at": _time(row["mentioned_at"]),
            "mention_message": _id(row["mention_message"]),
        },
    }


def _line(row: Row, member: UserId) -> Entry:
    return {
        "at": _time(row["at"]),
        "kind": row["kind"],
        "server": _server(row["scope"]),
        "video": row["job_key"],
        "credits": row["credits"],
        "of_the_quota": row["from_quota"],
        "of_bonus_credits": row["from_bonus"],
        "counted_for_the_server": row["from_budget"],
        "quota": _limit(row["limit_credits"], row["limit_per"]),
        "quota_from": row["limit_source"],
        "role": _id(row["role"]),
        "by": _by(row, member),
        "reason": row["reason"],
    }


def _usage(row: Row) -> Entry:
    return {
        "server": _server(row["scope"]),
        "day": (date(1970, 1, 1) + timedelta(days=row["day"])).isoformat(),
        "credits": row["credits"],
        "forgotten_by_a_reset": row["reset_count"] != row["reset_count_now"],
    }


def _rule(row: Row) -> Entry:
    return {
        "server": _server(row["scope"]),
        "quota": _limit(row["credits"], row["per"]),
        "resets": row["reset_count"],
        "blocked_at": _time(row["blocked_at"]),
        "block_reason": row["block_reason"],
    }


def _act(row: Row, member: UserId) -> Entry:
    """What the person did to others; who they are is theirs to know."""
    whom = {None: None, member: "you"}.get(row["member"], "a member")
    return {
        "at": _time(row["at"]),
        "kind": row["kind"],
        "server": _server(row["scope"]),
        "for": whom,
        "role": _id(row["role"]),
        "credits": row["credits"],
        "quota": _limit(row["limit_credits"], row["limit_per"]),
        "reason": row["reason"],
    }


def _by(row: Row, member: UserId) -> str:
    if row["kind"] == LedgerKind.REFUND:
        return "the bot"
    return "you" if row["actor"] == member else "an admin"


def _limit(amount: int | None, per: str | None) -> Entry | None:
    return None if amount is None else {"credits": amount, "per": per}


def _server(scope: int) -> str:
    return "direct messages and own installs" if scope == DIRECT else str(scope)


def _id(number: int | None) -> str | None:
    return None if number is None else str(number)


def _time(ms: int | None) -> str | None:
    moment = maybe_time(ms)
    return None if moment is None else moment.isoformat()
