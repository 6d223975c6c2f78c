"""The routes of the bot's own token, and the table of all routes."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.discord.commands import CommandBook
from sandbox.discord.exchange import Exchange, Reply
from sandbox.discord.gateway import Gateway
from sandbox.discord.messages import Message
from sandbox.discord.permissions import Permission
from sandbox.discord.posts import Posts, with_reference_checked
from sandbox.discord.rules import ApiError, Code, refusal
from sandbox.discord.tokens import TokenRoutes
from sandbox.discord.wire import Wire
from sandbox.discord.world import BASE_UPLOAD_LIMIT, Channel, Guild, World, permissions_in

_log = logging.getLogger(__name__)

Handler = Callable[[Exchange], Reply]
NONCE_S = 300  # "the past few minutes" (message.mdx:1081)
_P = Permission
_OPEN = re.compile("/gateway|/interactions/.*|/webhooks/.*")


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    template: str
    handler: Handler
    pattern: re.Pattern[str]
    open: bool
    """It asks for no bot token: the path carries the interaction's, or there is nothing to hide."""


class Rest:
    def __init__(self, world: World, posts: Posts, book: CommandBook, gateway: Gateway, tokens: TokenRoutes) -> None:
        self._world = world
        self._posts = posts
        self._book = book
        self._gateway = gateway
        self.shards = 1
        hook, message = (
            "/webhooks/{webhook_id}/{webhook_token}",
            "/channels/{channel_id}/messages/{message_id}",
        )
        commands = "/applications/{application_id}/commands"
        guild_commands = "/applications/{application_id}/guilds/{guild_id}/commands"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/users/@me", self._me),
            ("GET", "/applications/@me", self._application),
            ("GET", "/oauth2/applications/@me", self._application),
            ("GET", "/gateway", self._gateway_url),
            ("GET", "/gateway/bot", self._gateway_bot),
            *(
                (method, f"{scope}{path}", handler)
                for scope in (commands, guild_commands)
                for method, path, handler in (
                    ("GET", "", self._commands),
                    ("PUT", "", self._put_commands),
                    ("POST", "", self._post_command),
                    ("GET", "/{command_id}", self._command),
                    ("PATCH", "/{command_id}", self._patch_command),
                    ("DELETE", "/{command_id}", self._delete_command),
                )
            ),
            ("POST", "/users/@me/channels", self._open_dm),
            ("GET", "/soundboard-default-sounds", lambda _x: Reply(200, [])),
            ("GET", "/guilds/{guild_id}/roles", self._roles),
            ("GET", "/guilds/{guild_id}/channels", self._channels),
            ("GET", "/channels/{channel_id}", lambda x: Reply(200, self._channel(x).wire())),
            ("POST", "/channels/{channel_id}/messages", self._send),
            ("GET", message, self._get),
            ("PATCH", message, self._edit),
            ("DELETE", message, self._delete),
            ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", tokens.callback),
            ("POST", hook, tokens.follow_up),
            ("GET", f"{hook}/messages/@original", tokens.get),
            ("PATCH", f"{hook}/messages/@original", tokens.edit),
            ("DELETE", f"{hook}/messages/@original", tokens.delete),
            ("GET", f"{hook}/messages/{{message_id}}", tokens.get),
            ("PATCH", f"{hook}/messages/{{message_id}}", tokens.edit),
            ("DELETE", f"{hook}/messages/{{message_id}}", tokens.delete),
        ]
        self._routes = [
            Route(method, template, handler, _pattern(template), bool(_OPEN.fullmatch(template)))
            for method, template, handler in table
        ]

    @property
    def operations(self) -> list[tuple[str, str]]:
        return [(route.method, route.template) for route in self._routes]

    def find(self, x: Exchange) -> Route | None:
        """Names the route in the exchange; an unknown one is left without."""
        for route in self._routes:
            if route.method == x.method and (found := route.pattern.fullmatch(x.path)):
                x.route, x.params = route.template, found.groupdict()
                return route
        return None

    def answer(self, x: Exchange, route: Route | None) -> Reply:
        """Does what the request asks and returns the answer."""
        if route is None:
            return Reply(404, {"message": "404: Not Found", "code": Code.GENERAL})
        if not route.open and not x.authorized:
            return Reply(401, {"message": "401: Unauthorized", "code": Code.GENERAL})
        if x.method in ("POST", "PATCH") and not isinstance(x.body, dict):
            return Reply(400, {"message": "The request body contains invalid JSON.", "code": Code.INVALID_JSON})
        try:
            return route.handler(x)
        except ApiError as error:
            return Reply(error.status, error.body)
        except (AttributeError, KeyError, TypeError, ValueError):
            # A body of a shape the contract does not know: Discord's 400, never a 500, which bots retry.
            _log.exception("%s %s: not understood: %.500r", x.method, x.path, x.body)
            return Reply(400, {"message": "Invalid Form Body", "code": Code.INVALID_FORM})

    def _me(self, _x: Exchange) -> Reply:
        return Reply(200, self._world.bot.account())

    def _application(self, _x: Exchange) -> Reply:
        bot = self._world.bot
        return Reply(200, {
            "id": str(bot.id), "name": bot.name, "icon": None, "description": "", "summary": "", "type": None,
            "bot_public": False, "bot_require_code_grant": False, "verify_key": "0" * 64, "flags": 0,
            "flags_new": "0", "redirect_uris": [], "interactions_endpoint_url": None,
            "role_connections_verification_url": None, "owner": self._world.guild.owner.wire(),
            "approximate_guild_count": 1, "approximate_user_install_count": 1,
            "approximate_user_authorization_count": 1, "explicit_content_filter": 0, "team": None,
            "eligible_oauth2_scopes": [], "integration_types_config": {"0": {}, "1": {}},
        })  # fmt: skip

    def _gateway_url(self, _x: Exchange) -> Reply:
        return Reply(200, {"url": self._gateway.url})

    def _gateway_bot(self, _x: Exchange) -> Reply:
        limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": self._gateway.max_concurrency}
        return Reply(200, {"url": self._gateway.url, "shards": self.shards, "session_start_limit": limit})

    def _commands(self, x: Exchange) -> Reply:
        there = self._book.by_scope.get(self._scope(x), [])
        if x.query.get("with_localizations", "").lower() in {"true", "1"}:
            return Reply(200, there)
        left_out = ("name_localizations", "description_localizations")
        return Reply(200, [{key: value for key, value in one.items() if key not in left_out} for one in there])

    def _put_commands(self, x: Exchange) -> Reply:
        return Reply(200, self._book.put(self._scope(x), x.body or []))

    def _command(self, x: Exchange) -> Reply:
        return Reply(200, self._book.of_id(self._scope(x), x.params["command_id"]))

    def _post_command(self, x: Exchange) -> Reply:
        """Replaces the one of that name and type, or adds it."""
        known = len(self._commands(x).body)
        command = self._book.upsert(self._scope(x), x.body)
        return Reply(201 if len(self._commands(x).body) > known else 200, command)

    def _patch_command(self, x: Exchange) -> Reply:
        scope = self._scope(x)
        return Reply(200, self._book.upsert(scope, self._book.of_id(scope, x.params["command_id"]) | x.body))

    def _delete_command(self, x: Exchange) -> Reply:
        scope = self._scope(x)
        self._book.by_scope[scope].remove(self._book.of_id(scope, x.params["command_id"]))
        return Reply(204)

    def _scope(self, x: Exchange) -> int | None:
        if x.params["application_id"] != str(self._world.bot.id):
            raise refusal(Code.UNKNOWN_APPLICATION)
        return int(x.params["guild_id"]) if "guild_id" in x.params else None

    def _open_dm(self, x: Exchange) -> Reply:
        key = int((x.body or {}).get("recipient_id") or 0)
        person = next((one for one in self._world.people.values() if one.id == key), None)
        if person is None:
            raise refusal(Code.INVALID_RECIPIENTS)
        return Reply(200, self._world.dm(person).wire())

    def _send(self, x: Exchange) -> Reply:
        channel, body = self._channel(x), x.body or {}
        self._check_may_write(channel, attaching=bool(x.files))
        if body.get("message_reference"):
            if not permissions_in(channel, self._world.bot) & _P.READ_MESSAGE_HISTORY:
                raise refusal(Code.REPLY_WITHOUT_HISTORY)
            body = with_reference_checked(self._posts, channel, body)
        if body.get("enforce_nonce") and (known := self._same_nonce(channel, body)):
            return Reply(200, known.now)
        message = self._posts.send(channel, self._world.bot, body, x.files, limit=_file_limit(channel))
        return Reply(200, message.now)

    def _get(self, x: Exchange) -> Reply:
        return Reply(200, self._message(x).now)

    def _edit(self, x: Exchange) -> Reply:
        message = self._message(x)
        if message.author is not self._world.bot:
            raise refusal(Code.NOT_YOUR_MESSAGE)
        if x.files and not permissions_in(message.channel, self._world.bot) & _P.ATTACH_FILES:
            raise refusal(Code.MISSING_PERMISSIONS)
        limit = _file_limit(message.channel)
        return Reply(200, self._posts.edit(message, x.body or {}, x.files, limit=limit).now)

    def _delete(self, x: Exchange) -> Reply:
        message = self._message(x)
        held = permissions_in(message.channel, self._world.bot)
        if message.author is not self._world.bot and not held & _P.MANAGE_MESSAGES:
            raise refusal(Code.MISSING_PERMISSIONS)
        self._posts.delete(message)
        return Reply(204)

    def _roles(self, x: Exchange) -> Reply:
        return Reply(200, [role.wire() for role in self._guild(x).roles.values()])

    def _channels(self, x: Exchange) -> Reply:
        """Those that the bot may view, without threads."""
        return Reply(200, [
            channel.wire()
            for channel in self._guild(x).channels
            if permissions_in(channel, self._world.bot) & _P.VIEW_CHANNEL
        ])  # fmt: skip

    def _guild(self, x: Exchange) -> Guild:
        guild = self._world.guilds.get(int(x.params["guild_id"]))
        if guild is None or not guild.has_bot:
            raise refusal(Code.UNKNOWN_GUILD)
        return guild

    def _channel(self, x: Exchange) -> Channel:
        channel = self._world.channels.get(int(x.params["channel_id"]))
        if channel is None:
            raise refusal(Code.UNKNOWN_CHANNEL)
        if not permissions_in(channel, self._world.bot) & _P.VIEW_CHANNEL:
            raise refusal(Code.MISSING_ACCESS)
        return channel

    def _message(self, x: Exchange) -> Message:
        """Ephemeral messages do not exist for the bot's own token."""
        channel = self._channel(x)
        message = self._posts.by_id.get(int(x.params["message_id"]))
        if message is None or message.deleted or message.is_ephemeral or message.channel is not channel:
            raise refusal(Code.UNKNOWN_MESSAGE)
        return message

    def _check_may_write(self, channel: Channel, *, attaching: bool) -> None:
        needed = channel.to_write | (_P.ATTACH_FILES if attaching else _P(0))
        if permissions_in(channel, self._world.bot) & needed != needed:
            raise refusal(Code.MISSING_PERMISSIONS)
        if not all(person.dms_open for person in channel.people):
            raise refusal(Code.DMS_CLOSED)

    def _same_nonce(self, channel: Channel, body: Wire) -> Message | None:
        nonce, now = str(body.get("nonce")), self._world.clock()
        recent = self._posts.by_nonce.get((channel.id, nonce))
        return recent[1] if recent and now - recent[0] <= NONCE_S else None


def _file_limit(channel: Channel) -> int:
    """The bot's own uploads: what the server's boosts give, nobody's Nitro counts."""
    return channel.guild.file_limit if channel.guild is not None else BASE_UPLOAD_LIMIT


def _pattern(template: str) -> re.Pattern[str]:
    def part(name: str) -> str:
        return f"(?P<{name}>{r'[^/]+' if name.endswith('token') else r'[0-9]+'})"

    pieces = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(part(p) if n % 2 else re.escape(p) for n, p in enumerate(pieces)))
