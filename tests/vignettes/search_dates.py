"""Date search as FHIR defines it: values and elements are intervals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from tests.vignettes.fhir_json import Json

Interval = tuple[datetime, datetime]
"""First instant, and the first instant after it."""

DateTest = Callable[[Interval], bool]

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_DAY = timedelta(days=1)

_DATE_OF_TYPE = {
    "Observation": ("effective",),
    "Procedure": ("performed",),
    "Encounter": ("period",),
    "AllergyIntolerance": ("recordedDate",),
    "FamilyMemberHistory": ("date",),
}
_ELEMENTS = {
    "authoredon": ("authoredOn",),
    "authored": ("authoredOn",),
    "authored-on": ("authoredOn",),
    "effective": ("effective",),
    "effective-time": ("effective",),
    "onset-date": ("onset",),
    "recorded-date": ("recordedDate", "assertedDate", "dateRecorded"),
    "performed": ("performed",),
    "occurrence": ("occurrence",),
    "whenhandedover": ("whenHandedOver",),
}
_SUFFIXES = ("", "DateTime", "Instant", "Period", "TimeDateTime")


def dates_of(resource: Json, parameter: str) -> Iterator[Interval]:
    """The interval of every element the parameter searches."""
    elements = _ELEMENTS.get(parameter)
    if parameter == "date":
        elements = _DATE_OF_TYPE.get(resource["resourceType"], ())
    for element in elements or ():
        for suffix in _SUFFIXES:
            value = resource.get(element + suffix)
            if isinstance(value, str):
                yield interval(value)
            elif isinstance(value, dict):
                start, end = value.get("start"), value.get("end")
                yield (
                    interval(start)[0] if start else _FIRST,
                    interval(end)[1] if end else _LAST,
                )


def day_key(resource: Json, parameter: str) -> float | None:
    """When the resource is dated, for sorting; ``None`` without the date."""
    for start, _ in dates_of(resource, parameter):
        return (start - _FIRST).total_seconds()
    return None


def interval(text: str) -> Interval:
    """The interval a FHIR date or dateTime names, in UTC where it has no offset."""
    if len(text) == 4:
        year = int(text)
        return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    if len(text) == 7:
        year, month = int(text[:4]), int(text[5:])
        following = (year + month // 12, month % 12 + 1)
        return datetime(year, month, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if len(text) == 10:
        return moment, moment + _DAY
    return moment, moment + timedelta(seconds=1)


def date_test(value: str) -> DateTest:
    """The test of one search value with its prefix."""
    found = re.fullmatch(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(\d.*)", value)
    if found is None:
        raise ValueError(f"no date search value: {value!r}")
    start, end = interval(found[2])
    return _TESTS[found[1] or "eq"](start, end)


_TESTS: dict[str, Callable[[datetime, datetime], DateTest]] = {
    "eq": lambda start, end: lambda of: start <= of[0] and of[1] <= end,
    "ne": lambda start, end: lambda of: not (start <= of[0] and of[1] <= end),
    "gt": lambda start, end: lambda of: of[1] > end,
    "lt": lambda start, end: lambda of: of[0] < start,
    "ge": lambda start, end: lambda of: of[1] > start,
    "le": lambda start, end: lambda of: of[0] < end,
    "sa": lambda start, end: lambda of: of[0] >= end,
    "eb": lambda start, end: lambda of: of[1] <= start,
    "ap": lambda start, end: lambda of: of[0] < end and start < of[1],
}
