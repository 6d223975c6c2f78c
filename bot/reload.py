"""The catalog, its keys and the chat model while the bot runs: read anew at SIGHUP. A wrong one changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bot import log as log_setup
from bot.chat.client import AnimateBot
from bot.errors import SettingsError
from bot.jobs.context import JobContext
from bot.jobs.prompt_help import PromptHelp
from bot.jobs.worker import Worker
from bot.provider_settings import Offer, offer
from bot.settings import Settings

log = logging.getLogger(__name__)


class Reloader:
    """One reload at a time, however often it is asked for. `run` is a task of its owner's, to be cancelled."""

    def __init__(
        self,
        settings: Settings,
        context: JobContext,
        worker: Worker,
        bot: AnimateBot,
        prompt_help: PromptHelp,
        load: Callable[[], Settings] = Settings.load_spelled,
    ) -> None:
        self._settings = settings  # of this process: what they say beside the catalog and its keys stays
        self._secrets = set(settings.secrets)
        self._context = context
        self._worker = worker
        self._bot = bot
        self._prompt_help = prompt_help
        self._load = load
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """The catalog, and the keys that it names, are to be read anew."""
        self._asked.set()

    async def run(self) -> None:
        """Reloads whenever it is asked to."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self._reload()

    async def _reload(self) -> None:
        try:
            settings = self._load()
            served = {name: getattr(self._settings, name) for name in ("public_url", "http_port")}
            on_offer = offer(settings.model_copy(update=served))
            self._apply(settings, on_offer)
        except SettingsError as error:
            for sentence in error.sentences:
                log.error("the catalog stays as it was: %s", sentence)  # noqa: TRY400 - no traceback for the expected
            return
        except ValueError as error:
            log.error("the catalog stays as it was: VIDEO_CATALOG: %s.", error)  # noqa: TRY400 - as above
            return
        except Exception:
            log.exception("the catalog stays as it was")
            return
        for note in on_offer.notes:
            log.warning("%s", note)
        log.info("catalog read anew: %s", ", ".join(model.id for model in on_offer.catalog.models))
        self._worker.check_workflows()
        try:
            await self._bot.renew_commands()
        except Exception:
            log.exception("the commands were not renewed; the next reload or start tries again")

    def _apply(self, settings: Settings, on_offer: Offer) -> None:
        """From here on it holds for new requests; jobs under way stay with their provider. Raises ValueError."""
        if new := set(settings.secrets) - self._secrets:
            self._secrets |= new  # jobs of before may still be asked for with an older key
            log_setup.set_up(self._settings.log_level, self._settings.log_format, sorted(self._secrets))
        with_another_key = self._context.providers.use(on_offer.providers)
        self._context.catalog.become(on_offer.catalog)
        self._context.queue.use(on_offer.catalog.concurrent)
        self._prompt_help.config = settings.prompt_helper
        for provider in with_another_key:
            self._context.circuit_breakers.key_changed(provider)
