"""Days of a case as FHIR dates, relative to the instant of the call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant of the call, in UTC: day 0 of every case."""

    now: datetime

    @staticmethod
    def current() -> Moment:
        """This very second."""
        return Moment(datetime.now(UTC).replace(microsecond=0))

    def instant(self, day: float, hours_ago: float | None = None) -> str:
        """A dateTime on that day; up to day 0 it lies an hour (or ``hours_ago``) back."""
        if hours_ago is None:
            hours_ago = 1 if day <= 0 else 0
        moment = self.now + timedelta(days=day) - timedelta(hours=hours_ago)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def date_of(self, day: float) -> date:
        """The UTC day."""
        return (self.now + timedelta(days=day)).date()

    def day(self, day: float) -> str:
        """The UTC day as a FHIR date."""
        return self.date_of(day).isoformat()

    def period(self, start: float | None, end: float | None) -> dict[str, str]:
        """A Period of whole days with the ends that are known."""
        made = {}
        if start is not None:
            made["start"] = self.day(start)
        if end is not None:
            made["end"] = self.day(end)
        return made

    def birth_date(self, age: int, birthday_in_days: int, precision: str = "day") -> str:
        """Born ``age`` years before the birthday that lies that many days from today."""
        birthday = self.date_of(birthday_in_days)
        born = _in_year(birthday, birthday.year - age)
        return {"day": born.isoformat(), "month": f"{born:%Y-%m}", "year": f"{born:%Y}"}[precision]


def _in_year(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February in a year that has none
        return date(year, 2, 28)
