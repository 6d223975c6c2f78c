"""The bot's application at Discord: its token, where it can be installed, who may add it; and Discord's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import discord

from bot.chat import clock, connection_errors
from bot.chat.client import PERMISSIONS, SCOPES
from bot.check.findings import Finding, ok, problem, warning
from bot.errors import VideoUnavailable
from bot.providers.http import HttpClient, Timeouts
from bot.providers.responses import Answer
from bot.settings import Settings

USER_AGENT = "DiscordBot (https://github.com/Rapptz/discord.py, 2) animate-bot"
IN_SERVERS, FOR_MEMBERS = "0", "1"
INSTALLATION = "the Installation page of the developer portal"

Body = Mapping[str, Any]


async def check(settings: Settings) -> list[Finding]:
    """Two questions with the bot's token."""
    http = HttpClient(Timeouts())
    headers = {"Authorization": f"Bot {settings.discord_token.get_secret_value()}", "User-Agent": USER_AGENT}
    try:
        account, application = await asyncio.gather(
            *(http.ask(f"{settings.discord_api_url}{path}", headers) for path in ("/users/@me", "/applications/@me"))
        )
    except VideoUnavailable as error:
        return [problem("token", f"Discord cannot be reached at {settings.discord_api_url}: {error.provider_text}.")]
    finally:
        await http.close()
    found = [_token(account, settings.discord_api_url)]
    if account.is_success and application.is_success and isinstance(application.json, dict):
        found += [*_of_the_application(application.json), *_of_the_public(application.json, settings)]
    elif account.is_success:
        found.append(problem("application", f"Discord gives no information about it now (HTTP {application.status})."))
    return [*found, *_clock(account)]


async def public_url(url: str, http_port: int) -> list[Finding]:
    """Whether the bot itself is reached there: its answers about pictures say that nobody is to keep them."""
    if not http_port:
        return [warning("PUBLIC_URL", "HTTP_PORT is 0, so the bot serves nothing there. Set it to a port.")]
    http = HttpClient(Timeouts())
    try:
        answer = await http.ask(f"{url}/pictures/check.jpg", {})
    except VideoUnavailable as error:
        return [warning("PUBLIC_URL", f"nobody answers at {url} ({error.provider_text}). {_WHEN_RUNNING}")]
    finally:
        await http.close()
    if answer.status == 404 and "no-store" in answer.headers.get("Cache-Control", ""):
        return [ok("PUBLIC_URL", f"the bot answers at {url}")]
    return [warning("PUBLIC_URL", f"what answers at {url} is not the bot (HTTP {answer.status}). {_WHEN_RUNNING}")]


def credits_port(http_port: int) -> list[Finding]:
    """Whether a shop can reach the bot at all."""
    if http_port:
        return []
    return [warning("CREDITS_SECRET", "HTTP_PORT is 0, so no shop can give credits. Set it to a port.")]


_WHEN_RUNNING = "If the bot is running, pass /pictures/ on to HTTP_PORT; if not, start it and check again."


def _token(answer: Answer, api_url: str) -> Finding:
    body = answer.json
    if answer.is_success and isinstance(body, dict) and "id" in body:
        return ok("token", f"Discord accepts it; this is the bot {body.get('username')}")
    if answer.status == 401 and isinstance(body, dict):
        return problem("token", connection_errors.wrong_token().sentences[0])
    if 300 <= answer.status < 400:
        to = answer.headers.get("Location", "elsewhere")
        return problem("token", connection_errors.redirected(api_url, to).sentences[0])
    if answer.status == connection_errors.TOO_MANY or answer.status >= 500:
        return problem("token", f"Discord cannot answer now (HTTP {answer.status}). Try again later.")
    what = f"what answers at {api_url} is not Discord's API (HTTP {answer.status})"
    return problem(
        "token", f"DISCORD_API_URL is wrong: {what}. It should be like {connection_errors.DISCORDS_OWN}/v10."
    )


