"""Valid calls of every hook, with a marker wherever a patient could be recognised."""

from __future__ import annotations

import json
from functools import cache

from tests.contract.serving import ROOT
from tests.invariants.sites import request_of
from tests.real_inputs.calls import completed
from tests.real_inputs.inputs import content, files
from tests.vignettes.fhir_json import Json
from tests.vignettes.single_calls import single_calls

MARKER = "xMARKERx"

_OF_THE_CASES = 45
_LARGEST = 40_000


@cache
def valid_calls() -> tuple[tuple[str, str], ...]:
    """The path and the JSON of each call: of our cases, of others, and one that ships."""
    calls = single_calls()
    chosen = calls[:: len(calls) // _OF_THE_CASES]
    chosen += tuple(call for call in calls if call.case.hook == "medication-prescribe")[:8]
    chosen += tuple(call for call in calls if call.case.hook == "patient-view")[:8]
    requests = [request_of(call.case) for call in chosen]
    for file in (ROOT / "fixtures" / "fhir").glob("*.order-*.json"):
        requests.append(json.loads(file.read_text("utf-8")))
    requests += _of_others()
    return tuple((f"/cds-services/spasticity-{each['hook']}", _marked(each)) for each in requests)


def _of_others() -> list[Json]:
    """Those that have a patient and orders, completed as the tests of real inputs do."""
    found = []
    for name in files("requests"):
        request = json.loads(content("requests", name))
        made = completed(request, "order-select")
        if {"patientId", "draftOrders"} <= made["context"].keys():
            found.append(made)
    return [each for each in found if len(json.dumps(each)) < _LARGEST]


def _marked(request: Json) -> str:
    """The JSON with the marker as patient, user and token, and as a name that needs escapes."""
    text = json.dumps(request, ensure_ascii=False)
    patient = request["context"].get("patientId")
    if isinstance(patient, str) and len(patient) > 1:
        text = text.replace(f"{patient.removeprefix('Patient/')}", MARKER)
    made = json.loads(text)
    made["fhirServer"] = f"https://{MARKER}.example.org/fhir"
    made["fhirAuthorization"] = {
        "access_token": MARKER,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": MARKER,
    }
    made["context"]["userId"] = f"Practitioner/{MARKER}"
    return json.dumps(made, ensure_ascii=False)
