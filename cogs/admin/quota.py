"""/animate-admin quota: who may spend how many credits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import discord
from discord import app_commands

from bot.chat import confirmations, reports
from bot.chat.balances import account
from bot.chat.client import AnimateBot, answer_privately
from bot.chat.interaction_info import roles_of, scope_of
from bot.chat.paging import text_page
from bot.errors import UserError
from bot.i18n.marking import N_
from bot.i18n.translations import translations_of
from bot.models import Bonus, ChangeContext, Period
from cogs.admin.group import AdminCog, Reason, member_of

T = TypeVar("T")

Credits = app_commands.Range[int, 0, 1_000_000]
Granted = app_commands.Range[int, 1, 1_000_000]
MEMBER_OR_ROLE = N_("The member or role")
MEMBER, HOW_MANY, WHY = N_("The member"), N_("How many credits"), N_("Reason (the member can see it)")
NOBODY = discord.AllowedMentions.none()
MANAGED, DELEGATED = "managed", "delegated"
"""Two names of one list. Discord asks nobody's permission when a button is pressed: who opened the list as somebody
with Manage Server must still have it; whoever the owner let in by Integrations never had."""


def _limit_options(credits: str) -> Callable[[T], T]:
    """The options `credits`, so described, and `per`, of each command that sets how much may be spent."""

    def decorate(command: T) -> T:
        described = app_commands.describe(
            credits=credits, per=N_("How often the credits renew (leave empty for every day)")
        )(command)
        return app_commands.choices(
            per=[
                app_commands.Choice(name=N_("per day"), value="day"),
                app_commands.Choice(name=N_("per week"), value="week"),
                app_commands.Choice(name=N_("per month"), value="month"),
                app_commands.Choice(name=N_("in total"), value="total"),
            ]
        )(described)

    return decorate


class QuotaCommands(AdminCog):
    """The subgroup."""

    quota = app_commands.Group(name="quota", description=N_("Set how many credits members and the server may spend"))

    @quota.command(name="set", description=N_("Set a quota for one member"))
    @app_commands.describe(user=MEMBER)
    @_limit_options(HOW_MANY)
    async def set_member(
        self, interaction: discord.Interaction[Any], user: discord.User, credits: Credits, per: str = "day"
    ) -> None:
        """A member's own."""
        member, by = member_of(user), self._by(interaction)
        change = await self._admin.set_member(by, member, roles_of(user), credits, Period(per))
        await self._confirm(
            interaction, by, confirmations.of_member(translations_of(interaction), user.mention, change)
        )

    @quota.command(name="role", description=N_("Set a quota for everyone with a role"))
    @app_commands.describe(role=N_("The role"))
    @_limit_options(HOW_MANY)
    async def set_role(
        self, interaction: discord.Interaction[Any], role: discord.Role, credits: Credits, per: str = "day"
    ) -> None:
        """Of all who have the role."""
        by = self._by(interaction)
        change = await self._admin.set_role(by, _role_of(interaction, role), credits, Period(per))
        await self._confirm(interaction, by, confirmations.of_role(translations_of(interaction), role.mention, change))

    @quota.command(name="default", description=N_("Set the default quota for all members"))
    @_limit_options(N_("How many credits (leave empty for the bot's default)"))
    async def set_default(
        self, interaction: discord.Interaction[Any], credits: Credits | None = None, per: str = "day"
    ) -> None:
        """Of everybody else."""
        by = self._by(interaction)
        change = await self._admin.set_default(by, credits, Period(per))
        await self._confirm(interaction, by, confirmations.of_default(translations_of(interaction), change))

    @quota.command(name="server", description=N_("Set a limit for the whole server"))
    @_limit_options(N_("How many credits (leave empty to remove the limit)"))
    async def set_server(
        self, interaction: discord.Interaction[Any], credits: Credits | None = None, per: str = "day"
    ) -> None:
        """Of all together."""
        by = self._by(interaction)
        change = await self._admin.set_server_limit(by, credits, Period(per))
        await self._confirm(interaction, by, confirmations.of_server(translations_of(interaction), change))

    @quota.command(name="grant", description=N_("Give a member, or everyone with a role, bonus credits"))
    @app_commands.describe(user=MEMBER_OR_ROLE, credits=HOW_MANY, reason=WHY)
    async def grant(
        self,
        interaction: discord.Interaction[Any],
        user: discord.User | discord.Role,
        credits: Granted,
        reason: Reason | None = None,
    ) -> None:
        """Bonus credits."""
        by = self._by(interaction)
        if isinstance(user, discord.Role):
            await self._admin.give_to_role(by, user.id, credits, reason)
            sentence = confirmations.granted_to_role(translations_of(interaction), _mention(user), credits)
            await self._confirm(interaction, by, sentence)
            return
        bonus = await self._admin.grant(by, member_of(user), credits, reason)
        await self._tell_bonus(interaction, by, user, bonus)

    @quota.command(name="revoke", description=N_("Take back bonus credits that are not spent yet"))
    @app_commands.describe(user=MEMBER, credits=HOW_MANY, reason=WHY)
    async def revoke(
        self,
        interaction: discord.Interaction[Any],
        user: discord.User,
        credits: Granted,
        reason: Reason | None = None,
    ) -> None:
        """Bonus credits that are left."""
        by = self._by(interaction)
        bonus = await self._admin.revoke(by, member_of(user), credits, reason)
        await self._tell_bonus(interaction, by, user, bonus)

    async def _tell_bonus(
        self, interaction: discord.Interaction[Any], by: ChangeContext, user: discord.User, bonus: Bonus
    ) -> None:
        await self._confirm(interaction, by, confirmations.of_bonus(translations_of(interaction), user.mention, bonus))

    @quota.command(name="reset", description=N_("Reset what a member, or everyone with a role, has used so far"))
    @app_commands.describe(user=MEMBER_OR_ROLE)
    async def reset(self, interaction: discord.Interaction[Any], user: discord.User | discord.Role) -> None:
        """The use so far."""
        if isinstance(user, discord.Role):
            by = self._by(interaction)
            await self._admin.give_to_role(by, user.id, None, None)
            await self._confirm(
                interaction, by, confirmations.reset_for_role(translations_of(interaction), _mention(user))
            )
            return
        scope, member = scope_of(interaction), member_of(user)
        before = await self._service.balance(scope, member, roles_of(user))
        by = self._by(interaction)
        await self._admin.reset(by, member)
        words = confirmations.nothing_to_reset(translations_of(interaction), user.mention)
        if by.acts:
            words = confirmations.of_reset(translations_of(interaction), user.mention, before)
        await self._confirm(interaction, by, words)

    @quota.command(name="clear", description=N_("Remove a member's or role's own quota"))
    @app_commands.describe(target=MEMBER_OR_ROLE)
    async def clear(self, interaction: discord.Interaction[Any], target: discord.User | discord.Role) -> None:
        """What `set` or `role` gave."""
        by, translations = self._by(interaction), translations_of(interaction)
        if isinstance(target, discord.Role):
            _refuse_everyone(target)
            before = await self._admin.clear_role(by, target.id)
            sentence = confirmations.role_cleared(translations, target.mention, before)
        else:
            change = await self._admin.clear_member(by, member_of(target), roles_of(target))
            sentence = confirmations.member_cleared(translations, target.mention, change)
        await self._confirm(interaction, by, sentence)

    @quota.command(name="show", description=N_("See a member's credits and what they were used for"))
    @app_commands.describe(user=N_("The member (leave empty for yourself)"))
    async def show(self, interaction: discord.Interaction[Any], user: discord.User | None = None) -> None:
        """The balance and the newest lines of the ledger."""
        person = user or interaction.user
        scope, member = scope_of(interaction), member_of(person)
        found = await self._service.account(scope, member, roles_of(person))
        refusal = await self._admin.check_eligibility(scope, member, found.balance)
        await answer_privately(interaction, account(translations_of(interaction), member, found, refusal))

    @quota.command(name="list", description=N_("See all quotas of this server"))
    async def list_all(self, interaction: discord.Interaction[AnimateBot]) -> None:
        """In pages."""
        name = MANAGED if interaction.permissions.manage_guild else DELEGATED
        content, view = await self._page(interaction, name, 0)
        view = discord.utils.MISSING if view is None else view
        await interaction.response.send_message(content, view=view, ephemeral=True, allowed_mentions=NOBODY)

    async def turn_delegated(self, interaction: discord.Interaction[Any], page: int) -> None:
        """Shows a page in place of the one that stands there."""
        await self._turn(interaction, DELEGATED, page)

    async def turn_managed(self, interaction: discord.Interaction[Any], page: int) -> None:
        """The same, for who may still manage the server."""
        if not interaction.permissions.manage_guild:
            raise UserError("You can no longer manage this server, so its quotas are not shown to you.")
        await self._turn(interaction, MANAGED, page)

    async def _turn(self, interaction: discord.Interaction[Any], name: str, page: int) -> None:
        content, view = await self._page(interaction, name, page)
        await interaction.response.edit_message(content=content, view=view, allowed_mentions=NOBODY)

    async def _page(
        self, interaction: discord.Interaction[Any], name: str, page: int
    ) -> tuple[str, discord.ui.View | None]:
        translations = translations_of(interaction)
        pages = reports.quota_pages(translations, await self._admin.every(scope_of(interaction)))
        return text_page(translations, name, pages, page)


def _mention(role: discord.Role) -> str:
    return "@everyone" if role.is_default() else role.mention


def _refuse_everyone(role: discord.Role) -> None:
    if role.is_default():
        raise UserError("All members have @everyone. Use `/animate-admin quota default` instead.")


def _role_of(interaction: discord.Interaction[Any], role: discord.Role) -> int:
    _refuse_everyone(role)
    guild = interaction.client.get_guild(interaction.guild_id)
    if guild is None:
        raise UserError(
            "The bot is not a member of this server, so it cannot see the roles here. Ask the person who runs this bot "
            "for the invite link, add the bot with that link, then try again."
        )
    # Right after a start its roles are not told yet. What is gone by then loses its quota: see RoleWatch.
    if not guild.unavailable and guild.get_role(role.id) is None:
        raise UserError("This role no longer exists. Choose another one.")
    return role.id
