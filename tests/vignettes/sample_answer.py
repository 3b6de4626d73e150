"""A sound answer with one card, for the tests of the checks themselves."""

from __future__ import annotations

from tests.vignettes.fhir_json import Json, hl7_code, quantity
from tests.vignettes.response_checks import FINDINGS, OVERRIDE_SYSTEM, SUMMARY, TOPIC_SYSTEM

ORDER = "MedicationRequest/x1-ord1"
ROUTE = hl7_code("v3-RouteOfAdministration", "PO")


def draft() -> Json:
    """An order of 90 mg of baclofen a day."""
    return {
        "resourceType": "MedicationRequest",
        "id": "x1-ord1",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {"text": "baclofen"},
        "subject": {"reference": "Patient/x1-pat"},
        "dosageInstruction": [
            {
                "text": "old words",
                "timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
                "route": ROUTE,
                "doseAndRate": [{"doseQuantity": quantity(30, "mg")}],
            }
        ],
        "dispenseRequest": {"numberOfRepeatsAllowed": 2, "quantity": quantity(90, "tablet")},
    }


def changed_draft() -> Json:
    """The same order at 80 mg a day, in the form an update must have."""
    made = draft()
    made["dosageInstruction"] = [
        {
            "text": "20 mg four times daily",
            "timing": {"repeat": {"frequency": 4, "period": 1, "periodUnit": "d"}},
            "route": ROUTE,
            "doseAndRate": [{"doseQuantity": quantity(20, "mg")}],
        }
    ]
    made["dispenseRequest"] = {"numberOfRepeatsAllowed": 2}
    return made


def request() -> Json:
    """A call with that draft."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft()}]}
    return {"hook": "order-select", "context": {"patientId": "x1-pat", "draftOrders": bundle}}


def answer() -> Json:
    """One card that offers the lower dose or removal."""
    return {
        "cards": [
            {
                "uuid": "7e11b2f4-52a6-4a0f-8b54-6d1b0f1d8a01",
                "summary": "Baclofen 90 mg a day is above 80 mg",
                "detail": "The label gives 80 mg as the highest dose.",
                "indicator": "warning",
                "source": {
                    "label": "Prescribing information",
                    "url": "https://label.example.org/baclofen",
                    "topic": {"system": TOPIC_SYSTEM, "code": "dose", "display": "Dose"},
                },
                "suggestions": [
                    {
                        "label": "Change to 20 mg four times daily",
                        "uuid": "7e11b2f4-52a6-4a0f-8b54-6d1b0f1d8a02",
                        "isRecommended": True,
                        "actions": [
                            {
                                "type": "update",
                                "description": "Change the dose",
                                "resource": changed_draft(),
                            }
                        ],
                    },
                    {
                        "label": "Remove the order",
                        "uuid": "7e11b2f4-52a6-4a0f-8b54-6d1b0f1d8a03",
                        "actions": [
                            {
                                "type": "delete",
                                "description": "Remove the order",
                                "resourceId": ORDER,
                            }
                        ],
                    },
                ],
                "selectionBehavior": "at-most-one",
                "overrideReasons": [
                    {"system": OVERRIDE_SYSTEM, "code": "OV-1", "display": "Benefit outweighs risk"}
                ],
                "links": [
                    {"label": "Label", "url": "https://label.example.org", "type": "absolute"}
                ],
                "extension": {
                    FINDINGS: [
                        {
                            "rule": "baclofen-dose-above-80",
                            "indicator": "warning",
                            "key": "k1",
                            "order": ORDER,
                            "reason": "Daily dose 90 mg",
                            "evidence": [ORDER],
                        }
                    ]
                },
            }
        ],
        "extension": {SUMMARY: {"rulebook": "1", "evaluated": 3, "yes": 1, "no": 2, "unknown": 0}},
    }
