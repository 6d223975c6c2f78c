"""What the bot's HTTP port answers, put together from the settings."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from bot.chat.client import AnimateBot
from bot.errors import SettingsError, StoreUnavailable
from bot.jobs.backups import Backups
from bot.jobs.context import Clock, JobContext
from bot.jobs.files import Files
from bot.jobs.service import Service
from bot.models import Scope, UserId
from bot.settings import Settings
from bot.store import jobs
from bot.store.credit_requests import Granted
from bot.store.database import Store

if TYPE_CHECKING:
    from bot.hosted_pictures import HostedPictures
    from bot.metrics import Metrics
    from bot.signed_credits import SignedCredits


def hosted_pictures(settings: Settings, store: Store, files: Files, clock: Clock) -> HostedPictures | None:
    """Where pictures are served from, if anywhere. Raises SettingsError."""
    if settings.public_url is None or not settings.http_port:
        return None
    from bot.hosted_pictures import HostedPictures, key_in  # a web server takes a while to load

    try:
        key = key_in(settings.data_dir)
    except OSError as error:
        raise SettingsError([f"DATA_DIR is wrong: {settings.data_dir} cannot be written to ({error})."]) from error
    return HostedPictures(
        settings.public_url,
        key=key,
        find=lambda job: store.read(jobs.find(job)),
        read=files.read_picture,
        now=clock.now,
    )


def signed_credits(settings: Settings, bot: AnimateBot, service: Service, clock: Clock) -> SignedCredits | None:
    """Where a shop gives bonus credits, if anywhere. They are given in the bot's own name."""
    if settings.credits_secret is None or not settings.http_port:
        return None
    from bot.signed_credits import CreditRequest, SignedCredits  # a web server takes a while to load

    async def grant(asked: CreditRequest) -> Granted | None:
        if bot.user is None:
            raise StoreUnavailable("not logged in to Discord yet")
        by = service.admin.by(asked.scope, UserId(bot.user.id))
        return await service.admin.grant_once(by, asked.member, asked.credits, asked.reason, key=asked.key)

    def knows(scope: Scope) -> bool:
        if bot.get_guild(scope) is not None or not bot.handles_guild(scope):  # another process is told of that server
            return True
        if not bot.ready.is_set():
            raise StoreUnavailable("Discord has not said yet which servers the bot is in")
        return False

    return SignedCredits(
        settings.credits_secret.get_secret_value(),
        grant=grant,
        knows=knows,
        now=clock.now,
    )


async def serve_http(
    settings: Settings,
    stack: contextlib.AsyncExitStack,
    bot: AnimateBot,
    context: JobContext,
    pictures: HostedPictures | None,
    metrics: Metrics,
    backups: Backups | None,
    from_outside: SignedCredits | None,
) -> None:
    """Listens where HTTP_HOST and HTTP_PORT say, until `stack` ends. Raises SettingsError where it cannot."""
    from bot.health import health_of  # a web server takes a while to load
    from bot.http_server import HttpServer

    health = health_of(bot, context, backups, metrics.exposition)
    more = [part.routes() for part in (pictures, from_outside) if part is not None]
    server = HttpServer([*health.routes(), *itertools.chain.from_iterable(more)])
    stack.push_async_callback(server.close)
    await server.start(settings.http_host, settings.http_port)
