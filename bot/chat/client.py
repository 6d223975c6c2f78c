"""The Discord client: where it connects, which commands it declares, how errors of commands are answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import discord
import yarl
from discord import app_commands, ui
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.chat import text
from bot.chat.buttons import Action, JobButton
from bot.chat.cloudflare_block import CloudflareBlock
from bot.chat.command_sync import CommandSync, SyncMemory
from bot.chat.command_translator import CommandTranslator
from bot.chat.connection import Connection, dial_by_environment, is_gateway, proxy_to
from bot.chat.connection_errors import NO_DISCORD, login_failed, redirected
from bot.chat.discord_errors import TROUBLE, told
from bot.chat.follow_ups import follow_up
from bot.chat.former_sessions import FormerSessions, SessionMemory
from bot.chat.gateway_events import tolerate
from bot.chat.interaction_info import typed_texts
from bot.chat.paging import PageButton, ShowPage
from bot.chat.privacy import Personal, PrivacyButton
from bot.chat.send_once import SendOnce
from bot.chat.shards import ALL_SHARDS, Shards, shard_of
from bot.chat.undo_button import Undo, UndoButton
from bot.errors import StoreError, UserError
from bot.i18n.marking import Value
from bot.i18n.translations import TranslationCatalog, translations_of
from bot.log_context import about

log = logging.getLogger(__name__)

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    embed_links=True,
    read_message_history=True,
)
UNANSWERED_AFTER_S = 2.4
"""Discord waits 3 s; whatever knows the interaction has claimed it by then."""
CLAIMED = "claimed"
SCOPES = ("bot", "applications.commands")
EVERYWHERE = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
ANY_INSTALL = app_commands.AppInstallationType(guild=True, user=True)


def set_api_base(api_url: str) -> None:
    """Sends all REST calls of discord.py to `api_url`. Before login: it is read when a route is made."""
    Route.BASE = api_url


class CommandTree(app_commands.CommandTree["AnimateBot"]):
    """Refuses servers that may not use the bot, and answers whatever a command lets escape."""

    async def interaction_check(self, interaction: discord.Interaction[AnimateBot], /) -> bool:
        """True where the command may run."""
        about(interaction=interaction.id, user=interaction.user.id, guild=interaction.guild_id)
        await _within(self.client.resumed, self.client.former.age_s(interaction.id))
        refusal = self.client.refusal(interaction)
        if refusal is None:
            return True
        if interaction.type is discord.InteractionType.autocomplete:
            await interaction.response.autocomplete([])
        else:
            await answer_translated(interaction, refusal)
        return False

    async def on_error(
        self, interaction: discord.Interaction[AnimateBot], error: app_commands.AppCommandError, /
    ) -> None:
        """Tells in one sentence what is wrong."""
        if isinstance(error, app_commands.CheckFailure):
            return
        if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
            await answer_translated(interaction, text.UNKNOWN_COMMAND)
        elif isinstance(error, app_commands.TransformerError):
            await answer_translated(interaction, text.UNKNOWN_VALUE)
        else:
            cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
            await self.client.explain(interaction, cause)


class AnimateBot(commands.AutoShardedBot):
    """A client without a privileged intent. `add_commands` fills the tree.

    `resume` goes on with the jobs of before; it begins with the connection, and what members ask waits for its end, as
    long as they can be answered.
    `memory` keeps what was synced, `sessions` what one process leaves to the next.
    """

    def __init__(
        self,
        *,
        api_url: str,
        allowed_guilds: frozenset[int],
        memory: SyncMemory,
        sessions: SessionMemory,
        connection: Connection,
        translation_catalog: TranslationCatalog,
        add_commands: Callable[[AnimateBot], Awaitable[None]],
        resume: Callable[[], Awaitable[None]],
        direct_is_open: bool,
        force_sync: bool = False,
        shards: Shards = ALL_SHARDS,
    ) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # this bot has no voice
        self.rate_limit = connection.rate_limit
        self.cloudflare_block = CloudflareBlock(time.monotonic, connection.listen)
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=CommandTree,
            intents=discord.Intents(guilds=True),
            max_messages=None,
            chunk_guilds_at_startup=False,
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_contexts=EVERYWHERE,
            allowed_installs=ANY_INSTALL,
            max_ratelimit_timeout=60,
            proxy=proxy_to(api_url),
            http_trace=self.cloudflare_block.trace(),
            shard_count=shards.count,
            shard_ids=cast("list[int]", list(shards.ids) or None),  # None: all of them
        )
        dial_by_environment(self.http)
        tolerate(self._connection.parsers)
        self.former = FormerSessions(self, sessions)
        self.once = SendOnce(self, self.cloudflare_block)
        self._api_url = api_url
        self._allowed_guilds = allowed_guilds
        self._rest = connection
        self._sync = CommandSync(memory, CommandTranslator(translation_catalog), api_url=api_url, force=force_sync)
        self.translation_catalog = translation_catalog
        self._add_commands = add_commands
        self._resume = resume
        self._direct_is_open = direct_is_open
        self.pages: dict[str, ShowPage] = {}
        self.actions: dict[str, Action] = {}
        self.personal: dict[str, Personal] = {}
        self.undo: Undo | None = None
        self.offers: list[Callable[[], None]] = []  # what puts into commands what the catalog has
        self.filling: dict[int, asyncio.Task[None]] = {}  # by member: what will add stills to the list they look at
        self.stopping = asyncio.Event()  # nothing new is taken
        self.resumed = asyncio.Event()
        """The jobs of before go on, or the bot stops; where they cannot be read it does, so nobody waits for ever."""
        self.ready = asyncio.Event()
        self._knows_discord = False
        self._shards = shards
        self._max_concurrency = 1

    async def login(self, token: str) -> None:
        """Raises SettingsError where something else than Discord answers, or Discord refuses the token."""
        try:
            await super().login(token)
        except (discord.LoginFailure, discord.HTTPException, discord.RateLimited, *NO_DISCORD) as error:
            if self._knows_discord:
                raise
            if self._rest.redirected_to is not None:
                raise redirected(self._api_url, self._rest.redirected_to) from error
            raise login_failed(error, self._api_url) from error

    async def close(self) -> None:
        """Ends what goes on beside the connection, then the connection."""
        await self.former.close()
        await self._sync.close()
        for member in list(self.filling):
            self.leave_list(member)
        await self.once.close()
        await super().close()

    async def setup_hook(self) -> None:
        """After login, before the gateway: interactions may come before READY has settled."""
        shards, url, limit = await self.http.get_bot_gateway()
        if not is_gateway(url):
            raise ValueError("no gateway is named")
        if self._rest.redirected_to is not None:
            raise redirected(self._api_url, self._rest.redirected_to)
        self._knows_discord = True
        # With REST elsewhere, a fresh connect after INVALID_SESSION would dial Discord's own gateway.
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
        self.shard_count = self.shard_count or shards
        self._max_concurrency = max(1, limit["max_concurrency"])
        self.add_dynamic_items(PageButton, JobButton, UndoButton, PrivacyButton)
        await self._add_commands(self)
        self._tell_operator()
        if self._shards.has_gateway:
            await self.former.begin(self._shards.has, self.shard_count)
        await self._sync_commands()

    async def connect(self, *, reconnect: bool = True) -> None:
        """To the gateway, while the jobs of before are read: thousands take a while. Raises what either raises."""
        await asyncio.gather(self._go_on(), self._listen(reconnect=reconnect))

    async def _go_on(self) -> None:
        await self._resume()
        self.resumed.set()

    async def _listen(self, *, reconnect: bool) -> None:
        """A worker has no gateway, and waits here until it is cancelled."""
        if self._shards.has_gateway:
            await super().connect(reconnect=reconnect)
            return
        await self.resumed.wait()
        self.ready.set()
        await asyncio.get_running_loop().create_future()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Waits for this shard's turn: Discord takes one IDENTIFY in five seconds of each bucket of shards."""
        if self._shards.turn is None:
            await super().before_identify_hook(shard_id, initial=initial)
        else:
            await self._shards.turn((shard_id or 0) % self._max_concurrency)

    def handles_guild(self, guild: int) -> bool:
        """Whether a shard of this process is told of that server."""
        return self._shards.has_gateway and self._shards.has(shard_of(guild, self.shard_count or 1))

    @property
    def has_first_shard(self) -> bool:
        """Whether this is the process with the first shard: of several, it sends the commands to Discord."""
        return self._shards.has_gateway and self._shards.has(0)

    async def _sync_commands(self) -> None:
        assert self.application_id is not None
        if self.has_first_shard:
            await self._sync.begin(self.http, self.application_id, self.tree)

    def leave_list(self, member: int) -> None:
        """Something else takes the place of the member's list: nothing is added to it any more."""
        task = self.filling.pop(member, None)
        if task is not None:
            task.cancel()

    async def renew_commands(self) -> None:
        """The catalog is another one: the commands offer what it has, and Discord is told if that changes them."""
        for offer in self.offers:
            offer()
        if self.application_id is not None:
            await self._sync.close()
            await self._sync_commands()

    async def on_ready(self) -> None:
        """Discord has told of every server."""
        await self.resumed.wait()
        self.ready.set()

    @property
    def has_gateway(self) -> bool:
        """Whether this process is connected to the gateway at all."""
        return self._shards.has_gateway

    @property
    def is_connected(self) -> bool:
        """Whether every shard of this process hears Discord."""
        if not self._shards.has_gateway:
            return True
        return bool(self.shards) and not any(shard.is_closed() for shard in self.shards.values())

    def stop_answering(self) -> None:
        """Whoever asks from now on, or still waits for the jobs of before, reads that the bot is restarting."""
        self.stopping.set()
        self.resumed.set()

    def faults(self) -> list[str]:
        """In words: what of Discord keeps the bot from its work, or from part of it."""
        return [
            *([] if self.is_connected else ["not connected to Discord"]),
            *self._rest.faults(),
            *self._sync.faults(),
        ]

    def refusal(self, interaction: discord.Interaction[Any]) -> str | None:
        """Why no command runs here and now, to be said in the reader's language, or None."""
        if self.stopping.is_set() or not self.resumed.is_set():
            return text.STOPPING
        if self._allowed_guilds and interaction.guild_id and interaction.guild_id not in self._allowed_guilds:
            return text.NOT_HERE
        return None

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """A press or a submit that nothing here knows would end in Discord's own “This interaction failed”."""
        if interaction.type not in (discord.InteractionType.component, discord.InteractionType.modal_submit):
            return
        await _within(self.stopping)
        if interaction.response.is_done() or not claim_interaction(interaction):
            return
        if interaction.type is discord.InteractionType.component:
            await answer_translated(interaction, self.refusal(interaction) or text.UNKNOWN_BUTTON)
            return
        translations, prompt = translations_of(interaction), max(typed_texts(interaction.data), key=len, default="")
        lines = [
            translations.gettext(self.refusal(interaction) or text.FORM_LOST),
            *([text.typed(translations, prompt)] if prompt else []),
        ]
        await answer_privately(interaction, "\n".join(lines))

    async def run_interaction(
        self, interaction: discord.Interaction[Any], work: Callable[[], Awaitable[None]], *, typed: str | None = None
    ) -> None:
        """Runs what a button does, after the same checks and with the same answers to errors as a command.

        `typed` is handed back with a refusal.
        """
        if not claim_interaction(interaction):
            log.warning("interaction=%s came too late: it was answered as unknown", interaction.id)
            return
        about(interaction=interaction.id, user=interaction.user.id, guild=interaction.guild_id)
        try:
            await _within(self.resumed, self.former.age_s(interaction.id))
            refusal = self.refusal(interaction)
            if refusal is not None:
                raise UserError(refusal)  # noqa: TRY301 - told as any other
            await work()
        except asyncio.CancelledError:
            if interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
                await answer_translated(interaction, text.STOPPING)  # else "thinking" would stand there for ever
            raise
        except Exception as error:  # noqa: BLE001 - logged and answered there
            await self.explain(interaction, error, typed=typed)

    async def explain(
        self, interaction: discord.Interaction[Any], error: Exception, *, typed: str | None = None
    ) -> None:
        """The edge of every command and button: logged with the interaction's id, answered in one sentence."""
        if isinstance(error, UserError):
            log.info("interaction=%s user=%s told: %s", interaction.id, interaction.user.id, error)
            sentence = text.explain(translations_of(interaction), error)
        elif isinstance(error, StoreError):
            log.error("interaction=%s refused: %s", interaction.id, error)
            sentence = translations_of(interaction).gettext(text.STORE_SLOW)
        else:
            trace = None if isinstance(error, TROUBLE) else error  # of the network, its words may hold a token
            log.error("interaction=%s failed: %s", interaction.id, told(error), exc_info=trace)
            sentence = translations_of(interaction).gettext(text.NO_ANSWER)
        await answer_privately(interaction, sentence if typed is None else f"{sentence}\n{typed}")

    def _tell_operator(self) -> None:
        assert self.application_id is not None
        log.info(
            "invite this bot: %s",
            discord.utils.oauth_url(self.application_id, permissions=PERMISSIONS, scopes=SCOPES),
        )
        if self.application is None or not self.application.bot_public:
            return
        if not self._allowed_guilds:
            log.warning("the application is public and ALLOWED_GUILDS is empty: any server can spend this bot's budget")
        if self._direct_is_open:
            log.warning("the application is public and DIRECT_CREDITS is not 0: anyone can spend this bot's budget")
        if not self.application.privacy_policy_url:
            log.warning(
                "the application is public and has no privacy policy; docs/privacy.md is one that you can publish"
            )


