"""The longest of everything, in every language, is within what Discord takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest
from discord import ui
from discord.components import _component_factory

from bot.catalog import Catalog, Model
from bot.chat import failures, limits, refusals, text
from bot.chat.cards import Cards, Shown, here, key_of
from bot.chat.videos import PER_PAGE, video_list
from bot.errors import PictureRefused, ReservationRefused
from bot.i18n.translations import FILES, TranslationCatalog, Translations
from bot.images import precheck
from bot.jobs.chat_protocol import Due, HoldReason, Progress, QueuePosition
from bot.models import Balance, FailureKind, Job, JobState, Limit, Period, RefusalReason, UserId, VideoSpec
from tests.builders import NOON, a_card, a_job, a_spec

TEXT = 4_000
COMPONENTS = 40
BUTTON = 80
SOMEBODY = UserId(1_234_567_890_123_456_789)
LABEL = "x" * 100
LONGEST = Model("wan", LABEL, (12,), {"1792x1024": 1_000_000}, {})
LANGUAGES = TranslationCatalog()
CREDITS_ARE_BACK = ("Your {n} credit is back.", "Your {n} credits are back.")
CARDS = Cards(Catalog([LONGEST], "wan"), LANGUAGES)


POSITIONS = [
    QueuePosition(position=10_000, starts_at=NOON),
    QueuePosition(position=10_000),
    *(QueuePosition(hold_reason=hold) for hold in HoldReason),
]
PROGRESSES = [Progress(99, due, NOON) for due in (None, *Due)]


@pytest.fixture(name="locale", params=["en-US", *FILES])
def _locale(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="translations")
def _translations(locale: str) -> Translations:
    return LANGUAGES.of(locale)


def longest(locale: str, **changes: Any) -> Job:
    """A job with all that can be long at its longest."""
    job = a_job(
        member=SOMEBODY,
        key="7k3m9qz",
        spec=a_spec(model="wan", prompt="x" * 2_000, seconds=12, size="1792x1024", credits=12_000_000),
        card=a_card(locale=locale, member_locale=locale),
        result_url="https://v.example/".ljust(text.URL_SHOWN - 1, "a"),
        result_expires_at=NOON + timedelta(hours=1),
    )
    return job.evolve(**changes)


def every_card(locale: str) -> Iterator[ui.LayoutView]:
    for state in JobState:
        job = longest(locale, state=state)
        for progress_view in (None, *POSITIONS, *PROGRESSES):
            yield CARDS.progress(Shown(job, progress_view, 360_000))
            yield CARDS.progress(Shown(job, progress_view, 360_000, leaving=True))
        yield CARDS.ended(job)
    for kind in FailureKind:
        yield CARDS.ended(longest(locale, state=JobState.FAILED, failure=kind))
    job = longest(locale)
    for alone in (False, True):
        yield CARDS.delivered(job, "video-7k3m9qz.mp4", reencoded=True, alone=alone)
    yield CARDS.posted(job)
    for one in (job, job.evolve(result_url=None)):
        yield CARDS.link_only(one, 2**40, NOON)
        yield CARDS.not_fetched(one)
    yield CARDS.kept(job, NOON)


def every_list(locale: str) -> Iterator[ui.LayoutView]:
    translations, catalog = LANGUAGES.of(locale), Catalog([LONGEST], "wan")
    ends = [(state, None) for state in JobState] + [(JobState.FAILED, kind) for kind in FailureKind]
    for state, failure in ends:
        jobs = [longest(locale, state=state, failure=failure)] * (PER_PAGE * 25)
        ids = {job.id for job in jobs}
        yield video_list(translations, jobs, 12, catalog, kept=ids, stills=ids, joinable=ids)
    yield video_list(translations, [], 0, catalog)


def buttons(view: ui.LayoutView) -> list[str]:
    items = [getattr(item, "item", item) for item in view.walk_children()]
    return [item.label for item in items if isinstance(item, ui.Button) and item.label]


def test_every_card_and_list_fits(locale: str) -> None:
    views = [*every_card(locale), *every_list(locale)]

    assert max(view.content_length() for view in views) <= TEXT
    assert max(view.total_children_count for view in views) <= COMPONENTS
    labels = [label for view in views for label in buttons(view)]
    assert max(map(len, labels)) <= BUTTON
    assert len(set(labels)) >= 6
    assert len(views) > 50


def wire(view: ui.LayoutView) -> list[Any]:
    return view.to_components()  # type: ignore[no-untyped-call, no-any-return]  # discord.py says no types here


def test_a_card_shows_its_key_in_every_language(locale: str) -> None:
    for view in every_card(locale):
        components = [_component_factory(raw, cast("Any", None)) for raw in wire(view)]
        message = cast("discord.Message", SimpleNamespace(components=components))

        assert key_of(message) == "7k3m9qz"


def test_every_card_speaks_the_language_of_its_readers() -> None:
    said = {locale: [texts(view) for view in every_card(locale)] for locale in ["en-US", *FILES]}

    for locale in FILES:
        same = [mine for mine, english in zip(said[locale], said["en-US"], strict=True) if mine == english]
        assert same == []


def texts(view: ui.LayoutView) -> str:
    return "\n".join(item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay))


def test_the_member_alone_reads_their_own_language() -> None:
    job = longest("de").evolve(card=a_card(locale="de", member_locale="ja"))

    german, japanese = (here(LANGUAGES.of(locale)) for locale in ("de", "ja"))
    assert german != japanese
    assert german in texts(CARDS.delivered(job, "a.mp4"))
    assert japanese in texts(CARDS.delivered(job, "a.mp4", alone=True))


def test_a_card_of_before_is_english() -> None:
    assert "Here is your video" in texts(CARDS.delivered(longest("de").evolve(card=a_card()), "a.mp4"))


@pytest.mark.parametrize("reason", RefusalReason)
@pytest.mark.parametrize("bonus", [0, 1_000_000])
def test_every_refusal_is_a_message(translations: Translations, reason: RefusalReason, bonus: int) -> None:
    cheap = Model("cheap", LABEL, (1,), {"480x832": 1}, {})
    catalog = Catalog([LONGEST, cheap], "wan")
    balance = Balance(Limit(1_000_000, Period.MONTH), 999_990, bonus, NOON, 99)
    error = ReservationRefused(reason, balance, detail="x" * 200, limit=balance.limit, left=999_990, renews_at=NOON)

    said = refusals.refusal(translations, error, catalog.complete(VideoSpec("wan", "x", 12, "1792x1024")), catalog)

    assert said
    assert len(f"{said}\n{text.typed(translations, 'x' * 2_000)}") <= text.MESSAGE  # as a form that is refused has it
    assert "{" not in said


@pytest.mark.parametrize("per", Period)
def test_limits_are_whole_in_every_language(translations: Translations, per: Period) -> None:
    limit = Limit(1_000_000, per)

    said = [limits.limit(translations, limit), limits.used(translations, 1_000_000, per)]

    assert all(translations.number(1_000_000) in words for words in said)


def test_what_goes_to_the_log_channel_is_a_message(translations: Translations, locale: str) -> None:
    job = longest(locale)
    card = a_card(guild=SOMEBODY, channel=SOMEBODY, message=SOMEBODY, locale=locale)

    assert len(text.log_line(translations, job.evolve(card=card))) <= text.MESSAGE
    assert len(text.too_large_here(translations, job)) <= text.MESSAGE


def test_a_refused_picture_is_told_in_the_members_language() -> None:
    with pytest.raises(PictureRefused) as refused:
        precheck.check_bytes(precheck.MAX_BYTES * 2)

    german = LANGUAGES.of("de")
    told = failures.picture_refused(german, refused.value, 4)

    assert told == f"{german.explain(refused.value)} {german.ngettext(*CREDITS_ARE_BACK, 4)}"
    assert german.explain(refused.value) != str(refused.value)
    assert "50 MB" in told
