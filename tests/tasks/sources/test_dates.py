from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources.dates import parse_date
from tests.strategies import instants

NOON = datetime(2018, 10, 10, 20, 19, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "Wed Oct 10 20:19:24 +0000 2018",
        "2018-10-10 20:19:24 +0000",
        "2018-10-10 20:19:24 UTC",
        "2018-10-10 22:19:24 +02:00",
        "2018-10-10T20:19:24.000Z",
        "2018-10-10 20:19:24",
        " 2018-10-10T20:19:24+0000 ",
        "1539202764",
        "1539202764000",
        "1539202764.0",
        1539202764,
        1539202764000.0,
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=-3))),
    ],
)
def test_usual_forms_give_the_same_instant(value: object):
    assert parse_date(value) == NOON
    assert parse_date(value).tzinfo is UTC


def test_a_day_is_its_first_instant():
    assert parse_date("2018-10-10") == parse_date(date(2018, 10, 10))
    assert parse_date("2018-10-10") == datetime(2018, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None, "", "yesterday", "Wed Foo 10 20:19:24 +0000 2018", "Wed Oct 99 20:19:24 +0000 2018",
        float("nan"), float("inf"), True, -5, 12, 1e300, [], {}, "0001-01-01 00:00:00 +1200",
        "999999999999999", 10**400,
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(value: object):
    assert parse_date(value) is None


@given(instants)
def test_iso_dates_survive(instant: datetime):
    assert parse_date(instant.isoformat()) == instant
    assert parse_date(str(instant).replace("+00:00", " +0000")) == instant


@given(st.text(max_size=40) | st.integers() | st.floats())
def test_anything_is_a_date_or_none(value: object):
    found = parse_date(value)
    assert found is None or found.tzinfo is UTC
