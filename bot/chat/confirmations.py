"""What admins read once they have changed something: the new value and the old one; or that nothing was changed."""

from __future__ import annotations

from bot.chat import limits, text
from bot.i18n.translations import Translations
from bot.models import Balance, Bonus, Change, ChannelId, Limit, Source


def already_set(translations: Translations) -> str:
    """What was to be set was so before."""
    return translations.gettext("This is already set. Nothing was changed.")


def of_member(translations: Translations, member: str, change: Change) -> str:
    """`member` is a mention."""
    if change.before == change.after:
        return already_set(translations)
    limit = _words(translations, change.after)
    now = translations.gettext("{member} now has a quota of their own: {limit}.", member=member, limit=limit)
    return translations.paragraph(now, _was(translations, change.before))


def member_cleared(translations: Translations, member: str, change: Change | None) -> str:
    """None where the member had no quota of their own."""
    if change is None or change.after is None:
        return translations.gettext("{target} has no quota of their own. Nothing was changed.", target=member)
    limit = _words(translations, change.after)
    if change.after.source is Source.ROLE:
        role = f"<@&{change.after.role}>"
        now = translations.gettext(
            "{target} now has the quota of the role {role}: {limit}.", target=member, role=role, limit=limit
        )
    else:
        now = translations.gettext("{target} now has the default quota: {limit}.", target=member, limit=limit)
    return translations.paragraph(now, _was(translations, change.before))


def own_gone(translations: Translations, member: str, before: Limit | None) -> str:
    """As `member_cleared`, where nobody has asked which quota the member has now."""
    now = translations.gettext("{member} no longer has a quota of their own.", member=member)
    return translations.paragraph(now, _was(translations, before))


def of_role(translations: Translations, role: str, change: Change) -> str:
    """`role` is a mention."""
    if change.before == change.after:
        return already_set(translations)
    now = translations.gettext(
        "Members with the role {role} now have this quota: {limit}.",
        role=role,
        limit=_words(translations, change.after),
    )
    return translations.paragraph(now, _was(translations, change.before))


def role_cleared(translations: Translations, role: str, before: Limit | None) -> str:
    """None where the role had no quota."""
    if before is None:
        return translations.gettext("{role} has no quota of its own. Nothing was changed.", role=role)
    now = translations.gettext("{role} no longer has a quota of its own.", role=role)
    return translations.paragraph(now, _was(translations, before))


def of_default(translations: Translations, change: Change) -> str:
    """Of everyone without a quota of their own or of a role."""
    if change.before == change.after:
        return already_set(translations)
    own = change.after is not None and change.after.source is Source.SERVER
    limit = _words(translations, change.after)
    if own:
        now = translations.gettext("New default quota for all members: {limit}.", limit=limit)
    else:
        now = translations.gettext("This server now has the bot's default quota: {limit}.", limit=limit)
    return translations.paragraph(now, _was(translations, change.before))


def of_server(translations: Translations, change: Change) -> str:
    """The limit of the whole server."""
    if change.after is None and change.before is None:
        return translations.gettext("This server has no server limit. Nothing was changed.")
    if change.before == change.after:
        return already_set(translations)
    if change.after is None:
        now = translations.gettext("The server limit is removed.")
        return translations.paragraph(now, _was(translations, change.before))
    parts = [translations.gettext("New server limit: {limit}.", limit=_words(translations, change.after))]
    parts.append(_was(translations, change.before, limits.NO_LIMIT))
    if not change.after.credits:
        parts.append(translations.gettext("No videos can be made here until the limit is raised or removed."))
    return translations.paragraph(*parts)


def of_reset(translations: Translations, member: str, before: Balance) -> str:
    """`before` is what the member had."""
    limit = limits.limit(translations, before.limit)
    now = translations.gettext("{member} can use their whole quota again: {limit}.", member=member, limit=limit)
    was = translations.gettext("Before: {limit}.", limit=limits.used(translations, before.used, before.limit.per))
    return translations.paragraph(now, was)


def nothing_to_reset(translations: Translations, member: str) -> str:
    """As `of_reset`, where the member has used nothing."""
    return translations.gettext("{member} has no usage to reset. Nothing was changed.", member=member)


def of_pause(translations: Translations, *, paused: bool, reason: str | None = None) -> str:
    """Of the whole server; members read the reason, too."""
    if not paused:
        return translations.gettext("Videos can be made in this server again.")
    return translations.paragraph(
        translations.gettext("Videos are paused in this server{because}.", because=text.because(translations, reason)),
        translations.gettext(
            "Videos that are being made will still be finished. Videos in the queue wait for up to two hours, then "
            "their credits are refunded. Use `/animate-admin resume` to start again."
        ),
    )


