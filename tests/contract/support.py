"""What the wire is tested with: a small rulebook, an advisor that records, ready requests."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from werkzeug.test import TestResponse

from cds_service.cards.history import History
from cds_service.cds import HookRequest, Service
from cds_service.consultation import Consultation, Filters
from cds_service.rules.rulebook import Rulebook
from cds_service.settings import Settings, load_settings
from cds_service.web.logs import log_to

NOW = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)
INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
ORDER_SELECT = "/cds-services/spasticity-order-select"
ORDER_SIGN = "/cds-services/spasticity-order-sign"
PRESCRIBE = "/cds-services/spasticity-medication-prescribe"
PATIENT_VIEW = "/cds-services/spasticity-patient-view"

PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01", "gender": "female"}
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CARD: dict[str, Any] = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "summary": "Baclofen: the starting dose is high",
    "detail": "The dose is above the label's.",
    "indicator": "warning",
    "source": {
        "label": "Guideline",
        "topic": {"system": "urn:x-cds-service:topic", "code": "dose"},
    },
    "extension": {
        "org.cds-service.findings": [
            {
                "rule": "baclofen-high-starting-dose",
                "indicator": "warning",
                "key": "k1",
                "reason": "120 mg a day",
            }
        ]
    },
}

NO_RULE = {"rule": "r", "verdict": "no", "reason": "nothing was seen"}


@dataclass(frozen=True)
class SmallRulebook:
    """As much of a rulebook as the edge looks at."""

    version: str = "test-1"
    services: Mapping[str, Service] = field(
        default_factory=lambda: {
            service.id: service
            for service in (
                _service("spasticity-order-select", "order-select"),
                _service("spasticity-order-sign", "order-sign"),
                _service("spasticity-medication-prescribe", "medication-prescribe"),
                Service(
                    "spasticity-patient-view",
                    "patient-view",
                    "Standing risks",
                    "Looks at the patient",
                    prefetch={},
                    usage_requirements="needs prefetch",
                ),
            )
        }
    )
    rules: Mapping[str, object] = field(
        default_factory=lambda: {"baclofen-seizure-disorder": object()}
    )


def _service(id: str, hook: str) -> Service:
    prefetch = {
        "patient": "Patient/{{context.patientId}}",
        "conditions": "Condition?patient={{context.patientId}}",
    }
    return Service(id, hook, f"Spasticity: {hook}", "Looks at the orders", prefetch)


def small_rulebook() -> Rulebook:
    return cast(Rulebook, SmallRulebook())


@dataclass
class Advisor:
    """Stands in for the core: records what it is asked and answers what it is told to."""

    answer: Callable[[HookRequest], Consultation] = lambda request: consultation()
    requests: list[HookRequest] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    filters: list[Filters] = field(default_factory=list)
    secrets: list[bytes] = field(default_factory=list)

    def __call__(
        self,
        request: HookRequest,
        rulebook: Rulebook,
        *,
        now: datetime,
        filters: Filters,
        history: History = History(),  # noqa: B008 - frozen
        secret: bytes = b"",
    ) -> Consultation:
        self.requests.append(request)
        self.moments.append(now)
        self.filters.append(filters)
        self.secrets.append(secret)
        return self.answer(request)

    @property
    def request(self) -> HookRequest:
        """The only request so far."""
        (request,) = self.requests
        return request


def consultation(*cards: Mapping[str, Any]) -> Consultation:
    return Consultation(
        {"cards": list(cards)},
        {"rulebook": "test-1", "cards": list(cards), "rules": [NO_RULE]},
    )


def settings(tmp_path: Path, text: str = "") -> Settings:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def bundle(*resources: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in resources],
    }


def baclofen(**members: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": "order-1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1292"}]
        },
    } | members


def oral_baclofen(daily_doses: int = 3, milligrams: str = "40") -> dict[str, Any]:
    """A new order of baclofen; the default is far above the label's starting dose."""
    return baclofen(
        medicationCodeableConcept={
            "coding": [{"system": RXNORM, "code": "1292", "display": "baclofen"}]
        },
        dosageInstruction=[
            {
                "route": {
                    "coding": [{"system": "http://snomed.info/sct", "code": "26643006"}],
                    "text": "oral",
                },
                "timing": {"repeat": {"frequency": daily_doses, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [
                    {
                        "doseQuantity": {
                            "value": float(milligrams),
                            "unit": "mg",
                            "system": "http://unitsofmeasure.org",
                            "code": "mg",
                        }
                    }
                ],
            }
        ],
    )


def ordered(**prefetch: Any) -> dict[str, Any]:
    """A call with a baclofen order that cannot stay unremarked."""
    found: dict[str, Any] = {"patient": PATIENT, **prefetch}
    return order_select(draftOrders=bundle(oral_baclofen())) | {"prefetch": found}


def order_select(**context: Any) -> dict[str, Any]:
    """A call with nothing wrong; a context member given as ``None`` is left out."""
    return _call(
        "order-select",
        {
            "userId": "Practitioner/1",
            "patientId": "p1",
            "encounterId": "e1",
            "selections": ["MedicationRequest/order-1"],
            "draftOrders": bundle(baclofen()),
        }
        | context,
    )


def order_sign(**context: Any) -> dict[str, Any]:
    return _call(
        "order-sign",
        {"userId": "Practitioner/1", "patientId": "p1", "draftOrders": bundle(baclofen())}
        | context,
    )


def medication_prescribe(**context: Any) -> dict[str, Any]:
    return _call(
        "medication-prescribe",
        {"userId": "Practitioner/1", "patientId": "p1", "medications": bundle(baclofen())}
        | context,
    )


def patient_view(**context: Any) -> dict[str, Any]:
    return _call("patient-view", {"userId": "Practitioner/1", "patientId": "p1"} | context)


def _call(hook: str, context: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "hook": hook,
        "hookInstance": INSTANCE,
        "context": {name: value for name, value in context.items() if value is not None},
        "prefetch": {"patient": {"resourceType": "Patient", "id": "p1"}},
    }


def without(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


@contextmanager
def captured_log() -> Iterator[io.StringIO]:
    """The log as the server writes it, from every logger that writes anything."""
    stream = io.StringIO()
    own = logging.getLogger("cds_service")
    before = own.handlers, own.level, own.propagate
    handler = log_to(stream)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        own.handlers, own.level, own.propagate = before


def issues(response: TestResponse) -> list[dict[str, Any]]:
    """The issues of an error answer, after a check that it is a proper OperationOutcome."""
    assert response.status_code >= 400
    assert response.content_type == "application/json"
    outcome = response.get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    found: list[dict[str, Any]] = outcome["issue"]
    assert found
    for issue in found:
        assert issue["severity"] == "error"
        assert issue["code"]
        assert issue["details"]["text"].strip()
        assert issue["diagnostics"].startswith("CDS-")
    return found


def fields(response: TestResponse) -> set[str]:
    """The fields that an error answer names."""
    return {path for issue in issues(response) for path in issue.get("expression", [])}


def nulls_and_empties(value: Any, path: str = "$") -> Iterator[str]:
    """Members that the protocol forbids in an answer."""
    if value in (None, "", [], {}) and value is not False and value != 0:
        yield path
    if isinstance(value, dict):
        for name, member in value.items():
            if (name, member) not in [("cards", []), ("services", [])]:
                yield from nulls_and_empties(member, f"{path}.{name}")
    if isinstance(value, list):
        for number, element in enumerate(value):
            yield from nulls_and_empties(element, f"{path}[{number}]")


def exactly(body: bytes) -> Any:
    """JSON with every number as its digits."""
    return json.loads(
        body,
        parse_float=Decimal,
        parse_int=lambda digits: int(digits) if len(digits) < 400 else Decimal(digits),
    )
