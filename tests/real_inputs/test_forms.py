"""The same patients in the forms in which clients really send them."""

from __future__ import annotations

import json
import logging

import pytest

from tests.real_inputs.asking import SERVICES, Found, service
from tests.real_inputs.drafts import BACLOFEN_60, PUMP, TIZANIDINE_12, drafts
from tests.real_inputs.inputs import (
    TODAY,
    PatientChart,
    charts,
    content,
    documents,
    files,
    holds_a_patient,
)
from tests.real_inputs.tables import findings_of, order_hook
from tests.vignettes.fhir_json import Json

LINES = [name for name in files("bundles") if name.endswith(".ndjson")]
WITH_PATIENT = [name for name in files("bundles") if holds_a_patient(documents(name))]
WITHOUT_PATIENT = [name for name in files("bundles") if name not in WITH_PATIENT]


def orders_for(chart: PatientChart) -> list[Json]:
    made = drafts(chart.version, chart.patient_id, (chart.last_entry or TODAY))
    orders = [made[name] for name in (BACLOFEN_60, TIZANIDINE_12, PUMP) if name in made]
    for number, order in enumerate(orders, start=1):
        order["id"] = f"drafted-{number}"
    return orders


def charts_in(name: str) -> list[PatientChart]:
    return [chart for chart in charts().values() if name.startswith(chart.name.split(" ")[0])]


@pytest.mark.parametrize("chart", charts().values(), ids=charts())
def test_no_order_no_card(chart: PatientChart) -> None:
    """Without an order there is nothing to say about orders, whatever the record holds."""
    for hook in {"order-select", order_hook(chart)}:
        assert findings_of(chart, hook, [], TODAY) == []


@pytest.mark.parametrize("name", WITH_PATIENT)
def test_bundle_under_one_key(name: str) -> None:
    """A whole Bundle as one prefetch value says the same as its resources query by query.

    Where the service's own queries were not answered at all, it says no more than that; where
    they were answered with nothing, it says exactly that.
    """
    published = documents(name)
    everything = {"everything": published if name in LINES else published[0]}
    for chart in charts_in(name):
        hook, moment = order_hook(chart), chart.last_entry or TODAY
        orders = orders_for(chart)
        nothing = dict.fromkeys(service().templates[SERVICES[hook]])
        by_query = findings_of(chart, hook, orders, moment)

        def asked(prefetch: Json) -> list[Found]:
            body = json.dumps(prefetch).encode()
            answered = service().ask(hook, chart.patient_id, body, orders, moment)  # noqa: B023
            assert answered.status == 200
            return list(answered.findings)

        assert asked({**nothing, **everything}) == by_query, chart.name
        alone = [one for one in asked(everything) if one.rule != "missing-data"]
        assert [one for one in alone if one not in by_query] == [], chart.name


@pytest.mark.parametrize("name", WITHOUT_PATIENT)
def test_bundle_without_the_patient(name: str) -> None:
    """Without the patient nothing can be said."""
    prefetch = json.dumps({"everything": documents(name)}).encode()
    answered = service().ask("order-select", "somebody", prefetch, [], TODAY)
    assert (answered.status, answered.errors) == (412, ("CDS-412 prefetch.patient",))


@pytest.mark.parametrize("name", LINES)
def test_lines_as_a_request(name: str) -> None:
    """Lines of JSON are no hook call, and no prefetch value either: a text is not a resource."""
    text = content("bundles", name)
    assert service().post("patient-view", text).errors == ("CDS-400-json",)
    prefetch = json.dumps({"everything": text.decode()}).encode()
    answered = service().ask("patient-view", "somebody", prefetch, [], TODAY)
    assert answered.status == 412


def test_faults_are_seen() -> None:
    """A rule that breaks inside fails the test: the service logs it, and the log is watched."""
    logging.getLogger("cds_service.rules.engine").error("rule failed", extra={"rule": "some-rule"})
    assert service().problems == ["logged: rule failed some-rule"]
    service().problems.clear()
