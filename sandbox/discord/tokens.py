"""What an interaction's token opens: the first answer, `@original`, follow-ups. No bot token is needed."""

from sandbox.discord.exchange import Exchange, Reply
from sandbox.discord.messages import FIRST_ANSWER_S, Answer, Interaction, InteractionKind, Message
from sandbox.discord.modals import opened
from sandbox.discord.permissions import Permission
from sandbox.discord.posts import Posts
from sandbox.discord.rules import Code, Flag, invalid, refusal
from sandbox.discord.wire import Wire
from sandbox.discord.world import World, permissions_in

USER_INSTALL_FOLLOWUPS = 5  # receiving-and-responding.mdx:474
CHOICES_LIMIT = 25


_MESSAGES = {Answer.MESSAGE, Answer.DEFERRED_MESSAGE}
_UPDATES = {Answer.DEFERRED_UPDATE, Answer.UPDATE_MESSAGE}
_ALLOWED: dict[int, set[Answer]] = {
    InteractionKind.COMMAND: _MESSAGES | {Answer.MODAL},
    InteractionKind.COMPONENT: _MESSAGES | _UPDATES | {Answer.MODAL},
    InteractionKind.AUTOCOMPLETE: {Answer.CHOICES},
    InteractionKind.MODAL_SUBMIT: _MESSAGES | _UPDATES,
}


