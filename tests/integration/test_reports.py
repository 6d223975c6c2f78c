"""What admins read: days bound it, a late video is no failure, and Discord takes the longest of it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from bot.catalog import Catalog, Model
from bot.chat import balances, prices, refusals, reports, text
from bot.errors import ReservationRefused
from bot.i18n.translations import FILES, TranslationCatalog, Translations
from bot.jobs.admin import Status
from bot.jobs.service import Account
from bot.models import Balance, FailureKind, JobState, LedgerKind, Limit, Period, RefusalReason, Server, Source, UserId
from bot.report_models import LedgerLine, QueueCounts, Quotas, UsageRow
from bot.store import jobs
from bot.store.database import Store
from bot.store.reservations import reserve
from bot.store.usage import usage
from tests.builders import GUILD, MEMBER, NOON, a_job, a_spec, limits, seed_catalog
from tests.databases import Database

S = JobState
DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)
BIGGEST = 1_000_000
SOMEBODY = 1_234_567_890_123_456_789
CATALOG = seed_catalog()
ENGLISH = TranslationCatalog().english


@pytest.fixture(name="store")
async def _store(database: Database) -> AsyncIterator[Store]:
    store = await Store.open(database.where)
    yield store
    await store.close()


async def videos(store: Store, days: int) -> int:
    return sum(row.videos for row in await store.read(usage(GUILD, days, NOON)))


async def test_so_many_days_are_counted_today_among_them(store: Store) -> None:
    moments: list[datetime] = [MIDNIGHT - 6 * DAY, MIDNIGHT - timedelta(seconds=1), MIDNIGHT, NOON]
    for number, at in enumerate([MIDNIGHT - 6 * DAY - timedelta(seconds=1), *moments]):
        await store.write(reserve(a_job(number, at=at), [], limits()))
    await store.write(reserve(a_job(9, scope=GUILD + 1), [], limits()))  # elsewhere

    assert [await videos(store, days) for days in (1, 2, 6, 7, 8, 366)] == [2, 3, 3, 4, 5, 5]


async def test_a_video_that_came_late_is_refunded_and_no_failure(store: Store) -> None:
    job = await store.write(reserve(a_job(spec=a_spec(size="720x1280")), [], limits()))
    await store.write(jobs.move(job.id, S.WAITING, S.SUBMITTING, now=NOON))
    await store.write(jobs.move(job.id, S.SUBMITTING, S.RENDERING, now=NOON, ticket="v"))
    await store.write(jobs.move(job.id, S.RENDERING, S.TIMED_OUT, now=NOON, failure=FailureKind.TIMED_OUT))

    timed_out = reports.Usage(ENGLISH, await store.read(usage(GUILD, 1, NOON)), 1, CATALOG)
    await store.write(jobs.move(job.id, S.TIMED_OUT, S.DELIVERING, now=NOON))
    late = reports.Usage(ENGLISH, await store.read(usage(GUILD, 1, NOON)), 1, CATALOG)

    cost = "0 credits · 4 credits refunded · about 0.40 USD"
    none, one = f"1 video requested · 0 videos made · {cost}", f"1 video requested · 1 video made · {cost}"
    assert timed_out.screen() == (
        f"**Usage today**\nTotal: {none} · 1 × video not finished in time\n"
        f"- <@{MEMBER}>: {none} · 1 × video not finished in time"
    )
    assert late.screen() == f"**Usage today**\nTotal: {one}\n- <@{MEMBER}>: {one}"
    (row,) = csv.DictReader(io.StringIO(late.csv().decode("utf-8-sig")))
    assert (row["state"], row["failure"]) == ("delivering", "timed_out")


async def test_what_was_canceled_or_refused_or_is_under_way_was_requested_and_not_made(store: Store) -> None:
    states = [(S.CANCELLED,), (S.SUBMITTING, S.FAILED), (S.SUBMITTING,), (), (S.SUBMITTING, S.RENDERING, S.DELIVERING)]
    for number, ways in enumerate(states):
        job = await store.write(reserve(a_job(number), [], limits()))
        for to in ways:
            more = {"ticket": f"v{number}"} if to is S.RENDERING else {}
            moved = await store.write(jobs.move(job.id, job.state, to, now=NOON, **more))
            assert moved is not None
            job = moved

    found = reports.Usage(ENGLISH, await store.read(usage(GUILD, 1, NOON)), 1, CATALOG)

    assert found.screen().splitlines()[1].startswith("Total: 5 videos requested · 1 video made · 12 credits · ")
    rows = list(csv.DictReader(io.StringIO(found.csv().decode("utf-8-sig"))))
    assert sum(int(row["videos_requested"]) for row in rows) == 5
    assert [row["state"] for row in rows if row["videos_made"] != "0"] == ["delivering"]


def test_without_prices_no_money_is_told() -> None:
    model = Model("wan", "Wan", (5,), {"480x832": 1}, {})
    row = UsageRow(
        UserId(7), "wan", 5, "480x832", S.DELIVERED, None, videos=2, credits=10, refunded=0, made=2, untold=2
    )

    found = reports.Usage(ENGLISH, [row], 2, Catalog([model], "wan"))

    sums = "2 videos requested · 2 videos made · 10 credits"
    assert found.screen() == f"**Usage in the last 2 days**\nTotal: {sums}\n- <@7>: {sums}"
    assert not found.is_long
    assert found.csv().decode("utf-8-sig").splitlines()[1] == "1970-01-01,<@7>,wan,5,480x832,delivered,,2,2,10,0,"


def test_what_the_provider_tells_of_its_costs_comes_before_the_catalogs_prices() -> None:
    told = UsageRow(UserId(7), "sora-2", 4, "720x1280", S.DELIVERED, None, 3, 12, 0, made=3, untold=1, told_usd=0.5)

    found = reports.Usage(ENGLISH, [told], 1, CATALOG)

    assert (
        "about 0.90 USD · 0.50 USD of it reported by the video service" in found.screen()
    )  # 0.50 of two, 0.40 by the catalog for the third


def test_models_days_and_the_server_limit_stand_beside_the_members() -> None:
    rows = [
        UsageRow(UserId(7), model, 4, "720x1280", S.DELIVERED, None, 1, credits_, refunded, 1, 1, day=day)
        for model, credits_, refunded, day in [("sora-2", 4, 0, 20_000), ("sora-2-pro", 12, 12, 20_001)]
    ]

    found = reports.Usage(ENGLISH, rows, 7, CATALOG, (Limit(50, Period.DAY), 16))

    assert found.screen().splitlines()[2:7] == [
        "Server limit: 50 credits per day · 16 credits used today",
        "- Sora 2: 1 video requested · 1 video made · 4 credits · about 0.40 USD",
        "- Sora 2 Pro: 1 video requested · 1 video made · 0 credits · 12 credits refunded · about 1.20 USD",
        "- 2024-10-05: 1 video requested · 1 video made · 0 credits · 12 credits refunded · about 1.20 USD",
        "- 2024-10-04: 1 video requested · 1 video made · 4 credits · about 0.40 USD",
    ]


def test_who_had_their_name_taken_off_is_nobody_in_usage() -> None:
    row = UsageRow(
        UserId(-7), "wan", 5, "480x832", S.DELIVERED, None, videos=1, credits=5, refunded=0, made=1, untold=1
    )

    found = reports.Usage(ENGLISH, [row], 1, CATALOG)

    assert "- Deleted member: 1 video requested · 1 video made · 5 credits" in found.screen()
    assert found.csv().decode("utf-8-sig").splitlines()[1].startswith("1970-01-01,Deleted member,wan,")


@pytest.mark.parametrize(
    ("used", "bonus", "left"),
    [(4, 0, "**16 credits left** · "), (19, 1, "**2 credits left** (quota: 1, bonus credits: 1) · "),
     (30, 1, "**1 credit left** (quota: 0, bonus credits: 1) · ")],
)  # fmt: skip
def test_the_credits_left_are_all_that_can_be_spent_as_in_a_refusal(used: int, bonus: int, left: str) -> None:
    has = Balance(Limit(20, Period.DAY), used, bonus, NOON, 0)
    refusal = refusals.refusal(
        ENGLISH, ReservationRefused(RefusalReason.QUOTA, has), a_spec(credits=99), seed_catalog()
    )

    shown = balances.own_balance(ENGLISH, has, seed_catalog(), None)

    assert shown.startswith(left)
    assert f" You have {left.split('*')[2]}." in refusal


@pytest.mark.parametrize(
    "translations",
    [TranslationCatalog().of(locale) for locale in (None, *FILES)],
    ids=lambda translations: translations.code,
)
class TestTheLongest:
    """Discord takes 2,000 characters."""

    def test_usage_leaves_the_last_members_to_the_file(self, translations: Translations) -> None:
        rows = [
            UsageRow(
                UserId(SOMEBODY + n), "sora-2", 4, "720x1280", S.FAILED, kind,
                videos=BIGGEST, credits=BIGGEST * 1000, refunded=BIGGEST, made=BIGGEST, untold=BIGGEST,
            )
            for n in range(40)
            for kind in FailureKind
        ]  # fmt: skip
        found = reports.Usage(translations, rows, 366, CATALOG)

        shown = found.screen()

        assert found.is_long
        assert 1_000 < len(shown) <= text.MESSAGE
        assert shown.endswith("\n" + translations.gettext("- The full list is in the file."))

    def test_an_account_has_room_for_ten_long_reasons(self, translations: Translations) -> None:
        line = LedgerLine(NOON, LedgerKind.GRANT, BIGGEST, None, None, None, UserId(SOMEBODY), "x" * 200)
        limit = Limit(BIGGEST, Period.MONTH, Source.ROLE, SOMEBODY)
        has = Balance(limit, BIGGEST, 10 * BIGGEST, NOON, 99)
        refusal = ReservationRefused(RefusalReason.BLOCKED, has, detail="x" * 200)

        shown = balances.account(translations, SOMEBODY, Account(has, [line] * 10), refusal)

        assert shown.count(f"{'x' * 59}…") == 10 + 1  # and why the member is blocked
        assert len(shown) <= text.MESSAGE

    def test_a_quota_names_the_prices_that_fit(self, translations: Translations) -> None:
        sizes = {f"{n}x{n}": n for n in range(100, 110)}
        models = [Model(f"model-{n}", f"Model {n}", (4, 8, 12), sizes, {}) for n in range(25)]
        has = Balance(Limit(20, Period.DAY), 4, 0, NOON, 0)
        refusal = ReservationRefused(RefusalReason.PAUSED, has, detail="x" * 200)

        shown = balances.own_balance(translations, has, Catalog(models, "model-3"), refusal)

        assert 1_000 < len(shown) <= text.MESSAGE
        lengths = [prices.length(translations, seconds) for seconds in (4, 8, 12)]
        first = prices.price(translations, 4, 400)
        numbers = [translations.number(price) for price in (800, 1200)]
        assert f" · {first} · {lengths[1]} = {numbers[0]} · {lengths[2]} = {numbers[1]}\n" in shown
        assert shown.endswith("\n" + translations.gettext("- More are listed in `/animate`."))

    def test_every_page_of_quotas_fits(self, translations: Translations) -> None:
        limit = Limit(BIGGEST, Period.MONTH)
        somebody = UserId(SOMEBODY)
        blocked: list[tuple[UserId, str | None]] = [(somebody, "r" * 200)] * 20
        found = Quotas(limit, limit, [(SOMEBODY, limit)] * 20, [(somebody, limit)] * 20, blocked, [(somebody, 7)] * 8)

        pages = reports.quota_pages(translations, found)

        assert [page.count("\n- ") for page in pages] == [15, 15, 15, 15, 10]
        assert max(map(len, pages)) <= 1_900  # and a line for the number of the page


@pytest.mark.parametrize(
    ("latency_s", "words"), [(0.0424, "42 ms"), (math.inf, "just connected"), (math.nan, "just connected")]
)
def test_no_heartbeat_yet_is_said_in_words(latency_s: float, words: str) -> None:
    found = Status(Server(), None, 0, QueueCounts(0, 0, 0), 20, {})

    assert (
        reports.status(ENGLISH, found, CATALOG, latency_s=latency_s, servers=2).split("\n")[2]
        == f"**Discord**: {words} · 2 servers"
    )


class TestStatus:
    def test_tells_that_no_model_is_used_for_now(self) -> None:
        refused = dict.fromkeys((model.id for model in CATALOG.models), FailureKind.KEY)
        found = Status(Server(), None, 0, QueueCounts(0, 0, 0), 20, refused)

        assert (
            "\n⚠️ No new videos can be made right now: bot's key not accepted. The bot keeps trying.\n"
            in reports.status(ENGLISH, found, CATALOG, latency_s=0.04, servers=1)
        )

    def test_tells_which_model_is_not_used(self) -> None:
        found = Status(Server(), None, 0, QueueCounts(0, 0, 0), 20, {CATALOG.models[1].id: FailureKind.BALANCE})

        words = reports.status(ENGLISH, found, CATALOG, latency_s=0.04, servers=1)

        assert words.count("⚠️") == 1
        assert "⚠️ No new videos can be made with Sora 2 Pro right now: bot's account refused." in words
