"""Orders for procedures, devices, tests and referrals, and what was done before.

Here text may identify what is ordered, as whole words of the rulebook's lists: no code
exists for most of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds_service.chart.diagnoses import body_sites
from cds_service.chart.drugs import CodedRow, names_a_word
from cds_service.chart.facts import Clock
from cds_service.fhir.dates import When
from cds_service.fhir.elements import CodeableConcept, concepts_in, references_in
from cds_service.fhir.records import Device, Procedure, ServiceRequest
from cds_service.fhir.terminology import Terminology

_NOT_AN_ORDER = frozenset({"proposal", "plan", "option"})
_OPEN = frozenset({"draft", "active", "on-hold", "requested", "unknown", ""})
_DONE = frozenset({"completed", "in-progress"})
_IN_USE = frozenset({"active", "available", ""})


@dataclass(frozen=True, slots=True)
class ServiceKind:
    """How one kind of service order is recognised."""

    name: str
    title: str
    value_sets: tuple[str, ...]
    words: tuple[str, ...]
    and_words: tuple[str, ...]
    """Where given, one of these must stand there besides."""
    unless_words: tuple[str, ...]

    def covers(self, rows: tuple[CodedRow, ...], words: str, terminology: Terminology) -> bool:
        """By code; else by whole words, unless a word says it is something else."""
        if any(terminology.match(each, rows) for each in self.value_sets):
            return True
        return (
            names_a_word(words, self.words)
            and (not self.and_words or names_a_word(words, self.and_words))
            and not names_a_word(words, self.unless_words)
        )


@dataclass(frozen=True, slots=True)
class ServiceOrder:
    """One order that is not a drug, drafted or already in the chart."""

    ref: str
    resource_type: str
    rows: tuple[CodedRow, ...]
    words: str
    notes: str
    """What was written on the order for whoever carries it out."""
    kinds: frozenset[str]
    sites: frozenset[str]
    reasons: tuple[CodeableConcept, ...]
    reason_refs: tuple[str, ...]
    occurs: When | None
    authored: When | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class ProcedureDone:
    """One procedure that was done."""

    ref: str
    rows: tuple[CodedRow, ...]
    words: str
    when: When | None
    outcome_rows: tuple[CodedRow, ...]


@dataclass(frozen=True, slots=True)
class ServiceReader:
    """What is needed to read services: codes, kinds and the clock."""

    terminology: Terminology
    kinds: Mapping[str, ServiceKind]
    clock: Clock

    def order(self, record: ServiceRequest) -> ServiceOrder | None:
        """One order; ``None`` where it is denied, no order, or over."""
        status = (record.status or "").strip().lower()
        if record.doNotPerform or status not in _OPEN or (record.intent in _NOT_AN_ORDER):
            return None
        concept = record.concept
        rows = tuple(self.terminology.rows_of(concept))
        words = concept.words if concept is not None else ""
        period = record.occurrencePeriod
        return ServiceOrder(
            ref=record.ref,
            resource_type=record.resourceType,
            rows=rows,
            words=words,
            notes=_notes(record),
            kinds=frozenset(
                kind.name
                for kind in self.kinds.values()
                if kind.covers(rows, words, self.terminology)
            ),
            sites=body_sites(record.bodySite),
            reasons=tuple(
                concept
                for value in (record.reasonCode, record.reason)
                for concept in concepts_in(value)
            ),
            reason_refs=tuple(
                reference
                for value in (record.reasonReference, record.reason)
                for reference in references_in(value)
            ),
            occurs=self.clock.read(record.occurrenceDateTime or (period.start if period else None)),
            authored=self.clock.read(record.authoredOn),
            is_active=status == "active",
        )

    def done(self, record: Procedure) -> ProcedureDone | None:
        """One procedure; ``None`` where it was not done."""
        if record.notPerformed or (record.status or "").strip().lower() not in _DONE:
            return None
        periods = [p for p in (record.performedPeriod, record.occurrencePeriod) if p is not None]
        texts = [record.performedDateTime, record.occurrenceDateTime]
        texts += [period.end or period.start for period in periods]
        when = next((date for date in map(self.clock.read, texts) if date), None)
        self.clock.refuse_future(when)
        return ProcedureDone(
            ref=record.ref,
            rows=tuple(self.terminology.rows_of(record.code)),
            words=record.code.words if record.code is not None else "",
            when=when,
            outcome_rows=tuple(self.terminology.rows_of(record.outcome)),
        )


def _notes(record: ServiceRequest) -> str:
    if isinstance(record.note, str):
        return record.note
    return " / ".join(note.text for note in record.note or [] if note.text)


def is_in_use(device: Device) -> bool:
    """Whether a device is recorded as in use."""
    return (device.status or "").strip().lower() in _IN_USE
