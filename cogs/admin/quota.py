"""/animate-admin quota: who may spend how many credits."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.chat import changes, reports
from bot.chat.asking import roles_of, scope_of
from bot.chat.balances import account
from bot.chat.client import AnimateBot, answer_privately, tell
from bot.chat.paging import answer_in_pages
from bot.chat.tongue import tongue_of
from bot.errors import UserError
from bot.jobs.service import Service
from bot.models import Period, UserId
from bot.wording import mark
from cogs.admin.group import AdminGroup, Reason, member_of

Credits = app_commands.Range[int, 0, 1_000_000]
Granted = app_commands.Range[int, 1, 1_000_000]
PER = [
    app_commands.Choice(name=mark("a day"), value="day"),
    app_commands.Choice(name=mark("a week"), value="week"),
    app_commands.Choice(name=mark("a month"), value="month"),
    app_commands.Choice(name=mark("in all"), value="ever"),
]
PER_WORDS = mark("How often they renew; a day if left out")
REASON_WORDS = mark("Why, for the ledger")
MANAGED, DELEGATED = "allowances", "delegated"
"""Two names of one list. Discord asks nobody's permission when a button is pressed: who opened the list as somebody
with Manage Server must still have it; whoever the owner let in by Integrations never had."""


def add_quota(parent: AdminGroup, bot: AnimateBot, service: Service) -> None:
    """Adds the subgroup."""
    admin = service.admin
    group = AdminGroup(name="quota", description=mark("Who may spend how many credits"), parent=parent)

    def by(interaction: discord.Interaction[Any]) -> Any:
        return admin.by(scope_of(interaction), UserId(interaction.user.id))

    @group.command(name="set", description=mark("Give a member a quota of their own"))
    @app_commands.describe(user=mark("The member"), credits=mark("How many credits"), per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def set_(
        interaction: discord.Interaction[Any],
        user: discord.User,
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        change = await admin.set_member(by(interaction), member_of(user), roles_of(user), credits, Period(per))
        await answer_privately(interaction, changes.of_member(tongue_of(interaction), f"<@{user.id}>", change))

    @group.command(name="role", description=mark("Give everyone with a role a quota"))
    @app_commands.describe(role=mark("The role"), credits=mark("How many credits"), per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def role_(
        interaction: discord.Interaction[Any],
        role: discord.Role,
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        change = await admin.set_role(by(interaction), _role_of(interaction, role), credits, Period(per))
        await answer_privately(interaction, changes.of_role(tongue_of(interaction), f"<@&{role.id}>", change))

    @group.command(name="default", description=mark("Default quota for all members"))
    @app_commands.describe(credits=mark("How many credits (leave empty for the bot's own default)"), per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def default(
        interaction: discord.Interaction[Any],
        credits: Credits | None = None,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        change = await admin.set_default(by(interaction), credits, Period(per))
        await answer_privately(interaction, changes.of_default(tongue_of(interaction), change))

    @group.command(name="server", description=mark("Limit for the whole server"))
    @app_commands.describe(credits=mark("How many credits (leave empty to remove the limit)"), per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def server(
        interaction: discord.Interaction[Any],
        credits: Credits | None = None,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        change = await admin.set_ceiling(by(interaction), credits, Period(per))
        await answer_privately(interaction, changes.of_server(tongue_of(interaction), change))

    @group.command(name="grant", description=mark("Give a member bonus credits that do not expire"))
    @app_commands.describe(user=mark("The member"), credits=mark("How many credits"), reason=REASON_WORDS)
    async def grant(
        interaction: discord.Interaction[Any],
        user: discord.User,
        credits: Granted,  # noqa: A002 - the option's name
        reason: Reason | None = None,
    ) -> None:
        bonus = await admin.grant(by(interaction), member_of(user), credits, reason)
        await answer_privately(interaction, changes.of_bonus(tongue_of(interaction), f"<@{user.id}>", bonus))

    @group.command(name="revoke", description=mark("Take back bonus credits that are not spent yet"))
    @app_commands.describe(user=mark("The member"), credits=mark("How many credits"), reason=REASON_WORDS)
    async def revoke(
        interaction: discord.Interaction[Any],
        user: discord.User,
        credits: Granted,  # noqa: A002 - the option's name
        reason: Reason | None = None,
    ) -> None:
        bonus = await admin.revoke(by(interaction), member_of(user), credits, reason)
        await answer_privately(interaction, changes.of_bonus(tongue_of(interaction), f"<@{user.id}>", bonus))

    @group.command(name="reset", description=mark("Forget what a member has used so far"))
    @app_commands.describe(user=mark("The member"))
    async def reset(interaction: discord.Interaction[Any], user: discord.User) -> None:
        await admin.reset(by(interaction), member_of(user))
        await tell(interaction, "{member} starts afresh: the use so far is forgotten.", member=f"<@{user.id}>")

    @group.command(name="clear", description=mark("Remove a member's or role's own quota"))
    @app_commands.describe(target=mark("The member or role"))
    async def clear(interaction: discord.Interaction[Any], target: discord.User | discord.Role) -> None:
        tongue = tongue_of(interaction)
        if isinstance(target, discord.Role):
            _refuse_everyone(target)
            before = await admin.clear_role(by(interaction), target.id)
            sentence = changes.role_cleared(tongue, f"<@&{target.id}>", before)
        else:
            change = await admin.clear_member(by(interaction), member_of(target), roles_of(target))
            sentence = changes.member_cleared(tongue, f"<@{target.id}>", change)
        await answer_privately(interaction, sentence)

    @group.command(name="show", description=mark("A member's credits and what became of them"))
    @app_commands.describe(user=mark("The member; yourself if left out"))
    async def show(interaction: discord.Interaction[Any], user: discord.User | None = None) -> None:
        person = user or interaction.user
        scope, member = scope_of(interaction), member_of(person)
        found = await service.account(scope, member, roles_of(person))
        bar = await admin.bar(scope, member, found.balance)
        await answer_privately(interaction, account(tongue_of(interaction), member, found, bar))

    @group.command(name="list", description=mark("All allowances of this server"))
    async def list_(interaction: discord.Interaction[AnimateBot]) -> None:
        await answer_in_pages(interaction, MANAGED if interaction.permissions.manage_guild else DELEGATED)

    async def delegated(interaction: discord.Interaction[Any]) -> list[str]:
        return reports.allowance_pages(tongue_of(interaction), await admin.every(scope_of(interaction)))

    async def managed(interaction: discord.Interaction[Any]) -> list[str]:
        if not interaction.permissions.manage_guild:
            raise UserError("You may no longer manage this server, so its list is not shown to you.")
        return await delegated(interaction)

    bot.pages[MANAGED], bot.pages[DELEGATED] = managed, delegated


def _refuse_everyone(role: discord.Role) -> None:
    if role.is_default():
        raise UserError("Everybody has @everyone: use `/animate-admin quota default` for that.")


def _role_of(interaction: discord.Interaction[Any], role: discord.Role) -> int:
    _refuse_everyone(role)
    guild = interaction.client.get_guild(interaction.guild_id)
    if guild is None:
        raise UserError("The bot cannot see who has which role here. Add it by its full invite link first.")
    if guild.get_role(role.id) is None:
        raise UserError("That role does not exist any more. Please choose another.")
    return role.id
