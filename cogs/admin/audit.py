"""/animate-admin audit, and the Undo button of the other commands."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands, ui

from bot.chat.audit import ACTS_PER_PAGE, Audit
from bot.chat.interaction_info import scope_of
from bot.chat.paging import page_buttons
from bot.chat.undo_message import UndoMessage
from bot.errors import UserError
from bot.i18n.marking import N_
from bot.i18n.translations import translations_of
from bot.models import DIRECT
from cogs.admin.group import AdminCog

NOBODY = discord.AllowedMentions.none()
MANAGED_AUDIT, DELEGATED_AUDIT = "managedaudit", "delegatedaudit"
"""Two names of one list, as those of `cogs.admin.quota`."""
MESSAGE = 2_000


class AuditCommands(AdminCog):
    """One command and one button."""

    @app_commands.command(name="audit", description=N_("See who changed what, with the values before and after"))
    async def audit(self, interaction: discord.Interaction[Any]) -> None:
        """In pages."""
        name = MANAGED_AUDIT if interaction.permissions.manage_guild else DELEGATED_AUDIT
        content, view = await self._audit_page(interaction, name, 0)
        await interaction.response.send_message(content, view=view, ephemeral=True, allowed_mentions=NOBODY)

    async def turn_delegated_audit(self, interaction: discord.Interaction[Any], page: int) -> None:
        """Shows a page in place of the one that stands there."""
        content, view = await self._audit_page(interaction, DELEGATED_AUDIT, page)
        await interaction.response.edit_message(content=content, view=view, allowed_mentions=NOBODY)

    async def turn_managed_audit(self, interaction: discord.Interaction[Any], page: int) -> None:
        """The same, for who may still manage the server."""
        if not interaction.permissions.manage_guild:
            raise UserError("You can no longer manage this server, so its changes are not shown to you.")
        content, view = await self._audit_page(interaction, MANAGED_AUDIT, page)
        await interaction.response.edit_message(content=content, view=view, allowed_mentions=NOBODY)

    async def undo(self, interaction: discord.Interaction[Any], act: int) -> None:
        """Undoes what a confirmation tells of, for whoever may manage the server now."""
        scope = scope_of(interaction)
        if scope == DIRECT or not interaction.permissions.manage_guild:
            raise UserError("Only people with the permission Manage Server can undo this. Nothing was changed.")
        undone = await self._admin.undo(self._by(interaction), act)
        words = UndoMessage(translations_of(interaction), self._service.catalog, scope, self._admin.default_quota)
        sentence = words.of(undone.act, len(undone.cancelled))[:MESSAGE]
        before = "" if interaction.message is None else f"{interaction.message.content}\n"
        content = f"{before}{sentence}" if len(before) + len(sentence) <= MESSAGE else sentence
        await interaction.response.edit_message(content=content, view=None, allowed_mentions=NOBODY)

    async def _audit_page(self, interaction: discord.Interaction[Any], name: str, page: int) -> tuple[str, ui.View]:
        scope = scope_of(interaction)
        found = await self._admin.acts(scope, page * ACTS_PER_PAGE, ACTS_PER_PAGE)
        content, pages = Audit(translations_of(interaction), self._service.catalog, scope).page(found, page)
        view = ui.View(timeout=None)
        for button in page_buttons(name, page, min(pages, 9_999)):
            view.add_item(button)
        return content, view
