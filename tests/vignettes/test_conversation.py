"""The steps of a case: repeated calls, accepted suggestions, feedback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from tests.vignettes import sample_answer
from tests.vignettes.cases import Case
from tests.vignettes.conversation import Conversation
from tests.vignettes.fhir_json import Json
from tests.vignettes.prefetch import TYPICAL_TEMPLATES
from tests.vignettes.response_checks import FINDINGS

RULE = "baclofen-dose-above-80"
FOUND = {"findings": [{"rule": RULE, "indicator": "warning"}]}
NOTHING: Json = {"findings": []}


@dataclass
class Reply:
    data: bytes
    status_code: int = 200
    mimetype: str = "application/json"


@dataclass
class ScriptedService:
    """Finds a fault in each draft that takes 90 mg a day, as often as it is asked."""

    templates: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {"spasticity-order-select": TYPICAL_TEMPLATES}
    )
    requests: list[Json] = field(default_factory=list)
    entries: list[Json] = field(default_factory=list)
    fixed_uuids: bool = False

    def call(self, service: str, request: Json) -> Reply:
        self.requests.append(json.loads(json.dumps(request)))
        answer = sample_answer.answer()
        entries = request["context"]["draftOrders"].get("entry", [])
        doses = [entry["resource"]["dosageInstruction"][0] for entry in entries]
        amounts = [dose["doseAndRate"][0]["doseQuantity"]["value"] for dose in doses]
        if 30 not in amounts:
            answer["cards"] = []
        else:
            self._word(answer["cards"][0], entries[amounts.index(30)]["resource"])
        return Reply(json.dumps(answer).encode())

    def _word(self, card: Json, draft: Json) -> None:
        update, removal = card["suggestions"]
        name = f"MedicationRequest/{draft['id']}"
        for bearer in (card, update, removal):
            bearer["uuid"] = bearer["uuid"] if self.fixed_uuids else str(uuid4())
        changed = sample_answer.changed_draft()["dosageInstruction"]
        changed[0]["route"] = draft["dosageInstruction"][0]["route"]
        update["actions"][0]["resource"] = {**draft, "dosageInstruction": changed}
        removal["actions"][0]["resourceId"] = name
        card["extension"][FINDINGS][0]["order"] = name

    def feedback(self, service: str, entries: list[Json]) -> Reply:
        self.entries += entries
        return Reply(b"")


def _play(service: ScriptedService, *steps: Json) -> list[str]:
    order = {"drug": "baclofen", "dose": {"amount": 30, "unit": "mg", "frequency": 3}}
    case = Case({"id": "X1", "title": "", "orders": [order], "steps": list(steps)}, "here")
    return Conversation(case, service, "-1").play()


def test_met_expectations_are_no_problem() -> None:
    service = ScriptedService()
    assert _play(service, {"call": {}, "expect": FOUND}) == []
    assert service.requests[0]["context"]["patientId"] == "x1-pat-1"


def test_failed_step_is_named_and_compared() -> None:
    (report,) = _play(ScriptedService(), {"call": {}, "expect": NOTHING})
    assert report.startswith("step 1: - unexpected: baclofen-dose-above-80 (warning)")
    assert "Daily dose 90 mg" in report


def test_same_keys_and_fresh_uuids_are_wanted_of_a_repeated_call() -> None:
    again = {"call": {"same_keys": True}, "expect": FOUND}
    assert _play(ScriptedService(), {"call": {}, "expect": FOUND}, again) == []
    (report,) = _play(ScriptedService(fixed_uuids=True), {"call": {}, "expect": FOUND}, again)
    assert "uuids used again" in report


def test_each_call_is_a_fresh_instance() -> None:
    service = ScriptedService()
    _play(service, {"call": {}}, {"call": {}})
    assert len({request["hookInstance"] for request in service.requests}) == 2


def test_overrides_of_a_call() -> None:
    order = {"drug": "baclofen", "dose": {"amount": 5, "unit": "mg", "frequency": 3}}
    step = {"call": {"with": {"orders": [order]}}, "expect": NOTHING}
    assert _play(ScriptedService(), {"call": {}, "expect": FOUND}, step) == []


def test_accepted_change_is_in_the_next_call() -> None:
    service = ScriptedService()
    assert _play(service, {"call": {}, "expect": FOUND}, {"accept": RULE, "expect": NOTHING}) == []
    (entry,) = service.requests[1]["context"]["draftOrders"]["entry"]
    assert entry["resource"]["dosageInstruction"][0]["text"] == "20 mg four times daily"


def test_accepted_removal_leaves_an_empty_bundle() -> None:
    service = ScriptedService()
    accept = {"accept": {"rule": RULE, "type": "delete"}, "expect": NOTHING}
    assert _play(service, {"call": {}}, accept) == []
    context = service.requests[1]["context"]
    assert "entry" not in context["draftOrders"]
    assert context["selections"] == []


def test_nothing_to_accept_is_a_problem() -> None:
    (report,) = _play(ScriptedService(), {"call": {}}, {"accept": "other"})
    assert "no suggestion to accept" in report


def test_feedback_overrides_the_card_with_its_first_reason() -> None:
    service = ScriptedService()
    assert _play(service, {"call": {}}, {"feedback": RULE}) == []
    (entry,) = service.entries
    assert entry["outcome"] == "overridden"
    assert entry["overrideReason"]["reason"]["code"] == "OV-1"


def test_feedback_can_be_without_a_reason() -> None:
    service = ScriptedService()
    assert _play(service, {"call": {}}, {"feedback": {"rule": RULE, "reason": None}}) == []
    assert "overrideReason" not in service.entries[0]
