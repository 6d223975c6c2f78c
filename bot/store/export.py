"""All that the store keeps about a person, as a document for that person: no tokens, nobody else's id.

Each row is told by its columns, whichever there are: what is not for its member is named here, and the rest goes out.
"""

from __future__ import annotations

import json
from collections.abc import Container
from datetime import UTC, date, datetime, timedelta
from typing import Any, NewType

from bot.models import DIRECT, LedgerKind, UserId
from bot.store.database import Row, Tx, Unit
from bot.store.pseudonyms import ADMIN_ACTS
from bot.store.row_mapping import CARD, JOB, OPTIONS, from_ms

Entry = dict[str, Any]

LEFT_OUT = {
    # told otherwise, or of no meaning to the member; what a video cost is the operator's
    "jobs": {
        "scope", "member", "day", "reset_count", "not_before", "first_sent_at", "fetched_at", "picture_author",
        "cost_usd_micros", OPTIONS,
    },
    # a credential, and what is known of the ways to a card
    "cards": {
        "job", "application", "token", "token_ends_at", "upload_limit_bytes", "bot_reaches_at", "ephemeral_at",
        "finished_at", "posted_at", "posted_channel", "request", "apart_at",
    },
    # told otherwise, or the server's and the operator's
    "ledger": {
        "id", "job", "scope", "member", "day", "reset_count", "server_limit_credits", "server_limit_per",
        "budget_credits", "budget_per", "taken_at", "actor",
    },
    "member_usage": {"scope", "member", "reset_count", "reset_count_now"},
    "bonus_credits": {"id", "scope", "member"},
    "members": {"scope", "member"},
    "users": {"member"},
    "prompt_help": {"member"},
    "admin_acts": {"id", "scope", "actor", "member", "target", "line", "undoes"},
}  # fmt: skip
_IDS = {column.name for column in (*JOB, *CARD) if isinstance(column.hint, NewType)} | {"role", "mention_message"}
"""Ids go out as text: they are longer than the numbers that many programs can read."""

_OWN = "FROM jobs JOIN cards ON cards.job = jobs.id WHERE jobs.member = :member ORDER BY jobs.id"
_OF_MEMBER = "JOIN members ON members.scope = {0}.scope AND members.member = {0}.member WHERE members.member = :member"
"""By way of `members`, which has an index by person; the others have one by server and person."""
_LINES = (
    "SELECT ledger.*, jobs.key AS video FROM ledger LEFT JOIN jobs ON jobs.id = ledger.job"
    f" {_OF_MEMBER.format('ledger')} ORDER BY ledger.id"
)
_USAGE = (
    "SELECT member_usage.*, members.reset_count AS reset_count_now FROM member_usage"
    f" {_OF_MEMBER.format('member_usage')} ORDER BY member_usage.scope, member_usage.day"
)
_BONUS = f"SELECT bonus_credits.* FROM bonus_credits {_OF_MEMBER.format('bonus_credits')} ORDER BY bonus_credits.id"
_ACTS = f"SELECT * FROM ledger WHERE actor = :member AND {ADMIN_ACTS} ORDER BY id"

_CHANGES = "SELECT * FROM admin_acts WHERE actor = :member ORDER BY id"


def export(member: UserId, *, now: datetime) -> Unit[Entry]:
    """The document. Times are UTC."""

    def unit(tx: Tx) -> Entry:
        own = zip(
            tx.all(f"SELECT jobs.* {_OWN}", member=member), tx.all(f"SELECT cards.* {_OWN}", member=member), strict=True
        )
        users = tx.all("SELECT * FROM users WHERE member = :member", member=member)
        rules = tx.all("SELECT * FROM members WHERE member = :member ORDER BY scope", member=member)
        return {
            "member": str(member),
            "written_at": now.astimezone(UTC).isoformat(),
            "preferences": _told(users[0], LEFT_OUT["users"]) if users else {},
            "improved_prompts_asked_for": [
                _told(row, LEFT_OUT["prompt_help"])
                for row in tx.all("SELECT * FROM prompt_help WHERE member = :member", member=member)
            ],
            "videos": [_video(job) | {"card": _told(card, LEFT_OUT["cards"])} for job, card in own],
            "credit_lines": [_line(row, member) for row in tx.all(_LINES, member=member)],
            "credits_used": [_usage(row) for row in tx.all(_USAGE, member=member)],
            "bonus_credits": [
                _at(row) | _told(row, LEFT_OUT["bonus_credits"]) for row in tx.all(_BONUS, member=member)
            ],
            "rules_for_you": [_at(row) | _told(row, LEFT_OUT["members"]) for row in rules],
            "done_as_an_admin": [_act(row, member, "ledger") for row in tx.all(_ACTS, member=member)],
            "changed_as_an_admin": [_act(row, member, "admin_acts") for row in tx.all(_CHANGES, member=member)],
        }

    return unit


def _video(row: Row) -> Entry:
    told = _told(row, LEFT_OUT["jobs"])
    picture = {name.removeprefix("picture_"): told.pop(name) for name in list(told) if name.startswith("picture_")}
    picture["posted_by_another"] = row["picture_author"] is not None
    options: Entry = json.loads(row[OPTIONS] or "{}")
    return _at(row) | told | options | {"picture": picture}


def _line(row: Row, member: UserId) -> Entry:
    by = "you" if row["actor"] == member else "an admin"
    return _at(row) | _told(row, LEFT_OUT["ledger"]) | {"by": "the bot" if row["kind"] == LedgerKind.REFUND else by}


def _usage(row: Row) -> Entry:
    forgotten = row["reset_count"] != row["reset_count_now"]
    return _at(row) | _told(row, LEFT_OUT["member_usage"]) | {"forgotten_by_a_reset": forgotten}


def _act(row: Row, member: UserId, table: str) -> Entry:
    """What the person did to others; who they are is theirs to know."""
    whom = {None: None, member: "you"}.get(row["member"], "a member")
    return _at(row) | _told(row, LEFT_OUT[table]) | {"for": whom}


def _at(row: Row) -> Entry:
    scope = row["scope"]
    return {"server": "direct messages and own installs" if scope == DIRECT else str(scope)}


def _told(row: Row, left_out: Container[str]) -> Entry:
    return {name: _shown(name, row[name]) for name in row.keys() if name not in left_out}  # noqa: SIM118 - no dict


def _shown(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in ("choices", "old_value", "new_value"):
        return json.loads(value)
    if name == "at" or name.endswith("_at"):
        return from_ms(value).isoformat()
    if name == "day":
        return (date(1970, 1, 1) + timedelta(days=value)).isoformat()
    return str(value) if name in _IDS else value