class TokenRoutes:
    def __init__(self, world: World, posts: Posts) -> None:
        self._world = world
        self._posts = posts
        self.interactions: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    def add(self, interaction: Interaction) -> None:
        self.interactions[interaction.id] = interaction
        self._by_token[interaction.token] = interaction

    def callback(self, x: Exchange) -> Reply:
        interaction = self.interactions.get(int(x.params["interaction_id"]))
        if interaction is None or interaction.token != x.params["interaction_token"]:
            raise refusal(Code.UNKNOWN_INTERACTION)
        if interaction.answered.is_set():
            raise refusal(Code.ALREADY_ACKNOWLEDGED)
        if interaction.channel.id not in self._world.channels:
            raise refusal(Code.UNKNOWN_CHANNEL)
        now = self._world.clock()
        if interaction.killed or now > interaction.created_at + FIRST_ANSWER_S:
            raise refusal(Code.UNKNOWN_INTERACTION)
        kind = x.body.get("type")
        if kind not in _ALLOWED[interaction.kind] or (kind == Answer.UPDATE_MESSAGE and interaction.source is None):
            raise invalid(("type",), "INTERACTION_CALLBACK_TYPE_INVALID", "Not an answer to this interaction")
        answer, data = Answer(kind), x.body.get("data") or {}
        data = self._answer(interaction, answer, data, x)
        interaction.response_type, interaction.response_data = kind, data
        interaction.answered_at = now
        interaction.answered.set()
        if x.query.get("with_response") not in ("1", "true", "True"):
            return Reply(204)
        return Reply(200, _callback_response(interaction, answer))

    def _answer(self, interaction: Interaction, answer: Answer, data: Wire, x: Exchange) -> Wire:
        """Does it; returns the `data` as it is kept."""
        flags = Flag(data.get("flags") or 0)
        hidden = flags & Flag.EPHEMERAL or self._must_be_hidden(interaction)
        ephemeral_for = interaction.person if hidden else None
        limit = interaction.upload_limit
        match answer:
            case Answer.MESSAGE:
                interaction.message = self._posts.send(
                    interaction.channel, self._world.bot, data, x.files,
                    limit=limit, interaction=interaction, ephemeral_for=ephemeral_for,
                )  # fmt: skip
            case Answer.DEFERRED_MESSAGE:
                if flags & ~Flag.EPHEMERAL or data.keys() - {"flags", "allowed_mentions"}:
                    raise invalid(("data", "flags"), "BASE_TYPE_CHOICES", "A deferred answer takes EPHEMERAL alone")
                interaction.message = self._posts.load(interaction, ephemeral_for)
            case Answer.DEFERRED_UPDATE:
                interaction.message = interaction.source
            case Answer.UPDATE_MESSAGE if interaction.source is not None:
                if interaction.source.deleted:
                    raise refusal(Code.UNKNOWN_MESSAGE)
                interaction.message = self._posts.edit(interaction.source, data, x.files, limit=limit)
            case Answer.MODAL:
                return opened(data)
            case Answer.CHOICES if len(data.get("choices") or []) > CHOICES_LIMIT:
                raise invalid(("data", "choices"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
        return data

    def _must_be_hidden(self, interaction: Interaction) -> bool:
        """A merely user-installed app speaks with the person's own permissions (application.mdx:196)."""
        if not interaction.user_installed_only or interaction.channel.guild is None:
            return False
        needed = interaction.channel.to_write | Permission.USE_EXTERNAL_APPS
        return permissions_in(interaction.channel, interaction.person) & needed != needed

    def get(self, x: Exchange) -> Reply:
        return Reply(200, self._message(x)[1].now)

    def edit(self, x: Exchange) -> Reply:
        interaction, message = self._message(x)
        return Reply(200, self._posts.edit(message, x.body, x.files, limit=interaction.upload_limit).now)

    def delete(self, x: Exchange) -> Reply:
        self._posts.delete(self._message(x)[1])
        return Reply(204)

    def follow_up(self, x: Exchange) -> Reply:
        interaction = self._interaction(x)
        original, limit = interaction.message, interaction.upload_limit
        if original is not None and original.is_loading and not original.deleted:
            # receiving-and-responding.mdx:479: right after a defer it is an edit of the original
            return Reply(200, self._posts.edit(original, x.body, x.files, limit=limit).now)
        if interaction.user_installed_only and len(interaction.followups) >= USER_INSTALL_FOLLOWUPS:
            raise refusal(Code.TOO_MANY_FOLLOWUPS)
        hidden = (x.body.get("flags") or 0) & Flag.EPHEMERAL or self._must_be_hidden(interaction)
        message = self._posts.send(
            interaction.channel, self._world.bot, x.body, x.files, limit=limit, interaction=interaction,
            ephemeral_for=interaction.person if hidden else None,
        )  # fmt: skip
        interaction.followups.append(message)
        return Reply(200, message.now)

    def _interaction(self, x: Exchange) -> Interaction:
        if x.params["webhook_id"] != str(self._world.bot.id):
            raise refusal(Code.UNKNOWN_WEBHOOK)
        interaction = self._by_token.get(x.params["webhook_token"])
        if interaction is None or interaction.is_token_dead(self._world.clock()):
            raise refusal(Code.INVALID_WEBHOOK_TOKEN)
        if interaction.channel.id not in self._world.channels:
            raise refusal(Code.UNKNOWN_CHANNEL)
        if not interaction.answered.is_set():
            raise refusal(Code.UNKNOWN_WEBHOOK)
        return interaction

    def _message(self, x: Exchange) -> tuple[Interaction, Message]:
        interaction = self._interaction(x)
        message = interaction.message
        if (key := x.params.get("message_id", "@original")) != "@original":
            ours = [message, *interaction.followups]
            message = next((one for one in ours if one is not None and str(one.id) == key), None)
        if message is None or message.deleted:
            raise refusal(Code.UNKNOWN_MESSAGE)
        return interaction, message


def _callback_response(interaction: Interaction, answer: Answer) -> Wire:
    told: Wire = {"id": str(interaction.id), "type": interaction.kind}
    if (message := interaction.message) is None:
        return {"interaction": told}
    told |= {
        "response_message_id": str(message.id),
        "response_message_loading": message.is_loading,
        "response_message_ephemeral": message.is_ephemeral,
        "channel_id": str(message.channel.id),
    }
    if answer not in (Answer.MESSAGE, Answer.UPDATE_MESSAGE):
        return {"interaction": told}
    return {"interaction": told, "resource": {"type": int(answer), "message": message.now}}
