"""The patient: age and sex, each as far as the record tells."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.chart.facts import Clock
from cds_service.fhir.dates import When, age_in_years
from cds_service.fhir.records import Patient

_BIRTH_SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
_SEX_CODES = {"f": "female", "m": "male", "female": "female", "male": "male"}
_BIRTH_DATE_LENGTH = len("2000-01-01")


@dataclass(frozen=True, slots=True)
class Person:
    """Who the patient is for the arithmetic."""

    ref: str
    birth: When | None
    sexes: tuple[str, ...]
    """One sex, or both where the record does not tell."""
    ages: tuple[int, int] | None
    """Youngest and oldest age in completed years; a partial birth date leaves a gap."""

    @property
    def sex_is_known(self) -> bool:
        """Whether the record states one sex."""
        return len(self.sexes) == 1

    def is_at_least(self, years: int) -> bool | None:
        """Whether the patient has reached an age; ``None`` where the birth date cannot tell."""
        if self.ages is None:
            return None
        youngest, oldest = self.ages
        if youngest >= years:
            return True
        return False if oldest < years else None

    @property
    def age_text(self) -> str:
        """The age as a card prints it."""
        if self.ages is None:
            return "age unknown"
        youngest, oldest = self.ages
        return f"{youngest} y" if youngest == oldest else f"{youngest} to {oldest} y"


def read_person(patient: Patient, clock: Clock) -> Person:
    """Birth sex where it is recorded, else the administrative gender; else both sexes."""
    # Some systems write a birth date with a time; the day is what counts.
    birth = clock.read((patient.birthDate or "")[:_BIRTH_DATE_LENGTH])
    if birth is not None and birth.low > clock.now:
        birth = None
    recorded = [
        extension.valueCode
        for extension in patient.extension or []
        if extension.url == _BIRTH_SEX and extension.valueCode
    ]
    known = [_SEX_CODES.get(text.lower()) for text in [*recorded, patient.gender or ""]]
    sex = next((each for each in known if each), None)
    return Person(
        ref=patient.ref,
        birth=birth,
        sexes=(sex,) if sex else ("female", "male"),
        ages=age_in_years(birth, clock.now) if birth is not None else None,
    )
