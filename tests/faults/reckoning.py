"""The reckoning: what was paid and shown, kept apart from the bot, against what the bot's store says. Pure.

Each promise that does not hold is a sentence; what is allowed but worth knowing is counted by its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["card", "refused", "nothing"]

OPEN = frozenset({"waiting", "submitting", "rendering", "delivering"})
OFFERED = frozenset({"undelivered"})
"""Over, and yet offered again and again while the file is kept: the card stays open for that."""
INVALID_AT_MOST = 3
"""401 and 403 of one job in one life of the bot: 10,000 in ten minutes bar the address (rate-limits.mdx:130)."""
MISSING_AT_MOST = 4
"""404 likewise: a first answer that is not there is looked for twice."""
UPLOAD_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Command:
    """One /animate and what its member saw of it. `excuse`: why it may have got nothing, or None."""

    prompt: str
    member: int
    outcome: Outcome
    excuse: str | None = None
    also_refused: bool = False
    """Told that nothing was started, although there is a card."""
    passing_card: str | None = None
    """What the card says where it still shows work under way, though some way to it was open."""
    card_out_of_reach: str | None = None
    """Why no way to it was open any more, where it does."""
    spoiler: bool = False
    """Its picture is covered until somebody clicks it."""
    said_delete: bool = False
    """Its member has said that the video is to be deleted for good."""
    only_me: bool = False
    """Nobody else is to see it."""


@dataclass(frozen=True, slots=True)
class Paid:
    """One job that a provider made."""

    prompt: str
    video: bytes | None = field(default=None, repr=False)
    """None where none came of it."""
    is_gone: bool = False
    """The provider does not have the file any more."""
    is_charged: bool = True
    """A cancelled one may be free."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A file in a message of the bot. `only_to`: a member, or None for all of the channel."""

    filename: str
    content: bytes = field(repr=False)
    only_to: int | None = None
    channel: int = 0
    after_removal: bool = False
    """In a server's channel, after the job's card had been removed there."""
    taken_away: bool = False
    """By the bot itself, because somebody had asked for that: nobody sees it any more."""
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A job as the bot's store has it in the end."""

    job: int
    key: str
    prompt: str
    state: str
    failure: str | None = None
    card_finished: bool = True
    file: bytes | None = field(default=None, repr=False)
    """The video kept on disk."""
    unknown_because: str | None = None
    undelivered_because: str | None = None
    deleted: bool = False
    """Its video is said to be deleted for good."""
    provider: str = "none"
    """Who it was sent to in the end."""


