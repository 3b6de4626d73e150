"""Whatever is sent: an answer or a proper refusal, never a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.contract.support import Advisor, issues, medication_prescribe, order_select, patient_view

BODIES = {
    "order-select": order_select(),
    "medication-prescribe": medication_prescribe(),
    "patient-view": patient_view(),
}
MEMBERS = [
    "hook",
    "hookInstance",
    "context",
    "prefetch",
    "fhirServer",
    "fhirAuthorization",
    "extension",
]
FIELDS = ["patientId", "userId", "encounterId", "selections", "draftOrders", "medications"]

names = st.sampled_from([*MEMBERS, *FIELDS, "resourceType", "entry", "resource", "id"]) | st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.sampled_from(["Bundle", "Patient/p1", "MedicationRequest"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip

each_example = examples(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def post(client: FlaskClient, hook: str, body: Any) -> int:
    response = client.post(
        f"/cds-services/spasticity-{hook}",
        data=json.dumps(body, ensure_ascii=True).encode(),
        content_type="application/json",
    )
    if response.status_code != 200:
        assert response.status_code == 400
        issues(response)
    return response.status_code


@pytest.mark.parametrize("hook", sorted(BODIES))
@each_example
@given(extra=st.dictionaries(st.text(), values, max_size=4))
def test_extra_members_change_nothing(
    client: FlaskClient, advisor: Advisor, hook: str, extra: dict[str, Any]
) -> None:
    """GEN-10: unknown members at the root and in the context are as if they were not there."""
    body = BODIES[hook]
    unknown = {name: value for name, value in extra.items() if name not in MEMBERS + FIELDS}
    sent = {**unknown, **body, "context": {**unknown, **body["context"]}}
    surrogates = any("\\ud" in json.dumps(part) for part in unknown.items())
    if post(client, hook, sent) == 400:
        assert surrogates  # half a character is not Unicode
        return
    plain = advisor.requests[-1]
    assert post(client, hook, body) == 200
    assert (plain.patient_id, plain.prefetch) == (
        advisor.requests[-1].patient_id,
        advisor.requests[-1].prefetch,
    )


@pytest.mark.parametrize("hook", sorted(BODIES))
@each_example
@given(root=st.dictionaries(st.sampled_from(MEMBERS), values, max_size=3))
def test_any_envelope(client: FlaskClient, hook: str, root: dict[str, Any]) -> None:
    """CALL-13: wrong members are refused by name; nothing is answered with 500."""
    post(client, hook, BODIES[hook] | root)


@pytest.mark.parametrize("hook", sorted(BODIES))
@each_example
@given(context=st.dictionaries(st.sampled_from(FIELDS), values, max_size=3))
def test_any_context(client: FlaskClient, hook: str, context: dict[str, Any]) -> None:
    """CALL-15: wrong context fields are refused by name; nothing is answered with 500."""
    post(client, hook, BODIES[hook] | {"context": BODIES[hook]["context"] | context})


@each_example
@given(body=st.binary(max_size=200))
def test_any_bytes(client: FlaskClient, body: bytes) -> None:
    """CALL-12: not JSON is 400, whatever it is."""
    response = client.post(
        "/cds-services/spasticity-order-select", data=body, content_type="application/json"
    )
    assert response.status_code == 400
    issues(response)
