"""/animate-admin quota: who may spend how many credits."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.chat import reports, text
from bot.chat.asking import roles_of, scope_of
from bot.chat.balances import account
from bot.chat.client import AnimateBot, answer_privately
from bot.chat.paging import answer_in_pages
from bot.errors import UserError
from bot.jobs.service import Service
from bot.models import Period, UserId
from cogs.admin.group import AdminGroup, Reason, member_of

Credits = app_commands.Range[int, 0, 1_000_000]
Granted = app_commands.Range[int, 1, 1_000_000]
PER = [
    app_commands.Choice(name="a day", value="day"),
    app_commands.Choice(name="a week", value="week"),
    app_commands.Choice(name="a month", value="month"),
    app_commands.Choice(name="in all", value="ever"),
]
PER_WORDS = "How often they renew; a day if left out"
MANAGED, DELEGATED = "allowances", "delegated"
"""Two names of one list. Discord asks nobody's permission when a button is pressed: who opened the list as somebody
with Manage Server must still have it; whoever the owner let in by Integrations never had."""


def add_quota(parent: AdminGroup, bot: AnimateBot, service: Service) -> None:
    """Adds the subgroup."""
    admin = service.admin
    group = AdminGroup(name="quota", description="Who may spend how many credits", parent=parent)

    def by(interaction: discord.Interaction[Any]) -> Any:
        return admin.by(scope_of(interaction), UserId(interaction.user.id))

    @group.command(name="set", description="Give a member an allowance of their own")
    @app_commands.describe(user="The member", credits="How many credits", per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def set_(
        interaction: discord.Interaction[Any],
        user: discord.User,
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        limit = await admin.set_member(by(interaction), member_of(user), credits, Period(per))
        await answer_privately(interaction, text.allowance_set(f"<@{user.id}>", limit))

    @group.command(name="role", description="Give everybody with a role an allowance")
    @app_commands.describe(role="The role", credits="How many credits", per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def role_(
        interaction: discord.Interaction[Any],
        role: discord.Role,
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        limit = await admin.set_role(by(interaction), _role_of(interaction, role), credits, Period(per))
        await answer_privately(interaction, text.allowance_set(f"Everybody with <@&{role.id}>", limit))

    @group.command(name="default", description="What everybody has who has nothing else")
    @app_commands.describe(credits="How many credits", per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def default(
        interaction: discord.Interaction[Any],
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        limit = await admin.set_default(by(interaction), credits, Period(per))
        await answer_privately(interaction, text.allowance_set("Everybody here", limit))

    @group.command(name="server", description="What all of this server may spend together")
    @app_commands.describe(credits="How many credits", per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def server(
        interaction: discord.Interaction[Any],
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        limit = await admin.set_ceiling(by(interaction), credits, Period(per))
        await answer_privately(interaction, text.allowance_set("This server as a whole", limit))

    @group.command(name="grant", description="Give a member extra credits that do not expire")
    @app_commands.describe(user="The member", credits="How many credits", reason="Why, for the ledger")
    async def grant(
        interaction: discord.Interaction[Any],
        user: discord.User,
        credits: Granted,  # noqa: A002 - the option's name
        reason: Reason | None = None,
    ) -> None:
        await admin.grant(by(interaction), member_of(user), credits, reason)
        granted = f"<@{user.id}> has {text.credits_of(credits)} more, to be spent after the allowance."
        await answer_privately(interaction, granted)

    @group.command(name="reset", description="Forget what a member has used so far")
    @app_commands.describe(user="The member")
    async def reset(interaction: discord.Interaction[Any], user: discord.User) -> None:
        await admin.reset(by(interaction), member_of(user))
        await answer_privately(interaction, f"<@{user.id}> starts afresh: the use so far is forgotten.")

    @group.command(name="clear", description="Take away the own allowance of a member or role")
    @app_commands.describe(target="The member or role")
    async def clear(interaction: discord.Interaction[Any], target: discord.User | discord.Role) -> None:
        if isinstance(target, discord.Role):
            _refuse_everyone(target)
            cleared, name = await admin.clear_role(by(interaction), target.id), f"<@&{target.id}>"
        else:
            cleared, name = await admin.clear_member(by(interaction), member_of(target)), f"<@{target.id}>"
        words = "has no allowance of its own any more." if cleared else "had no allowance of its own."
        await answer_privately(interaction, f"{name} {words}")

    @group.command(name="show", description="A member's credits and what became of them")
    @app_commands.describe(user="The member; yourself if left out")
    async def show(interaction: discord.Interaction[Any], user: discord.User | None = None) -> None:
        person = user or interaction.user
        scope, member = scope_of(interaction), member_of(person)
        found = await service.account(scope, member, roles_of(person))
        await answer_privately(interaction, account(member, found, await admin.bar(scope, member, found.balance)))

    @group.command(name="list", description="All allowances of this server")
    async def list_(interaction: discord.Interaction[AnimateBot]) -> None:
        await answer_in_pages(interaction, MANAGED if interaction.permissions.manage_guild else DELEGATED)

    async def delegated(interaction: discord.Interaction[Any]) -> list[str]:
        return reports.allowance_pages(await admin.every(scope_of(interaction)))

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
