"""Records of drugs: orders, statements, administrations, dispenses, products; DSTU2 to R5."""

from __future__ import annotations

from msgspec import Raw, Struct

from cds_service.fhir.elements import CodeableConcept, Period, Quantity, Ratio, Reference
from cds_service.fhir.records import Concepts, Record, References, SubjectRecord


class DispenseRequest(Struct, frozen=True):
    """How long an order may be supplied."""

    validityPeriod: Period | None = None


class DrugHead(SubjectRecord, kw_only=True):
    """Who, which drug, and whether it is taken."""

    status: str | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    medication: Reference | None = None
    dosageInstruction: Raw = Raw(b"")
    dosage: Raw = Raw(b"")

    @property
    def concept(self) -> CodeableConcept | None:
        """The drug as a concept, R5 or before."""
        if self.medicationCodeableConcept is not None:
            return self.medicationCodeableConcept
        return self.medication.concept if self.medication is not None else None

    @property
    def pointer(self) -> Reference | None:
        """The drug as a reference, R5 or before."""
        return self.medicationReference or self.medication


class MedicationRequestHead(DrugHead, kw_only=True):
    """The order's intent decides whether it is an order at all."""

    intent: str | None = None
    doNotPerform: bool | None = None


class MedicationRequest(MedicationRequestHead, kw_only=True):
    """An order (R4, R4B, R5, STU3) and, with the same members, DSTU2's MedicationOrder."""

    authoredOn: str | None = None
    dateWritten: str | None = None
    reasonCode: Concepts = None
    reasonCodeableConcept: CodeableConcept | None = None
    reasonReference: References = None
    reason: References = None
    statusReason: CodeableConcept | None = None
    reasonEnded: CodeableConcept | None = None
    statusChanged: str | None = None
    dateEnded: str | None = None
    priorPrescription: Reference | None = None
    dispenseRequest: DispenseRequest | None = None


class MedicationStatementHead(DrugHead, kw_only=True):
    """What the patient is said to take; earlier versions deny it with a flag of their own."""

    wasNotTaken: bool | None = None
    taken: str | None = None


class MedicationStatement(MedicationStatementHead, kw_only=True):
    """A statement that a drug is or was taken."""

    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    dateAsserted: str | None = None


class MedicationAdministrationHead(DrugHead, kw_only=True):
    """One administration; earlier versions deny it with a flag of their own."""

    wasNotGiven: bool | None = None
    notGiven: bool | None = None


class MedicationAdministration(MedicationAdministrationHead, kw_only=True):
    """One administration, or an infusion that is running."""

    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    effectiveTimeDateTime: str | None = None
    effectiveTimePeriod: Period | None = None
    occurenceDateTime: str | None = None
    occurencePeriod: Period | None = None


class MedicationDispenseHead(DrugHead, kw_only=True):
    """One supply."""


class MedicationDispense(MedicationDispenseHead, kw_only=True):
    """One supply and how long it lasts."""

    whenHandedOver: str | None = None
    whenPrepared: str | None = None
    daysSupply: Quantity | None = None


class Ingredient(Struct, frozen=True):
    """What a product contains, and how much of it."""

    itemCodeableConcept: CodeableConcept | None = None
    itemReference: Reference | None = None
    item: Reference | None = None
    strength: Ratio | None = None
    strengthRatio: Ratio | None = None
    isActive: bool | None = None
    amount: Ratio | None = None

    @property
    def concept(self) -> CodeableConcept | None:
        """The ingredient as a concept, R5 or before."""
        if self.itemCodeableConcept is not None:
            return self.itemCodeableConcept
        return self.item.concept if self.item is not None else None

    @property
    def ratio(self) -> Ratio | None:
        """Its strength, wherever the version writes it."""
        return self.strength or self.strengthRatio or self.amount


class MedicationProduct(Struct, frozen=True):
    """DSTU2's nesting of form and ingredients."""

    form: CodeableConcept | None = None
    ingredient: list[Ingredient] | None = None


class MedicationHead(Record, kw_only=True):
    """A product's code."""

    code: CodeableConcept | None = None


class Medication(MedicationHead, kw_only=True):
    """A product: code, form, ingredients."""

    form: CodeableConcept | None = None
    doseForm: CodeableConcept | None = None
    ingredient: list[Ingredient] | None = None
    product: MedicationProduct | None = None

    @property
    def dose_form(self) -> CodeableConcept | None:
        """Its dose form, wherever the version writes it."""
        return self.form or self.doseForm or (self.product.form if self.product else None)

    @property
    def ingredients(self) -> list[Ingredient]:
        """Its ingredients, wherever the version writes them."""
        return self.ingredient or (self.product.ingredient if self.product else None) or []
