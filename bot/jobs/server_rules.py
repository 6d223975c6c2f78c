"""What a server's admins allow, held against each request; the rules are kept for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.catalog import Catalog
from bot.errors import UserError, WordBarred
from bot.models import DIRECT, Scope, VideoSpec
from bot.rules import Place, ServerRules
from bot.store import rules
from bot.store.database import Store

KEPT_S = 5.0
"""So long a change that another process of the bot made may be missed."""
MOST = 10_000
NO_RULES = ServerRules()


class RulesOfServers:
    """Asks the store; holds the newest answers of up to `MOST` servers."""

    def __init__(self, store: Store, catalog: Catalog, now_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._catalog = catalog
        self._now_s = now_s
        self._kept: dict[Scope, tuple[float, ServerRules]] = {}

    async def of(self, scope: Scope) -> ServerRules:
        """Raises StoreUnavailable."""
        if scope == DIRECT:
            return NO_RULES
        kept = self._kept.get(scope)
        if kept is not None and self._now_s() - kept[0] < KEPT_S:
            return kept[1]
        asked_s = self._now_s()
        found = await self._store.read(rules.of(scope))
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[scope] = asked_s, found
        return found

    def forget(self, scope: Scope) -> None:
        """They have changed."""
        self._kept.pop(scope, None)

    async def models(self, scope: Scope, roles: Sequence[int], place: Place) -> frozenset[str] | None:
        """Ids of the models that a member with these roles may use there; None for all.

        Raises UserError where they can make no video there, StoreUnavailable.
        """
        found = await self.of(scope)
        if found.age_restricted_only and not place.is_age_restricted:
            raise UserError(
                "In this server, videos can only be made in age-restricted channels. Nothing was charged. Use one of "
                "them."
            )
        allowed = found.models([*roles, scope], place)  # @everyone has the server's id
        if allowed is not None and not self._labels(allowed):
            raise UserError("You cannot use any model in this channel. Nothing was charged. Ask an admin about it.")
        return allowed

    async def check(self, scope: Scope, roles: Sequence[int], place: Place, spec: VideoSpec) -> VideoSpec:
        """The video with what may make it. Raises UserError where the admins do not allow it, StoreUnavailable."""
        allowed = await self.models(scope, roles, place)
        barred = (await self.of(scope)).barred_in(spec.prompt)
        if barred is not None:
            raise WordBarred(
                "Your prompt has a word that is not allowed in this server: “{word}”. Nothing was charged. Change the "
                "prompt, then try again.",
                word=barred,
            )
        if allowed is None or spec.model in allowed:
            return replace(spec, allowed=None if allowed is None else ",".join(sorted(allowed)))
        model = self._catalog.model(spec.model)
        raise UserError(
            "You cannot use {model} here. Nothing was charged. Choose one of these models: {models}.",
            model=spec.model if model is None else model.label,
            models=self._labels(allowed),
        )

    def _labels(self, allowed: frozenset[str]) -> list[str]:
        return [model.label for model in self._catalog.models if model.id in allowed]
