"""/animate-admin: what those who manage a server decide. Discord enforces who may; we check where it came from."""

from __future__ import annotations

from discord import app_commands

from bot.chat.client import AnimateBot
from bot.i18n.marking import N_
from bot.jobs.service import Service
from bot.models import UserId
from cogs.admin.audit import DELEGATED_AUDIT, MANAGED_AUDIT, AuditCommands
from cogs.admin.quota import DELEGATED, MANAGED, QuotaCommands
from cogs.admin.roles import RoleWatch
from cogs.admin.rules import RulesCommands
from cogs.admin.server import ServerCommands


@app_commands.default_permissions(manage_guild=True)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
class Admin(
    AuditCommands,
    RulesCommands,
    ServerCommands,
    QuotaCommands,
    name="animate-admin",
    description=N_("Manage the quotas and settings of this server"),
):
    """The whole group. Discord lists the commands of the last base first."""


async def setup(bot: AnimateBot, service: Service) -> None:
    """Adds the group, the pages of its list, and what watches deleted roles."""
    admin = Admin(service)
    await bot.add_cog(admin)
    bot.pages |= {MANAGED: admin.turn_managed, DELEGATED: admin.turn_delegated}
    bot.pages |= {MANAGED_AUDIT: admin.turn_managed_audit, DELEGATED_AUDIT: admin.turn_delegated_audit}
    bot.undo = admin.undo
    assert bot.user is not None  # logged in
    await bot.add_cog(RoleWatch(service.admin, UserId(bot.user.id)))
