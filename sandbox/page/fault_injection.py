"""Faults to inject from the page: in the video service, in Discord, in the bot's process."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sandbox.discord.exchange import Exchange, Phase, Reply, rate_limited
from sandbox.discord.wire import Wire
from sandbox.environment import Environment
from sandbox.page.actions import Refused
from sandbox.process import BotEndedError
from sandbox.providers.base import LocalProvider
from sandbox.providers.registry import Choice, make_provider

SLOW_S = 60.0
RETRY_AFTER_S = 1.0
_CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"


@dataclass(frozen=True, slots=True)
class Condition:
    """What can be chosen, in plain words."""

    label: str
    meaning: str
    faults: Mapping[str, int | None] = field(default_factory=dict)


PROVIDER: Mapping[str, Condition] = {
    "normal": Condition("Normal", "A video takes a few seconds."),
    "slow": Condition("Slow", f"A video takes {SLOW_S:g} seconds."),
    "failing": Condition("Failing", "Every video fails halfway.", {"create:fails": None}),
    "moderated": Condition("Moderated", "The content rules refuse every request.", {"create:400-policy": None}),
    "balance": Condition("Out of balance", "The account has no money left.", {"create:403": None}),
    "silent": Condition("Silent", "Makes the video, but cuts the connection before it answers.", {"create:lost": None}),
}
DISCORD: Mapping[str, Condition] = {
    "normal": Condition("Normal", "Every request is answered."),
    "429": Condition("429", "Too many requests: all but first answers must wait."),
    "500": Condition("500", "Every request of the bot fails."),
}
BROKEN = Reply(500, {"message": "Internal Server Error", "code": 0})


class FaultInjection:
    """Changes nothing until told to. `watch` is called for a provider that is new here."""

    def __init__(
        self,
        environment: Environment,
        watch: Callable[[LocalProvider], None],
        providers: Mapping[str, Choice],
        *,
        real_provider: bool = False,
    ) -> None:
        self._environment = environment
        self._watch, self._providers = watch, providers
        self._normal_s = environment.provider.settings.render_seconds
        self._starting = False
        self.real_provider = real_provider
        self.provider = self.discord = "normal"
        environment.discord.on_exchange(self._answer_instead)
        self._handlers: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "api": self._set_api, "provider": self._set_provider, "discord": self._set_discord,
            "gateway": self._drop_gateway, "tokens": self._kill_tokens,
            "bot": self._bot, "finish": self._finish, "fail": self._fail,
        }  # fmt: skip

    def told(self) -> Wire:
        def choices(conditions: Mapping[str, Condition] | Mapping[str, Choice]) -> list[Wire]:
            return [{"id": key, "label": each.label, "meaning": each.meaning} for key, each in conditions.items()]

        return {
            "api": self._environment.provider.name,
            "provider": self.provider,
            "discord": self.discord,
            "real": self.real_provider,
            "choices": {
                "api": choices(self._providers),
                "provider": choices(PROVIDER),
                "discord": choices(DISCORD),
            },
            "bot": self._bot_state(),
        }

    async def apply(self, what: str, to: str) -> None:
        """Raises `Refused`."""
        if (handler := self._handlers.get(what)) is None:
            raise Refused("The sandbox does not know this fault.")
        await handler(to)
        self._environment.discord.changes.notify()

    async def start_bot(self) -> None:
        """Returns once it is connected."""
        self._starting = True
        try:
            await self._environment.start_bot()
        except BotEndedError as error:
            raise Refused(f"The bot did not start. It says:\n{error.log.strip()}") from error
        except TimeoutError as error:
            raise Refused("The bot did not start. Its log says why.") from error
        finally:
            self._starting = False
            self._environment.discord.changes.notify()

    def _bot_state(self) -> Wire:
        bot, connected = self._environment.bot, bool(self._environment.discord.gateway.live)
        if bot is None:  # not yet, or one that somebody else runs
            return {"state": "online" if connected else "starting" if self._starting else "none", "own": False}
        if not bot.is_running:
            return {"state": "stopped", "own": True, "code": bot.exit_code}
        return {"state": "online" if connected else "starting", "own": True, "pid": bot.pid}

    async def _set_provider(self, to: str) -> None:
        if to not in PROVIDER or self.real_provider:
            raise Refused("The sandbox does not know this fault.")
        self.provider = to
        for provider in self._environment.providers:
            self._inject(provider)

    def _inject(self, provider: LocalProvider) -> None:
        provider.faults.clear()
        provider.settings.render_seconds = SLOW_S if self.provider == "slow" else self._normal_s
        for fault, times in PROVIDER[self.provider].faults.items():
            provider.faults.inject(fault, times=times)

    async def _set_api(self, to: str) -> None:
        """The bot is started anew with the settings for it."""
        bot = self._environment.bot
        if to not in self._providers or self.real_provider or self._starting or bot is None:
            raise Refused("The API can be changed only while the sandbox runs the bot.")
        known = next((each for each in self._environment.providers if each.name == to), None)
        provider = known or make_provider(to, self._providers)
        await self._environment.change_provider(provider)
        if known is None:
            self._watch(provider)
        self._inject(provider)
        await self._bot("restart")

    async def _set_discord(self, to: str) -> None:
        if to not in DISCORD:
            raise Refused("The sandbox does not know this fault.")
        self.discord = to

    async def _answer_instead(self, phase: Phase, x: Exchange) -> Reply | None:
        if phase != "before" or x.part != "api":
            return None
        if self.discord == "429" and x.route != _CALLBACK:  # first answers have a limit of their own
            return rate_limited(RETRY_AFTER_S)
        return BROKEN if self.discord == "500" else None

    async def _drop_gateway(self, _to: str) -> None:
        await self._environment.discord.gateway_drop()

    async def _kill_tokens(self, _to: str) -> None:
        self._environment.discord.kill_all_tokens()

    async def _bot(self, to: str) -> None:
        bot = self._environment.bot
        if to not in ("start", "restart", "kill") or self._starting or bot is None:
            raise Refused("The sandbox runs no bot that can do this now.")
        if to == "kill":
            bot.kill()
        elif bot.is_running:
            await bot.stop()
        if to == "kill":
            await bot.wait()
        else:
            await self.start_bot()

    async def _finish(self, job: str) -> None:
        self._maker(job).finish(job)

    async def _fail(self, job: str) -> None:
        self._maker(job).fail(job)

    def _maker(self, job: str) -> LocalProvider:
        """The provider that is making the video of this job."""
        for provider in self._environment.providers:
            if job in provider.jobs and not provider.jobs[job].is_over:
                return provider
        raise Refused("This job has already ended.")
