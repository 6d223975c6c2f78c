"""Sending, editing and deleting messages, whichever route asked: one place for the rules of messages."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.discord.cdn import Cdn, Upload
from sandbox.discord.cdn import sent as sent_upload
from sandbox.discord.components import ATTACHMENT, Check, Kind, render, walk
from sandbox.discord.exchange import SentFile
from sandbox.discord.messages import Interaction, Message, StoredFile
from sandbox.discord.permissions import Permission
from sandbox.discord.rules import (
    FILES_LIMIT,
    Code,
    Flag,
    Form,
    add_legacy_fault,
    check_legacy,
    invalid,
    mentions,
    refusal,
)
from sandbox.discord.wire import Wire, iso
from sandbox.discord.world import Channel, Person, World, permissions_in

_FORWARDED = ("type", "content", "mentions", "mention_roles", "attachments", "embeds", "timestamp",
              "edited_timestamp", "flags", "components")  # fmt: skip
_SETTABLE = Flag.SUPPRESS_EMBEDS | Flag.SUPPRESS_NOTIFICATIONS | Flag.COMPONENTS_V2


@dataclass(slots=True)
class _Draft:
    """What a message is to become, checked but not yet stored."""

    body: Wire
    v2: bool
    kept: list[StoredFile] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    descriptions: dict[str, str | None] = field(default_factory=dict)
    spoilers: set[str] = field(default_factory=set)


class Posts:
    """All messages, by id and by channel."""

    def __init__(self, world: World, cdn: Cdn, changed: Callable[[], None]) -> None:
        self._world = world
        self._cdn = cdn
        self._changed = changed
        self.by_id: dict[int, Message] = {}
        self.by_channel: dict[int, list[Message]] = {}
        self.by_nonce: dict[tuple[int, str], tuple[float, Message]] = {}
        """By channel and nonce: when it was sent, and the message."""

    def send(
        self,
        channel: Channel,
        author: Person,
        body: Wire,
        files: list[SentFile],
        *,
        limit: int,
        interaction: Interaction | None = None,
        ephemeral_for: Person | None = None,
    ) -> Message:
        draft = _check(body, files, None, self._taken(limit))
        self._open(channel, author, ephemeral=ephemeral_for is not None)
        message = Message(self._world.new_id(), channel, author, ephemeral_for)
        wire = self._blank(message, interaction) | self._written(message, draft, Flag(0))
        if body.get("message_reference"):
            wire |= {
                "type": 19,
                "message_reference": {"type": 0, "channel_id": str(channel.id)} | body["message_reference"],
            }
        if body.get("nonce") is not None:
            wire["nonce"] = nonce = str(body["nonce"])
            self.by_nonce[channel.id, nonce] = (self._world.clock(), message)
        message.pinged = [int(user["id"]) for user in wire["mentions"]]
        return self._keep(message, wire)

    def load(self, interaction: Interaction, ephemeral_for: Person | None) -> Message:
        """The "thinking" message of a deferred answer."""
        self._open(interaction.channel, self._world.bot, ephemeral=ephemeral_for is not None)
        message = Message(self._world.new_id(), interaction.channel, self._world.bot, ephemeral_for)
        wire = self._blank(message, interaction)
        wire["flags"] = int(Flag.LOADING | (Flag.EPHEMERAL if ephemeral_for else Flag(0)))
        return self._keep(message, wire)

    def edit(self, message: Message, body: Wire, files: list[SentFile], *, limit: int) -> Message:
        if not message.is_ephemeral and (message.channel.archived or message.channel.locked):
            raise refusal(Code.THREAD_ARCHIVED)
        draft = _check(body, files, message, self._taken(limit))
        was_loading = message.is_loading
        wire = message.now | self._written(message, draft, message.flags)
        wire["edited_timestamp"] = None if was_loading else iso(self._world.clock())
        message.revisions.append(wire)
        self._changed()
        return message

    def delete(self, message: Message) -> None:
        message.deleted = True
        for file in message.files.values():
            file.gone = True
        self._changed()

    def forward(self, channel: Channel, author: Person, message: Message) -> Message:
        """A message sent on: nothing of its own, and what was said there as a snapshot."""
        forwarded = Message(self._world.new_id(), channel, author)
        there = {"type": 1, "message_id": str(message.id), "channel_id": str(message.channel.id)}
        told = {"message": {name: message.now[name] for name in _FORWARDED}}
        wire = {"message_reference": there, "message_snapshots": [told], "flags": int(Flag.HAS_SNAPSHOT)}
        return self._keep(forwarded, self._blank(forwarded, None) | wire)

    def _taken(self, announced: int) -> int:
        return announced if self._world.taken_bytes is None else min(announced, self._world.taken_bytes)

    def _open(self, channel: Channel, author: Person, *, ephemeral: bool) -> None:
        """A message opens an archived thread, unless that is locked (topics/threads.mdx#active--archived-threads)."""
        if ephemeral:
            return
        if channel.locked and not permissions_in(channel, author) & Permission.MANAGE_THREADS:
            raise refusal(Code.THREAD_ARCHIVED)
        if channel.archived:
            self._world.set_thread(channel, archived=False, locked=channel.locked)

    def _keep(self, message: Message, wire: Wire) -> Message:
        message.revisions.append(wire)
        self.by_id[message.id] = message
        self.by_channel.setdefault(message.channel.id, []).append(message)
        self._changed()
        return message

    def _blank(self, message: Message, interaction: Interaction | None) -> Wire:
        wire: Wire = {
            "id": str(message.id), "channel_id": str(message.channel.id), "author": message.author.wire(),
            "type": 0, "content": "", "timestamp": iso(self._world.clock()), "edited_timestamp": None,
            "tts": False, "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [],
            "embeds": [], "components": [], "pinned": False, "flags": 0,
        }  # fmt: skip
        if interaction is not None:
            application = str(self._world.bot.id)
            wire |= {
                "type": 20, "application_id": application, "webhook_id": application,
                "interaction_metadata": interaction.metadata(original=interaction.message),
            }  # fmt: skip
        return wire

    def _written(self, message: Message, draft: _Draft, before: Flag) -> Wire:
        """The parts of the payload a request decides, and the files stored."""
        folder = f"/attachments/{message.channel.id}"
        stored = [self._cdn.store(upload, folder) for upload in draft.uploads]
        for file in stored:
            file.description = draft.descriptions.get(file.filename)
            file.spoiler |= file.filename in draft.spoilers
        message.files = {file.id: file for file in (*draft.kept, *stored)}
        by_name = {file.filename: file for file in message.files.values()}
        flags = before & ~Flag.LOADING | Flag(draft.body.get("flags") or 0) & _SETTABLE
        flags |= Flag.EPHEMERAL if message.is_ephemeral else Flag(0)
        wire: Wire = {"flags": int(flags), "attachments": []}
        if not draft.v2:
            wire["attachments"] = [file.wire() for file in message.files.values()]
        if "content" in draft.body:
            wire["content"] = draft.body["content"] or ""
        if "embeds" in draft.body:
            wire["embeds"] = [{"type": "rich"} | embed for embed in draft.body["embeds"] or []]
        if "components" in draft.body:
            sizes = {name: file.size for name, file in by_name.items()}
            media = functools.partial(self._media, by_name)
            wire["components"] = render(draft.body["components"] or [], media, sizes)
        return wire | self._mentioned(draft)

    def _media(self, by_name: dict[str, StoredFile], url: str) -> Wire:
        media: Wire = {"id": str(self._world.new_id()), "url": url, "proxy_url": url,
                       "width": None, "height": None, "content_type": None}  # fmt: skip
        if url.startswith(ATTACHMENT):
            file = by_name[url.removeprefix(ATTACHMENT)]
            media |= {"url": file.url, "proxy_url": file.url, "width": file.width, "height": file.height,
                      "content_type": file.content_type, "attachment_id": str(file.id)}  # fmt: skip
        return media

    def _mentioned(self, draft: _Draft) -> Wire:
        if "content" not in draft.body and "components" not in draft.body:
            return {}
        texts = [draft.body.get("content") or ""]
        texts += [c["content"] for c in walk(draft.body.get("components") or []) if c["type"] == Kind.TEXT]
        allowed = draft.body.get("allowed_mentions")
        users, roles, everyone = mentions("\n".join(texts), allowed)
        reference = (draft.body.get("message_reference") or {}).get("message_id")
        if reference and (allowed is None or allowed.get("replied_user")):
            users = sorted({*users, self.by_id[int(reference)].author.id})
        people = self._world.people.values() if users else ()
        return {
            "mentions": [person.wire() for person in people if person.id in users],
            "mention_roles": [str(role) for role in roles],
            "mention_everyone": everyone,
        }


def _check(body: Wire, files: list[SentFile], before: Message | None, limit: int) -> _Draft:
    """The whole of what Discord demands of a message body. Raises the refusal."""
    if any(file.size > limit for file in files):
        raise refusal(Code.TOO_LARGE)
    was_v2 = before is not None and bool(before.flags & Flag.COMPONENTS_V2)
    draft = _Draft(body, was_v2 or bool((body.get("flags") or 0) & Flag.COMPONENTS_V2))
    form = Form()
    check_legacy(form, body, v2=draft.v2)
    if before is not None and draft.v2 and not was_v2:
        for name in ("content", "embeds"):
            if before.now[name] and name not in body:  # message.mdx:1209: they must be nulled
                add_legacy_fault(form, name)
    _choose_files(draft, files, before, form)
    # An `attachment://` is looked up among the files the request lists; a V2 edit that lists none finds none
    # (discord-api-docs#7529), though an upload came with it.
    unlisted = before is not None and draft.v2 and body.get("attachments") is None
    names = [] if unlisted else [(f.filename, f.content_type) for f in draft.kept]
    names += [] if unlisted else [(u.filename, u.guessed_type) for u in draft.uploads]
    Check(form, dict(names), v2=draft.v2).run(body.get("components") or [])
    form.settle()
    _check_something_is_said(draft, before)
    return draft


def _choose_files(draft: _Draft, files: list[SentFile], before: Message | None, form: Form) -> None:
    """Which files stay and which come. `attachments`, where given, lists all of both (message.mdx:1185)."""
    existing = dict(before.files) if before is not None else {}
    sent = {file.index: file for file in files}
    if (listed := draft.body.get("attachments")) is None and "attachments" not in draft.body:
        draft.kept = list(existing.values())
        listed = [{"id": index} for index in sent]
    for number, entry in enumerate(listed or []):
        key = int(entry["id"])
        if key in existing:
            draft.kept.append(existing[key])
        elif key in sent:
            upload = sent_upload(entry.get("filename") or sent[key].filename, sent[key].data)
            draft.uploads.append(upload)
            draft.descriptions[upload.filename] = entry.get("description")
            draft.spoilers |= {upload.filename} if entry.get("is_spoiler") else set()
        else:
            form.add(("attachments", number, "id"), "ATTACHMENT_NOT_FOUND", "Attachment data not found")
    if len(draft.kept) + len(draft.uploads) > FILES_LIMIT:
        form.add(("attachments",), "BASE_TYPE_MAX_LENGTH", f"Must be {FILES_LIMIT} or fewer in length.")


def _check_something_is_said(draft: _Draft, before: Message | None) -> None:
    now = before.now if before is not None else {"content": "", "embeds": [], "components": []}
    said = {
        name: draft.body.get(name) if name in draft.body else now[name] for name in ("content", "embeds", "components")
    }
    files = draft.kept or draft.uploads
    if not said["components"] if draft.v2 else not (any(said.values()) or files):
        raise refusal(Code.EMPTY_MESSAGE)


def with_reference_checked(posts: Posts, channel: Channel, body: Wire) -> Wire:
    """A reply to what is not there is refused, unless the request says it may go out as no reply."""
    reference = body["message_reference"]
    target = posts.by_id.get(int(reference.get("message_id") or 0))
    if target is None or target.deleted or target.is_ephemeral or target.channel is not channel:
        if reference.get("fail_if_not_exists", True):
            raise invalid(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return body | {"message_reference": None}
    return body
