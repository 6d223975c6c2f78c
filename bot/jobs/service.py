"""What cogs call: asking for a video, balances, quotas. Decides nothing about Discord."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace

from bot.catalog import Catalog
from bot.catalog.choices import MOST_TAKES
from bot.errors import BotError, CircuitOpen, StoreUnavailable, UserError
from bot.images import precheck
from bot.jobs.admin import ANSWER_WITHIN_S, Admin
from bot.jobs.circuit_breaker import State
from bot.jobs.context import Clock
from bot.jobs.files import Files
from bot.jobs.interaction_priority import InteractionPriority
from bot.jobs.library import Library
from bot.jobs.personal_data import PersonalData
from bot.jobs.provider_breakers import CircuitBreakers
from bot.jobs.providers import Providers
from bot.jobs.retention import Retention
from bot.jobs.server_rules import RulesOfServers
from bot.jobs.steps.fallback import specs_instead
from bot.jobs.worker import Worker
from bot.models import (
    Balance,
    Card,
    FailureKind,
    Job,
    JobId,
    JobState,
    Limits,
    MessageId,
    Picture,
    Scope,
    UserId,
    VideoSpec,
)
from bot.report_models import LedgerLine
from bot.server_rules import NOWHERE, Place
from bot.sizes import parse_size
from bot.store import balances, ledger, role_gifts
from bot.store.database import Store, Tx, Unit
from bot.store.takes import reserve_all, take_id

log = logging.getLogger(__name__)

KEY_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that is misread
KEY_LENGTH = 7
SEEDS = 2**31
"""What every provider that takes a seed can read."""
LINES_SHOWN = 10
CANCELLED_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a video, as a cog hands it over. `interaction` becomes the job's id."""

    interaction: JobId
    scope: Scope
    member: UserId
    roles: Sequence[int]
    spec: VideoSpec  # as the catalog has completed it
    picture: Picture
    card: Card
    picture_author: UserId | None = None  # where it is not the member
    again_of: JobId | None = None
    continues: JobId | None = None
    last_picture: Picture | None = None  # as Discord describes the one at `spec.last_image`, where it is new
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Account:
    """What an admin sees of a member."""

    balance: Balance
    lines: list[LedgerLine]