async def _within(event: asyncio.Event, age_s: float = 0.0) -> None:
    """Waits for it while Discord still takes an answer to what was asked `age_s` ago."""
    if not event.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), UNANSWERED_AFTER_S - age_s)


def claim_interaction(interaction: discord.Interaction[Any]) -> bool:
    """True for the first who asks, and answers it then: whatever knows it, or else what answers the unknown."""
    return bool(interaction.extras.setdefault(CLAIMED, mine := object()) is mine)


async def answer_translated(interaction: discord.Interaction[Any], sentence: str, /, **values: Value) -> None:
    """As `answer_privately`, in the reader's language; `values` stand for the names in the sentence's braces."""
    await answer_privately(interaction, translations_of(interaction).gettext(sentence, **values))


async def answer_privately(
    interaction: discord.Interaction[Any], sentence: str, *, view: ui.View | None = None
) -> None:
    """Answers for the member alone, with buttons where it is the first answer.

    An answer that Discord no longer takes is logged.
    """
    nobody = discord.AllowedMentions.none()
    try:
        if interaction.response.is_done():
            await follow_up(interaction, sentence)
        else:
            buttons = discord.utils.MISSING if view is None else view
            await interaction.response.send_message(sentence, view=buttons, ephemeral=True, allowed_mentions=nobody)
    except TROUBLE as error:
        log.warning("interaction=%s not answered: %s", interaction.id, told(error))
