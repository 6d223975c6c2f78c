"""From the stage to the account: what the local providers made, what the local Discord showed, what the store holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from signal import SIGTERM

from sandbox.discord.components import Kind, walk
from sandbox.discord.exchange import Exchange
from sandbox.discord.messages import Message
from sandbox.discord.permissions import Permission
from sandbox.discord.world import permissions_in
from sandbox.providers.jobs import VideoJob
from tests.faults import gifts
from tests.faults.keeper import ANSWERS_WITHIN_S
from tests.faults.place import CREDITS_SECRET
from tests.faults.reckoning import Account, Command, Shown, Stored
from tests.faults.scene import Asked, Scene, Sent, is_about
from tests.faults.takes import JOBS, Row, is_card, messages_of, name_of, paid, row_of
from tests.ledger_audit import differences

NOTHING_CHARGED = "othing was charged"
LEAST_MADE = 100_000
"""Of any video one can be made that is smaller than this."""
UNDER_WAY = ("In the queue", "Sending", "Rendering", "Almost ready")
STOPS_IN_S = 15.0
STARTS_IN_S = 4.0
"""Until then Python has no handler yet, and SIGTERM just ends it; nothing is under way."""
SLOW_CREATES = ("slow", "slow-early", "drip", "endless", "huge")
DEAD_TOKEN = 50027
KNOW_KEYS = ("comfy-router", "comfyui", "comfy-api")
"""Providers that can be asked for a job by a key of ours: none of theirs is to stay unknown."""
UNREACHABLE = "upstream_unreachable"
"""What the Comfy API says when it could not ask its ComfyUI."""
INVALID = frozenset({401, 403})
MISSING = frozenset({404})


def collect(scene: Scene) -> Account:
    """The account of a run whose bot has ended."""
    files = scene.place.stored()
    with scene.place.store() as connection:
        rows = [row_of(scene, *row) for row in list(connection.execute(JOBS))]
        book_differences = (*differences(connection), *gifts.differences(connection, scene.gifts))
    is_closed = {row.prompt: all(each.is_closed for each in rows if each.prompt == row.prompt) for row in rows}
    keeps_token = {row.prompt for row in rows if row.asked is not None and row.token == row.asked.interaction.token}
    stored = tuple(
        Stored(
            job=row.job,
            key=row.key,
            prompt=row.name,
            state=row.state,
            failure=row.failure,
            card_finished=row.is_closed,
            file=_kept(scene, row.job),
            unknown_because=_why_unknown(scene, row, provider := _name_of(scene, row.endpoint)),
            undelivered_because=_why_undelivered(scene, row),
            deleted=row.deleted,
            provider=provider,
        )
        for row in rows
    )
    return Account(
        commands=tuple(command for each in scene.asked for command in _commands(scene, each, rows)),
        paid=tuple(paid(scene, rows)),
        shown=tuple(_shown(scene)),
        stored=stored,
        book_differences=book_differences,
        secrets=tuple(_secrets(scene, files, is_closed, keeps_token)),
        invalid=_refused(scene, INVALID),
        missing=_refused(scene, MISSING),
        strange=tuple(_strange(scene, rows)),
        last=tuple(scene.last),
    )


def _kept(scene: Scene, job: int) -> bytes | None:
    """As it came from the provider, or as Discord had it."""
    paths = [scene.place.videos_kept / f"{job}{ending}" for ending in (".kept.mp4", ".mp4")]
    return next((path.read_bytes() for path in paths if path.is_file()), None)


def _commands(scene: Scene, asked: Asked, rows: list[Row]) -> Iterator[Command]:
    """One for each take that was reserved, and for a request of which nothing was."""
    mine = [row for row in rows if row.asked is asked]
    for row in mine or (None,):
        cards = [each for each in messages_of(asked) if is_card(each, "" if row is None else row.key)]
        refusals = [each for each in messages_of(asked) if each.is_ephemeral and not is_card(each)]
        told_nothing = any(NOTHING_CHARGED in each.text() for each in refusals)
        passing = _passing_head(cards[0]) if cards and row is not None else None
        out_of_reach = _why_out_of_reach(scene, asked, cards[0]) if cards else None
        yield Command(
            prompt=asked.prompt if row is None else row.name,
            member=asked.person.id,
            outcome="card" if cards else "refused" if refusals else "nothing",  # of all takes at once
            excuse=_excuse(scene, asked),
            also_refused=bool(cards) and told_nothing,
            passing_card=passing if out_of_reach is None else None,
            card_out_of_reach=out_of_reach if passing is not None else None,
            spoiler=asked.spoiler,
            said_delete=asked.prompt in scene.deleted,
            only_me=asked.only_me,
        )


def _passing_head(card: Message) -> str | None:
    """What a card says that still shows work under way."""
    head = card.text().split("\n", 1)[0]
    return head if not card.deleted and any(words in head for words in UNDER_WAY) else None


def _why_out_of_reach(scene: Scene, asked: Asked, card: Message) -> str | None:
    """Why no way to the card was open any more; None where one was open all the time, or is in the end."""
    world, channel = scene.place.discord.world, asked.interaction.channel
    if channel.id not in world.channels:
        return "its channel is gone"
    if channel.id in scene.locked:  # an archived one opens by a message
        return "its thread was locked"
    if not asked.interaction.is_token_dead(scene.place.discord_clock()):
        return None
    if card.is_ephemeral:
        return "its token died, and its member alone sees it"
    sees = permissions_in(channel, world.bot) & Permission.VIEW_CHANNEL
    return None if sees and channel.id not in scene.unseen else "its token died, and the bot could not see it"


def _excuse(scene: Scene, asked: Asked) -> str | None:
    """Why the command may have got nothing."""
    answers = [x for x in scene.place.discord.requests if x.route.endswith("/callback") and is_about(x, asked)]
    if any(id(x) in scene.spoiled for x in answers):
        return "Discord spoiled the answer"
    if (away := scene.keeper.why_unheard(asked.interaction.channel, asked.at)) is not None:
        return away
    if scene.was_barred(asked.at - 0.1, asked.at + ANSWERS_WITHIN_S):
        return "Discord barred the bot's address"
    if any(x.code == 50083 for x in answers):
        return "the thread was locked"
    if any(x.code == 10062 for x in answers):
        return "the interaction was late or dead"
    if any(x.code == 10003 for x in answers):
        return "the channel was gone"
    return None


def _shown(scene: Scene) -> Iterator[Shown]:
    people = scene.place.discord.world.people
    for message in scene.place.discord.history:
        if message.author is not scene.place.discord.world.bot:
            continue
        only_to = message.ephemeral_for
        if only_to is None and message.channel.guild is None and len(message.channel.people) == 2:
            only_to = next((each for each in people.values() if each in message.channel.people), None)
        for file in message.media:
            yield Shown(
                filename=file.filename,
                content=file.data,
                only_to=None if only_to is None else only_to.id,
                channel=message.channel.id,
                after_removal=only_to is None and _is_after_removal(scene, message, file.filename),
                taken_away=message.deleted and message.id not in scene.removed,
                spoiler=file.spoiler or _is_covered(message),
            )


def _is_covered(message: Message) -> bool:
    galleries = [each for each in walk(message.now["components"]) if each["type"] == Kind.GALLERY]
    items = [item for gallery in galleries for item in gallery["items"]]
    return bool(items) and all(item.get("spoiler") for item in items)


def _is_after_removal(scene: Scene, message: Message, filename: str) -> bool:
    """Whether this stands in a channel where the card of the same video had been removed before."""
    for asked in scene.asked:
        card = asked.interaction.message
        if card is None or not scene.is_removed(card) or card is message or card.channel is not message.channel:
            continue
        keys = [card.text(number) for number in range(len(card.revisions))]
        key = filename.removeprefix("SPOILER_").removeprefix("video-").removesuffix(".mp4")
        if key in keys[-1] and card.id in scene.gone and message.id > scene.gone[card.id]:
            return True
    return False


def _name_of(scene: Scene, endpoint: str | None) -> str:
    provider = scene.place.provider_at(endpoint)
    return "none" if provider is None else provider.name


def _why_unknown(scene: Scene, row: Row, provider: str) -> str | None:
    """What happened to the create of this job that its answer may be lost, and that nobody could be asked for it."""
    creates = [sent for sent in scene.sent if sent.prompt == row.prompt]
    if provider in KNOW_KEYS:
        if any(UNREACHABLE in str(sent.exchange.reply) for sent in creates):
            return "the API kept its key, and did not say whether ComfyUI had it"
        return "its provider's key, address or model was changed" if provider in scene.changed else None
    killed = [life for life in scene.keeper.lives if life.ended_at is not None and life.code not in (0, None)]
    if not creates:
        if killed:
            return "killed before its create arrived"
        return "the create was cut on its way" if scene.struck["provider outage"] else None
    latest = creates[-1:] if row.asked is None or row.asked.takes == 1 else creates  # nothing tells which is whose
    return next(filter(None, (_why_lost(scene, sent, row.job) for sent in latest)), None)


def _why_lost(scene: Scene, sent: Sent, job: int) -> str | None:
    exchange = sent.exchange
    if exchange.fault is not None:
        return f"its create met {exchange.fault}"
    if exchange.answer is None or exchange.cut:
        return "its create was cut"
    if exchange.status >= 500 or exchange.status in (408, 409):
        return f"its create was answered {exchange.status}"
    return scene.keeper.why_create_lost(sent, job)


def _why_undelivered(scene: Scene, row: Row) -> str | None:
    asked = row.asked
    if asked is None:
        return None
    interaction, world = asked.interaction, scene.place.discord.world
    card, channel = next(iter(row.messages), None), interaction.channel
    if card is None:
        return "there is no card"
    if scene.is_removed(card) or card.deleted:
        return "its card was taken away"
    if any(len(job.video or b"") > interaction.upload_limit for job in _made(scene, asked.prompt)):
        return "over the upload limit: the link alone"
    if scene.least_taken is not None and any(
        len(job.video or b"") > scene.least_taken for job in _made(scene, asked.prompt)
    ):
        return "Discord took less than it had announced"
    held = permissions_in(channel, world.bot)
    sees = channel.guild is None or bool(held & Permission.VIEW_CHANNEL)
    token_is_dead = interaction.is_token_dead(scene.place.discord_clock())
    if token_is_dead and (card.is_ephemeral or interaction.user_installed_only):
        return "its token died, and no other way led there"
    if token_is_dead and (not sees or scene.routes_cut or channel.id in scene.unseen):
        return "its token died, and the bot could not see or write there"
    if not asked.person.dms_open or scene.struck["DMs too fast"]:
        needed = channel.to_write | Permission.ATTACH_FILES
        if channel.guild is not None and held & needed != needed:
            return "the bot may not post files there, nor write to its member"
    if channel.id in scene.locked:
        return "its thread was locked"
    return "ways were cut" if scene.routes_cut else None


def _made(scene: Scene, prompt: str) -> list[VideoJob]:
    return [job for job in scene.place.made() if job.prompt == prompt]


def _secrets(scene: Scene, files: dict[str, bytes], is_closed: dict[str, bool], keeps_token: set[str]) -> Iterator[str]:
    place = scene.place
    log = place.log()
    messages = json.dumps([message.revisions for message in place.discord.history])
    yield from scene.leaks
    known = (
        [("the shop's secret", CREDITS_SECRET)]
        + [("the bot's token", each) for each in place.tokens]
        + [("the API key", each) for each in place.keys]
    )
    for name, secret in known:
        if secret in log:
            yield f"{name} is in the log"
        if secret in messages:
            yield f"{name} is in a message"
        yield from (f"{name} is in {file}" for file, content in files.items() if secret.encode() in content)
    for asked in scene.asked:
        token = asked.interaction.token
        if token in log:
            yield f"the interaction token of {asked.prompt!r} is in the log"
        if token in messages:
            yield f"the interaction token of {asked.prompt!r} is in a message"
        is_refused = any(x.code == DEAD_TOKEN and is_about(x, asked) for x in place.discord.requests)
        if is_refused and asked.prompt in keeps_token:
            yield f"the interaction token of {asked.prompt!r} is kept, though Discord said that it is dead"
        if is_closed.get(asked.prompt, True):
            found = [file for file, content in files.items() if token.encode() in content]
            yield from (f"the interaction token of {asked.prompt!r}, whose card is closed, is in {f}" for f in found)


def _refused(scene: Scene, statuses: frozenset[int]) -> Counter[str]:
    """Requests that Discord itself, and no fault, answered so, by what they were about and the life of the bot."""
    starts = [life.first_request for life in scene.keeper.lives]
    refused: Counter[str] = Counter()
    for number, x in enumerate(scene.place.discord.requests):
        if x.part == "api" and x.status in statuses and id(x) not in scene.spoiled:
            life = sum(start <= number for start in starts)
            refused[f"{_subject(scene, x)}, life {life}"] += 1
    return refused


def _subject(scene: Scene, x: Exchange) -> str:
    for asked in scene.asked:
        mine, message = [str(each.id) for each in messages_of(asked)], x.params.get("message_id")
        if is_about(x, asked) or message in mine:
            return repr(name_of(asked.prompt, mine.index(message) + 1 if message in mine and asked.takes > 1 else 1))
    if (interaction := x.params.get("interaction_id")) is not None:
        return f"{x.method} {x.route} of {interaction}"
    return f"{x.method} {x.path if x.route.startswith('/channels') else x.route}"


def _strange(scene: Scene, rows: list[Row]) -> Iterator[str]:
    for asked in scene.asked:
        reserved = sum(row.asked is asked for row in rows)
        if reserved not in (0, asked.takes):
            yield f"{reserved} of the {asked.takes} takes of {asked.prompt!r} were reserved"
    yield from (f"unknown route: {x.method} {x.path}" for x in scene.place.discord.unknown_routes)
    is_slow = any((sent.exchange.fault or "").endswith(SLOW_CREATES) for sent in scene.sent)
    ends_itself = scene.struck["token reset"] + scene.struck["freeze"]  # its token is refused, or it stood still
    for number, life in enumerate(scene.keeper.lives, 1):
        if life.wanted is not SIGTERM or life.asked_at is None or life.ended_at is None:
            continue
        was_starting = life.code == -SIGTERM and life.asked_at - life.begun_at < STARTS_IN_S
        was_ending = life.code == -SIGTERM and ends_itself > 0
        if life.code != 0 and not (was_starting or was_ending):
            yield f"life {number}: SIGTERM ended with code {life.code}"
        if life.ended_at - life.asked_at > STOPS_IN_S and not is_slow:
            yield f"life {number}: SIGTERM took {life.ended_at - life.asked_at:.0f} s with no slow create in flight"