class Service:
    """The bot's side of every command."""

    def __init__(
        self,
        *,
        store: Store,
        worker: Worker,
        files: Files,
        catalog: Catalog,
        limits: Limits,
        providers: Providers,
        clock: Clock,
        interaction_priority: InteractionPriority,
        circuit_breakers: CircuitBreakers,
        retention: Retention,
        entering: Callable[[Unit[list[Job]]], Unit[list[Job]]] = lambda unit: unit,
    ) -> None:
        self.catalog = catalog
        self._circuit_breakers = circuit_breakers
        self._providers = providers
        self.interaction_priority = interaction_priority
        self._store = store
        self._worker = worker
        self._limits = limits
        self._clock = clock
        self.rules = RulesOfServers(store, catalog)
        self.admin = Admin(
            store=store, worker=worker, limits=limits, clock=clock, refused=self._refused, rules=self.rules
        )
        self.library = Library(store=store, worker=worker, files=files, clock=clock, retention=retention)
        self.personal_data = PersonalData(store=store, retention=retention, clock=clock, files=files)
        self.retention = retention
        self._entering = entering  # what else is done in the unit of a reservation
        self._late: set[asyncio.Task[None]] = set()

    async def animate(self, ask: Ask, *, meanwhile: Callable[[list[Job]], None] | None = None) -> list[Job]:
        """Reserves the credits and creates the job, or one for each take, before anything is answered.

        `meanwhile` is as for `Store.begin_write`.
        Raises CircuitOpen while nothing is sent, UserError for what cannot be animated, ReservationRefused for a
        limit, AlreadyKnown for a replay, and StoreUnavailable when the store does not answer in time; then nothing
        stays reserved.
        """
        _check_prompt(ask.spec.prompt)
        _check_picture(ask.picture, ask.spec, self.catalog)
        if ask.last_picture is not None:
            _check_picture(ask.last_picture, ask.spec, self.catalog)
        checked = await self.rules.check(ask.scope, ask.roles, ask.place, ask.spec)
        ask = ask if checked is ask.spec else replace(ask, spec=checked)
        spec = self._admit(ask)
        try:
            return await self._reserve(ask, spec, meanwhile)
        except BaseException:
            self._circuit_breakers.withdraw(ask.interaction)
            raise

    def _admit(self, ask: Ask) -> VideoSpec:
        """What was chosen, or what stands in for it while its provider takes nothing. Raises CircuitOpen."""
        model = self.catalog.model(ask.spec.model)
        provider = "" if model is None else model.provider
        try:
            self._circuit_breakers.of(provider).admit(ask.interaction, ask.spec.model)
        except CircuitOpen:
            for other, spec in specs_instead(self.catalog, ask.spec):
                if self._circuit_breakers.of(other.provider).state(other.id) is State.CLOSED:
                    return spec
            raise
        return ask.spec

    @property
    def endpoints(self) -> list[str]:
        """Where pictures and prompts are sent to: the addresses of whoever makes what is on offer."""
        makers = dict.fromkeys(model.provider for model in self.catalog.models)
        found = (self._providers.named(name) for name in makers)
        return [provider.endpoint for provider in found if provider is not None]

    @property
    def most_takes(self) -> int:
        """So many takes of one request a member may have in progress."""
        return min(MOST_TAKES, self._limits.jobs_per_user)

    async def _reserve(self, ask: Ask, spec: VideoSpec, meanwhile: Callable[[list[Job]], None] | None) -> list[Job]:
        model = self.catalog.model(spec.model)
        provider = None if model is None else self._providers.named(model.provider)
        if model is None or provider is None:  # the catalog was read anew in this moment
            raise CircuitOpen(FailureKind.MODEL)
        now = self._clock.now()
        job = Job(
            id=ask.interaction,
            key=new_key(),
            state=JobState.WAITING,
            state_at=now,
            created_at=now,
            scope=ask.scope,
            member=ask.member,
            spec=spec,
            picture=ask.picture,
            card=ask.card,
            endpoint=provider.endpoint,
            provider=model.provider,
            wire=self._providers.wire(model.provider),
            fallback_from=None if spec.model == ask.spec.model else ask.spec.model,
            again_of=ask.again_of,
            continues=ask.continues,
            picture_author=ask.picture_author,
        )
        takes = [_numbered(job, number) for number in range(1, (spec.takes or 1) + 1)]
        if model.seed:
            takes = [take.evolve(spec=_with_seed(take.spec)) for take in takes]
        unit = self._entering(reserve_all(takes, ask.roles, self._limits))
        writing = self._store.begin_write(unit, start_within_s=ANSWER_WITHIN_S, meanwhile=meanwhile)
        try:
            await asyncio.wait({writing}, timeout=ANSWER_WITHIN_S)
        finally:
            if not writing.done():  # too slow, or nobody waits for the answer any more
                self._keep(self._cancel_late(writing))
        if not writing.done():
            raise StoreUnavailable(f"job={job.id} the store did not answer in {ANSWER_WITHIN_S} s")
        return writing.result()

    def card_shown(self, job: Job, message: MessageId, *, ephemeral: bool) -> None:
        """Discord took the card: the job goes on."""
        _log_reserved(job)
        self._worker.add(job, message=message, ephemeral=ephemeral)

    def card_unsure(self, job: Job) -> None:
        """The outcome of the answer is not known: the worker finds out before anything is paid."""
        _log_reserved(job)
        self._worker.add(job)

    async def balance(self, scope: Scope, member: UserId, roles: Sequence[int]) -> Balance:
        """What the member can spend now. Raises StoreUnavailable."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[bool, Balance]:
            due = role_gifts.are_due(scope, member, roles, now)(tx)
            return due, balances.balance(scope, member, roles, self._limits, now)(tx)

        due, balance = await self._store.read(unit)
        if not due:
            return balance
        await self._store.write(role_gifts.give(scope, member, roles, now), start_within_s=ANSWER_WITHIN_S)
        return (await self._store.read(unit))[1]

    async def account(self, scope: Scope, member: UserId, roles: Sequence[int]) -> Account:
        """The balance and the newest ledger lines. Raises StoreUnavailable."""
        balance = await self.balance(scope, member, roles)
        return Account(balance, await self._store.read(ledger.newest(scope, member, LINES_SHOWN)))

    def _refused(self) -> dict[str, FailureKind]:
        """The models for which nothing is taken for now, and why."""
        refused = {
            model.id: self._circuit_breakers.of(model.provider).refusal(model.id) for model in self.catalog.models
        }
        return {model: kind for model, kind in refused.items() if kind is not None}

    async def close(self) -> None:
        """Waits for what was refused late to be taken back, five seconds at most.

        What the store has not heard of by then is found at the next start: without a card, it is cancelled there.
        """
        late = set(self._late)
        if not late:
            return
        _, left = await asyncio.wait(late, timeout=CANCELLED_WITHIN_S)
        for task in left:
            task.cancel()
        if left:
            log.warning("%s reservations will be canceled at the next start", len(left))
            await asyncio.wait(left, timeout=CANCELLED_WITHIN_S)

    def _keep(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _cancel_late(self, writing: asyncio.Future[list[Job]]) -> None:
        """The member was refused, but the store may still have taken what was asked for."""
        try:
            reserved = await writing
        except BotError as error:
            log.info("late and not reserved: %s", error)
            return
        for job in reserved:
            log.warning("job=%s reserved too late; cancelled", job.id)
            await self._worker.cancel_unanswered(job)


def _log_reserved(job: Job) -> None:
    """Once the member is answered: hiding what may be secret in a line takes 0.1 ms."""
    spec = job.spec
    log.info(
        "job=%s key=%s user=%s scope=%s model=%s seconds=%s size=%s credits=%s reserved",
        job.id, job.key, job.member, job.scope, spec.model, spec.seconds, spec.size, spec.credits,
    )  # fmt: skip


def _numbered(first: Job, number: int) -> Job:
    """One of several takes of a job, or the job itself."""
    if first.spec.takes is None:
        return first
    key = first.key if number == 1 else new_key()
    return first.evolve(
        id=take_id(first.id, number),
        key=key,
        spec=replace(first.spec, take=number),
        card=replace(first.card, request=first.id),
    )


def _with_seed(spec: VideoSpec) -> VideoSpec:
    """Drawn here, so that the card tells it and another video can have it, too."""
    return replace(spec, seed=secrets.randbelow(SEEDS)) if spec.seed is None else spec


def new_key() -> str:
    """A short name for a job; random, so that two bots with one token never show the same."""
    return "".join(KEY_ALPHABET[byte % len(KEY_ALPHABET)] for byte in secrets.token_bytes(KEY_LENGTH))


def _check_picture(picture: Picture, spec: VideoSpec, catalog: Catalog) -> None:
    """Refuses what Discord's description of the picture rules out; the bytes are looked at later."""
    width, height = picture.width, picture.height
    precheck.check_claim(picture.size_bytes, width, height, picture.content_type, picture.filename)
    model = catalog.model(spec.model)
    if model and width and height and precheck.is_measured_whole(picture.content_type):
        target = parse_size(spec.size or model.size_for(width, height))
        precheck.check_claimed_enlargement(width, height, target, catalog.max_enlargement)


def _check_prompt(prompt: str) -> None:
    """The prompt goes to the provider unchanged, so what no JSON or form carries is refused here."""
    if not prompt.strip():
        raise UserError("The prompt is empty. Nothing was charged. Say what should happen in the video.")
    if "\x00" in prompt or any("\ud800" <= char <= "\udfff" for char in prompt):
        raise UserError(
            "The prompt has a character that cannot be sent. Nothing was charged. Type the prompt again without that "
            "character."
        )
