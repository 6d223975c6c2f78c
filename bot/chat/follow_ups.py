"""What is said below an answered interaction, for the member alone: sent once.

A follow-up has no nonce, and discord.py would send it again after a 5xx, though Discord may have taken it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import discord
from discord import ui
from discord.http import handle_message_parameters

from bot.chat.text import alt_text
from bot.chat.transports import EDIT_WITHIN_S, NOBODY, UPLOAD_WITHIN_S, file_of
from bot.models import Job


async def follow_up(
    interaction: discord.Interaction[Any], sentence: str | None = None, *, view: ui.LayoutView | None = None
) -> None:
    """A sentence, or a view of components. Raises what discord.py raises."""
    parts: dict[str, Any] = {"content": sentence} if view is None else {"view": view}
    await _send(interaction, "POST", "", EDIT_WITHIN_S, flags=discord.MessageFlags(ephemeral=True), **parts)


async def show_file(
    interaction: discord.Interaction[Any], job: Job, video: Path, sentence: str, *, thinks: bool
) -> None:
    """A video: in place of the answer that `thinks`, else below it. Raises OSError too."""
    shown = file_of(job, video, alt=alt_text(job.spec.prompt))
    if thinks:
        file = {"attachments": [shown]}
        await _send(interaction, "PATCH", "/messages/@original", UPLOAD_WITHIN_S, content=sentence, **file)
    else:
        private = discord.MessageFlags(ephemeral=True)
        await _send(interaction, "POST", "", UPLOAD_WITHIN_S, content=sentence, flags=private, file=shown)


async def _send(interaction: discord.Interaction[Any], method: str, below: str, within_s: float, **parts: Any) -> None:
    path = f"/webhooks/{interaction.application_id}/{interaction.token}{below}"
    query = {"wait": "1"} if method == "POST" else {}
    if "view" in parts:
        query["with_components"] = "1"
    async with asyncio.timeout(within_s):
        with handle_message_parameters(allowed_mentions=NOBODY, **parts) as message:
            await interaction.client.once.by_token(method, path, message, **query)
