"""The period that figures are about: whole days of the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from http import HTTPStatus

from cds_service.web.problems import IssueType, Refusal, refuse

CHOICES = (7, 30, 90, 365)
"""Days that are offered."""

_DEFAULT = 30
_MOST_DAYS = 3660
_MOST_DAILY = 31
"""Longer periods are shown by the week."""
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Period:
    """From the first to the last day, both part of it."""

    first: date
    last: date
    days_back: int | None = None
    """Where it was chosen as so many days up to today."""

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    @property
    def is_daily(self) -> bool:
        """Whether the trend goes by day, else by week."""
        return self.days <= _MOST_DAILY

    def edges(self, zone: tzinfo | None) -> list[datetime]:
        """Midnights between the steps of the trend, with the first and the last.

        Weeks are as equal as they can be, some of eight days: a rest of a day or two at the end
        would look like a fall.
        """
        steps = self.days if self.is_daily else round(self.days / _WEEK)
        days = [self.days * number // steps for number in range(steps + 1)]
        return [
            datetime.combine(self.first + timedelta(days=each), time.min, zone) for each in days
        ]


def earliest(today: date) -> date:
    """The first day that can be asked for."""
    return today - timedelta(days=_MOST_DAYS)


def read_period(given: Mapping[str, str], today: date) -> Period:
    """The period of ``from`` and ``to``, else of ``days`` up to today; raises ``Refusal``."""
    if given.get("from") or given.get("to"):
        first = _date(given, "from", today - timedelta(days=_DEFAULT - 1))
        last = _date(given, "to", today)
        if not earliest(today) <= first <= last <= today:
            raise _refusal(
                f"The first day must not lie after the last, and both between {earliest(today)} "
                f"and {today}.",
                "from",
            )
        return Period(first, last)
    days = given.get("days") or str(_DEFAULT)
    if not (days.isascii() and days.isdecimal() and 1 <= int(days[:5]) <= _MOST_DAYS):
        raise _refusal(f"days must be a whole number from 1 to {_MOST_DAYS}.", "days")
    return Period(today - timedelta(days=int(days) - 1), today, int(days))


def _date(given: Mapping[str, str], name: str, default: date) -> date:
    text = given.get(name)
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise _refusal(f"{name} must be a day that exists, such as {default}.", name) from None


def _refusal(text: str, field: str) -> Refusal:
    return refuse(HTTPStatus.BAD_REQUEST, IssueType.VALUE, "CDS-400-value", text, field)
