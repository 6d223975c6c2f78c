"""Quotas, server limits and what is used of them, in words."""

from __future__ import annotations

from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import Limit, Period, Source

NO_LIMIT = N_("no limit")
"""Of a server; a label, as the next two."""
NO_QUOTA = N_("no quota set")
"""Of a member or a role."""
BOTS_DEFAULT = N_("the bot's default")


def limit(translations: Translations, value: Limit) -> str:
    """ "1 credit per day", "20 credits in total"; a label, to stand behind a colon or between dots."""
    match value.per:
        case Period.DAY:
            return translations.ngettext("{n} credit per day", "{n} credits per day", value.credits)
        case Period.WEEK:
            return translations.ngettext("{n} credit per week", "{n} credits per week", value.credits)
        case Period.MONTH:
            return translations.ngettext("{n} credit per month", "{n} credits per month", value.credits)
        case Period.TOTAL:
            return translations.ngettext("{n} credit in total", "{n} credits in total", value.credits)


def source(translations: Translations, value: Limit) -> str:
    """Where a quota comes from."""
    match value.source:
        case Source.OWN:
            return translations.gettext("An admin set this quota.")
        case Source.ROLE:
            return translations.gettext("This quota comes from the role {role}.", role=f"<@&{value.role}>")
        case Source.SERVER:
            return translations.gettext("This is the server's default quota.")
        case Source.SETTING:
            return translations.gettext("This is the bot's default quota.")


def used(translations: Translations, credits: int, per: Period) -> str:  # noqa: A002 - the word of the domain
    """ "8 credits used today"; a label, to stand behind a colon or between dots."""
    match per:
        case Period.DAY:
            return translations.ngettext("{n} credit used today", "{n} credits used today", credits)
        case Period.WEEK:
            return translations.ngettext("{n} credit used this week", "{n} credits used this week", credits)
        case Period.MONTH:
            return translations.ngettext("{n} credit used this month", "{n} credits used this month", credits)
        case Period.TOTAL:
            return translations.ngettext("{n} credit used so far", "{n} credits used so far", credits)
