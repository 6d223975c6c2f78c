"""What admins changed, in words: a line each, with the value before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.catalog import Catalog
from bot.chat import limits, server_rules, text
from bot.chat.paging import page_line
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import Limit, Period, Scope
from bot.overviews import ActKind, AdminAct, AdminActs
from bot.rules import RuleTarget

ACTS_PER_PAGE = 8
VALUE_SHOWN = 80

_NAMES = {
    ActKind.MEMBER_QUOTA: N_("quota of {target}"),
    ActKind.ROLE_QUOTA: N_("quota of {target}"),
    ActKind.DEFAULT_QUOTA: N_("default quota"),
    ActKind.SERVER_LIMIT: N_("server limit"),
    ActKind.BONUS: N_("bonus credits of {target}"),
    ActKind.RESET: N_("usage of {target}"),
    ActKind.PAUSE: N_("videos in this server"),
    ActKind.BLOCK: N_("videos of {target}"),
    ActKind.LOG_CHANNEL: N_("video log"),
    ActKind.OTHERS: N_("other people's pictures"),
    ActKind.ROLE_MODELS: N_("models of {target}"),
    ActKind.CHANNEL_MODELS: N_("models of {target}"),
    ActKind.ROLE_GIFT: N_("for everyone with {target}"),
    ActKind.RULES: N_("rules"),
}


class Audit:
    """For one reader, on one server."""

    def __init__(self, translations: Translations, catalog: Catalog, scope: Scope) -> None:
        self._translations = translations
        self._catalog = catalog
        self._scope = scope

    def page(self, found: AdminActs, page: int) -> tuple[str, int]:
        """One page, and how many there are."""
        pages = max(1, -(-found.count // ACTS_PER_PAGE))
        lines = [self._translations.gettext("**Changes by admins**"), *(self._line(act) for act in found.acts)]
        if not found.acts:
            lines.append(self._translations.gettext("- Nothing yet"))
        if pages > 1:
            lines.append(page_line(self._translations, page, pages))
        return "\n".join(lines), pages

    def _line(self, act: AdminAct) -> str:
        who, when = text.somebody(self._translations, act.actor), text.moment(act.at)
        change = f"{self._value(act, act.old)} → {self._value(act, act.new)}"
        marks = []
        if act.is_undone:
            marks.append(self._translations.gettext("undone"))
        if act.undoes is not None:
            marks.append(self._translations.gettext("by Undo"))
        return "- " + " · ".join([self._translations.labeled(self._name(act), change), who, when, *marks])

    def _name(self, act: AdminAct) -> str:
        match act.what:
            case ActKind.CHANNEL_MODELS:
                target = server_rules.mention(RuleTarget.CHANNEL, act.target or 0, self._scope)
            case ActKind.ROLE_QUOTA | ActKind.ROLE_MODELS | ActKind.ROLE_GIFT:
                target = server_rules.mention(RuleTarget.ROLE, act.target or 0, self._scope)
            case _:
                target = text.somebody(self._translations, act.member)
        return self._translations.gettext(_NAMES[act.what], target=target)

    def _value(self, act: AdminAct, value: Any) -> str:
        words = _VALUES.get(act.what, _limit)(self._translations, self._catalog, value)
        return words if len(words) <= VALUE_SHOWN else f"{words[: VALUE_SHOWN - 1]}…"


def _limit(translations: Translations, _catalog: Catalog, value: Any) -> str:
    if value is None:
        return translations.gettext("none")
    return limits.limit(translations, Limit(value[0], Period(value[1])))


def _bonus(translations: Translations, _catalog: Catalog, value: Any) -> str:
    return translations.number(value or 0)


def _reset(translations: Translations, _catalog: Catalog, value: Any) -> str:
    count = value or 0
    return translations.ngettext("reset {n} time", "reset {n} times", count)


def _pause_or_block(translations: Translations, _catalog: Catalog, value: Any) -> str:
    if value is None:
        return translations.gettext("allowed")
    return translations.gettext("not allowed{because}", because=text.because(translations, value[0]))


def _log(translations: Translations, _catalog: Catalog, value: Any) -> str:
    return translations.gettext("none") if value is None else f"<#{value}>"


def _allowed(translations: Translations, _catalog: Catalog, value: Any) -> str:
    return translations.gettext("allowed") if value else translations.gettext("not allowed{because}", because="")


def _models(translations: Translations, catalog: Catalog, value: Any) -> str:
    return translations.gettext("all models") if value is None else ", ".join(server_rules.labels_of(catalog, value))


def _gift(translations: Translations, _catalog: Catalog, value: Any) -> str:
    if value is None:
        return translations.gettext("none")
    if value[0] is None:
        return translations.gettext("usage reset")
    return translations.ngettext("{n} bonus credit", "{n} bonus credits", value[0])


def _rules(translations: Translations, _catalog: Catalog, value: Any) -> str:
    age_restricted_only, words = value or (False, [])
    where = [translations.gettext("only age-restricted channels")] if age_restricted_only else []
    return " · ".join([*where, ", ".join(words) or translations.gettext("all words allowed")])


_VALUES: dict[ActKind, Callable[[Translations, Catalog, Any], str]] = {
    ActKind.BONUS: _bonus,
    ActKind.RESET: _reset,
    ActKind.PAUSE: _pause_or_block,
    ActKind.BLOCK: _pause_or_block,
    ActKind.LOG_CHANNEL: _log,
    ActKind.OTHERS: _allowed,
    ActKind.ROLE_MODELS: _models,
    ActKind.CHANNEL_MODELS: _models,
    ActKind.ROLE_GIFT: _gift,
    ActKind.RULES: _rules,
}
