"""A local Discord, written from its published description: what others use of it."""

from sandbox.discord.cdn import Upload
from sandbox.discord.commands import CannotInvoke
from sandbox.discord.exchange import CUT, Cut, Exchange, Phase, Reply, cloudflare_block, edge_page, rate_limited
from sandbox.discord.hidden_channels import Hides
from sandbox.discord.messages import Interaction, Message, NotAnswered
from sandbox.discord.permissions import Permission
from sandbox.discord.rules import Code
from sandbox.discord.server import LocalDiscord
from sandbox.discord.world import Channel, ChannelType, Guild, Person, Role

__all__ = [
    "CUT",
    "CannotInvoke",
    "Channel",
    "ChannelType",
    "Code",
    "Cut",
    "Exchange",
    "Guild",
    "Hides",
    "Interaction",
    "LocalDiscord",
    "Message",
    "NotAnswered",
    "Permission",
    "Person",
    "Phase",
    "Reply",
    "Role",
    "Upload",
    "cloudflare_block",
    "edge_page",
    "rate_limited",
]
