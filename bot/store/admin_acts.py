"""What admins changed: written down with each change, listed, and undone as long as it still stands."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from bot.models import Change, ChangeContext, Job, Limit, Period, Scope, Source, UserId
from bot.report_models import ActKind, AdminAct, AdminActs
from bot.server_rules import RuleTarget
from bot.store import balances, ledger, quotas, role_gifts, server_rules, server_settings, sql
from bot.store.database import Row, Tx, Unit
from bot.store.row_mapping import from_ms, to_ms

T = TypeVar("T")

UNDO_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is changed, and of whom or which role or channel."""

    what: ActKind
    member: UserId | None = None
    target: int | None = None


class Refusal(enum.Enum):
    """Why something is not undone."""

    UNKNOWN = enum.auto()
    TOO_LATE = enum.auto()
    ALREADY = enum.auto()
    CHANGED = enum.auto()  # somebody changed it since, or used it


@dataclass(frozen=True, slots=True)
class Undone:
    """The act that was undone, as it is written down. `cancelled` are waiting jobs that a block has ended."""

    act: AdminAct
    cancelled: list[Job] = field(default_factory=list)


def recorded(by: ChangeContext, subject: Subject, unit: Unit[T]) -> Unit[T]:
    """Runs a unit and writes down what it changed, if anything; `by.acts` has the id then."""

    def around(tx: Tx) -> T:
        act = ledger.next_line_id(tx, by.scope, subject.member)
        old = None if subject.what is ActKind.ROLE_GIFT else _value(tx, by.scope, subject)
        result = unit(tx)
        new = _value(tx, by.scope, subject)
        if new != old:
            _write(tx, by, act, subject, old, new)
            by.acts.append(act)
        return result

    return around


def undo(by: ChangeContext, act: int) -> Unit[Undone | Refusal]:
    """Sets back what the act changed, once, within `UNDO_FOR`, where nobody has changed it since."""

    def unit(tx: Tx) -> Undone | Refusal:
        line = ledger.next_line_id(tx, by.scope)
        row = tx.one("SELECT * FROM admin_acts WHERE id = :act AND scope = :scope", act=act, scope=by.scope)
        if row is None or row["undoes"] is not None:
            return Refusal.UNKNOWN
        if row["undone_at"] is not None:
            return Refusal.ALREADY
        if to_ms(by.now) - row["at"] > UNDO_FOR.total_seconds() * 1_000:
            return Refusal.TOO_LATE
        found = _act_of(row)
        subject = Subject(found.what, found.member, found.target)
        before = _value(tx, by.scope, subject)
        done = _set_back(tx, by, found, row["line"], before)
        if done is None:
            return Refusal.CHANGED
        sql.update(tx, "admin_acts", {"id": act}, undone_at=to_ms(by.now))
        is_gift = found.what is ActKind.ROLE_GIFT
        old, new = (found.new, None) if is_gift else (before, _value(tx, by.scope, subject))
        _write(tx, by, line, subject, old, new, undoes=act)
        written = tx.one("SELECT * FROM admin_acts WHERE id = :line", line=line)
        assert written is not None
        return Undone(_act_of(written), done)

    return unit


def page(scope: Scope, first: int, count: int) -> Unit[AdminActs]:
    """So many from the `first` on, the newest first."""

    def unit(tx: Tx) -> AdminActs:
        rows = tx.all(
            "SELECT * FROM admin_acts WHERE scope = :scope ORDER BY id DESC LIMIT :count OFFSET :first",
            scope=scope,
            count=count,
            first=first,
        )
        every = tx.one("SELECT COUNT(*) AS n FROM admin_acts WHERE scope = :scope", scope=scope)
        assert every is not None
        return AdminActs([_act_of(row) for row in rows], every["n"])

    return unit


def _write(
    tx: Tx, by: ChangeContext, act: int, subject: Subject, old: Any, new: Any, undoes: int | None = None
) -> None:
    row = {
        "id": act,
        "at": to_ms(by.now),
        "scope": by.scope,
        "actor": by.actor,
        "what": subject.what,
        "member": subject.member,
        "target": subject.target,
        "old_value": json.dumps(old, ensure_ascii=False),
        "new_value": json.dumps(new, ensure_ascii=False),
        "line": _newest_line(tx, by.scope, subject),
        "undoes": undoes,
    }
    sql.insert(tx, "admin_acts", row)


