"""The faults by name: each strikes once in a run, at a moment that is drawn, with what it draws itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sandbox.discord.exchange import Phase
from tests.faults import hosts, places, presses, providers, wires
from tests.faults.place import Place
from tests.faults.wires import Strike


@dataclass(frozen=True, slots=True)
class Kind:
    """`needs_volume`: DATA_DIR has to lie on a tmpfs of the harness, for which it has to be root.

    `cuts_routes`: afterwards a video may have no way to its member.
    `heals`: the bot is well again soon after it, also without a restart.
    `own_clock`: the bot's process has a clock that can be set.
    `begins`: what is so from the start.
    `strikes`: the providers that it can strike, if not all.
    `own_catalog`: the bot's catalog is one that can be changed.
    """

    name: str
    strike: Strike
    needs_volume: bool = False
    cuts_routes: bool = False
    heals: bool = False
    own_clock: bool = False
    begins: Callable[[Place, Random], None] | None = None
    strikes: tuple[str, ...] = ()
    own_catalog: bool = False


BEFORE_OR_INSIDE: tuple[Phase, ...] = ("before", "inside")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("kill -9", hosts.kill, heals=True),
        Kind("kill -9 at a request", wires.kill_at_a_request, heals=True),
        Kind("SIGTERM", hosts.terminate, heals=True),
        Kind("host asleep", hosts.asleep, heals=True),
        Kind("host asleep 40 min", hosts.asleep_40_minutes, cuts_routes=True, heals=True),
        Kind("Discord's clock jumps", hosts.clock, cuts_routes=True, heals=True),
        Kind("gateway cut", places.gateway_cut, heals=True),
        Kind("gateway down", places.gateway_down),
        Kind("INVALID_SESSION", places.invalid_session, heals=True),
        Kind("provider outage", providers.provider_out),
        Kind("provider cuts", providers.plays("provider cuts", providers.CUTS)),
        Kind("provider answers", providers.plays("provider answers", providers.ANSWERS)),
        Kind("fates of renders", providers.plays("fates of renders", providers.OUTCOMES)),
        Kind("Discord 429", wires.spoils("Discord 429", wires.limited, ("before",)), heals=True),
        Kind("Discord 429 bare", wires.spoils("Discord 429 bare", wires.limited_bare, ("before",)), heals=True),
        Kind("Discord 5xx", wires.spoils("Discord 5xx", wires.broken, ("before",))),
        Kind("Discord took it, said 5xx", wires.spoils("Discord took it, said 5xx", wires.broken, ("inside",))),
        Kind("Discord cuts", wires.spoils("Discord cuts", wires.cut, BEFORE_OR_INSIDE)),
        Kind("Discord outage", places.discord_out),
        Kind("dead tokens", places.dead_tokens, cuts_routes=True, heals=True),
        Kind("removed cards", places.removed_cards, heals=True),
        Kind("pressed buttons", presses.pressed, heals=True),
        Kind("deleted channel", places.deleted_channel, cuts_routes=True, heals=True),
        Kind("revoked permissions", places.revoked, cuts_routes=True, heals=True),
        Kind("shut DMs", places.shut_dms, heals=True),
        Kind("full disk", hosts.full_disk, needs_volume=True),
        Kind("locked database", hosts.locked_database, heals=True),
        Kind("pictures gone", places.pictures_gone, heals=True),
        Kind("raced deliveries", presses.raced, heals=True),
        Kind("turned away", providers.turned_away, heals=True),
        Kind("edge pages", wires.spoils("edge pages", wires.paged, ("before",)), heals=True),
        Kind("archived threads", places.threads, heals=True),
        Kind("no Attach Files", places.no_files, heals=True),
        Kind("limits lower", places.limits_lower, heals=True),
        Kind("host's clock off", hosts.clock_off, heals=True, own_clock=True, begins=hosts.off),
        Kind("host's clock set", hosts.clock_set, heals=True, own_clock=True),
        Kind("hidden channels", places.hidden_channels, heals=True),
        Kind("command updates refused", hosts.updates_refused, heals=True),
        Kind("other provider", providers.other_provider, heals=True),
        Kind("key changed", providers.key_changed, heals=True),
        Kind("made, and said 5xx", providers.plays("made, and said 5xx", providers.MADE_AND_5XX)),
        Kind("catalog changed", providers.catalog_changed, heals=True, own_catalog=True),
        Kind("ComfyUI restarts", providers.comfyui_restarts, heals=True, strikes=("comfyui",)),
        Kind("ComfyUI out of reach", providers.comfyui_out_of_reach, heals=True, strikes=("comfy-api",)),
        Kind("jobs denied", providers.forgotten_for_a_while, heals=True),
        Kind("DMs too fast", places.dms_too_fast, heals=True),
        Kind("banned address", places.banned_for_a_while, heals=True),
        Kind("token reset", hosts.token_reset, heals=True),
    )
}
"""Every fault there is, by its name in the table."""

AT_PROVIDERS = (
    *("kill -9 at a request", "provider outage", "provider cuts", "provider answers", "fates of renders"),
    *("turned away", "other provider", "key changed", "made, and said 5xx", "catalog changed", "jobs denied"),
    *("ComfyUI restarts", "ComfyUI out of reach"),
)
"""Those of which each run has one at least."""
