"""A hook request of a chosen size, always the same for the same size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STORY = Path(__file__).parent.parent / "fixtures/fhir/tizanidine-with-ciprofloxacin.order-sign.json"


def sized_request(entries: int) -> bytes:
    """The story of the README with so many unrelated results, drugs and conditions around it."""
    request: dict[str, Any] = json.loads(STORY.read_text(encoding="utf-8"))
    patient = {"reference": f"Patient/{request['context']['patientId']}"}
    kinds = [("laboratory", _result), ("conditions", _condition), ("medicationRequests", _drug)]
    for number in range(entries):
        key, make = kinds[0] if number % 5 else kinds[1 + number // 5 % 2]
        bundle = request["prefetch"][key]
        bundle.setdefault("entry", []).append({"resource": make(number) | {"subject": patient}})
    return json.dumps(request).encode()


def _result(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"noise-{number}",
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}], "text": "Potassium"},
        "effectiveDateTime": "2026-10-01T08:00:00Z",
        "valueQuantity": {"value": 4.1, "unit": "mmol/L", "code": "mmol/L",
                          "system": "http://unitsofmeasure.org"},
    }  # fmt: skip


def _condition(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"noise-{number}",
        "clinicalStatus": {"coding": [{"code": "resolved"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "444814009"}],
                 "text": "Viral sinusitis"},
        "onsetDateTime": "2014-05-01",
    }  # fmt: skip


def _drug(number: int) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": f"noise-{number}",
        "status": "completed",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "834060"}],
            "text": "Penicillin V",
        },
        "authoredOn": "2015-05-01T08:00:00Z",
        "dosageInstruction": [
            {"timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
             "doseAndRate": [{"doseQuantity": {"value": 1}}]}
        ],
    }  # fmt: skip
