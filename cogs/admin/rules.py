"""/animate-admin models and rules: which models, where, and with which words."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import discord
from discord import app_commands

from bot.chat import confirmations, server_rules
from bot.chat.client import answer_privately
from bot.chat.interaction_info import scope_of
from bot.errors import UserError
from bot.i18n.marking import N_
from bot.i18n.translations import translations_of
from bot.server_rules import RuleTarget, words_of
from cogs.admin.group import AdminCog

ALL, NONE = "all", "none"
"""What is typed to remove a rule about models, or all barred words."""
MOST_CHOICES, LONGEST_CHOICE = 25, 100
ASKED_WITHIN_S = 2.0
"""The answer is due in three seconds."""
Words = app_commands.Range[str, 1, 4_000]
_MENTION = re.compile(r"<(?P<mark>@&|#)(?P<id>[0-9]{1,20})>|(?P<kind>role|channel):(?P<of>[0-9]{1,20})")


class RulesCommands(AdminCog):
    """Two commands."""

    @app_commands.command(name="models", description=N_("Choose which models a role or channel can use"))
    @app_commands.describe(
        role_or_channel=N_("The role or channel; @everyone is a role, too"),
        models=N_("The models, separated by commas, or `all`"),
    )
    async def models(
        self,
        interaction: discord.Interaction[Any],
        role_or_channel: app_commands.Range[str, 1, 200],
        models: app_commands.Range[str, 1, 1_000],
    ) -> None:
        """Of a member's roles all count together; a thread has the models of its channel."""
        kind, target = await _target_of(interaction, role_or_channel)
        chosen = self._models_of(models)
        by = self._by(interaction)
        change = await self._admin.set_models(by, kind, target, chosen)
        mention = server_rules.mention(kind, target, scope_of(interaction))
        await self._confirm(
            interaction,
            by,
            server_rules.of_models(
                translations_of(interaction), self._service.catalog, mention, change.before, change.after
            ),
        )

    @models.autocomplete("role_or_channel")
    async def targets(self, interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
        """The server's roles and channels, those whose name has what is typed."""
        guild = interaction.guild
        if guild is None:
            return []
        roles = [(f"@{role.name.removeprefix('@')}", f"role:{role.id}") for role in reversed(guild.roles)]
        channels = [
            (f"#{channel.name}", f"channel:{channel.id}")
            for channel in guild.channels
            if not isinstance(channel, discord.CategoryChannel) and channel.permissions_for(guild.me).view_channel
        ]
        return _choices([*roles, *channels], current)

    @models.autocomplete("models")
    async def lists(self, interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
        """All models, or one more behind those that are typed already."""
        head, comma, typed = current.rpartition(",")
        before = f"{head}{comma} " if comma else ""
        labels = [model.label for model in self._service.catalog.models if model.label not in head]
        every = [] if comma else [(translations_of(interaction).gettext("All models"), ALL)]
        return _choices([*every, *((f"{before}{label}", f"{before}{label}") for label in labels)], typed)

    def _models_of(self, typed: str) -> list[str] | None:
        """Ids; None for all. Raises UserError."""
        if typed.strip().casefold() == ALL:
            return None
        catalog, ids = self._service.catalog, []
        for part in filter(None, (part.strip() for part in typed.split(","))):
            model = catalog.offered(part)
            if model is None:
                raise UserError(
                    "There is no model “{model}”. Nothing was changed. Choose from these, separated by commas, or "
                    "`all`: {models}.",
                    model=part[:100],
                    models=[each.label for each in catalog.models],
                )
            ids.append(model.id)
        if not ids:
            raise UserError("No model is named. Nothing was changed. Choose one or more, or `all`.")
        return list(dict.fromkeys(ids))

    @app_commands.command(name="rules", description=N_("See or change where and with which words videos can be made"))
    @app_commands.describe(
        age_restricted_only=N_("Allow videos only in age-restricted channels (leave empty to change nothing)"),
        barred_words=N_("Words that prompts cannot contain, separated by commas (`none` allows all words)"),
    )
    async def rules(
        self,
        interaction: discord.Interaction[Any],
        age_restricted_only: bool | None = None,
        barred_words: Words | None = None,
    ) -> None:
        """Changes what is given; without anything, shows all rules."""
        translations, catalog, scope = translations_of(interaction), self._service.catalog, scope_of(interaction)
        if age_restricted_only is None and barred_words is None:
            found = await self._service.rules.of(scope)
            await answer_privately(interaction, server_rules.of_server(translations, catalog, found, scope))
            return
        words = None if barred_words is None else () if _is_none(barred_words) else words_of(barred_words)
        if words == () and barred_words is not None and not _is_none(barred_words):
            raise UserError("No word was found. Nothing was changed. Type words, separated by commas, or `none`.")
        by = self._by(interaction)
        before, after = await self._admin.set_rules(by, age_restricted_only=age_restricted_only, barred_words=words)
        lines = server_rules.of_change(translations, before, after)
        await self._confirm(
            interaction,
            by,
            "\n".join(lines) or confirmations.already_set(translations),
        )


def _is_none(typed: str) -> bool:
    return typed.strip().casefold() == NONE


async def _target_of(interaction: discord.Interaction[Any], typed: str) -> tuple[RuleTarget, int]:
    """A choice of the list, a mention, or a name. Raises UserError."""
    guild = interaction.guild
    assert guild is not None  # a guild's own install
    found = _MENTION.fullmatch(typed.strip())
    if found is not None:
        is_channel = found["mark"] == "#" or found["kind"] == "channel"
        return RuleTarget.CHANNEL if is_channel else RuleTarget.ROLE, int(found["id"] or found["of"])
    name, roles, channels = typed.strip().casefold(), guild.roles, guild.channels
    if guild.unavailable:  # right after a start, neither is told yet
        async with asyncio.timeout(ASKED_WITHIN_S):
            roles, channels = await guild.fetch_roles(), await guild.fetch_channels()
    for role in roles:
        if name in (role.name.casefold(), f"@{role.name.removeprefix('@').casefold()}"):
            return RuleTarget.ROLE, role.id
    for channel in channels:
        if name.removeprefix("#") == channel.name.casefold():
            return RuleTarget.CHANNEL, channel.id
    raise UserError("There is no such role or channel here. Nothing was changed. Choose one from the list.")


def _choices(found: list[tuple[str, str]], typed: str) -> list[app_commands.Choice[str]]:
    """What Discord shows of those whose name has what is typed."""
    part = typed.strip().casefold()
    return [
        app_commands.Choice(name=name[-LONGEST_CHOICE:], value=value)
        for name, value in found
        if part in name.casefold() and len(value) <= LONGEST_CHOICE
    ][:MOST_CHOICES]
