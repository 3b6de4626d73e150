"""Allergies and intolerances, told apart."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.chart.drugs import CodedRow
from cds_service.chart.facts import status_code
from cds_service.fhir.records import AllergyIntolerance
from cds_service.fhir.terminology import Terminology

_DENIED = frozenset({"refuted", "entered-in-error"})
_OVER = frozenset({"inactive", "resolved"})


@dataclass(frozen=True, slots=True)
class Allergy:
    """One recorded reaction to a substance."""

    ref: str
    rows: tuple[CodedRow, ...]
    is_intolerance: bool
    """An intolerance is no contraindication, and is evidence that the drug was tried."""

    @property
    def ingredients(self) -> frozenset[str]:
        """The drug ingredients it names."""
        return frozenset(name for row, _, _ in self.rows for name in row.ingredients)


def read_allergy(record: AllergyIntolerance, terminology: Terminology) -> Allergy | None:
    """One allergy; ``None`` where it is denied or over. Not confirmed still counts in full."""
    verification = status_code(record.verificationStatus)
    clinical = status_code(record.clinicalStatus)
    statuses = {verification, clinical, status_code(record.status)}
    if statuses & _DENIED or clinical in _OVER:
        return None
    return Allergy(
        ref=record.ref,
        rows=tuple(terminology.rows_of(record.code) + terminology.rows_of(record.substance)),
        is_intolerance=status_code(record.type) == "intolerance",
    )
