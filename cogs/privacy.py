"""/privacy, and the buttons about a member's own data."""

from __future__ import annotations

import io
from typing import Any

import discord

from bot.chat import privacy
from bot.chat.buttons import SILENCE
from bot.chat.client import AnimateBot, answer_privately
from bot.errors import UserError
from bot.jobs.service import Service
from bot.models import JobId, UserId

NOBODY = discord.AllowedMentions.none()


def setup(bot: AnimateBot, service: Service) -> None:
    """Adds the command and its buttons."""
    people, endpoint = service.people, service.endpoint

    async def page(interaction: discord.Interaction[Any]) -> discord.ui.LayoutView:
        silent = await people.is_silent(_member(interaction))
        policy = None if bot.application is None else bot.application.privacy_policy_url
        return privacy.about(endpoint, people.keeping, silent=silent, policy=policy)

    @bot.tree.command(name="privacy", description="What is kept about you, where it goes, how long; export, delete")
    async def show(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(view=await page(interaction), ephemeral=True, allowed_mentions=NOBODY)

    async def back(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.edit_message(view=await page(interaction), allowed_mentions=NOBODY)

    async def quiet(interaction: discord.Interaction[Any]) -> None:
        await people.set_silent(_member(interaction), silent=True)
        await back(interaction)

    async def loud(interaction: discord.Interaction[Any]) -> None:
        await people.set_silent(_member(interaction), silent=False)
        await back(interaction)

    async def silence(interaction: discord.Interaction[Any], job: JobId) -> None:
        if not await people.is_of(_member(interaction), job):
            raise UserError(privacy.NOT_PINGED)
        await people.set_silent(_member(interaction), silent=True)
        await answer_privately(interaction, privacy.NO_MORE_PINGS)

    async def export(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        content = await people.export(_member(interaction), at_most_bytes=interaction.filesize_limit)
        file = discord.File(io.BytesIO(content), filename="my-data.json")
        await interaction.edit_original_response(content=privacy.EXPORTED, attachments=[file], allowed_mentions=NOBODY)

    async def delete(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.edit_message(view=privacy.confirm(endpoint), allowed_mentions=NOBODY)

    async def erase(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer()
        running = await people.forget(_member(interaction))
        await interaction.edit_original_response(view=privacy.erased(endpoint, running), allowed_mentions=NOBODY)

    bot.actions[SILENCE] = silence
    bot.personal |= {
        privacy.EXPORT: export,
        privacy.DELETE: delete,
        privacy.ERASE: erase,
        privacy.BACK: back,
        privacy.QUIET: quiet,
        privacy.LOUD: loud,
    }


def _member(interaction: discord.Interaction[Any]) -> UserId:
    return UserId(interaction.user.id)