@dataclass(frozen=True, slots=True)
class Account:
    """All that is compared."""

    commands: tuple[Command, ...] = ()
    paid: tuple[Paid, ...] = ()
    shown: tuple[Shown, ...] = ()
    stored: tuple[Stored, ...] = ()
    book_differences: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    """Where a secret was found, and whose."""
    invalid: Mapping[str, int] = field(default_factory=dict)
    """Requests answered 401 or 403 by Discord itself, by job and life."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """Requests answered 404, likewise."""
    strange: tuple[str, ...] = ()
    """What else is broken, found on the way: a bot that does not end, a route nobody knows."""
    last: tuple[str, ...] = ()
    """What is wrong with the request that somebody makes when all is well again."""


@dataclass(slots=True)
class Verdict:
    """What came out. `broken` has every sentence; the lists before it those of each promise."""

    paid_twice: list[str] = field(default_factory=list)
    charged_and_refunded: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    ledger: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    passing: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    hammered: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    jobs: int = 0
    paid: int = 0
    states: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    undelivered: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    shown_again: Counter[str] = field(default_factory=Counter)
    """Videos that stand in more than one message of a channel, by where."""
    out_of_reach: Counter[str] = field(default_factory=Counter)
    """Cards at a passing state to which no way was open any more, and why."""
    most_invalid: int = 0
    most_missing: int = 0
    providers: dict[str, Counter[str]] = field(default_factory=dict)
    """By the provider that a job was sent to: jobs, what was charged, each state, each promise that was broken."""

    @property
    def broken(self) -> list[str]:
        """Every promise that does not hold, a sentence each."""
        return [f"{promise}: {each}" for promise, found in self.promises.items() for each in found]

    @property
    def promises(self) -> dict[str, list[str]]:
        """The sentences by what was promised."""
        return {
            "paid twice": self.paid_twice,
            "charged and refunded": self.charged_and_refunded,
            "lost": self.lost,
            "ledger": self.ledger,
            "unfinished": self.unfinished,
            "answer": self.answers,
            "passing": self.passing,
            "secret": self.secrets,
            "hammered": self.hammered,
            "strange": self.strange,
        }


def reckon(account: Account) -> Verdict:
    """Holds the two accounts against each other."""
    stored = {job.prompt: job for job in account.stored}
    videos = {paid.prompt: paid for paid in account.paid}
    verdict = Verdict(
        paid_twice=list(_paid_twice(account.paid)),
        charged_and_refunded=list(_charged_and_refunded(account.paid, stored)),
        lost=[*_lost(account, stored), *_misplaced(account), *_without_pay(account.stored, videos)],
        ledger=list(account.book_differences),
        unfinished=list(_unfinished(account.stored)),
        answers=[*_answers(account, stored, videos), *_uncovered(account, stored), *account.last],
        passing=list(_passing(account, stored)),
        secrets=list(account.secrets),
        hammered=[
            *_over(account.invalid, INVALID_AT_MOST, "401 or 403"),
            *_over(account.missing, MISSING_AT_MOST, "404"),
        ],
        strange=[*account.strange, *_without_reason(account.stored)],
        jobs=len(account.stored),
        paid=sum(paid.is_charged for paid in account.paid),
        states=Counter(job.state for job in account.stored),
        outcomes=Counter(command.outcome for command in account.commands),
        unknown=Counter(job.unknown_because or "?" for job in account.stored if job.state == "unknown"),
        undelivered=Counter(job.undelivered_because or "?" for job in account.stored if job.state == "undelivered"),
        unanswered=Counter(each.excuse or "?" for each in account.commands if each.outcome == "nothing"),
        shown_again=_shown_again(account.shown),
        out_of_reach=Counter(each.card_out_of_reach for each in account.commands if each.card_out_of_reach),
        most_invalid=max(account.invalid.values(), default=0),
        most_missing=max(account.missing.values(), default=0),
    )
    verdict.providers = _by_provider(account, verdict)
    return verdict


def _by_provider(account: Account, verdict: Verdict) -> dict[str, Counter[str]]:
    """Each sentence names the prompt of its job."""
    found: dict[str, Counter[str]] = {job.provider: Counter() for job in account.stored}
    for job in account.stored:
        counts, name = found[job.provider], repr(job.prompt)
        counts.update(["jobs", job.state])
        counts["charged"] += sum(paid.is_charged and paid.prompt == job.prompt for paid in account.paid)
        for promise, sentences in verdict.promises.items():
            counts[promise] += sum(name in sentence for sentence in sentences)
    return found


def _paid_twice(paid: Iterable[Paid]) -> Iterator[str]:
    for prompt, times in Counter(each.prompt for each in paid if each.is_charged).items():
        if times > 1:
            yield f"{prompt!r} was charged for {times} times"


def _charged_and_refunded(paid: Iterable[Paid], stored: Mapping[str, Stored]) -> Iterator[str]:
    """Server and budget get their credits back for a cancelled job, so nothing may be charged for it."""
    for each in paid:
        job = stored.get(each.prompt)
        if each.is_charged and job is not None and job.state == "cancelled":
            yield f"{each.prompt!r} is cancelled and refunded, and was charged for"


def _lost(account: Account, stored: Mapping[str, Stored]) -> Iterator[str]:
    """Every finished video is with its member, or kept for them; but for those whose outcome nobody could know."""
    members = {command.prompt: command.member for command in account.commands}
    unwanted = {command.prompt for command in account.commands if command.said_delete}
    for paid in account.paid:
        job = stored.get(paid.prompt)
        if job is None:
            yield f"{paid.prompt!r} was paid for, and the store has no such job"
            continue
        if paid.video is None or job.state == "unknown" or job.state in OPEN:
            continue
        if job.deleted and paid.prompt in unwanted:
            continue
        is_shown = any(_is_it(each, job, paid, members[paid.prompt]) for each in account.shown)
        is_kept = job.file is not None and job.file.startswith(paid.video)
        is_safe = {
            "delivered": is_shown or is_kept,
            "undelivered": is_kept,
            "failed": paid.is_gone and job.failure == "result_gone",
        }
        if not is_safe.get(job.state, False):
            kept = "nothing is kept" if job.file is None else f"{len(job.file)} bytes are kept"
            seen = "has it" if is_shown else "does not have it"
            yield f"{paid.prompt!r} is {job.state} ({job.failure}), the member {seen}, and {kept}"


def _is_it(shown: Shown, job: Stored, paid: Paid, member: int) -> bool:
    assert paid.video is not None
    if shown.only_to not in (None, member) or shown.taken_away:
        return False
    made_smaller = len(paid.video) > UPLOAD_LIMIT and job.key in shown.filename and shown.content[4:8] == b"ftyp"
    return shown.content.startswith(paid.video) or made_smaller


def _over(counts: Mapping[str, int], most: int, answer: str) -> Iterator[str]:
    yield from (f"{who}: {count} requests answered {answer}" for who, count in counts.items() if count > most)


def _shown_again(shown: Iterable[Shown]) -> Counter[str]:
    places = Counter((each.content, each.channel, each.only_to) for each in shown)
    return Counter(
        "to the member alone" if only_to else "in a channel" for (_, _, only_to), n in places.items() if n > 1
    )


def _misplaced(account: Account) -> Iterator[str]:
    """Nobody is shown another's video privately, and nothing new comes where a card was removed."""
    owner = {paid.video: paid.prompt for paid in account.paid if paid.video is not None}
    members = {command.prompt: command.member for command in account.commands}
    for shown in account.shown:
        prompt = owner.get(shown.content)
        if prompt is None:
            continue
        if shown.only_to is not None and shown.only_to != members.get(prompt):
            yield f"{prompt!r} was shown to {shown.only_to}, whose it is not"
        if shown.after_removal:
            yield f"{prompt!r} was posted in the channel {shown.channel} after its card had been taken away there"


