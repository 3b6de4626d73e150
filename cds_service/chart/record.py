"""Everything one request says about the patient, apart from the drafts: built once a call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TypeVar

from cds_service.chart.allergies import Allergy, read_allergy
from cds_service.chart.diagnoses import Diagnosis, read_diagnosis
from cds_service.chart.drugs import names_a_word
from cds_service.chart.facts import Clock, InTheFuture
from cds_service.chart.kidney import (
    ADULT,
    Estimate,
    KidneyInputs,
    NoEstimate,
    creatinine_clearance,
    estimated_gfr,
    unstable_creatinine,
)
from cds_service.chart.measurements import Circumstances, Measurements
from cds_service.chart.medications import DrugUse, Pharmacy, Taking, still_supplied
from cds_service.chart.person import Person, read_person
from cds_service.chart.results import Result, read_result
from cds_service.chart.services import (
    ProcedureDone,
    ServiceOrder,
    ServiceReader,
    is_in_use,
)
from cds_service.chart.vocabulary import Vocabulary
from cds_service.fhir.dates import When
from cds_service.fhir.drug_records import DrugHead
from cds_service.fhir.reading import CANNOT_BE_READ, Obtained, SetAside
from cds_service.fhir.records import (
    AllergyIntolerance,
    Condition,
    Device,
    EncounterHead,
    Observation,
    Patient,
    Procedure,
    Record,
    ServiceRequest,
)
from cds_service.fhir.references import ReferenceIndex
from cds_service.fhir.terminology import ICD10, ICD10_CM, Match, normal_system

DRUG_LISTS = (
    "MedicationRequest",
    "MedicationOrder",
    "MedicationStatement",
    "MedicationAdministration",
    "MedicationDispense",
)
"""The resource types a medication list may arrive as."""

_log = logging.getLogger(__name__)

ReadRecord = TypeVar("ReadRecord", bound=Record)
Fact = TypeVar("Fact")

_REQUEST_LISTS = ("MedicationRequest", "MedicationOrder")
_INPATIENT_CLASSES = frozenset({"IMP", "ACUTE", "NONAC", "EMER", "inpatient", "emergency"})
_DIALYSIS_COUNTS_FOR = timedelta(days=90)
_PREGNANCY_DAYS = 300
_PREGNANCY_STATUS_DAYS = 42


@dataclass(frozen=True, slots=True)
class DiagnosisFact:
    """A diagnosis that is in a value set, and why."""

    diagnosis: Diagnosis
    match: Match

    @property
    def ref(self) -> str:
        """Where it stands."""
        return self.diagnosis.ref

    @property
    def name(self) -> str:
        """Its name in our own words for the code, never the text of the record."""
        return self.match.display


@dataclass(frozen=True, slots=True)
class Pregnancy:
    """What says that the patient is pregnant."""

    ref: str
    since: When | None
    doubt: str | None


class PatientRecord:
    """One patient on one date in clinical words."""

    def __init__(
        self,
        records: Sequence[Record],
        patient: Patient,
        clock: Clock,
        vocabulary: Vocabulary,
        obtained: Mapping[str, Obtained],
        set_aside: Sequence[SetAside] = (),
    ) -> None:
        self.clock = clock
        self.vocabulary = vocabulary
        self.terminology = vocabulary.terminology
        self.index = ReferenceIndex(records)
        self.pharmacy = Pharmacy(self.terminology, vocabulary.routes, self.index, clock)
        self.services_reader = ServiceReader(self.terminology, vocabulary.service_kinds, clock)
        self.person: Person = read_person(patient, clock)
        self.set_aside = list(set_aside)
        self._obtained = obtained
        self._records = records

    def _read(
        self, kind: type[ReadRecord], read: Callable[[ReadRecord], Fact | None]
    ) -> tuple[Fact, ...]:
        """Every record of a type in clinical words; what lies in the future is set aside."""
        found = []
        for record in self._records:
            if isinstance(record, kind):
                try:
                    fact = read(record)
                except InTheFuture:
                    self.set_aside.append(
                        SetAside("", record.resourceType, record.ref, "lies in the future")
                    )
                    continue
                except Exception as error:  # noqa: BLE001 - one resource must not cost the others
                    _log.error(
                        "resource failed",
                        extra={"type": record.resourceType, "fault": type(error).__name__},
                    )
                    self.set_aside.append(
                        SetAside("", record.resourceType, record.ref, CANNOT_BE_READ)
                    )
                    continue
                if fact is not None:
                    found.append(fact)
        return tuple(found)

    def obtained(self, *resource_types: str) -> Obtained:
        """What became of the queries for resource types: the worst of them."""
        found = [self._obtained.get(name, Obtained.NO) for name in resource_types]
        if Obtained.NO in found:
            return Obtained.NO
        return Obtained.INCOMPLETE if Obtained.INCOMPLETE in found else Obtained.YES

    @cached_property
    def medications_obtained(self) -> Obtained:
        """Medicines count as obtained if any of the request lists was."""
        found = [self._obtained.get(name, Obtained.NO) for name in _REQUEST_LISTS]
        if Obtained.YES in found:
            return Obtained.YES
        return Obtained.INCOMPLETE if Obtained.INCOMPLETE in found else Obtained.NO

    def has_unreadable(self, *resource_types: str) -> bool:
        """Whether a resource of one of the types could not be read at all."""
        return any(
            each.resource_type in resource_types and each.reason == CANNOT_BE_READ
            for each in self.set_aside
        )

    @cached_property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """Every condition that is not denied."""
        return self._read(
            Condition, lambda each: read_diagnosis(each, self.clock, self.terminology)
        )

    @cached_property
    def injury_codes(self) -> Mapping[str, str]:
        """Conditions that carry an ICD-10 injury code (chapters S and T), with the code."""
        found = {}
        for each in self._records:
            if isinstance(each, Condition) and each.code is not None:
                for coding in each.code.codings:
                    is_icd = normal_system(coding.system) in (ICD10, ICD10_CM)
                    if is_icd and (coding.code or "").upper().startswith(("S", "T")):
                        found[each.ref] = coding.code or ""
        return found

    def facts(self, value_set: str, *, history: bool = False) -> list[DiagnosisFact]:
        """Active diagnoses of a value set; with ``history`` also those that are over."""
        found = []
        for diagnosis in self.diagnoses:
            if diagnosis.is_active or history:
                match = self.terminology.match(value_set, diagnosis.rows)
                if match is not None:
                    found.append(DiagnosisFact(diagnosis, match))
        return found

    @cached_property
    def drug_uses(self) -> tuple[DrugUse, ...]:
        """Every record of a drug that is or was taken."""
        return still_supplied(self._read(DrugHead, self.pharmacy.read))

    def uses_of(self, value_set: str, taking: Taking = Taking.NOW) -> list[tuple[DrugUse, Match]]:
        """Records of a drug value set that are taken now (or were, with ``PAST``)."""
        found = []
        for use in self.drug_uses:
            if use.taking is taking:
                match = use.drug.match(value_set, self.terminology)
                if match is not None:
                    found.append((use, match))
        return found

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Every observation that stands."""
        return self._read(Observation, lambda each: read_result(each, self.clock, self.terminology))

    @cached_property
    def measurements(self) -> Measurements:
        """Results by what they measure."""
        circumstances = Circumstances(
            person=self.person,
            is_adult=self.is_adult,
            is_inpatient=self.is_inpatient,
            kidney_disease_is_coded=bool(self.facts("kidney-disease-coded", history=True)),
            results_obtained=self.obtained("Observation") is Obtained.YES,
        )
        ages = self.vocabulary.data_ages
        return Measurements(self.results, circumstances, self.terminology, self.clock, ages)

    @cached_property
    def allergies(self) -> tuple[Allergy, ...]:
        """Every allergy or intolerance that is not denied."""
        return self._read(AllergyIntolerance, lambda each: read_allergy(each, self.terminology))

    @cached_property
    def procedures(self) -> tuple[ProcedureDone, ...]:
        """Every procedure that was done."""
        return self._read(Procedure, self.services_reader.done)

    def procedures_of(self, value_set: str) -> list[ProcedureDone]:
        """Procedures of a value set that were done."""
        return [each for each in self.procedures if self.terminology.match(value_set, each.rows)]

    def is_of_kind(self, name: str, procedure: ProcedureDone) -> bool:
        """Whether a procedure is of a kind of service, by code or by words."""
        kind = self.vocabulary.service_kinds[name]
        return kind.covers(procedure.rows, procedure.words, self.terminology)

    @cached_property
    def services(self) -> tuple[ServiceOrder, ...]:
        """Orders already in the chart that are not drugs."""
        return self._read(ServiceRequest, self.services_reader.order)

    @cached_property
    def pump_devices(self) -> tuple[Device, ...]:
        """Devices in use whose type says that they are an intrathecal pump."""
        return tuple(
            each
            for each in self._records
            if isinstance(each, Device)
            and is_in_use(each)
            and names_a_word(each.words, self.vocabulary.device_words)
        )

    @cached_property
    def is_inpatient(self) -> bool:
        """Whether an encounter of an inpatient or emergency class is in progress."""
        return any(
            each.status == "in-progress" and _class_codes(each) & _INPATIENT_CLASSES
            for each in self._records
            if isinstance(each, EncounterHead)
        )

    @cached_property
    def pregnancy(self) -> Pregnancy | None:
        """An active pregnancy of the last 300 days, or a status of *pregnant* in 42 days.

        No record we can read carries a due date, so a pregnancy counts from its start.
        """
        for fact in self.facts("pregnancy"):
            onset = fact.diagnosis.onset
            if onset is None or self.clock.days_since(onset) <= _PREGNANCY_DAYS:
                return Pregnancy(fact.ref, onset, fact.diagnosis.doubt)
        for result in self.results:
            if result.when is None or self.clock.days_since(result.when) > _PREGNANCY_STATUS_DAYS:
                continue
            is_status = self.terminology.match("pregnancy-status", result.rows) is not None
            value = self.terminology.rows_of(result.concept)
            if is_status and self.terminology.match("pregnancy", value) is not None:
                return Pregnancy(result.ref, result.when, None)
        return None

    @cached_property
    def dialysis(self) -> tuple[str, ...]:
        """The resources that show dialysis: an active condition, or a procedure in 90 days."""
        conditions = [fact.ref for fact in self.facts("dialysis")]
        earliest = self.clock.now - _DIALYSIS_COUNTS_FOR
        procedures = [
            each.ref
            for each in self.procedures_of("dialysis")
            if each.when is not None and each.when.high >= earliest
        ]
        return tuple(dict.fromkeys(conditions + procedures))

    @cached_property
    def dialysis_began_recently(self) -> bool:
        """Whether the first trace of dialysis lies within 90 days."""
        traces = [fact.diagnosis.onset for fact in self.facts("dialysis", history=True)]
        traces += [each.when for each in self.procedures_of("dialysis")]
        dated = [trace for trace in traces if trace is not None]
        if not self.dialysis or len(dated) != len(traces):
            return False
        return min(trace.low for trace in dated) >= self.clock.now - _DIALYSIS_COUNTS_FOR

    @cached_property
    def kidney_inputs(self) -> KidneyInputs:
        """What the formulas need."""
        return KidneyInputs(
            person=self.person,
            creatinine=self.measurements.creatinine,
            creatinine_history=self.measurements.creatinine_history,
            weight=self.measurements.weight,
            height=self.measurements.height,
            reported_egfr=self.measurements.reported_egfr,
            is_pregnant=self.pregnancy is not None,
        )

    @cached_property
    def creatinine_is_unstable(self) -> bool:
        """Whether the newest creatinine has risen as in acute kidney injury."""
        return unstable_creatinine(
            self.measurements.creatinine_history, self.measurements.creatinine.usable
        )

    @cached_property
    def clearance(self) -> Estimate | NoEstimate:
        """Creatinine clearance by Cockcroft-Gault in mL/min."""
        return creatinine_clearance(self.kidney_inputs)

    @cached_property
    def egfr(self) -> Estimate | NoEstimate:
        """eGFR in mL/min/1.73 m2."""
        return estimated_gfr(self.kidney_inputs)

    @property
    def is_adult(self) -> bool | None:
        """Whether the patient is 18 or older; ``None`` where the birth date cannot tell."""
        return self.person.is_at_least(ADULT)


def _class_codes(encounter: EncounterHead) -> set[str]:
    stated = encounter.encounter_class
    if isinstance(stated, str):
        return {stated}
    if isinstance(stated, list):
        return {coding.code or "" for concept in stated for coding in concept.codings}
    return {stated.code or ""} if stated is not None else set()
