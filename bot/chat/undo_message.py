"""What a press of Undo tells: what is so again, in the words of the command that sets it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.catalog import Catalog
from bot.chat import confirmations, server_rules, text
from bot.i18n.translations import Translations
from bot.models import Bonus, Change, Limit, Period, Scope, Source
from bot.report_models import ActKind, AdminAct
from bot.server_rules import RuleTarget, ServerRules


class UndoMessage:
    """For one reader, on one server. `default` is the quota from the settings."""

    def __init__(self, translations: Translations, catalog: Catalog, scope: Scope, default: Limit) -> None:
        self._translations = translations
        self._catalog = catalog
        self._scope = scope
        self._default = default

    def of(self, act: AdminAct, cancelled: int) -> str:
        """`act` is the one that set the value back; it has ended so many waiting videos."""
        return self._translations.gettext("Undone. {change}", change=self._change(act, cancelled))

    def _change(self, act: AdminAct, cancelled: int) -> str:
        translations, member = self._translations, text.somebody(self._translations, act.member)
        match act.what:
            case ActKind.MEMBER_QUOTA | ActKind.ROLE_QUOTA | ActKind.DEFAULT_QUOTA | ActKind.SERVER_LIMIT:
                return self._limit(act, member)
            case ActKind.BONUS:
                return confirmations.of_bonus(translations, member, Bonus(act.new - act.old, act.new))
            case ActKind.RESET:
                return translations.gettext(
                    "The earlier usage of {member} counts toward their quota again.", member=member
                )
            case ActKind.PAUSE:
                (reason,) = act.new or (None,)
                return confirmations.of_pause(translations, paused=act.new is not None, reason=reason)
            case ActKind.BLOCK:
                blocked = act.new is not None
                return confirmations.of_block(translations, member, blocked=blocked, cancelled=cancelled)
            case ActKind.LOG_CHANNEL:
                return confirmations.of_log(translations, act.new, act.old)
            case ActKind.OTHERS:
                return confirmations.of_others(translations, allowed=act.new)
            case ActKind.ROLE_MODELS | ActKind.CHANNEL_MODELS:
                target = self._target(act)
                return server_rules.of_models(translations, self._catalog, target, act.old, act.new)
            case ActKind.ROLE_GIFT:
                return self._role_gift(act)
            case ActKind.RULES:
                return "\n".join(server_rules.of_change(translations, _rules(act.old), _rules(act.new)))

    def _role_gift(self, act: AdminAct) -> str:
        (given,) = act.old or (None,)
        if given is None:
            return self._translations.gettext(
                "Usage is no longer reset for members with the role {role}.", role=self._target(act)
            )
        return self._translations.gettext(
            "Members with the role {role} no longer get these bonus credits. Those not spent yet are taken back.",
            role=self._target(act),
        )

    def _limit(self, act: AdminAct, member: str) -> str:
        translations = self._translations
        match act.what:
            case ActKind.MEMBER_QUOTA:
                change = Change(_limit(act.old, Source.OWN), _limit(act.new, Source.OWN))
                if change.after is None:
                    return confirmations.own_gone(translations, member, change.before)
                return confirmations.of_member(translations, member, change)
            case ActKind.ROLE_QUOTA:
                change = Change(_limit(act.old, Source.SERVER), _limit(act.new, Source.SERVER))
                if change.after is None:
                    return confirmations.role_cleared(translations, self._target(act), change.before)
                return confirmations.of_role(translations, self._target(act), change)
            case ActKind.DEFAULT_QUOTA:
                change = Change(
                    _limit(act.old, Source.SERVER) or self._default, _limit(act.new, Source.SERVER) or self._default
                )
                return confirmations.of_default(translations, change)
            case _:
                change = Change(_limit(act.old, Source.SERVER), _limit(act.new, Source.SERVER))
                return confirmations.of_server(translations, change)

    def _target(self, act: AdminAct) -> str:
        kind = RuleTarget.CHANNEL if act.what is ActKind.CHANNEL_MODELS else RuleTarget.ROLE
        return server_rules.mention(kind, act.target or 0, self._scope)


def _limit(value: tuple[int, str] | None, source: Source) -> Limit | None:
    """From how the act keeps it."""
    return None if value is None else Limit(value[0], Period(value[1]), source)


def _rules(value: tuple[bool, Sequence[str]] | None) -> ServerRules:
    age_restricted_only, words = value or (False, ())
    return ServerRules(age_restricted_only, tuple(words))
