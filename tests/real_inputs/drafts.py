"""Our drugs, drafted into somebody else's patient in the FHIR version of that patient."""

from __future__ import annotations

from tests.vignettes.fhir_json import Json, coded, coding, quantity
from tests.vignettes.moment import Moment
from tests.vignettes.versions import converted

BACLOFEN_15 = "baclofen 5 mg three times daily"
BACLOFEN_60 = "baclofen 20 mg three times daily"
TIZANIDINE_12 = "tizanidine 4 mg three times daily"
PUMP = "pump implantation"
STOP_OF_NOTHING = "a stop of baclofen nobody takes"

_BACLOFEN = coded([coding("rxn", "1292", "baclofen")])
_TIZANIDINE = coded([coding("rxn", "57258", "tizanidine")])
_ORAL = coded([coding("sct", "26643006", "Oral route")])
_IMPLANTATION = coded([coding("pcs", "00HU03Z")])


def drafts(version: str, patient_id: str, moment: Moment) -> dict[str, Json]:
    """Name -> one order; without the pump where the version has no ServiceRequest."""
    made = {
        BACLOFEN_15: _drug("draft", _BACLOFEN, 5),
        BACLOFEN_60: _drug("draft", _BACLOFEN, 20),
        TIZANIDINE_12: _drug("draft", _TIZANIDINE, 4),
        STOP_OF_NOTHING: _drug("stopped", _BACLOFEN, 10),
        PUMP: {"resourceType": "ServiceRequest", "status": "draft", "code": _IMPLANTATION},
    }
    for order in made.values():
        order["id"] = "drafted-order"
        order["intent"] = "order"
        order["subject"] = {"reference": f"Patient/{patient_id}"}
        order["authoredOn"] = moment.day(0)
    if version == "R4":
        return made
    del made[PUMP]
    return {name: converted(order, version) for name, order in made.items()}


def _drug(status: str, drug: Json, milligrams: int) -> Json:
    dosage = {
        "text": f"{milligrams} mg three times daily",
        "timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
        "route": _ORAL,
        "doseAndRate": [{"doseQuantity": quantity(milligrams, "mg")}],
    }
    return {
        "resourceType": "MedicationRequest",
        "status": status,
        "medicationCodeableConcept": drug,
        "dosageInstruction": [dosage],
    }
