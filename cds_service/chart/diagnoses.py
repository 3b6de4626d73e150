"""Diagnoses: which stand, which are history, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.chart.drugs import CodedRow
from cds_service.chart.facts import Clock, status_code
from cds_service.fhir.dates import When
from cds_service.fhir.elements import CodeableConcept, concepts_in
from cds_service.fhir.records import Condition
from cds_service.fhir.terminology import Terminology, normal_code, normal_system

_DENIED = frozenset({"refuted", "entered-in-error"})
_NOT_CONFIRMED = frozenset({"unconfirmed", "provisional", "differential"})
_ACTIVE = frozenset({"active", "recurrence", "relapse"})
_HISTORY = frozenset({"inactive", "remission", "resolved"})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One recorded condition."""

    ref: str
    rows: tuple[CodedRow, ...]
    is_active: bool
    in_remission: bool
    doubt: str | None
    onset: When | None
    sites: frozenset[str]
    """Body sites as ``system|code`` and lower-case words; empty where none is stated."""


def read_diagnosis(
    condition: Condition, clock: Clock, terminology: Terminology
) -> Diagnosis | None:
    """One condition; ``None`` where it is denied or entered in error."""
    verification = status_code(condition.verificationStatus)
    clinical = status_code(condition.clinicalStatus)
    # STU3 feeds have been seen with the verification in the clinical status.
    if verification in _DENIED or clinical in _DENIED:
        return None
    onset = _onset(condition, clock)
    clock.refuse_future(onset)
    abated = _abated(condition, clock)
    doubts = []
    if verification in _NOT_CONFIRMED:
        doubts.append("not confirmed")
    if clinical in _HISTORY:
        is_active = False
    elif clinical in _ACTIVE:
        is_active = True
        if abated:
            doubts.append("recorded as active and as ended")
    else:
        is_active = not abated
    return Diagnosis(
        ref=condition.ref,
        rows=tuple(terminology.rows_of(condition.code)),
        is_active=is_active,
        in_remission=clinical == "remission",
        doubt=", ".join(doubts) or None,
        onset=onset,
        sites=body_sites(condition.bodySite),
    )


def _onset(condition: Condition, clock: Clock) -> When | None:
    period = condition.onsetPeriod.start if condition.onsetPeriod else None
    recorded = (condition.recordedDate, condition.assertedDate, condition.dateRecorded)
    for text in (condition.onsetDateTime, period, *recorded):
        when = clock.read(text)
        if when is not None:
            return when
    return None


def _abated(condition: Condition, clock: Clock) -> bool:
    if condition.abatementBoolean or condition.abatementString:
        return True
    period = condition.abatementPeriod.end if condition.abatementPeriod else None
    return any(clock.is_past(clock.read(text)) for text in (condition.abatementDateTime, period))


def body_sites(value: object) -> frozenset[str]:
    """Body sites by code and by word, so that the same site in two records meets."""
    sites: set[str] = set()
    for concept in concepts_in(value):
        sites |= _site_names(concept)
    return frozenset(sites)


def _site_names(concept: CodeableConcept) -> set[str]:
    names = {
        f"{normal_system(coding.system)}|{normal_code(normal_system(coding.system), coding.code)}"
        for coding in concept.codings
        if coding.code
    }
    return names | ({concept.text.strip().lower()} if concept.text else set())


def same_site(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether two records may be about the same site; a missing site counts as the same."""
    return not first or not second or bool(first & second)