def _of_the_application(application: Body) -> Iterator[Finding]:
    if address := application.get("interactions_endpoint_url"):
        yield problem(
            "commands",
            f"Discord sends them to {address}. Remove the Interactions Endpoint URL on the General Information page of "
            "the developer portal, or no command reaches the bot.",
        )
    yield from _contexts(application)
    link = discord.utils.oauth_url(application["id"], permissions=PERMISSIONS, scopes=SCOPES)
    if application.get("bot_require_code_grant"):
        yield problem(
            "invite link",
            "nobody can add the bot. Turn off Requires OAuth2 Code Grant on the Bot page of the developer portal.",
        )
    else:
        yield ok("invite link", link)


def _contexts(application: Body) -> Iterator[Finding]:
    contexts = application.get("integration_types_config")
    if not isinstance(contexts, dict):
        yield warning("installation", f"Discord does not say where the bot can be installed. Look at {INSTALLATION}.")
        return
    if IN_SERVERS in contexts:
        yield _install_link(contexts[IN_SERVERS])
    else:
        yield problem("servers", f"the bot cannot be added to servers. Turn on Guild Install on {INSTALLATION}.")
    if FOR_MEMBERS in contexts:
        yield ok("members", "they can install the bot for themselves")
    else:
        yield warning(
            "members",
            f"they cannot install the bot for themselves. If they should, turn on User Install on {INSTALLATION}.",
        )


def _install_link(context: Any) -> Finding:
    """Discord's own link has the scopes and permissions of the developer portal, if any; ours has them all."""
    params = context.get("oauth2_install_params") if isinstance(context, dict) else None
    if not isinstance(params, dict):
        return ok("servers", "the bot can be added to servers, with the invite link below")
    scopes = [scope for scope in SCOPES if scope not in params.get("scopes", [])]
    given = discord.Permissions(int(params.get("permissions") or 0))
    lacking = (
        [] if given.administrator else [name for name, wanted in PERMISSIONS if wanted and not getattr(given, name)]
    )
    missing = [*scopes, *(name.replace("_", " ").title().replace(" In ", " in ") for name in lacking)]
    if not missing:
        return ok("servers", "the bot can be added to servers")
    return warning(
        "servers",
        f"Discord's install link leaves out {', '.join(missing)}. Add that on {INSTALLATION}, or use the invite link "
        "below.",
    )


def _of_the_public(application: Body, settings: Settings) -> Iterator[Finding]:
    policy = application.get("privacy_policy_url")
    if not application.get("bot_public"):
        yield ok("access", "the bot is private: only you can add it")
        yield ok("privacy policy", policy or "none is set; a private bot needs none")
        return
    open_to_all = []
    if not settings.allowed_guilds:
        open_to_all.append("any server can spend your budget; set ALLOWED_GUILDS")
    if settings.limits.direct.credits > 0:
        open_to_all.append("anyone can spend it in direct messages; set DIRECT_CREDITS=0")
    if open_to_all:
        end = "Or turn off Public Bot on the Bot page of the developer portal."
        yield warning("access", f"the bot is public: {'. Also, '.join(open_to_all)}. {end}")
    else:
        yield ok("access", "the bot is public, and only ALLOWED_GUILDS can use it")
    if policy:
        yield ok("privacy policy", policy)
    else:
        yield warning(
            "privacy policy",
            "none is set, and the bot is public. Publish one (docs/privacy.md is ready for that) and enter its address "
            "on the General Information page of the developer portal.",
        )


def _clock(answer: Answer) -> Iterator[Finding]:
    """A cache's answer tells an old time."""
    date = answer.headers.get("Date")
    if date is None or "Age" in answer.headers:
        return
    discords = clock.DiscordClock()
    discords.dated(date)
    if abs(discords.ahead_s) > clock.TOLD_FROM_S:
        yield warning("clock", f"{clock.told(discords.ahead_s)}.")
    else:
        yield ok("clock", "agrees with Discord's")
