"""FHIR dates of every precision as intervals of aware instants.

A partial date (``2020``, ``2020-07``) is the whole interval it names. A date or time
without an offset is read in the time zone of the site.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

_FHIR_DATE = re.compile(
    r"""^\s*
    (?P<year>\d{4})
    (?:-(?P<month>\d{2})
      (?:-(?P<day>\d{2})
        (?:[T ](?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?
          (?P<offset>Z|[+-]\d{2}:?\d{2})?
        )?
      )?
    )?\s*$""",
    re.VERBOSE,
)
_ONE_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class When:
    """The interval a FHIR date names, both ends included, in the time zone of the site."""

    low: datetime
    high: datetime

    @property
    def day(self) -> date:
        """The first calendar day it may mean."""
        return self.low.date()

    @property
    def text(self) -> str:
        """As a clinician reads it: ``2026-06-03``, or ``2026-06`` or ``2026`` where that is all."""
        if self.low.date() == self.high.date():
            return self.low.date().isoformat()
        if (self.low.year, self.low.month) == (self.high.year, self.high.month):
            return f"{self.low:%Y-%m}"
        return f"{self.low:%Y}"

    def is_before(self, moment: datetime) -> bool:
        """Whether all of it lies before the moment."""
        return self.high < moment

    def days_before(self, moment: datetime) -> int:
        """Whole calendar days from its first day to the moment; negative in the future."""
        return (moment.astimezone(self.low.tzinfo).date() - self.low.date()).days


def read_date(text: object, zone: tzinfo) -> When | None:
    """Read a FHIR date, dateTime or instant; ``None`` where it cannot be read."""
    if not isinstance(text, str):
        return None
    found = _FHIR_DATE.match(text)
    if found is None:
        return None
    try:
        return _interval(found, zone)
    except (ValueError, OverflowError):
        return None


def _interval(found: re.Match[str], zone: tzinfo) -> When:
    year = int(found["year"])
    if found["month"] is None:
        return _days(date(year, 1, 1), date(year, 12, 31), zone)
    month = int(found["month"])
    if found["day"] is None:
        return _days(date(year, month, 1), date(year, month, monthrange(year, month)[1]), zone)
    day = date(year, month, int(found["day"]))
    if found["hour"] is None:
        return _days(day, day, zone)
    return _moment(found, day, zone)


def _moment(found: re.Match[str], day: date, zone: tzinfo) -> When:
    offset = found["offset"]
    clock = f"{found['hour']}:{found['minute']}:{found['second'] or '00'}"
    suffix = "+00:00" if offset == "Z" else (offset or "")
    moment = datetime.fromisoformat(f"{day.isoformat()}T{clock}{suffix}")
    moment = moment.replace(tzinfo=zone) if offset is None else moment.astimezone(zone)
    return When(moment, moment)


def _days(first: date, last: date, zone: tzinfo) -> When:
    low = datetime(first.year, first.month, first.day, tzinfo=zone)
    end = datetime(last.year, last.month, last.day, tzinfo=zone) + timedelta(days=1)
    return When(low, end - _ONE_MOMENT)


def age_in_years(birth: When, moment: datetime) -> tuple[int, int]:
    """Completed years at the moment: the youngest and the oldest the birth date allows."""
    today = moment.astimezone(birth.low.tzinfo).date()
    return _completed_years(birth.high.date(), today), _completed_years(birth.low.date(), today)


def _completed_years(born: date, today: date) -> int:
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    return today.year - born.year - (0 if had_birthday else 1)
