"""Prefetch templates become addresses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from cds_service.cds import HookRequest
from cds_service.ehr.templates import fill

TODAY = date(2026, 3, 1)
CALL = HookRequest(
    service="s",
    hook="order-sign",
    hook_instance="i",
    patient_id="p1",
    user_id="Practitioner/u1",
    encounter_id="e1",
)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("Patient/{{context.patientId}}", "Patient/p1"),
        ("Patient/{{ context.patientId }}", "Patient/p1"),
        ("{{context.userId}}", "Practitioner/u1"),
        ("Practitioner/{{userPractitionerId}}", "Practitioner/u1"),
        ("Observation?encounter={{context.encounterId}}", "Observation?encounter=e1"),
        ("Observation?date=ge{{today()}}", "Observation?date=ge2026-03-01"),
        ("Observation?date=ge{{today() - 90 days}}", "Observation?date=ge2025-12-01"),
        ("Task?period=lt{{today()+1 days}}", "Task?period=lt2026-03-02"),
        ("Organization?_count=1", "Organization?_count=1"),
    ],
)
def test_a_template_becomes_an_address(template: str, filled: str) -> None:
    assert fill(template, CALL, TODAY) == filled


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("Condition?patient={{context.patientId}}", "Condition?patient=Patient/p1"),
        (
            "Condition?_count=9&subject={{context.patientId}}",
            "Condition?_count=9&subject=Patient/p1",
        ),
        ("Condition?patient=Patient/{{context.patientId}}", "Condition?patient=Patient/p1"),
        ("Patient?_id={{context.patientId}}", "Patient?_id=p1"),
        ("Patient?general-practitioner={{userPractitionerId}}", "Patient?general-practitioner=u1"),
    ],
)
def test_a_search_by_patient_names_the_type(template: str, filled: str) -> None:
    """Some servers find nothing for a bare id."""
    assert fill(template, CALL, TODAY) == filled


@pytest.mark.parametrize(
    ("user", "token"),
    [
        ("PractitionerRole/u1", "userPractitionerRoleId"),
        ("Patient/u1", "userPatientId"),
        ("RelatedPerson/u1", "userRelatedPersonId"),
    ],
)
def test_a_user_has_the_token_of_his_type_alone(user: str, token: str) -> None:
    call = replace(CALL, user_id=user)
    assert fill(f"X/{{{{{token}}}}}", call, TODAY) == "X/u1"
    assert fill("X/{{userPractitionerId}}", call, TODAY) is None


@pytest.mark.parametrize(
    "template",
    [
        "Encounter/{{context.encounterId}}",
        "{{context.userId}}",
        "Practitioner/{{userPractitionerId}}",
        "Condition?code={{context.draftOrders.MedicationRequest.id}}",
        "Condition?date={{yesterday()}}",
    ],
)
def test_a_token_without_value_yields_nothing(template: str) -> None:
    assert fill(template, replace(CALL, user_id=None, encounter_id=None), TODAY) is None


@pytest.mark.parametrize("id", ["..", "."])
def test_an_id_never_leads_out_of_the_path(id: str) -> None:
    assert fill("Patient/{{context.patientId}}", replace(CALL, patient_id=id), TODAY) is None
    assert fill("{{context.userId}}", replace(CALL, user_id=f"{id}/x"), TODAY) is None


def test_an_id_adds_no_parameters() -> None:
    call = replace(CALL, patient_id="p1&_count=1#/?")
    assert fill("A?patient={{context.patientId}}", call, TODAY) == (
        "A?patient=Patient/p1%26_count%3D1%23%2F%3F"
    )


def test_which_templates_a_call_can_ask() -> None:
    """Clarification 43: a token without a value leaves nothing to miss."""
    bare = replace(CALL, user_id=None, encounter_id=None)
    assert CALL.can_be_asked("Encounter/{{context.encounterId}}")
    assert bare.can_be_asked("Observation?date=ge{{today() - 2 days}}")
    assert not bare.can_be_asked("Encounter/{{context.encounterId}}")
    assert not bare.can_be_asked("Practitioner/{{userPractitionerId}}")
