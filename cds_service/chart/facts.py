"""What every fact of the chart carries: where it stands, since when, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from cds_service.fhir.dates import When, read_date
from cds_service.fhir.elements import CodeableConcept, as_list

FUTURE_TOLERANCE = timedelta(days=1)
"""Facts further in the future than this are set aside: clocks differ, calendars do not."""


class InTheFuture(Exception):
    """A fact lies further in the future than clocks may differ: it is set aside and named."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The moment of the decision and the site's time zone, given to the core as an argument."""

    now: datetime
    zone: tzinfo

    def read(self, text: object) -> When | None:
        """Read a FHIR date in the site's time zone."""
        return read_date(text, self.zone)

    def refuse_future(self, when: When | None) -> None:
        """Raise ``InTheFuture`` for a fact further in the future than clocks may differ."""
        if when is not None and when.low > self.now + FUTURE_TOLERANCE:
            raise InTheFuture

    def is_past(self, when: When | None) -> bool:
        """Whether a date lies wholly in the past."""
        return when is not None and when.is_before(self.now)

    def days_since(self, when: When) -> int:
        """Calendar days from a date to now in the site's time zone."""
        return when.days_before(self.now)


def status_code(status: CodeableConcept | str | None) -> str | None:
    """A status as a code: DSTU2 and STU3 write a string where R4 writes a concept."""
    if isinstance(status, str):
        return status.strip().lower() or None
    if status is None:
        return None
    codes = [coding.code for coding in as_list(status.coding) if coding.code]
    return (codes[0] if codes else status.text or "").strip().lower() or None
