"""The rules of a server in words: which models, where, and with which words."""

from __future__ import annotations

from collections.abc import Sequence

from bot.catalog import Catalog
from bot.chat import confirmations, text
from bot.i18n.translations import Translations
from bot.server_rules import RuleTarget, ServerRules

WORDS_SHOWN = 600


def mention(kind: RuleTarget, target: int, everyone: int) -> str:
    """Of a role or a channel; `everyone` is the id of the role that all have."""
    if kind is RuleTarget.CHANNEL:
        return f"<#{target}>"
    return "@everyone" if target == everyone else f"<@&{target}>"


def of_models(
    translations: Translations, catalog: Catalog, target: str, before: Sequence[str] | None, after: Sequence[str] | None
) -> str:
    """`target` is a mention. What it may use now, then what it could use before."""
    if before == after:
        return confirmations.already_set(translations)
    now = translations.gettext("{target} can use all models.", target=target)
    if after is not None:
        labels = labels_of(catalog, after)
        now = translations.gettext("{target} can only use these models: {models}.", target=target, models=labels)
    was = translations.gettext("Before: all models.")
    if before is not None:
        was = translations.gettext("Before: {models}.", models=labels_of(catalog, before))
    return translations.paragraph(now, was)


def of_change(translations: Translations, before: ServerRules, after: ServerRules) -> list[str]:
    """What is otherwise now; a line each."""
    lines = []
    if before.age_restricted_only != after.age_restricted_only:
        lines.append(
            translations.gettext("Videos can now only be made in age-restricted channels. Before: in all channels.")
            if after.age_restricted_only
            else translations.gettext(
                "Videos can now be made in all channels. Before: only in age-restricted channels."
            )
        )
    if before.barred_words != after.barred_words:
        was = translations.gettext("Before, all words were allowed.")
        if before.barred_words:
            words = _words(before)
            was = translations.gettext("Before, these words were not allowed: {words}.", words=words)
        lines.append(translations.paragraph(_about_words(translations, after), was))
    return lines


def of_server(translations: Translations, catalog: Catalog, rules: ServerRules, everyone: int) -> str:
    """All rules."""
    where = (
        translations.gettext("Videos can only be made in age-restricted channels.")
        if rules.age_restricted_only
        else translations.gettext("Videos can be made in all channels.")
    )
    words = _about_words(translations, rules)
    models = [
        translations.labeled(mention(kind, target, everyone), translations.every(labels_of(catalog, ids)))
        for kind, targets in ((RuleTarget.ROLE, rules.roles), (RuleTarget.CHANNEL, rules.channels))
        for target, ids in targets.items()
    ]
    if not models:
        models.append(translations.gettext("All roles and channels can use all models."))
    elif not rules.roles:
        models.append(translations.labeled(translations.gettext("All other channels"), _all_models(translations)))
    elif everyone not in rules.roles:
        others = translations.labeled(translations.gettext("Everyone else"), _all_models(translations))
        models.insert(len(rules.roles), others)
    lines = [where, words, *models]
    head = translations.gettext("**Rules of this server**")
    return text.as_much([head, *(f"- {line}" for line in lines)], rest="- …")


def labels_of(catalog: Catalog, models: Sequence[str]) -> list[str]:
    """As people know them; an id that the catalog does not know any more stands for itself."""
    found = [catalog.model(model) for model in models]
    return [model if each is None else each.label for model, each in zip(models, found, strict=True)]


def typed(words: Sequence[str]) -> str:
    """Barred words as an admin types them, with commas in every language: who changes them copies them from here."""
    return ", ".join(words)


def _all_models(translations: Translations) -> str:
    return translations.gettext("all models")


def _about_words(translations: Translations, rules: ServerRules) -> str:
    words = _words(rules)
    if not words:
        return translations.gettext("All words are allowed.")
    return translations.gettext("Words that are not allowed: {words}.", words=words)


def _words(rules: ServerRules) -> str:
    words = typed(rules.barred_words)
    return words if len(words) <= WORDS_SHOWN else f"{words[:WORDS_SHOWN]}…"
