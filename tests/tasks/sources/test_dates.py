from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources.dates import day_first_of, is_relative, parse_date, snowflake_date
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
        "Wed, 10 Oct 2018 20:19:24 +0000",
        "10 Oct 2018 22:19:24 +0200",
        "Wed Oct 10 13:19:24 PDT 2018",
        "Wed Oct 10 2018 22:19:24 GMT+0200 (Central European Summer Time)",
        "2018-10-10 15:19:24 Eastern Standard Time",
        "2018-10-10 16:19:24 Eastern Daylight Time",
        "2018-10-10 22:19:24 CEST",
        "2018/10/10 20:19:24",
        "2018-10-10 8:19:24 PM",
        "10.10.2018 20:19:24",
        "10/10/2018 20:19:24",
        "Oct 10, 2018, 8:19:24 PM",
        "8:19:24 PM · Oct 10, 2018",
        "8:19:24 PM - 10 Oct 2018",
        "October 10, 2018 at 08:19:24PM",
        "Oct 10, 2018 · 8:19:24 PM UTC",
        "/Date(1539202764000)/",
        {"$date": "2018-10-10T20:19:24Z"},
        {"$date": {"$numberLong": "1539202764000"}},
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
        "999999999999999", 10**400, "2 days ago", "3h", "Oct 10", "10 Oct", "2018", 2018,
        "201810102019", "2018-10-10 20:19:24 IST", "10 Foo 2018", "13/13/2018", "30 Feb 2018",
        "13:19 PM - 10 Oct 2018", {"$date": []}, {"a": 1}, "x" * 10_000, "Mars 1, 2019",
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(value: object):
    assert parse_date(value) is None


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("Fri, Jun 5, 2026", date(2026, 6, 5)),
        ("October 1st, 2018", date(2018, 10, 1)),
        ("1 October 2018", date(2018, 10, 1)),
        ("10-Oct-2018", date(2018, 10, 10)),
        ("20181010", date(2018, 10, 10)),
        ("43383", date(2018, 10, 10)),
        (43383.0, date(2018, 10, 10)),
        ("28/12/2017", date(2017, 12, 28)),
        ("12/28/17", date(2017, 12, 28)),
        ("1.2.2018", date(2018, 2, 1)),
    ],
)
def test_a_day_may_be_written_in_many_ways(value: object, day: date):
    assert parse_date(value) == parse_date(day)


def test_a_spreadsheets_serial_day_has_its_time():
    assert parse_date("43383.845") == datetime(2018, 10, 10, 20, 16, 48, tzinfo=UTC)


def test_a_date_that_can_be_read_in_two_ways_is_none_until_it_is_known_how():
    assert parse_date("1/2/2020") is None
    assert parse_date("1/2/2020", day_first=True) == datetime(2020, 2, 1, tzinfo=UTC)
    assert parse_date("1/2/2020", day_first=False) == datetime(2020, 1, 2, tzinfo=UTC)
    orders = [day_first_of(text) for text in ("1/2/2020", "13/2/2020", "1/13/2020", "1.13.2020")]
    assert orders == [None, True, False, None]


@pytest.mark.parametrize("text", ["2 days ago", "3h", "an hour ago", "Yesterday at 5", "just now"])
def test_what_counts_back_from_now_is_known_as_such(text: str):
    assert is_relative(text)
    assert not is_relative("2018-10-10")


def test_the_id_of_a_post_on_x_has_its_date():
    assert snowflake_date("1050118621198921728") == datetime(
        2018, 10, 10, 20, 19, 24, 211_000, tzinfo=UTC
    )
    assert snowflake_date(str(2**34)) == datetime(2010, 11, 4, 1, 42, 58, 753_000, tzinfo=UTC)
    for none in (str(2**34 - 1), str(2**62), "", "12", "-5", "12a", "٣" * 18, "9" * 5_000):
        assert snowflake_date(none) is None


@given(instants)
def test_iso_dates_survive(instant: datetime):
    assert parse_date(instant.isoformat()) == instant
    assert parse_date(str(instant).replace("+00:00", " +0000")) == instant


@given(st.text(max_size=40) | st.integers() | st.floats())
def test_anything_is_a_date_or_none(value: object):
    found = parse_date(value)
    assert found is None or found.tzinfo is UTC