def already_paused(translations: Translations, *, paused: bool) -> str:
    """As `of_pause`, where it was so before."""
    if paused:
        return translations.gettext("Videos are already paused in this server. Nothing was changed.")
    return translations.gettext("Videos are not paused in this server. Nothing was changed.")


def of_block(translations: Translations, member: str, *, blocked: bool, cancelled: int = 0) -> str:
    """`cancelled` of the member's videos waited."""
    if not blocked:
        return translations.gettext("{member} can make videos in this server again.", member=member)
    words = translations.gettext("{member} can no longer make videos in this server.", member=member)
    if not cancelled:
        return words
    videos = translations.ngettext(
        "{n} video in the queue was canceled and refunded.",
        "{n} videos in the queue were canceled and refunded.",
        cancelled,
    )
    return translations.paragraph(words, videos)


def already_blocked(translations: Translations, member: str, *, blocked: bool) -> str:
    """As `of_block`, where it was so before."""
    if blocked:
        return translations.gettext("{member} is already blocked. Nothing was changed.", member=member)
    return translations.gettext("{member} is not blocked. Nothing was changed.", member=member)


def of_others(translations: Translations, *, allowed: bool) -> str:
    """Whose pictures members can animate."""
    if allowed:
        return translations.gettext("With “Animate this”, members can now animate pictures that other people posted.")
    return translations.gettext("With “Animate this”, members can now only animate pictures from their own messages.")


def granted_to_role(translations: Translations, role: str, count: int) -> str:
    """`role` is a mention."""
    return translations.ngettext(
        "Everyone with the role {role} gets {n} bonus credit the next time they use the bot, if that is within 30 "
        "days.",
        "Everyone with the role {role} gets {n} bonus credits the next time they use the bot, if that is within 30 "
        "days.",
        count,
        role=role,
    )


def reset_for_role(translations: Translations, role: str) -> str:
    """`role` is a mention."""
    return translations.gettext(
        "For everyone with the role {role}, the usage so far is reset the next time they use the bot, if that is "
        "within 30 days.",
        role=role,
    )


def of_log(translations: Translations, after: ChannelId | None, before: ChannelId | None) -> str:
    """The channel in which each video is listed."""
    if after is None and before is None:
        return translations.gettext("Videos are not logged in any channel. Nothing was changed.")
    if after == before:
        return already_set(translations)
    now = translations.gettext("Videos are no longer logged in a channel.")
    if after is not None:
        now = translations.gettext("Videos are now logged in {channel}.", channel=f"<#{after}>")
    return translations.paragraph(
        now, translations.gettext("Before: {channel}.", channel=channel(translations, before))
    )


def channel(translations: Translations, log: ChannelId | None) -> str:
    """The one in which videos are listed; a label, to stand behind a colon."""
    return translations.gettext("no channel") if log is None else f"<#{log}>"


def of_bonus(translations: Translations, member: str, bonus: Bonus) -> str:
    """Given or taken back; a member may have had fewer than were to be taken back."""
    if not bonus.change:
        return translations.gettext("{member} has no bonus credits to take back. Nothing was changed.", member=member)
    if bonus.change > 0:
        done = translations.ngettext(
            "{member} got {n} bonus credit.", "{member} got {n} bonus credits.", bonus.change, member=member
        )
    else:
        done = translations.ngettext(
            "{n} bonus credit of {member} was taken back.",
            "{n} bonus credits of {member} were taken back.",
            -bonus.change,
            member=member,
        )
    left = translations.ngettext("They now have {n} bonus credit.", "They now have {n} bonus credits.", bonus.left)
    return translations.paragraph(done, left)


def _was(translations: Translations, before: Limit | None, nothing: str = limits.NO_QUOTA) -> str:
    if before is None:
        return translations.gettext("Before: {limit}.", limit=translations.gettext(nothing))
    limit = limits.limit(translations, before)
    match before.source:
        case Source.ROLE:
            return translations.gettext(
                "Before: {limit}, from the role {role}.", limit=limit, role=f"<@&{before.role}>"
            )
        case Source.SETTING:
            return translations.gettext("Before: {limit}, the bot's default.", limit=limit)
        case _:
            return translations.gettext("Before: {limit}.", limit=limit)


def _words(translations: Translations, limit: Limit | None) -> str:
    assert limit is not None
    return limits.limit(translations, limit)
