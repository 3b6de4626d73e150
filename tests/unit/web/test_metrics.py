"""What is counted, under which labels, and that no label holds anything of a request."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from cds_service import __version__, consultation
from cds_service.app import create_app
from cds_service.cds import HookRequest
from cds_service.consultation import Consultation
from cds_service.web.metrics import Metrics, SharedCounts
from tests.contract.support import (
    INSTANCE,
    NOW,
    ORDER_SELECT,
    ORDER_SIGN,
    Advisor,
    order_select,
    order_sign,
    settings,
    small_rulebook,
)

RULE = "baclofen-seizure-disorder"


def told(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Name of a sample -> its label values, in the order of the names -> its value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def counted(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    return told(metrics.text().decode()).get(name, {})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(small_rulebook())


@pytest.fixture
def advisor(monkeypatch: pytest.MonkeyPatch) -> Advisor:
    stand_in = Advisor()
    monkeypatch.setattr(consultation, "consult", stand_in)
    return stand_in


@pytest.fixture
def client(advisor: Advisor, tmp_path: Path) -> FlaskClient:
    return create_app(
        settings(tmp_path), rulebook=small_rulebook(), clock=lambda: NOW
    ).test_client()


def of(client: FlaskClient, name: str) -> dict[tuple[str, ...], float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return told(response.get_data(as_text=True)).get(name, {})


def card(*findings: dict[str, Any]) -> dict[str, Any]:
    return {
        "indicator": findings[0]["indicator"],
        "extension": {"org.cds-service.findings": list(findings)},
    }


# --- calls ----------------------------------------------------------------------------------------


def test_calls_are_counted_by_service_action_and_status(client: FlaskClient) -> None:
    client.get("/cds-services")
    client.post(ORDER_SELECT, json=order_select())
    client.post(ORDER_SELECT, json={})
    client.post(ORDER_SIGN + "/explain", json=order_sign())
    assert of(client, "cds_calls_total") == {
        ("discovery", "all", "200"): 1,
        ("call", "spasticity-order-select", "200"): 1,
        ("call", "spasticity-order-select", "400"): 1,
        ("explain", "spasticity-order-sign", "200"): 1,
    }
    assert of(client, "cds_call_seconds_count")["call", "spasticity-order-select"] == 2


def test_probes_and_preflights_are_no_calls(client: FlaskClient) -> None:
    client.get("/healthz")
    client.get("/readyz")
    client.options(ORDER_SELECT)
    assert of(client, "cds_calls_total") == {}


def test_refusals_are_counted_by_their_code(client: FlaskClient) -> None:
    client.post(ORDER_SELECT, data=b"{", content_type="application/json")
    client.post(ORDER_SELECT, data="x", content_type="text/plain")
    client.post("/cds-services/marker", json={})
    client.get("/nowhere")
    assert of(client, "cds_refusals_total") == {
        ("CDS-400-json",): 1,
        ("CDS-415",): 1,
        ("CDS-404",): 2,
    }


def test_applications_of_one_process_count_apart(
    client: FlaskClient, advisor: Advisor, tmp_path: Path
) -> None:
    other = create_app(settings(tmp_path), rulebook=small_rulebook()).test_client()
    client.post(ORDER_SELECT, json=order_select())
    assert of(other, "cds_calls_total") == {}


# --- findings -------------------------------------------------------------------------------------


def decided(request: HookRequest) -> Consultation:
    """Two findings on one card, one held back, one silent rule, one datum missing."""
    shown = {"rule": "a", "indicator": "critical", "order": "MedicationRequest/1"}
    beside = {"rule": "b", "indicator": "info"}
    rules = [
        shown | {"verdict": "yes"},
        beside | {"verdict": "yes"},
        {"rule": "a", "order": "MedicationRequest/2", "verdict": "yes", "indicator": "warning"},
        {"rule": "c", "verdict": "no"},
    ]
    return Consultation(
        {"cards": [card(shown, beside)]},
        {"rules": rules},
        unknowns=(("creatinine", "stale"),),
    )


def test_findings_are_counted_shown_or_held_back(client: FlaskClient, advisor: Advisor) -> None:
    advisor.answer = decided
    client.post(ORDER_SELECT, json=order_select())
    assert of(client, "cds_findings_total") == {
        ("critical", "a", "yes"): 1,
        ("info", "b", "yes"): 1,
        ("warning", "a", "no"): 1,
    }
    assert of(client, "cds_cards_total") == {("critical", "spasticity-order-select"): 1}
    assert of(client, "cds_unknowns_total") == {("stale", "creatinine"): 1}


def test_an_explanation_is_no_card(client: FlaskClient, advisor: Advisor) -> None:
    """Only what a clinician can see counts as a finding."""
    advisor.answer = decided
    client.post(ORDER_SELECT + "/explain", json=order_select())
    assert of(client, "cds_findings_total") == of(client, "cds_cards_total") == {}


def test_the_real_rules_are_counted(tmp_path: Path) -> None:
    """Baclofen without anything known: what is missing is counted by datum and cause."""
    client = create_app(settings(tmp_path), clock=lambda: NOW).test_client()
    client.post(ORDER_SELECT, json=order_select())
    unknowns = of(client, "cds_unknowns_total")
    assert unknowns["not obtained", "conditions"] == 1
    assert unknowns["not obtained", "medications"] == 1
    findings = of(client, "cds_findings_total")
    assert any(rule == "missing-data" and shown == "yes" for _, rule, shown in findings)
    ((version, _),) = {(version, book) for book, version in of(client, "cds_build_info")}
    assert version == __version__


# --- the EHR, feedback ----------------------------------------------------------------------------


def test_reads_from_the_ehr(metrics: Metrics) -> None:
    metrics.ehr_read("ok", 0.02)
    metrics.ehr_read("timeout", 2.0)
    assert counted(metrics, "cds_ehr_reads_total") == {("ok",): 1, ("timeout",): 1}
    assert counted(metrics, "cds_ehr_read_seconds_sum") == {(): 2.02}


def test_the_state_of_a_breaker(metrics: Metrics) -> None:
    metrics.breaker("https://ehr.example.org", "open")
    metrics.breaker("https://other.example.org", "open")
    metrics.breaker("https://other.example.org", "half-open")
    assert counted(metrics, "cds_breaker_state") == {
        ("https://ehr.example.org",): 2,
        ("https://other.example.org",): 1,
    }


def test_feedback_and_overrides(metrics: Metrics) -> None:
    metrics.feedback("accepted", [RULE], None)
    metrics.feedback("overridden", [RULE, "marker"], "OV-4")
    metrics.feedback("overridden", [RULE], "marker")
    metrics.feedback("overridden", [RULE], None)
    assert counted(metrics, "cds_feedback_total") == {("accepted",): 1, ("overridden",): 3}
    assert counted(metrics, "cds_overrides_total") == {
        ("OV-4", RULE): 1,
        ("OV-4", "other"): 1,
        ("other", RULE): 1,
        ("none", RULE): 1,
    }


# --- privacy --------------------------------------------------------------------------------------


def test_nothing_of_a_request_becomes_a_label(client: FlaskClient, advisor: Advisor) -> None:
    marker = "xMARKERx"
    body = order_select(patientId=marker, userId=f"Practitioner/{marker}")
    body |= {"fhirServer": f"https://{marker}.example.org", marker: marker}
    client.post(f"{ORDER_SELECT}?{marker}", json=body)
    client.post(f"/cds-services/{marker}", json=body, headers={"User-Agent": marker})
    client.open(f"/cds-services/{marker}", method=marker, json=body)
    text = client.get("/metrics").get_data(as_text=True)
    assert marker not in text
    assert INSTANCE not in text
    names = set(re.findall(r"[{,](\w+)=", text))
    assert names <= {"service", "action", "status", "le", "code", "version", "rulebook"}
    assert of(client, "cds_calls_total")["call", "unknown", "404"] == 1
    assert of(client, "cds_calls_total")["other", "unknown", "405"] == 1


# --- several workers ------------------------------------------------------------------------------


def test_a_successor_counts_on_in_the_place_of_a_lost_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counts stay when a worker ends; the state of its breakers, which only it knew, goes."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # so that it is put back afterwards
    hooks = SharedCounts().hooks
    metrics = Metrics(small_rulebook())
    arbiter = SimpleNamespace(WORKERS={})

    def begin(pid: int) -> None:
        worker = SimpleNamespace()
        hooks["pre_fork"](arbiter, worker)
        arbiter.WORKERS[pid] = worker
        hooks["post_fork"](arbiter, worker)

    begin(100)
    metrics.refused("CDS-404")
    metrics.breaker("https://ehr.example.org", "open")
    begin(101)
    metrics.refused("CDS-404")
    metrics.breaker("https://ehr.example.org", "closed")
    assert counted(metrics, "cds_breaker_state") == {("https://ehr.example.org",): 2}
    hooks["child_exit"](arbiter, arbiter.WORKERS.pop(100))
    assert counted(metrics, "cds_breaker_state") == {("https://ehr.example.org",): 0}
    begin(102)
    metrics.refused("CDS-404")
    assert counted(metrics, "cds_refusals_total") == {("CDS-404",): 3}
    assert {place.place for place in arbiter.WORKERS.values()} == {0, 1}
    assert set(counted(metrics, "cds_build_info").values()) == {1}