def _newest_line(tx: Tx, scope: Scope, subject: Subject) -> int | None:
    """Of the credits that have just been given or taken; of a role, the gift's id."""
    if subject.what is ActKind.ROLE_GIFT:
        gift = role_gifts.newest(tx, scope, subject.target)
        return None if gift is None else gift["id"]
    if subject.what is not ActKind.BONUS:
        return None
    row = tx.one(
        "SELECT MAX(id) AS line FROM ledger WHERE scope = :scope AND member = :member AND kind IN ('grant', 'revoke')",
        scope=scope,
        member=subject.member,
    )
    return None if row is None else row["line"]


def _act_of(row: Row) -> AdminAct:
    return AdminAct(
        row["id"],
        from_ms(row["at"]),
        row["actor"],
        ActKind(row["what"]),
        row["member"],
        row["target"],
        None if row["old_value"] is None else json.loads(row["old_value"]),
        None if row["new_value"] is None else json.loads(row["new_value"]),
        row["undone_at"] is not None,
        row["undoes"],
    )


def _value(tx: Tx, scope: Scope, subject: Subject) -> Any:
    """As it is now, as JSON has it."""
    return _VALUES[subject.what](tx, scope, subject)


def _set_back(tx: Tx, by: ChangeContext, act: AdminAct, line: int | None, now: Any) -> list[Job] | None:
    """Jobs that ended by it; None where the change does not stand any more."""
    if act.what is ActKind.BONUS:
        return _set_back_bonus(tx, by, act, line)
    if act.what is ActKind.ROLE_GIFT:
        role_gifts.end(by, line or 0)(tx)
        return []
    if now != act.new:
        return None
    if act.what is ActKind.RESET:
        assert act.member is not None
        return [] if quotas.undo_reset(by, act.member, act.old)(tx) else None
    found = _SETTERS[act.what](by, act)(tx)
    return found if isinstance(found, list) else []


def _set_back_bonus(tx: Tx, by: ChangeContext, act: AdminAct, line: int | None) -> list[Job] | None:
    """What was given is taken as far as it is not spent; what was taken is given anew."""
    assert act.member is not None
    given = act.new - act.old
    if given < 0:
        quotas.grant(by, act.member, -given, ledger.UNDONE)(tx)
        return []
    return [] if quotas.revoke_grant(by, act.member, line or 0)(tx).change else None


def _limit_value(limit: Limit | None) -> Any:
    return None if limit is None else [limit.credits, limit.per.value]


def _limit(value: Any, source: Source, role: int | None = None) -> Limit:
    return Limit(value[0], Period(value[1]), source, role)


def _server_row(tx: Tx, scope: Scope) -> Row | None:
    return tx.one("SELECT * FROM servers WHERE scope = :scope", scope=scope)


def _member_value(column: str) -> Callable[[Tx, Scope, Subject], Any]:
    def value(tx: Tx, scope: Scope, subject: Subject) -> Any:
        row = balances.rows_of(tx, scope, UserId(subject.member or 0)).member
        if row is None:
            return 0 if column == "reset_count" else None
        match column:
            case "reset_count":
                return row["reset_count"]
            case "blocked_at":
                return None if row["blocked_at"] is None else [row["block_reason"]]
            case _:
                return None if row["credits"] is None else [row["credits"], row["per"]]

    return value


def _role_quota(tx: Tx, scope: Scope, subject: Subject) -> Any:
    row = tx.one(
        "SELECT credits, per FROM roles WHERE scope = :scope AND role = :role", scope=scope, role=subject.target
    )
    return None if row is None else [row["credits"], row["per"]]


def _pause(tx: Tx, scope: Scope, _subject: Subject) -> Any:
    found = server_settings.server(scope)(tx)
    return None if found.paused_at is None else [found.pause_reason]


def _models(tx: Tx, scope: Scope, subject: Subject) -> Any:
    found = server_rules.of(scope)(tx)
    of = found.roles if subject.what is ActKind.ROLE_MODELS else found.channels
    models = of.get(subject.target or 0)
    return None if models is None else list(models)


