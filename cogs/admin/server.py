"""/animate-admin beside quotas: pause, blocks, usage, the log channel, status."""

from __future__ import annotations

import io
from typing import Any

import discord
from discord import app_commands

from bot.chat import confirmations, reports
from bot.chat.client import answer_privately
from bot.chat.interaction_info import scope_of
from bot.errors import UserError
from bot.i18n.marking import N_
from bot.i18n.translations import translations_of
from bot.models import ChannelId
from cogs.admin.group import AdminCog, Reason, member_of

Days = app_commands.Range[int, 1, 366]


class TextChannels(app_commands.Transformer):
    """Of the server. Right after a start, a command has what Discord has not told the bot of yet."""

    type = discord.AppCommandOptionType.channel
    channel_types = (discord.ChannelType.text, discord.ChannelType.news)  # type: ignore[assignment]  # never changed

    async def transform(
        self, interaction: discord.Interaction[Any], value: app_commands.AppCommandChannel, /
    ) -> app_commands.AppCommandChannel:
        """Raises TransformerError for a channel of another server, and for one that is gone."""
        guild = interaction.guild
        assert guild is not None  # a guild's own install
        is_untold = guild.unavailable and int(_resolved(interaction, value)["guild_id"]) == guild.id
        if value.resolve() is None and not is_untold:
            raise app_commands.TransformerError(value, self.type, self)
        return value


class ServerCommands(AdminCog):
    """The plain subcommands."""

    @app_commands.command(name="pause", description=N_("Pause videos in this server"))
    @app_commands.describe(reason=N_("Reason (members can see it)"))
    async def pause(self, interaction: discord.Interaction[Any], reason: Reason | None = None) -> None:
        """No new jobs."""
        by, translations = self._by(interaction), translations_of(interaction)
        await self._admin.pause(by, reason)
        words = confirmations.already_paused(translations, paused=True)
        if by.acts:
            words = confirmations.of_pause(translations, paused=True, reason=reason)
        await self._confirm(interaction, by, words)

    @app_commands.command(name="resume", description=N_("Resume videos in this server"))
    async def resume(self, interaction: discord.Interaction[Any]) -> None:
        """New jobs again."""
        by = self._by(interaction)
        await self._admin.resume(by)
        tell = confirmations.of_pause if by.acts else confirmations.already_paused
        await self._confirm(interaction, by, tell(translations_of(interaction), paused=False))

    @app_commands.command(name="block", description=N_("Block a member and cancel their videos in the queue"))
    @app_commands.describe(user=N_("The member"), reason=N_("Reason (the member can see it)"))
    async def block(
        self, interaction: discord.Interaction[Any], user: discord.User, reason: Reason | None = None
    ) -> None:
        """No new jobs of one member."""
        by, translations = self._by(interaction), translations_of(interaction)
        cancelled = await self._admin.block(by, member_of(user), reason)
        words = confirmations.already_blocked(translations, user.mention, blocked=True)
        if by.acts or cancelled:
            words = confirmations.of_block(translations, user.mention, blocked=True, cancelled=cancelled)
        await self._confirm(interaction, by, words)

    @app_commands.command(name="unblock", description=N_("Unblock a member"))
    @app_commands.describe(user=N_("The member"))
    async def unblock(self, interaction: discord.Interaction[Any], user: discord.User) -> None:
        """New jobs of this member again."""
        by = self._by(interaction)
        await self._admin.unblock(by, member_of(user))
        tell = confirmations.of_block if by.acts else confirmations.already_blocked
        await self._confirm(interaction, by, tell(translations_of(interaction), user.mention, blocked=False))

    @app_commands.command(name="usage", description=N_("See who made how many videos"))
    @app_commands.describe(days=N_("How many days, including today (leave empty for 7)"))
    async def usage(self, interaction: discord.Interaction[Any], days: Days = 7) -> None:
        """A table, and a file where it is long."""
        rows = await self._admin.usage(scope_of(interaction), days)
        status = await self._admin.status(scope_of(interaction))
        limit = None if status.server_limit is None else (status.server_limit, status.used)
        found = reports.Usage(translations_of(interaction), rows, days, self._service.catalog, limit)
        file = discord.utils.MISSING
        if found.is_long:
            file = discord.File(io.BytesIO(found.csv()), filename=f"usage-{days}-days.csv")
        await interaction.response.send_message(
            found.screen(), file=file, ephemeral=True, allowed_mentions=discord.AllowedMentions.none()
        )

    @app_commands.command(name="log", description=N_("Log each video in a channel"))
    @app_commands.describe(channel=N_("Channel to log videos in (leave empty to turn off)"))
    async def log(
        self,
        interaction: discord.Interaction[Any],
        channel: app_commands.Transform[app_commands.AppCommandChannel, TextChannels] | None = None,
    ) -> None:
        """Where each job is listed."""
        if channel is not None:
            _refuse_unless_writable(interaction, channel)
        after = None if channel is None else ChannelId(channel.id)
        by = self._by(interaction)
        before = await self._admin.set_log_channel(by, after)
        await self._confirm(interaction, by, confirmations.of_log(translations_of(interaction), after, before))

    @app_commands.command(
        name="others", description=N_("Choose whether members can animate pictures that other people posted")
    )
    @app_commands.describe(allowed=N_("Allow other people's pictures (off by default)"))
    async def others(self, interaction: discord.Interaction[Any], allowed: bool) -> None:
        """Whether pictures of others may be animated."""
        by, translations = self._by(interaction), translations_of(interaction)
        await self._admin.allow_others(by, allowed=allowed)
        words = confirmations.of_others(translations, allowed=allowed)
        await self._confirm(interaction, by, words if by.acts else confirmations.already_set(translations))

    @app_commands.command(name="status", description=N_("See how the bot and this server are doing"))
    async def status(self, interaction: discord.Interaction[Any]) -> None:
        """Health, as it is."""
        found = await self._admin.status(scope_of(interaction))
        client, catalog = interaction.client, self._service.catalog
        words = reports.status(
            translations_of(interaction), found, catalog, latency_s=client.latency, servers=len(client.guilds)
        )
        await answer_privately(interaction, words)


def _resolved(interaction: discord.Interaction[Any], channel: app_commands.AppCommandChannel) -> dict[str, Any]:
    data: Any = interaction.data
    found: dict[str, Any] = data["resolved"]["channels"][str(channel.id)]
    return found


def _refuse_unless_writable(interaction: discord.Interaction[Any], channel: app_commands.AppCommandChannel) -> None:
    known = channel.resolve()
    if known is None:
        permissions = discord.Permissions(int(_resolved(interaction, channel)["app_permissions"]))
    else:
        permissions = known.permissions_for(known.guild.me)
    if not (permissions.view_channel and permissions.send_messages):
        raise UserError(
            "The bot cannot post in {channel}. Give it the permissions View Channel and Send Messages there, "
            "then try again.",
            channel=f"<#{channel.id}>",
        )
