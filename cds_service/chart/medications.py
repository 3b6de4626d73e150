"""What the patient takes, took, and is about to take: one ``DrugUse`` per record.

Requests, statements, running administrations and dispenses are read into one shape; what
an order's status, intent and dates mean is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

import msgspec

from cds_service.chart.dose import Regimen, read_regimen, units_a_day
from cds_service.chart.drugs import Drug, RouteWords, read_drug, read_route
from cds_service.chart.facts import Clock
from cds_service.fhir.dates import When
from cds_service.fhir.dosage import Dosage, read_dosages
from cds_service.fhir.drug_records import (
    DrugHead,
    MedicationAdministration,
    MedicationAdministrationHead,
    MedicationDispense,
    MedicationRequest,
    MedicationRequestHead,
    MedicationStatement,
    MedicationStatementHead,
)
from cds_service.fhir.elements import CodeableConcept, Period, concepts_in, references_in
from cds_service.fhir.references import ReferenceIndex
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.units import Dimension

POSSIBLY_FINISHED_AFTER = timedelta(days=30)
"""An active request whose supply ended longer ago than this may be over. Our own choice."""

_POSSIBLY_FINISHED = "possibly finished"
_NOT_AN_ORDER = frozenset({"proposal", "plan", "option"})
_ORAL_FROM_MILLIGRAMS = Decimal(1)


class Taking(StrEnum):
    """What a record says about taking the drug."""

    NOW = "now"
    PAST = "past"
    DRAFT = "draft"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class DrugUse:
    """One record of a drug in clinical words."""

    ref: str
    kind: str
    """``request``, ``statement``, ``administration`` or ``dispense``."""
    record: DrugHead
    drug: Drug
    route: str | None
    regimen: Regimen
    units_a_day: Decimal | None
    """The daily dose of a drug dosed in units, such as heparin."""
    taking: Taking
    status: str
    doubt: str | None
    start: When | None
    end: When | None
    ended_unknown: bool
    prior: str | None
    reasons: tuple[CodeableConcept, ...]
    reason_refs: tuple[str, ...]
    stop_codes: frozenset[str]

    @property
    def is_paused(self) -> bool:
        """Whether it is on hold: it may be restarted, but adds nothing to a dose."""
        return self.status == "on-hold"

    @property
    def name(self) -> str:
        """The drug as a card prints it: its ingredients."""
        return " / ".join(sorted(self.drug.ingredients)) or "unnamed drug"


@dataclass(frozen=True, slots=True)
class Pharmacy:
    """What is needed to read drugs: codes, routes, references and the clock."""

    terminology: Terminology
    routes: Mapping[str, RouteWords]
    index: ReferenceIndex
    clock: Clock

    def is_systemic(self, use: DrugUse) -> bool:
        """Whether the drug reaches the whole body; not stated counts as yes."""
        route = self.routes.get(use.route or "")
        return route.is_systemic if route is not None else True

    def read(self, record: DrugHead, *, is_draft: bool = False) -> DrugUse | None:
        """Read one record; ``None`` where it denies the drug or is no order."""
        if _is_denied(record):
            return None
        dosages = read_dosages(record.dosageInstruction)
        if dosages == []:
            dosages = read_dosages(record.dosage)
        if record.resourceType == "MedicationOrder":
            dosages = _in_sequence(dosages)
        drug = read_drug(record, self.index, self.terminology)
        regimen = read_regimen(dosages, drug.strength)
        use = DrugUse(
            ref=record.ref,
            kind=_kind(record),
            record=record,
            drug=drug,
            route=self._route(drug, dosages or [], regimen),
            regimen=regimen,
            units_a_day=units_a_day(dosages),
            taking=Taking.DRAFT,
            status=(record.status or "").strip().lower(),
            doubt=None,
            start=self._start(record, dosages or []),
            end=self._end(record, dosages or []),
            ended_unknown=False,
            prior=_prior(record),
            reasons=_reasons(record),
            reason_refs=_reason_refs(record),
            stop_codes=_stop_codes(record),
        )
        return use if is_draft else self._in_the_chart(use)

    def _route(self, drug: Drug, dosages: list[Dosage], regimen: Regimen) -> str | None:
        stated = next((dosage.route for dosage in dosages if dosage.route is not None), None)
        route = read_route(stated, drug, self.routes, self.terminology)
        if route is not None or not dosages:
            return route
        if "baclofen" in drug.ingredients:
            # Milligrams are oral doses; micrograms without a route could be anything.
            single = regimen.peak_single_mg
            in_milligrams = all(each.written_in_milligrams for each in regimen.instructions)
            return "oral" if single and single >= _ORAL_FROM_MILLIGRAMS and in_milligrams else None
        return "oral" if "tizanidine" in drug.ingredients else None

    def _start(self, record: DrugHead, dosages: list[Dosage]) -> When | None:
        texts: list[str | None] = []
        if isinstance(record, MedicationRequest):
            texts = [record.authoredOn, record.dateWritten]
        elif isinstance(record, MedicationStatement):
            texts = [_start_of(record.effectivePeriod), record.effectiveDateTime]
        elif isinstance(record, MedicationAdministration):
            periods = (record.effectivePeriod, record.effectiveTimePeriod, record.occurencePeriod)
            texts = [_start_of(period) for period in periods]
            texts += [
                record.effectiveDateTime,
                record.effectiveTimeDateTime,
                record.occurenceDateTime,
            ]
        elif isinstance(record, MedicationDispense):
            texts = [record.whenHandedOver, record.whenPrepared]
        bounds = [_start_of(period) for period in _bounds(dosages)]
        dates = [self.clock.read(text) for text in [*texts, *bounds]]
        return min((date for date in dates if date), key=lambda date: date.low, default=None)

    def _end(self, record: DrugHead, dosages: list[Dosage]) -> When | None:
        """The earlier of the planned ends, else the date of the status."""
        bounds = [period.end for period in _bounds(dosages)]
        ends = [max(filter(None, bounds), default=None)] if bounds else []
        changed: list[str | None] = []
        if isinstance(record, MedicationRequest):
            supply = record.dispenseRequest.validityPeriod if record.dispenseRequest else None
            ends.append(supply.end if supply else None)
            changed = [record.statusChanged, record.dateEnded]
        elif isinstance(record, MedicationStatement):
            ends.append(record.effectivePeriod.end if record.effectivePeriod else None)
        elif isinstance(record, MedicationAdministration):
            periods = (record.effectivePeriod, record.effectiveTimePeriod, record.occurencePeriod)
            ends += [period.end for period in periods if period is not None]
            if record.status == "completed":
                changed = [record.effectiveDateTime, record.occurenceDateTime]
        elif isinstance(record, MedicationDispense):
            return self._supplied_until(record)
        planned = [date for date in map(self.clock.read, ends) if date]
        if planned:
            return min(planned, key=lambda date: date.low)
        return next((date for date in map(self.clock.read, changed) if date), None)

    def _supplied_until(self, record: MedicationDispense) -> When | None:
        handed_over = self.clock.read(record.whenHandedOver) or self.clock.read(record.whenPrepared)
        supply = record.daysSupply
        hours = supply.to(Dimension.TIME) if supply is not None else None
        if supply is not None and hours is None and not supply.has_unit and supply.value:
            hours = supply.value * 24
        if handed_over is None or hours is None:
            return None
        length = timedelta(hours=float(hours))
        return When(handed_over.low + length, handed_over.high + length)

    def _in_the_chart(self, use: DrugUse) -> DrugUse | None:
        self.clock.refuse_future(use.start)
        intent = use.record.intent if isinstance(use.record, MedicationRequestHead) else None
        if intent in _NOT_AN_ORDER:
            return None
        taking, doubt = _TAKING[use.kind].get(use.status, (Taking.NEVER, None))
        if use.kind == "dispense" and not (use.end and use.end.high >= self.clock.now):
            taking = Taking.PAST if taking is not Taking.NEVER else taking
        if taking is Taking.NOW and self.clock.is_past(use.end) and use.end is not None:
            if use.kind == "administration":
                taking = Taking.PAST
            elif use.end.high < self.clock.now - POSSIBLY_FINISHED_AFTER:
                doubt = doubt or f"{_POSSIBLY_FINISHED}: its supply ended {use.end.text}"
        if taking is Taking.NEVER:
            return None
        ended_unknown = taking is Taking.PAST and not self.clock.is_past(use.end)
        return replace(use, taking=taking, doubt=doubt, ended_unknown=ended_unknown)


def still_supplied(uses: tuple[DrugUse, ...]) -> tuple[DrugUse, ...]:
    """A request whose supply has ended is not in doubt where a later dispense carries it on."""
    supplies = [use for use in uses if use.kind == "dispense" and use.start is not None]
    return tuple(
        replace(use, doubt=None)
        if use.doubt is not None
        and use.doubt.startswith(_POSSIBLY_FINISHED)
        and any(
            use.drug.ingredients & supply.drug.ingredients
            and supply.start is not None
            and use.end is not None
            and supply.start.low > use.end.low
            for supply in supplies
        )
        else use
        for use in uses
    )


def _in_sequence(dosages: list[Dosage] | None) -> list[Dosage] | None:
    """DSTU2 has no ``sequence``: bounded instructions follow each other as they are listed."""
    if not dosages or len(dosages) == 1:
        return dosages
    bounded = [
        dosage.timing is not None
        and dosage.timing.repeat is not None
        and (dosage.timing.repeat.boundsQuantity or dosage.timing.repeat.boundsDuration) is not None
        for dosage in dosages
    ]
    if not all(bounded[:-1]):
        return dosages
    return [
        msgspec.structs.replace(dosage, sequence=number)
        for number, dosage in enumerate(dosages, start=1)
    ]


_ACTIVE = (Taking.NOW, None)
_PAST = (Taking.PAST, None)
_ON_HOLD = (Taking.NOW, "on hold")
_UNCLEAR = (Taking.NOW, "its status is not recorded")
_TAKING: dict[str, dict[str, tuple[Taking, str | None]]] = {
    "request": {
        "active": _ACTIVE, "on-hold": _ON_HOLD, "completed": _PAST, "stopped": _PAST,
        "cancelled": _PAST, "ended": _PAST, "unknown": _UNCLEAR, "": _UNCLEAR,
    },
    "statement": {
        "active": _ACTIVE, "intended": _ACTIVE, "recorded": _ACTIVE, "on-hold": _ON_HOLD,
        "completed": _PAST, "stopped": _PAST, "unknown": _UNCLEAR, "": _UNCLEAR,
    },
    "administration": {
        "in-progress": _ACTIVE, "on-hold": _ON_HOLD, "completed": _PAST, "stopped": _PAST,
    },
    "dispense": {
        "completed": (Taking.NOW, "only a supply is recorded"),
        "in-progress": (Taking.NOW, "only a supply is recorded"),
        "on-hold": (Taking.NOW, "only a supply is recorded"),
    },
}  # fmt: skip


def _is_denied(record: DrugHead) -> bool:
    if (record.status or "").strip().lower() in ("entered-in-error", "not-taken", "not-done"):
        return True
    if isinstance(record, MedicationRequestHead):
        return bool(record.doNotPerform)
    if isinstance(record, MedicationStatementHead):
        return bool(record.wasNotTaken) or record.taken == "n"
    if isinstance(record, MedicationAdministrationHead):
        return bool(record.wasNotGiven) or bool(record.notGiven)
    return False


def is_an_order(record: DrugHead) -> bool:
    """Whether a draft is meant to be carried out; a proposal or plan is not."""
    if not isinstance(record, MedicationRequestHead) or _is_denied(record):
        return False
    return (record.intent or "order") not in _NOT_AN_ORDER


def _kind(record: DrugHead) -> str:
    if isinstance(record, MedicationStatementHead):
        return "statement"
    if isinstance(record, MedicationAdministrationHead):
        return "administration"
    if isinstance(record, MedicationRequestHead):
        return "request"
    return "dispense"


def _prior(record: DrugHead) -> str | None:
    if isinstance(record, MedicationRequest) and record.priorPrescription is not None:
        return record.priorPrescription.literal
    return None


def _reasons(record: DrugHead) -> tuple[CodeableConcept, ...]:
    if not isinstance(record, MedicationRequest):
        return ()
    given = (record.reasonCode, record.reasonCodeableConcept, record.reason)
    return tuple(concept for value in given for concept in concepts_in(value))


def _reason_refs(record: DrugHead) -> tuple[str, ...]:
    if not isinstance(record, MedicationRequest):
        return ()
    given = (record.reasonReference, record.reason)
    return tuple(reference for value in given for reference in references_in(value))


def _stop_codes(record: DrugHead) -> frozenset[str]:
    if not isinstance(record, MedicationRequest):
        return frozenset()
    concepts = (record.statusReason, record.reasonEnded)
    return frozenset(
        coding.code.lower()
        for concept in concepts
        if concept is not None
        for coding in concept.codings
        if coding.code
    )


def _bounds(dosages: Iterable[Dosage]) -> list[Period]:
    return [
        dosage.timing.repeat.boundsPeriod
        for dosage in dosages
        if dosage.timing and dosage.timing.repeat and dosage.timing.repeat.boundsPeriod
    ]


def _start_of(period: Period | None) -> str | None:
    return period.start if period is not None else None