def _rules(tx: Tx, scope: Scope, _subject: Subject) -> Any:
    found = server_rules.of(scope)(tx)
    return [found.age_restricted_only, list(found.barred_words)]


def _role_gift(tx: Tx, scope: Scope, subject: Subject) -> Any:
    gift = role_gifts.newest(tx, scope, subject.target)
    return None if gift is None else [gift["credits"]]


_VALUES: dict[ActKind, Callable[[Tx, Scope, Subject], Any]] = {
    ActKind.MEMBER_QUOTA: _member_value("credits"),
    ActKind.ROLE_QUOTA: _role_quota,
    ActKind.DEFAULT_QUOTA: lambda tx, scope, _: _limit_value(balances.default_of(_server_row(tx, scope))),
    ActKind.SERVER_LIMIT: lambda tx, scope, _: _limit_value(balances.server_limit_of(_server_row(tx, scope))),
    ActKind.BONUS: lambda tx, scope, subject: balances.bonus_left(tx, scope, UserId(subject.member or 0)),
    ActKind.RESET: _member_value("reset_count"),
    ActKind.PAUSE: _pause,
    ActKind.BLOCK: _member_value("blocked_at"),
    ActKind.LOG_CHANNEL: lambda tx, scope, _: server_settings.server(scope)(tx).log_channel,
    ActKind.OTHERS: lambda tx, scope, _: server_settings.server(scope)(tx).others_allowed,
    ActKind.ROLE_MODELS: _models,
    ActKind.CHANNEL_MODELS: _models,
    ActKind.ROLE_GIFT: _role_gift,
    ActKind.RULES: _rules,
}


def _set_member_quota(by: ChangeContext, act: AdminAct) -> Unit[Any]:
    member = UserId(act.member or 0)
    return (
        quotas.clear_member(by, member)
        if act.old is None
        else quotas.set_member(by, member, _limit(act.old, Source.OWN))
    )


def _set_role_quota(by: ChangeContext, act: AdminAct) -> Unit[Any]:
    role = act.target or 0
    return (
        quotas.clear_role(by, role)
        if act.old is None
        else quotas.set_role(by, role, _limit(act.old, Source.ROLE, role))
    )


def _set_server_quota(
    setter: Callable[[ChangeContext, Limit | None], Unit[Change]],
) -> Callable[[ChangeContext, AdminAct], Unit[Any]]:
    return lambda by, act: setter(by, None if act.old is None else _limit(act.old, Source.SERVER))


def _set_models(by: ChangeContext, act: AdminAct) -> Unit[Any]:
    kind = RuleTarget.ROLE if act.what is ActKind.ROLE_MODELS else RuleTarget.CHANNEL
    return server_rules.set_models(by, kind, act.target or 0, act.old)


_SETTERS: dict[ActKind, Callable[[ChangeContext, AdminAct], Unit[Any]]] = {
    ActKind.MEMBER_QUOTA: _set_member_quota,
    ActKind.ROLE_QUOTA: _set_role_quota,
    ActKind.DEFAULT_QUOTA: _set_server_quota(quotas.set_default),
    ActKind.SERVER_LIMIT: _set_server_quota(quotas.set_server_limit),
    ActKind.PAUSE: lambda by, act: (
        server_settings.resume(by) if act.old is None else server_settings.pause(by, act.old[0])
    ),
    ActKind.BLOCK: lambda by, act: (
        server_settings.unblock(by, UserId(act.member or 0))
        if act.old is None
        else server_settings.block(by, UserId(act.member or 0), act.old[0])
    ),
    ActKind.LOG_CHANNEL: lambda by, act: server_settings.set_log_channel(by, act.old),
    ActKind.OTHERS: lambda by, act: server_settings.allow_others(by, allowed=act.old),
    ActKind.ROLE_MODELS: _set_models,
    ActKind.CHANNEL_MODELS: _set_models,
    ActKind.RULES: lambda by, act: server_rules.set_server(by, age_restricted_only=act.old[0], barred_words=act.old[1]),
}
"""How a value is set to what it was before the act."""
