"""What admins changed, in words: a line each, with the value before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.catalog import Catalog
from bot.chat import confirmations, limits, server_rules, text
from bot.chat.paging import page_line
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import Limit, Period, Scope
from bot.report_models import ActKind, AdminAct, AdminActs
from bot.server_rules import RuleTarget

ACTS_PER_PAGE = 8
VALUE_SHOWN = 80
_Words = Callable[[Translations, Catalog, Any], str]
"""A value as the store keeps it, in words."""

_NAMES = {
    ActKind.MEMBER_QUOTA: N_("quota of {target}"),
    ActKind.ROLE_QUOTA: N_("quota of {target}"),
    ActKind.DEFAULT_QUOTA: N_("default quota"),
    ActKind.SERVER_LIMIT: N_("server limit"),
    ActKind.BONUS: N_("bonus credits of {target}"),
    ActKind.PAUSE: N_("this server"),
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
        change = self._change(act)
        marks = []
        if act.is_undone:
            marks.append(self._translations.gettext("undone"))
        if act.undoes is not None:
            marks.append(self._translations.gettext("by Undo"))
        return "- " + " · ".join([self._translations.labeled(self._name(act), change), who, when, *marks])

    def _change(self, act: AdminAct) -> str:
        if act.what is ActKind.RESET:  # its values count resets
            return self._translations.gettext(text.USAGE_RESET if act.undoes is None else text.RESET_UNDONE)
        return f"{self._value(act, act.old)} → {self._value(act, act.new)}"

    def _name(self, act: AdminAct) -> str:
        match act.what:
            case ActKind.CHANNEL_MODELS:
                target = server_rules.mention(RuleTarget.CHANNEL, act.target or 0, self._scope)
            case ActKind.ROLE_QUOTA | ActKind.ROLE_MODELS | ActKind.ROLE_GIFT:
                target = server_rules.mention(RuleTarget.ROLE, act.target or 0, self._scope)
            case ActKind.BLOCK | ActKind.RESET:
                return text.somebody(self._translations, act.member)
            case _:
                target = text.somebody(self._translations, act.member)
        return self._translations.gettext(_NAMES[act.what], target=target)

    def _value(self, act: AdminAct, value: Any) -> str:
        words = _VALUES[act.what](self._translations, self._catalog, value)
        return words if len(words) <= VALUE_SHOWN else f"{words[: VALUE_SHOWN - 1]}…"


def _limit_or(nothing: str) -> _Words:
    """`nothing` stands for where there is none."""

    def words(translations: Translations, _catalog: Catalog, value: Any) -> str:
        if value is None:
            return translations.gettext(nothing)
        return limits.limit(translations, Limit(value[0], Period(value[1])))

    return words


def _bonus(translations: Translations, _catalog: Catalog, value: Any) -> str:
    return translations.number(value or 0)


def _pause(translations: Translations, _catalog: Catalog, value: Any) -> str:
    if value is None:
        return translations.gettext("not paused")
    return translations.gettext("paused{because}", because=text.because(translations, value[0]))


def _block(translations: Translations, _catalog: Catalog, value: Any) -> str:
    if value is None:
        return translations.gettext("not blocked")
    return translations.gettext("blocked{because}", because=text.because(translations, value[0]))


def _log(translations: Translations, _catalog: Catalog, value: Any) -> str:
    return confirmations.channel(translations, value)


def _others(translations: Translations, _catalog: Catalog, value: Any) -> str:
    return translations.gettext("allowed") if value else translations.gettext("not allowed")


def _models(translations: Translations, catalog: Catalog, value: Any) -> str:
    if value is None:
        return translations.gettext("all models")
    return translations.every(server_rules.labels_of(catalog, value))


def _gift(translations: Translations, _catalog: Catalog, value: Any) -> str:
    if value is None:
        return translations.gettext("nothing")
    if value[0] is None:
        return translations.gettext(text.USAGE_RESET)
    return translations.ngettext("{n} bonus credit", "{n} bonus credits", value[0])


def _rules(translations: Translations, _catalog: Catalog, value: Any) -> str:
    age_restricted_only, words = value or (False, [])
    where = [translations.gettext("only age-restricted channels")] if age_restricted_only else []
    barred = translations.gettext("all words allowed")
    if words:
        barred = translations.gettext("words not allowed ({words})", words=server_rules.typed(words))
    return " · ".join([*where, barred])


_VALUES: dict[ActKind, _Words] = {
    ActKind.MEMBER_QUOTA: _limit_or(limits.NO_QUOTA),
    ActKind.ROLE_QUOTA: _limit_or(limits.NO_QUOTA),
    ActKind.DEFAULT_QUOTA: _limit_or(limits.BOTS_DEFAULT),
    ActKind.SERVER_LIMIT: _limit_or(limits.NO_LIMIT),
    ActKind.BONUS: _bonus,
    ActKind.PAUSE: _pause,
    ActKind.BLOCK: _block,
    ActKind.LOG_CHANNEL: _log,
    ActKind.OTHERS: _others,
    ActKind.ROLE_MODELS: _models,
    ActKind.CHANNEL_MODELS: _models,
    ActKind.ROLE_GIFT: _gift,
    ActKind.RULES: _rules,
}
