"""What admins allow beside credits: models by role and channel, age-restricted channels, barred words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bot.models import ChangeContext, Scope
from bot.server_rules import RuleTarget, ServerRules
from bot.store import ledger, sql
from bot.store.database import Tx, Unit
from bot.store.row_mapping import to_ms


@dataclass(frozen=True, slots=True)
class ModelsChange:
    """The models of a role or channel before and after; None for all."""

    before: Sequence[str] | None
    after: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Changed:
    """Noted with each change of the rules of a server."""

    scope: Scope


def of(scope: Scope) -> Unit[ServerRules]:
    """All rules of a server."""

    def unit(tx: Tx) -> ServerRules:
        server = tx.one("SELECT age_restricted_at, barred_words FROM servers WHERE scope = :scope", scope=scope)
        rows = tx.all("SELECT kind, target, models FROM model_rules WHERE scope = :scope ORDER BY target", scope=scope)

        def models(kind: RuleTarget) -> dict[int, list[str]]:
            return {row["target"]: json.loads(row["models"]) for row in rows if row["kind"] == kind}

        words = None if server is None else server["barred_words"]
        return ServerRules(
            server is not None and server["age_restricted_at"] is not None,
            () if words is None else tuple(json.loads(words)),
            models(RuleTarget.ROLE),
            models(RuleTarget.CHANNEL),
        )

    return unit


def set_models(by: ChangeContext, kind: RuleTarget, target: int, models: Sequence[str] | None) -> Unit[ModelsChange]:
    """Which models a role or channel may use, None for all. The same in another order are no change."""

    def unit(tx: Tx) -> ModelsChange:
        ledger.next_line_id(tx, by.scope)
        key = {"scope": by.scope, "kind": kind, "target": target}
        row = tx.one("SELECT models FROM model_rules WHERE scope = :scope AND kind = :kind AND target = :target", **key)
        before = None if row is None else json.loads(row["models"])
        if models is not None and before is not None and set(models) == set(before):
            return ModelsChange(before, before)
        if models is None:
            tx.changed("DELETE FROM model_rules WHERE scope = :scope AND kind = :kind AND target = :target", **key)
        else:
            sql.put(tx, "model_rules", key, models=json.dumps(list(models)))
        tx.note(Changed(by.scope))
        return ModelsChange(before, models)

    return unit


def set_server(
    by: ChangeContext, *, age_restricted_only: bool | None, barred_words: Sequence[str] | None
) -> Unit[ServerRules]:
    """Changes what is not None; returns the rules as they were."""

    def unit(tx: Tx) -> ServerRules:
        ledger.next_line_id(tx, by.scope)
        before = of(by.scope)(tx)
        changes: dict[str, object] = {}
        if age_restricted_only is not None:
            changes["age_restricted_at"] = to_ms(by.now) if age_restricted_only else None
        if barred_words is not None:
            changes["barred_words"] = json.dumps(list(barred_words), ensure_ascii=False) if barred_words else None
        if changes:
            sql.update(tx, "servers", {"scope": by.scope}, **changes)
            tx.note(Changed(by.scope))
        return before

    return unit
