"""What ended the connection to Discord for good, as the operator reads it: the token, the address, or Discord."""

from __future__ import annotations

import aiohttp
import discord

from bot.chat.discord_errors import TROUBLE, is_discords, told
from bot.errors import BotError, ChatUnavailable, SettingsError

DISCORDS_OWN = "https://discord.com/api"
NO_DISCORD = (aiohttp.ClientResponseError, aiohttp.InvalidURL, LookupError, TypeError, ValueError, AttributeError)
"""What discord.py makes of an answer that has not the shape of Discord's."""
TOO_MANY = 429
NEWER = "a newer version of the bot is needed"
CLOSED = {
    4010: "Discord's gateway refuses the number of shards (4010). The next start asks for the right one.",
    4011: "Discord's gateway wants more shards (4011): the bot is in more servers now. The next start asks for them.",
    4012: f"Discord's gateway does not speak the version any more that this bot speaks (4012): {NEWER}.",
    4013: f"Discord's gateway does not know the events that this bot asks for (4013): {NEWER}.",
    4014: "Discord's gateway refuses the events that this bot asks for (4014): see the page of the application, Bot.",
}
"""Close codes of the gateway after which discord.py does not connect again."""
AUTHENTICATION_FAILED = 4004


def login_failed(error: Exception, api_url: str) -> BotError:
    """Before anything of Discord's was read. With Discord's own address it is not the address that is wrong."""
    answer = error.__cause__ if isinstance(error, discord.LoginFailure) else error
    if isinstance(answer, discord.HTTPException):
        if isinstance(error, discord.LoginFailure) and is_discords(answer):
            return wrong_token()
        passes = answer.status == TOO_MANY or answer.status >= 500
    else:
        passes = isinstance(answer, discord.RateLimited)
    why = told(answer or error)
    if passes or api_url.startswith(DISCORDS_OWN):
        return ChatUnavailable(f"Discord cannot be reached at {api_url}: {why}")
    said = f"DISCORD_API_URL is wrong: what answers at {api_url} is not Discord's API ({why})."
    return SettingsError([f"{said} It should be like {DISCORDS_OWN}/v10."])


def wrong_token() -> SettingsError:
    """Refused at login, or by the gateway."""
    return SettingsError(["DISCORD_TOKEN is wrong: Discord refuses it. Copy it again from the developer portal."])


def redirected(api_url: str, to: str) -> SettingsError:
    """A POST that is sent on becomes a GET, and the token stays behind."""
    return SettingsError(
        [f"DISCORD_API_URL is wrong: {api_url} redirects to {to}. It should be the address of Discord's API itself."]
    )


def ended(error: BaseException, api_url: str) -> BotError | None:
    """Why the connection ended; None where it is no word of Discord's or of the network."""
    if isinstance(error, discord.ConnectionClosed | discord.PrivilegedIntentsRequired):
        code = error.code if isinstance(error, discord.ConnectionClosed) else 4014
        if code == AUTHENTICATION_FAILED:
            return wrong_token()
        return ChatUnavailable(CLOSED.get(code, f"Discord's gateway closed the connection for good ({code})."))
    if isinstance(error, (*TROUBLE, discord.GatewayNotFound)):
        return ChatUnavailable(f"Discord cannot be reached at {api_url}: {told(error)}")
    return None
