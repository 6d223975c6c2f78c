"""What is said: messages with every revision, the files in them, interactions and their answers."""

import asyncio
import enum
from dataclasses import dataclass, field

from sandbox.discord.components import Kind, media_of, walk
from sandbox.discord.rules import Flag
from sandbox.discord.wire import Wire
from sandbox.discord.world import Channel, Person

FIRST_ANSWER_S = 3.0  # receiving-and-responding.mdx:351
SPOILER = "SPOILER_"
"""Discord's client puts this before the name of a file that is covered until it is clicked."""
_IS_SPOILER = 1 << 3  # message.mdx#attachment-object-attachment-flags
TOKEN_S = 15 * 60.0  # receiving-and-responding.mdx:432


@dataclass(eq=False, slots=True)
class StoredFile:
    """A file Discord holds. `gone`: its message was deleted, the CDN does not serve it any more."""

    id: int
    filename: str
    content_type: str
    data: bytes = field(repr=False)
    url: str
    width: int | None = None
    height: int | None = None
    ephemeral: bool = False
    description: str | None = None
    gone: bool = False
    spoiler: bool = False

    @property
    def size(self) -> int:
        return len(self.data)

    def wire(self) -> Wire:
        wire: Wire = {
            "id": str(self.id), "filename": self.filename, "size": self.size, "url": self.url,
            "proxy_url": self.url, "content_type": self.content_type,
            "flags": _IS_SPOILER if self.spoiler else 0,
        }  # fmt: skip
        if self.width is not None:
            wire |= {"width": self.width, "height": self.height}
        if self.description is not None:
            wire["description"] = self.description
        return wire | ({"ephemeral": True} if self.ephemeral else {})


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    custom_id: str | None
    url: str | None
    style: int
    disabled: bool


@dataclass(eq=False, slots=True)
class Message:
    """`revisions` are the payloads as Discord would answer with them, oldest first."""

    id: int
    channel: Channel
    author: Person
    ephemeral_for: Person | None = None
    revisions: list[Wire] = field(default_factory=list)
    files: dict[int, StoredFile] = field(default_factory=dict)
    pinged: list[int] = field(default_factory=list)
    """Who got a notification when it was sent; edits notify nobody."""
    deleted: bool = False

    @property
    def channel_id(self) -> int:
        return self.channel.id

    @property
    def now(self) -> Wire:
        return self.revisions[-1]

    @property
    def flags(self) -> Flag:
        return Flag(self.now["flags"])

    @property
    def is_ephemeral(self) -> bool:
        return self.ephemeral_for is not None

    @property
    def is_loading(self) -> bool:
        return bool(self.flags & Flag.LOADING)

    def text(self, revision: int = -1) -> str:
        """All text of a revision, the current one unless said otherwise: content, embeds, text displays."""
        wire = self.revisions[revision]
        lines = [wire["content"]]
        lines += [embed.get(name) or "" for embed in wire["embeds"] for name in ("title", "description")]
        lines += [c["content"] for c in walk(wire["components"]) if c["type"] == Kind.TEXT]
        return "\n".join(line for line in lines if line)

    @property
    def media(self) -> list[StoredFile]:
        """The files one sees: the attachments, or with Components V2 those a component shows."""
        shown = [one["id"] for one in self.now["attachments"]]
        shown += [one["attachment_id"] for one in media_of(self.now["components"]) if "attachment_id" in one]
        return [self.files[int(key)] for key in shown if int(key) in self.files]

    @property
    def attachments(self) -> list[StoredFile]:
        """All files it holds, shown or not."""
        return list(self.files.values())

    @property
    def buttons(self) -> list[Button]:
        return [
            Button(c.get("label", ""), c.get("custom_id"), c.get("url"), c["style"], bool(c.get("disabled")))
            for c in walk(self.now["components"])
            if c["type"] == Kind.BUTTON
        ]

    def is_shown_to(self, person: Person) -> bool:
        return not self.deleted and self.ephemeral_for in (None, person)


class NotAnswered(AssertionError):
    """The application did not respond within Discord's three seconds."""


class InteractionKind:
    """receiving-and-responding.mdx#interaction-object-interaction-type."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL_SUBMIT = 5


class Answer(enum.IntEnum):
    """receiving-and-responding.mdx#interaction-response-object-interaction-callback-type."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE_MESSAGE = 7
    CHOICES = 8
    MODAL = 9


@dataclass(eq=False, slots=True)
class Interaction:
    """Something a person did that asks the bot for an answer."""

    id: int
    token: str
    kind: int
    person: Person
    channel: Channel
    created_at: float
    payload: Wire
    upload_limit: int
    user_installed_only: bool = False
    source: Message | None = None
    """The message whose button was pressed, also for the modal that the press opened."""
    opener: "Interaction | None" = None
    """What the submitted modal was the answer to."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    answered_at: float | None = None
    response_type: int | None = None
    response_data: Wire = field(default_factory=dict)
    """The `data` of the first answer: choices, or a modal as the client shows it."""
    submitted: "Interaction | None" = None
    """The last submit of that modal."""
    message: Message | None = None
    """What `@original` is: the message of the first answer, or the one whose button was pressed."""
    followups: list[Message] = field(default_factory=list)
    killed: bool = False

    @property
    def owners(self) -> Wire:
        owners: Wire = self.payload["authorizing_integration_owners"]
        return owners

    @property
    def has_modal_open(self) -> bool:
        """The client closes a modal once its submit is answered; until then it can be submitted again."""
        is_modal = self.response_type == Answer.MODAL
        return is_modal and not (self.submitted is not None and self.submitted.answered.is_set())

    @property
    def is_ephemeral(self) -> bool:
        return self.message is not None and self.message.is_ephemeral

    def is_token_dead(self, now: float) -> bool:
        return self.killed or now > self.created_at + TOKEN_S

    def metadata(self, *, original: Message | None = None) -> Wire:
        """`interaction_metadata` of the messages it brings about."""
        wire: Wire = {
            "id": str(self.id), "type": self.kind, "user": self.person.wire(),
            "authorizing_integration_owners": self.owners,
        }  # fmt: skip
        if self.kind == InteractionKind.COMMAND:
            wire["name"] = self.payload["data"]["name"]
        if self.opener is not None:
            wire["triggering_interaction_metadata"] = self.opener.metadata()
        elif self.source is not None:
            wire["interacted_message_id"] = str(self.source.id)
        return wire | ({"original_response_message_id": str(original.id)} if original else {})

    async def answer(self, timeout: float = 3.5) -> Message | None:  # noqa: ASYNC109 - a fixed name
        """The message of the first answer; None if the answer was none (a modal). Raises `NotAnswered`."""
        try:
            async with asyncio.timeout(timeout):
                await self.answered.wait()
        except TimeoutError:
            raise NotAnswered("The application did not respond") from None
        return self.message
