"""Periods: whole days of the site, in steps that are alike."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from cds_service.web.pages.period import Period, earliest, read_period
from cds_service.web.problems import Refusal

TODAY = date(2026, 6, 3)


def test_thirty_days_are_the_default() -> None:
    assert read_period({}, TODAY) == Period(date(2026, 5, 5), TODAY, 30)
    assert read_period({"days": "", "from": "", "to": ""}, TODAY).days == 30


def test_days_count_back_from_today_which_is_one_of_them() -> None:
    assert read_period({"days": "7"}, TODAY) == Period(date(2026, 5, 28), TODAY, 7)
    assert read_period({"days": "1"}, TODAY).days == 1


def test_a_first_and_a_last_day() -> None:
    given = {"from": "2026-01-01", "to": "2026-01-31", "days": "7"}
    assert read_period(given, TODAY) == Period(date(2026, 1, 1), date(2026, 1, 31))
    assert read_period({"from": "2026-01-01"}, TODAY).last == TODAY
    assert read_period({"from": str(earliest(TODAY))}, TODAY).edges(UTC)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"days": "0"}, "days"),
        ({"days": "-1"}, "days"),
        ({"days": "3661"}, "days"),
        ({"days": "9" * 5000}, "days"),
        ({"days": "٣"}, "days"),
        ({"days": "1.5"}, "days"),
        ({"days": "all"}, "days"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "0001-01-01"}, "from"),
        ({"to": "9999-12-31"}, "from"),
        ({"from": "2026-06-01", "to": "2026-05-31"}, "from"),
        ({"to": "<b>"}, "to"),
    ],
)
def test_what_is_no_period_is_refused_by_name(given: dict[str, str], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_period(given, TODAY)
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.field) == (400, field)


@pytest.mark.parametrize(
    ("days", "steps", "is_daily"),
    [
        (1, 1, True),
        (31, 31, True),
        (32, 5, False),
        (90, 13, False),
        (365, 52, False),
        (3660, 523, False),
    ],
)
def test_steps_are_alike(days: int, steps: int, is_daily: bool) -> None:
    period = read_period({"days": str(days)}, TODAY)
    edges = period.edges(UTC)
    assert (len(edges) - 1, period.is_daily) == (steps, is_daily)
    assert (edges[0].date(), edges[-1].date()) == (period.first, TODAY + timedelta(days=1))
    lengths = {(end - start).days for start, end in pairwise(edges)}
    assert max(lengths) - min(lengths) <= 1


def test_days_begin_at_the_sites_midnight() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    period = Period(date(2026, 3, 29), date(2026, 3, 29))  # 23 hours long
    start, end = period.edges(berlin)
    assert start.astimezone(UTC) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert end.astimezone(UTC) == datetime(2026, 3, 29, 22, tzinfo=UTC)
