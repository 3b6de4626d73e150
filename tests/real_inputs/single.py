"""Single resources of others in a chart that holds nothing else, beside drafts of our drugs."""

from __future__ import annotations

import json
from typing import Any

from tests.real_inputs.asking import Found, prefetch_of, service
from tests.real_inputs.drafts import BACLOFEN_15, PUMP, TIZANIDINE_12, drafts
from tests.real_inputs.inputs import TODAY, PatientChart, content
from tests.real_inputs.tables import Entry, as_printed, plain_rows
from tests.vignettes.fhir_json import Json
from tests.vignettes.moment import Moment

_WOMAN: Json = {
    "resourceType": "Patient",
    "id": "alone",
    "gender": "female",
    "birthDate": "1950-01-01",
}
EMPTY = PatientChart("a woman of whom nothing is known", "R4", _WOMAN, (_WOMAN,))
_ORDERS = ("MedicationRequest", "ServiceRequest", "DeviceRequest")


def resource(name: str) -> Json:
    """A resource, made a record of our patient; all else is as it was published."""
    made: Json = json.loads(content("resources", name))
    made.setdefault("id", "published-without-id")
    for element in ("subject", "patient"):
        if element in made:
            made[element] = {"reference": f"Patient/{EMPTY.patient_id}"}
    return made


def answers_beside(name: str) -> Entry:
    """What the resource adds to the findings on the day it was fresh, and as an order itself."""
    found = resource(name)
    alone = PatientChart(name, "R4", _WOMAN, (_WOMAN, found))
    moment = alone.last_entry or TODAY
    drafted = list(drafts("R4", EMPTY.patient_id, moment).items())
    ours = [order for drug, order in drafted if drug in (BACLOFEN_15, TIZANIDINE_12, PUMP)]
    for number, order in enumerate(ours, start=1):
        order["id"] = f"drafted-{number}"
    without = _ask(None, ours, moment)
    entry: Entry = {"is": as_printed(alone, found), "day": moment.day(0)}
    entry["adds"] = plain_rows(one for one in _ask(found, ours, moment) if one not in without)
    if found["resourceType"] in _ORDERS:
        entry["as a draft"] = plain_rows(_ask(None, [{**found, "status": "draft"}], moment))
    return entry


def _ask(found: Json | None, orders: list[Json], moment: Moment) -> list[Found]:
    """A call that brings the resource under a key of its own, whatever type it is."""
    prefetch: dict[str, Any] = json.loads(prefetch_of(EMPTY, "order-select"))
    if found is not None:
        prefetch["published"] = found
    body = json.dumps(prefetch).encode()
    answered = service().ask("order-select", EMPTY.patient_id, body, orders, moment)
    assert answered.status == 200, f"HTTP {answered.status}: {answered.errors}"
    return list(answered.findings)
