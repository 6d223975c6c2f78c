"""What a server's admins allow, held against each request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.catalog import Catalog, styles
from bot.errors import UserError, WordBarred
from bot.jobs.store_cache import StoreCache
from bot.models import DIRECT, Scope, VideoSpec
from bot.server_rules import Place, ServerRules
from bot.store import server_rules
from bot.store.database import Store

NO_RULES = ServerRules()


class RulesOfServers:
    """Asks the store, or knows."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._catalog = catalog
        self._cache = StoreCache(store, server_rules.of, _changed)

    async def of(self, scope: Scope) -> ServerRules:
        """Raises StoreUnavailable."""
        return NO_RULES if scope == DIRECT else await self._cache.of(scope)

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
        allowed = await self.allowed(scope, roles, place)
        if allowed is not None and not self._labels(allowed):
            raise UserError("You cannot use any model in this channel. Nothing was charged. Ask an admin about it.")
        return allowed

    async def allowed(self, scope: Scope, roles: Sequence[int], place: Place) -> frozenset[str] | None:
        """As `models`, also where no video can be made. Raises StoreUnavailable."""
        return (await self.of(scope)).models([*roles, scope], place)  # @everyone has the server's id

    async def check(self, scope: Scope, roles: Sequence[int], place: Place, spec: VideoSpec) -> VideoSpec:
        """The video with what may make it. Raises UserError where the admins do not allow it, StoreUnavailable."""
        allowed = await self.models(scope, roles, place)
        barred = (await self.of(scope)).barred_in(styles.prompt_of(self._catalog, spec))
        if barred is not None:
            raise WordBarred(
                "Your prompt has a word that is not allowed in this server: “{word}”. Nothing was charged. Change the "
                "prompt, then try again.",
                word=barred,
            )
        if allowed is None:
            return spec if spec.allowed is None else replace(spec, allowed=None)
        if spec.model in allowed:
            return replace(spec, allowed=",".join(sorted(allowed)))
        model = self._catalog.model(spec.model)
        raise UserError(
            "You cannot use {model} here. Nothing was charged. Choose one of these models: {models}.",
            model=spec.model if model is None else model.label,
            models=self._labels(allowed),
        )

    def _labels(self, allowed: frozenset[str]) -> list[str]:
        return [model.label for model in self._catalog.models if model.id in allowed]


def _changed(event: object) -> Scope | None:
    return event.scope if isinstance(event, server_rules.Changed) else None
