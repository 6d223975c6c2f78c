"""What admins read once they have changed a quota: the new value and the old one."""

from __future__ import annotations

from bot.chat import text
from bot.chat.tongue import Tongue
from bot.models import Bonus, Change, Limit, Source


def of_member(tongue: Tongue, member: str, change: Change) -> str:
    """`member` is a mention."""
    limit = _words(tongue, change.after)
    now = tongue.say("{member} now has a quota of their own: {limit}.", member=member, limit=limit)
    return f"{now} {_was(tongue, change.before)}"


def member_cleared(tongue: Tongue, member: str, change: Change | None) -> str:
    """None where the member had no quota of their own."""
    if change is None or change.after is None:
        return tongue.say("{target} had no quota of their own.", target=member)
    limit = _words(tongue, change.after)
    if change.after.source is Source.ROLE:
        role = f"<@&{change.after.role}>"
        now = tongue.say("{target} now has the quota of {role}: {limit}.", target=member, role=role, limit=limit)
    else:
        now = tongue.say("{target} now has the default quota: {limit}.", target=member, limit=limit)
    return f"{now} {_was(tongue, change.before)}"


def of_role(tongue: Tongue, role: str, change: Change) -> str:
    """`role` is a mention."""
    now = tongue.say("Members with {role} now have this quota: {limit}.", role=role, limit=_words(tongue, change.after))
    return f"{now} {_was(tongue, change.before)}"


def role_cleared(tongue: Tongue, role: str, before: Limit | None) -> str:
    """None where the role had no quota."""
    if before is None:
        return tongue.say("{role} had no quota of its own.", role=role)
    now = tongue.say("{role} no longer has a quota of its own.", role=role)
    return f"{now} {_was(tongue, before)}"


def of_default(tongue: Tongue, change: Change) -> str:
    """Of everyone without a quota of their own or of a role."""
    own = change.after is not None and change.after.source is Source.SERVER
    limit = _words(tongue, change.after)
    if own:
        now = tongue.say("The default quota for all members is now {limit}.", limit=limit)
    else:
        now = tongue.say("This server now has the bot's own default quota: {limit}.", limit=limit)
    return f"{now} {_was(tongue, change.before)}"


def of_server(tongue: Tongue, change: Change) -> str:
    """The limit of the whole server."""
    if change.after is None and change.before is None:
        return tongue.say("This server has no server limit.")
    if change.after is None:
        now = tongue.say("The server limit is removed.")
        return f"{now} {_was(tongue, change.before)}"
    parts = [tongue.say("The server limit is now {limit}.", limit=_words(tongue, change.after))]
    parts.append(_was(tongue, change.before))
    if not change.after.credits:
        parts.append(tongue.say("No videos can be made here until it is raised or removed."))
    return " ".join(parts)


def of_bonus(tongue: Tongue, member: str, bonus: Bonus) -> str:
    """Given or taken back; a member may have had fewer than were to be taken back."""
    if not bonus.change:
        return tongue.say("{member} has no bonus credits to take back.", member=member)
    if bonus.change > 0:
        done = tongue.counted(
            "{member} got {n} bonus credit.", "{member} got {n} bonus credits.", bonus.change, member=member
        )
    else:
        done = tongue.counted(
            "{n} bonus credit of {member} was taken back.",
            "{n} bonus credits of {member} were taken back.",
            -bonus.change,
            member=member,
        )
    left = tongue.counted("They now have {n} bonus credit.", "They now have {n} bonus credits.", bonus.left)
    return f"{done} {left}"


def _was(tongue: Tongue, before: Limit | None) -> str:
    if before is None:
        return tongue.say("Before, there was none.")
    limit = text.limit(tongue, before)
    match before.source:
        case Source.ROLE:
            return tongue.say("Before: {limit}, from {role}.", limit=limit, role=f"<@&{before.role}>")
        case Source.SETTING:
            return tongue.say("Before: {limit}, the bot's own default.", limit=limit)
        case _:
            return tongue.say("Before: {limit}.", limit=limit)


def _words(tongue: Tongue, limit: Limit | None) -> str:
    assert limit is not None
    return text.allowance(tongue, limit)
