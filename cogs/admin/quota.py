"""/animate-admin quota: who may spend how many credits."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.chat import reports, text
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
CLEARED = mark("{target} has no allowance of its own any more.")
NOTHING_TO_CLEAR = mark("{target} had no allowance of its own.")
MANAGED, DELEGATED = "allowances", "delegated"
"""Two names of one list. Discord asks nobody's permission when a button is pressed: who opened the list as somebody
with Manage Server must still have it; whoever the owner let in by Integrations never had."""


def add_quota(parent: AdminGroup, bot: AnimateBot, service: Service) -> None:
    """Adds the subgroup."""
    admin = service.admin
    group = AdminGroup(name="quota", description=mark("Who may spend how many credits"), parent=parent)

    def by(interaction: discord.Interaction[Any]) -> Any:
        return admin.by(scope_of(interaction), UserId(interaction.user.id))

    @group.command(name="set", description=mark("Give a member an allowance of their own"))
    @app_commands.describe(user=mark("The member"), credits=mark("How many credits"), per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def set_(
        interaction: discord.Interaction[Any],
        user: discord.User,
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        limit = await admin.set_member(by(interaction), member_of(user), credits, Period(per))
        await tell(
            interaction,
            "{member} may now spend {limit}.",
            member=f"<@{user.id}>",
            limit=text.allowance(tongue_of(interaction), limit),
        )

    @group.command(name="role", description=mark("Give everybody with a role an allowance"))
    @app_commands.describe(role=mark("The role"), credits=mark("How many credits"), per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def role_(
        interaction: discord.Interaction[Any],
        role: discord.Role,
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        limit = await admin.set_role(by(interaction), _role_of(interaction, role), credits, Period(per))
        await tell(
            interaction,
            "Everybody with {role} may now spend {limit}.",
            role=f"<@&{role.id}>",
            limit=text.allowance(tongue_of(interaction), limit),
        )

    @group.command(name="default", description=mark("What everybody has who has nothing else"))
    @app_commands.describe(credits=mark("How many credits"), per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def default(
        interaction: discord.Interaction[Any],
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        limit = await admin.set_default(by(interaction), credits, Period(per))
        await tell(
            interaction, "Everybody here may now spend {limit}.", limit=text.allowance(tongue_of(interaction), limit)
        )

    @group.command(name="server", description=mark("What all of this server may spend together"))
    @app_commands.describe(credits=mark("How many credits"), per=PER_WORDS)
    @app_commands.choices(per=PER)
    async def server(
        interaction: discord.Interaction[Any],
        credits: Credits,  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        limit = await admin.set_ceiling(by(interaction), credits, Period(per))
        await tell(
            interaction,
            "This server as a whole may now spend {limit}.",
            limit=text.allowance(tongue_of(interaction), limit),
        )

    @group.command(name="grant", description=mark("Give a member extra credits that do not expire"))
    @app_commands.describe(
        user=mark("The member"), credits=mark("How many credits"), reason=mark("Why, for the ledger")
    )
    async def grant(
        interaction: discord.Interaction[Any],
        user: discord.User,
        credits: Granted,  # noqa: A002 - the option's name
        reason: Reason | None = None,
    ) -> None:
        await admin.grant(by(interaction), member_of(user), credits, reason)
        granted = tongue_of(interaction).counted(
            "{member} has {n} credit more, to be spent after the allowance.",
            "{member} has {n} credits more, to be spent after the allowance.",
            credits,
            member=f"<@{user.id}>",
        )
        await answer_privately(interaction, granted)

    @group.command(name="reset", description=mark("Forget what a member has used so far"))
    @app_commands.describe(user=mark("The member"))
    async def reset(interaction: discord.Interaction[Any], user: discord.User) -> None:
        await admin.reset(by(interaction), member_of(user))
        await tell(interaction, "{member} starts afresh: the use so far is forgotten.", member=f"<@{user.id}>")

    @group.command(name="clear", description=mark("Take away the own allowance of a member or role"))
    @app_commands.describe(target=mark("The member or role"))
    async def clear(interaction: discord.Interaction[Any], target: discord.User | discord.Role) -> None:
        if isinstance(target, discord.Role):
            _refuse_everyone(target)
            cleared, name = await admin.clear_role(by(interaction), target.id), f"<@&{target.id}>"
        else:
            cleared, name = await admin.clear_member(by(interaction), member_of(target)), f"<@{target.id}>"
        sentence = CLEARED if cleared else NOTHING_TO_CLEAR
        await tell(interaction, sentence, target=name)

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
