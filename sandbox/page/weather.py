"""The weather of the town: how the video service and Discord fare, and what becomes of the bot."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sandbox.discord.record import Exchange, Phase, Reply, rate_limited
from sandbox.discord.wire import Wire
from sandbox.environment import Town
from sandbox.page.acts import Refused

SLOW_S = 60.0
RETRY_AFTER_S = 1.0
_CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"


@dataclass(frozen=True, slots=True)
class Sky:
    """A weather that can be chosen, in plain words."""

    label: str
    meaning: str
    faults: Mapping[str, int | None] = field(default_factory=dict)


PROVIDER: Mapping[str, Sky] = {
    "fair": Sky("Fair", "Renders take a few seconds and end well."),
    "slow": Sky("Slow", f"Each render takes {SLOW_S:g} seconds."),
    "failing": Sky("Failing", "Renders break off half-way.", {"create:fails": None}),
    "moderated": Sky("Moderated", "Every order is refused by the content rules.", {"create:400-policy": None}),
    "broke": Sky("Out of balance", "The account has no money left.", {"create:403": None}),
    "silent": Sky("Silent", "Takes the order and hangs up before it answers.", {"create:lost": None}),
}
DISCORD: Mapping[str, Sky] = {
    "fair": Sky("Fair", "Every request is answered."),
    "busy": Sky("429", "Too many requests: all but first answers have to wait."),
    "broken": Sky("500", "Every request of the bot fails."),
}
BROKEN = Reply(500, {"message": "Internal Server Error", "code": 0})


class Weather:
    """Changes nothing until told to."""

    def __init__(self, town: Town, *, real_provider: bool = False) -> None:
        self._town = town
        self._fair_s = town.videos.weather.render_seconds
        self._starting = False
        self.real_provider = real_provider
        self.provider = self.discord = "fair"
        town.discord.on_exchange(self._blow)
        self._deeds: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "provider": self._set_provider, "discord": self._set_discord, "gateway": self._drop_gateway,
            "tokens": self._kill_tokens, "bot": self._bot, "finish": self._finish, "fail": self._fail,
        }  # fmt: skip

    def told(self) -> Wire:
        def choices(skies: Mapping[str, Sky]) -> list[Wire]:
            return [{"id": key, "label": sky.label, "meaning": sky.meaning} for key, sky in skies.items()]

        return {
            "provider": self.provider,
            "discord": self.discord,
            "real": self.real_provider,
            "skies": {"provider": choices(PROVIDER), "discord": choices(DISCORD)},
            "bot": self._bot_state(),
        }

    async def do(self, what: str, to: str) -> None:
        """Raises `Refused`."""
        if (deed := self._deeds.get(what)) is None:
            raise Refused("The sandbox knows no such weather.")
        await deed(to)
        self._town.discord.changes.notify()

    async def start_bot(self) -> None:
        """Returns once it is connected."""
        self._starting = True
        try:
            await self._town.start_bot()
        except TimeoutError as error:
            raise Refused("The bot did not come up. Its log says why.") from error
        finally:
            self._starting = False
            self._town.discord.changes.notify()

    def _bot_state(self) -> Wire:
        bot, connected = self._town.bot, bool(self._town.discord.gateway.live)
        if bot is None:  # not yet, or one that somebody else runs
            return {"state": "online" if connected else "starting" if self._starting else "none", "own": False}
        if not bot.is_running:
            return {"state": "stopped", "own": True, "code": bot.exit_code}
        return {"state": "online" if connected else "starting", "own": True, "pid": bot.pid}

    async def _set_provider(self, to: str) -> None:
        if to not in PROVIDER or self.real_provider:
            raise Refused("The sandbox knows no such weather.")
        weather = self._town.videos.weather
        weather.clear()
        weather.render_seconds = SLOW_S if to == "slow" else self._fair_s
        for fault, times in PROVIDER[to].faults.items():
            weather.play(fault, times=times)
        self.provider = to

    async def _set_discord(self, to: str) -> None:
        if to not in DISCORD:
            raise Refused("The sandbox knows no such weather.")
        self.discord = to

    async def _blow(self, phase: Phase, x: Exchange) -> Reply | None:
        if phase != "before" or x.part != "api":
            return None
        if self.discord == "busy" and x.route != _CALLBACK:  # first answers have a limit of their own
            return rate_limited(RETRY_AFTER_S)
        return BROKEN if self.discord == "broken" else None

    async def _drop_gateway(self, _to: str) -> None:
        await self._town.discord.gateway_drop()

    async def _kill_tokens(self, _to: str) -> None:
        self._town.discord.kill_all_tokens()

    async def _bot(self, to: str) -> None:
        bot = self._town.bot
        if to not in ("start", "restart", "kill") or self._starting or bot is None:
            raise Refused("There is no bot here that could do that now.")
        if to == "kill":
            bot.kill()
        elif bot.is_running:
            await bot.stop()
        if to == "kill":
            await bot.wait()
        else:
            await self.start_bot()

    async def _finish(self, job: str) -> None:
        self._check_open(job)
        self._town.videos.finish(job)

    async def _fail(self, job: str) -> None:
        self._check_open(job)
        self._town.videos.fail(job)

    def _check_open(self, job: str) -> None:
        found = self._town.videos.jobs.get(job)
        if found is None or found.is_over:
            raise Refused("That job is over.")
