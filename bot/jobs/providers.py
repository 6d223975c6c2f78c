"""The providers, by name: who new jobs go to, and who follows a job that was begun under another setting or catalog."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from bot.errors import VideoRejected, VideoUnavailable
from bot.models import Job
from bot.providers.protocols import Provider
from bot.wire_config import ModelWire, ProviderConfig

log = logging.getLogger(__name__)


class Identity(NamedTuple):
    """What has to be the same for a job to be followed with the same key: name, wire, and the address's origin."""

    provider: str
    wire: str
    origin: str


@dataclass(frozen=True, slots=True)
class _Connected:
    config: ProviderConfig
    adapter: Provider


class Providers:
    """Owns every adapter, also of providers that a newer catalog does not have any more: their jobs go on to their end.

    `former` tells what is known of a provider that was never connected by this process, from its name, wire and URL.
    """

    def __init__(
        self,
        configs: Iterable[ProviderConfig],
        connect: Callable[[ProviderConfig], Provider],
        former: Callable[[str, str, str], ProviderConfig],
    ) -> None:
        self._connect = connect
        self._former = former
        self._current: dict[str, _Connected] = {}
        self._by_identity: dict[Identity, _Connected] = {}
        self._replaced: list[Provider] = []
        self._is_stopping = False
        self.use(configs)

    def use(self, configs: Iterable[ProviderConfig]) -> list[str]:
        """New jobs go to these from now on; the names of those that were here and have another key now.

        Raises ValueError for one that cannot be used; nothing is changed then.
        """
        found: dict[str, _Connected] = {}
        for config in configs:
            known = self._current.get(config.name)
            is_same = known is not None and known.config == config
            found[config.name] = known if known and is_same else _Connected(config, self._connect(config))
        for name, connected in found.items():
            identity = Identity(name, wire_of(connected.config), _origin(connected.config.url))
            replaced = self._by_identity.get(identity)
            if replaced is not None and replaced.adapter is not connected.adapter:
                self._replaced.append(replaced.adapter)  # a create may be under way in it
            self._by_identity[identity] = connected
        before, self._current = self._current, found
        return [name for name in found.keys() & before.keys() if found[name].config.key != before[name].config.key]

    @property
    def current(self) -> list[Provider]:
        """Those that new jobs go to."""
        return [connected.adapter for connected in self._current.values()]

    def named(self, name: str) -> Provider | None:
        """The one that new jobs of this name go to."""
        connected = self._current.get(name)
        return None if connected is None else connected.adapter

    def config(self, name: str) -> ProviderConfig:
        """How the one is reached that new jobs of this name go to. Raises KeyError."""
        return self._current[name].config

    def wire(self, name: str) -> str:
        """What is stored with a job, so that its ticket is read by the wire that wrote it. Raises KeyError."""
        return wire_of(self.config(name))

    def of(self, job: Job) -> Provider:
        """Who follows this job. The key goes to its own origin alone; that is the adapter's care."""
        identity = Identity(job.provider, job.wire, _origin(job.endpoint))
        if identity in self._by_identity:
            return self._by_identity[identity].adapter
        current = [each for each in self._current.values() if wire_of(each.config) == job.wire]
        for each in current:  # it has another name now: the key is that of the same place
            if _origin(each.config.url) == identity.origin:
                return each.adapter
        for each in current:  # it is elsewhere now, and so is its key
            if each.config.name == job.provider:
                return each.adapter
        log.error(
            "provider %s (%s at %s) is not in the catalog, and videos are under way there: leave it in, with its key, "
            "until they are done",
            *identity,
        )
        config = self._former(job.provider, job.wire, job.endpoint)
        self._by_identity[identity] = _Connected(config, self._connect(config))
        return self._by_identity[identity].adapter

    def faults(self) -> list[str]:
        """In words, for whoever watches the bot."""
        return [fault for adapter in self.current for fault in adapter.faults()]

    def stop_creating(self) -> None:
        """No create leaves any more."""
        for adapter in self._all():
            adapter.stop_creating()

    async def close(self) -> None:
        """Closes every connection."""
        for adapter in self._all():
            await adapter.close()

    def _all(self) -> list[Provider]:
        return [*(connected.adapter for connected in self._by_identity.values()), *self._replaced]


async def warn_of_missing_parts(provider: Provider, models: Sequence[ModelWire]) -> None:
    """Asks a provider, at no cost, whether it can make these models; what it lacks goes to the operator's log."""
    if not models:
        return
    try:
        for fault in await provider.check(models):
            log.warning("%s", fault)
    except (VideoUnavailable, VideoRejected) as error:
        log.warning("%s did not say whether it can make its models: %s", provider.name, error.provider_text)


def wire_of(config: ProviderConfig) -> str:
    """A wire and its dialect, as they are stored with a job."""
    return config.wire if config.dialect is None else f"{config.wire}/{config.dialect}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
