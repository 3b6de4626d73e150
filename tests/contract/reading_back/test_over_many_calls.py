"""What one call leaves behind for the next: the breaker, counts, threads."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.cds import HookRequest
from cds_service.ehr.reading_back import EhrReader
from cds_service.rules.rulebook import Rulebook
from tests.contract.reading_back.awkward_ehr import (
    PATIENT,
    AwkwardEhr,
    saying,
)
from tests.contract.reading_back.calls import (
    GENEROUS_S,
    LISTS,
    NOT_OBTAINED,
    TOKEN,
    asked,
    call,
    missing,
    notes,
)
from tests.contract.serving import JSON, REAL, start, stop, wait_until_ready
from tests.contract.support import (
    NOW,
    ORDER_SIGN,
    PRESCRIBE,
    medication_prescribe,
    settings,
)


def test_an_ehr_that_stays_away_is_left_alone_for_a_while(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    """The circuit breaker: later calls do not wait, and are answered from what they bring."""
    ehr.on("", saying({}, 500))
    for _ in range(2):
        assert asked(service, call(ehr)).status_code == 412
    before = len(ehr.seen)
    assert missing(asked(service, call(ehr, {"patient": PATIENT}))) == NOT_OBTAINED
    assert len(ehr.seen) == before
    assert "conditions-breaker-open" in notes(log)


def test_refusals_do_not_open_the_breaker(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """A token without rights says nothing about the server."""
    ehr.on("", saying({}, 401))
    for _ in range(3):
        asked(service, call(ehr))
    assert len(ehr.seen) == 3 * (1 + LISTS)


def test_every_read_is_observed(rulebook: Rulebook, ehr: AwkwardEhr) -> None:
    """For the metrics: outcome and seconds, nothing of the patient; the breaker by origin."""
    seen: list[tuple[str, float]] = []
    reader = EhrReader(
        [ehr.base],
        10,
        10_000_000,
        3,
        observe=lambda outcome, seconds: seen.append((outcome, seconds)),
    )
    ehr.on("Condition?", saying({}, 404))
    request = HookRequest(
        service="spasticity-order-sign",
        hook="order-sign",
        hook_instance="i",
        patient_id="p1",
        fhir_server=ehr.base,
        access_token=TOKEN,
    )
    completed = reader.complete(request, rulebook.services[request.service], NOW.date())
    outcomes = [outcome for outcome, _ in seen]
    assert sorted(outcomes) == ["ok"] * LISTS + ["status-404"]
    assert all(0 <= seconds < GENEROUS_S + 10 for _, seconds in seen)
    assert reader.breaker_states() == {ehr.base.removesuffix("/fhir"): "closed"}
    assert TOKEN not in repr(completed)


def test_the_order_lists_of_two_versions(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """Clarification 43: no server has both MedicationRequest and MedicationOrder."""
    ehr.on("MedicationOrder?", saying({}, 404))
    content = call(ehr) | {name: medication_prescribe()[name] for name in ("hook", "context")}
    assert missing(asked(service, content, PRESCRIBE)) == set()


def test_a_query_without_a_value_for_its_token_is_not_missing(
    rulebook: Rulebook, ehr: AwkwardEhr, tmp_path: Path
) -> None:
    """Clarification 43: without an encounter nothing of an encounter is asked for or missed."""
    service = rulebook.services["spasticity-order-sign"]
    template = "Condition?encounter={{context.encounterId}}"
    wider = replace(service, prefetch={**service.prefetch, "ofEncounter": template})
    book = replace(rulebook, services={**rulebook.services, service.id: wider})
    site = settings(tmp_path, f"[fhir]\nallowed_servers = ['{ehr.base}']")
    client = create_app(site, rulebook=book, clock=lambda: NOW).test_client()
    assert missing(asked(client, call(ehr))) == set()
    assert ehr.asked("Condition?encounter") == []
    ehr.on("Condition?encounter", saying({}, 404))
    context = call(ehr)["context"] | {"encounterId": "e1"}
    assert missing(asked(client, call(ehr, context=context))) == {"conditions"}
    assert ehr.asked("Condition?encounter") == ["/fhir/Condition?encounter=e1"]


def test_the_workers_of_the_server_read(ehr: AwkwardEhr, tmp_path: Path) -> None:
    """Threads do not survive a fork, so they must not be there before it."""
    text = f'[fhir]\nallowed_servers = ["{ehr.base}"]\ntimeout_s = 10'
    served = start(tmp_path, settings=text, program=REAL)
    try:
        wait_until_ready(served)
        for _ in range(4):
            status, content, _ = served.send(
                "POST", ORDER_SIGN, json.dumps(call(ehr)).encode(), JSON
            )
            assert status == 200
            assert b"could not be obtained" not in content
        assert len(ehr.seen) == 4 * (1 + LISTS)
        assert TOKEN not in served.log
        assert '"notes"' not in served.log
        assert "without effect" not in served.log
    finally:
        assert stop(served) == 0
