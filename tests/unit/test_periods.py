"""Where a day, a week and a month begin, in UTC; and times as the store keeps them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import Period
from bot.store.row_mapping import day_of, first_day, from_ms, next_renewal, to_ms

moments = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def on(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("per", "now", "first", "renewal"),
    [
        (Period.DAY, "2026-03-04 00:00:00", "2026-03-04", "2026-03-05"),
        (Period.DAY, "2026-03-04 23:59:59.999", "2026-03-04", "2026-03-05"),
        (Period.DAY, "2026-12-31 12:00:00", "2026-12-31", "2027-01-01"),
        (Period.DAY, "2028-02-28 12:00:00", "2028-02-28", "2028-02-29"),
        (Period.WEEK, "2026-03-01 23:59:59", "2026-02-23", "2026-03-02"),  # a Sunday
        (Period.WEEK, "2026-03-02 00:00:00", "2026-03-02", "2026-03-09"),  # a Monday
        (Period.WEEK, "2027-01-01 09:00:00", "2026-12-28", "2027-01-04"),
        (Period.WEEK, "2028-02-29 09:00:00", "2028-02-28", "2028-03-06"),
        (Period.MONTH, "2026-01-31 23:59:59", "2026-01-01", "2026-02-01"),
        (Period.MONTH, "2026-02-01 00:00:00", "2026-02-01", "2026-03-01"),
        (Period.MONTH, "2026-02-28 23:59:59", "2026-02-01", "2026-03-01"),
        (Period.MONTH, "2028-02-28 23:59:59", "2028-02-01", "2028-03-01"),
        (Period.MONTH, "2028-02-29 23:59:59", "2028-02-01", "2028-03-01"),
        (Period.MONTH, "2026-12-31 23:59:59", "2026-12-01", "2027-01-01"),
        (Period.MONTH, "2026-04-30 23:59:59", "2026-04-01", "2026-05-01"),
    ],
)
def test_a_period_begins_and_renews_at_midnight_in_utc(per: Period, now: str, first: str, renewal: str) -> None:
    assert first_day(per, at(now)) == on(first)
    assert next_renewal(per, at(now)) == at(renewal)


def test_ever_began_with_the_first_day_and_never_renews() -> None:
    assert first_day(Period.TOTAL, at("2026-03-04 12:00:00")) == 0
    assert next_renewal(Period.TOTAL, at("2026-03-04 12:00:00")) is None


@pytest.mark.parametrize("per", Period)
def test_the_day_is_that_of_utc_wherever_the_clock_stands(per: Period) -> None:
    """One in the morning of 1 June in Kyiv is still Sunday, 31 May."""
    kyiv = datetime(2026, 6, 1, 1, tzinfo=timezone(timedelta(hours=3)))
    utc = at("2026-05-31 22:00:00")

    assert day_of(kyiv) == day_of(utc) == on("2026-05-31")
    assert first_day(per, kyiv) == first_day(per, utc)
    assert next_renewal(per, kyiv) == next_renewal(per, utc)


@given(moment=moments, per=st.sampled_from([Period.DAY, Period.WEEK, Period.MONTH]))
def test_every_moment_is_in_its_period_and_the_next_one_begins_where_it_ends(moment: datetime, per: Period) -> None:
    first, renewal = first_day(per, moment), next_renewal(per, moment)

    assert renewal is not None
    assert first <= day_of(moment) < day_of(renewal)
    assert renewal > moment
    assert first_day(per, renewal) == day_of(renewal)
    assert first_day(per, renewal - timedelta(microseconds=1)) == first


@given(moment=moments)
def test_a_time_is_kept_to_the_millisecond(moment: datetime) -> None:
    kept = from_ms(to_ms(moment))

    assert timedelta(0) <= moment - kept < timedelta(milliseconds=1)
    assert to_ms(kept) == to_ms(moment)
    assert day_of(kept) == day_of(moment)
