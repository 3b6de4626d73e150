"""The resource types we read, one typed record each, with the members of DSTU2 to R5.

Only members that something reads are here. Each type has a *head* (identity, status,
subject, code) and a body; where the body cannot be decoded the head still stands and
``damaged`` says so, so that a broken detail is an unknown detail and not an absent fact.
Dosage stays raw: it is decoded apart (``dosage.py``).
"""

from __future__ import annotations

from msgspec import Raw, Struct, field

from cds_service.fhir.elements import (
    CodeableConcept,
    Coding,
    Period,
    Quantity,
    Reference,
    as_list,
)

Concepts = list[CodeableConcept] | CodeableConcept | None
References = list[Reference] | Reference | None
Status = CodeableConcept | str | None


class Record(Struct, kw_only=True):
    """What every resource has; the members with underscores are ours, set after decoding."""

    resourceType: str
    id: str | None = None
    contained: list[Raw] | None = None
    # Reset after decoding: no client can set them.
    ref: str = field(default="", name="__ref")
    full_url: str = field(default="", name="__fullUrl")
    damaged: bool = field(default=False, name="__damaged")
    source: Raw = field(default_factory=lambda: Raw(b""), name="__source")


class SubjectRecord(Record, kw_only=True):
    """A record about a patient."""

    subject: Reference | None = None
    patient: Reference | None = None

    @property
    def about(self) -> str | None:
        """The literal reference to the patient it is about."""
        for pointer in (self.subject, self.patient):
            if pointer is not None and pointer.literal:
                return pointer.literal
        return None


class Extension(Struct, frozen=True):
    """The two extension values we read: codes of sex."""

    url: str | None = None
    valueCode: str | None = None
    valueCodeableConcept: CodeableConcept | None = None


class PatientHead(Record, kw_only=True):
    """The patient's identity."""


class Patient(PatientHead, kw_only=True):
    """The patient."""

    birthDate: str | None = None
    gender: str | None = None
    extension: list[Extension] | None = None


class ConditionHead(SubjectRecord, kw_only=True):
    """A diagnosis and whether it stands."""

    code: CodeableConcept | None = None
    clinicalStatus: Status = None
    verificationStatus: Status = None


class Condition(ConditionHead, kw_only=True):
    """A diagnosis or problem."""

    category: Concepts = None
    bodySite: Concepts = None
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    abatementDateTime: str | None = None
    abatementPeriod: Period | None = None
    abatementBoolean: bool | None = None
    abatementString: str | None = None
    recordedDate: str | None = None
    assertedDate: str | None = None
    dateRecorded: str | None = None


class ReferenceRange(Struct, frozen=True):
    """The laboratory's own limits."""

    high: Quantity | None = None
    type: Concepts = None


class Component(Struct, frozen=True):
    """One part of a panel."""

    code: CodeableConcept | None = None
    valueQuantity: Quantity | None = None
    dataAbsentReason: CodeableConcept | None = None


class ObservationHead(SubjectRecord, kw_only=True):
    """Which result, and whether it stands."""

    status: str | None = None
    code: CodeableConcept | None = None


class Observation(ObservationHead, kw_only=True):
    """A result or vital sign."""

    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    effectiveInstant: str | None = None
    issued: str | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueString: str | None = None
    dataAbsentReason: CodeableConcept | None = None
    referenceRange: list[ReferenceRange] | None = None
    component: list[Component] | None = None


class AllergyIntoleranceHead(SubjectRecord, kw_only=True):
    """Which substance, and whether it stands."""

    code: CodeableConcept | None = None
    substance: CodeableConcept | None = None
    clinicalStatus: Status = None
    verificationStatus: Status = None
    status: str | None = None
    type: Status = None


class AllergyIntolerance(AllergyIntoleranceHead, kw_only=True):
    """An allergy or intolerance."""

    criticality: str | None = None
    recordedDate: str | None = None


class ProcedureHead(SubjectRecord, kw_only=True):
    """Which procedure, and whether it was done."""

    status: str | None = None
    code: CodeableConcept | None = None
    notPerformed: bool | None = None


class Procedure(ProcedureHead, kw_only=True):
    """A procedure."""

    performedDateTime: str | None = None
    performedPeriod: Period | None = None
    occurrenceDateTime: str | None = None
    occurrencePeriod: Period | None = None
    outcome: CodeableConcept | None = None
    bodySite: Concepts = None


class DeviceHead(SubjectRecord, kw_only=True):
    """Which device, and whether it is in use."""

    status: str | None = None
    type: Concepts = None


class DeviceName(Struct, frozen=True):
    """A name a device goes by."""

    name: str | None = None


class Device(DeviceHead, kw_only=True):
    """A device."""

    deviceName: list[DeviceName] | None = None

    @property
    def words(self) -> str:
        """Everything printed about what it is."""
        names = [each.name for each in self.deviceName or [] if each.name]
        return " / ".join([concept.words for concept in as_list(self.type)] + names)


class DeviceUseStatement(SubjectRecord, kw_only=True):
    """That a device is used."""

    status: str | None = None
    device: Reference | None = None


class ServiceRequestHead(SubjectRecord, kw_only=True):
    """Which service is ordered. In R5 the code is a reference to a concept."""

    status: str | None = None
    intent: str | None = None
    doNotPerform: bool | None = None
    code: CodeableConcept | None = None
    codeCodeableConcept: CodeableConcept | None = None

    @property
    def concept(self) -> CodeableConcept | None:
        """What is ordered, R5 or before."""
        return self.code or self.codeCodeableConcept


class Annotation(Struct, frozen=True):
    """A note on an order."""

    text: str | None = None


class ServiceRequest(ServiceRequestHead, kw_only=True):
    """An order for a procedure, a test, a referral or (DeviceRequest) a device."""

    authoredOn: str | None = None
    occurrenceDateTime: str | None = None
    occurrencePeriod: Period | None = None
    reasonCode: Concepts = None
    reasonReference: References = None
    reason: References = None
    bodySite: Concepts = None
    note: list[Annotation] | str | None = None


class EncounterHead(SubjectRecord, kw_only=True):
    """A visit or stay; the class is a Coding in R4, concepts in R5, a string in DSTU2."""

    status: str | None = None
    encounter_class: Coding | list[CodeableConcept] | str | None = field(name="class", default=None)


class Practitioner(Record, kw_only=True):
    """A person who orders."""


class PractitionerRole(Record, kw_only=True):
    """What a person who orders is."""

    practitioner: Reference | None = None
    specialty: Concepts = None


class Issue(Struct, frozen=True):
    """One complaint of a server."""

    severity: str | None = None
    code: str | None = None


class OperationOutcome(Record, kw_only=True):
    """A server's answer that is not data."""

    issue: list[Issue] | None = None