def _without_pay(stored: Iterable[Stored], videos: Mapping[str, Paid]) -> Iterator[str]:
    for job in stored:
        if job.state in {"delivered", "undelivered"} and job.prompt not in videos:
            yield f"job {job.job} is {job.state}, and the provider never made it"


def _unfinished(stored: Iterable[Stored]) -> Iterator[str]:
    for job in stored:
        if job.state in OPEN:
            yield f"job {job.job} ({job.prompt!r}) is still {job.state}"
        elif not job.card_finished and job.state not in OFFERED:
            yield f"job {job.job} ({job.prompt!r}) is {job.state}, and its card is not closed"


def _answers(account: Account, stored: Mapping[str, Stored], videos: Mapping[str, Paid]) -> Iterator[str]:
    """A card, a private refusal, or (only with an excuse) nothing; and the money goes with the answer."""
    for command in account.commands:
        job, name = stored.get(command.prompt), repr(command.prompt)
        is_cancelled = job is not None and job.state == "cancelled"
        if command.outcome == "nothing" and command.excuse is None:
            yield f"{name} got no answer, though the bot was up and Discord well"
        if command.outcome == "card" and job is None:
            yield f"{name} has a card, and the store has no such job"
        if command.outcome == "card" and command.also_refused and not is_cancelled:
            yield f"{name} has a card, and its member was told that nothing was started"
        if command.outcome != "card" and command.prompt in videos:
            yield f"{name} was paid for, and its member has seen {command.outcome}"
        if command.outcome != "card" and job is not None and not is_cancelled:
            yield f"{name} is {job.state}, and its member has seen {command.outcome}"


def _passing(account: Account, stored: Mapping[str, Stored]) -> Iterator[str]:
    """No card says that something is under way when nothing is.

    What was cancelled because its card could not be found cannot be told so on that card.
    """
    for command in account.commands:
        job = stored.get(command.prompt)
        if command.passing_card is None or job is None or job.state in OPEN or job.failure == "no_card":
            continue
        yield f"{command.prompt!r} is {job.state}, and its card still says {command.passing_card!r}"


def _uncovered(account: Account, stored: Mapping[str, Stored]) -> Iterator[str]:
    """The video of a covered picture is covered wherever others might see it; they see none that is not for them."""
    covered = {command.prompt for command in account.commands if command.spoiler}
    private = {command.prompt for command in account.commands if command.only_me}
    by_key = {job.key: prompt for prompt, job in stored.items()}
    for shown in account.shown:
        prompt = next((prompt for key, prompt in by_key.items() if key in shown.filename), None)
        if prompt in covered and not shown.spoiler and shown.only_to is None:
            yield f"{prompt!r} is of a covered picture, and its video was shown to everybody uncovered"
        if prompt in private and shown.only_to is None:
            yield f"{prompt!r} is for its member alone, and its video was shown to everybody"


def _without_reason(stored: Iterable[Stored]) -> Iterator[str]:
    for job in stored:
        if job.state == "unknown" and job.unknown_because is None:
            yield f"job {job.job} ({job.prompt!r}) is unknown at {job.provider}, which could have been asked"
        if job.state == "undelivered" and job.undelivered_because is None:
            yield f"job {job.job} ({job.prompt!r}) is undelivered, and the way to its member was open"
