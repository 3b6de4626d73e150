"""Two workers are one service: tokens, overrides, counts and faults over both of them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contract.answers import FINDINGS
from tests.contract.reading_back import awkward_ehr as ehr_that_is
from tests.contract.reading_back.awkward_ehr import AwkwardEhr, awkward_ehr
from tests.contract.secured_server import KEYS, SecuredServer, secured_server
from tests.contract.serving import JSON, Served, only, wait_for, workers_of
from tests.contract.support import ORDER_SELECT, ORDER_SIGN, ordered
from tests.contract.tokens import bearer, signer

FEEDBACK = ORDER_SELECT + "/feedback"
EXPLAIN = ORDER_SELECT + "/explain"
TOKENS = 60
Counts = Mapping[tuple[str, Any], float]


@pytest.fixture(scope="module")
def ehr() -> Iterator[AwkwardEhr]:
    with awkward_ehr() as running:
        yield running


@pytest.fixture(scope="module")
def server(ehr: AwkwardEhr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServer]:
    with secured_server(tmp_path_factory.mktemp("served"), ehr.base) as running:
        yield running
    assert '"event": "failed"' not in running.served.log


@pytest.fixture
def workers(server: SecuredServer) -> tuple[int, int]:
    one, other = sorted(workers_of(server.served))
    return one, other


def patient(id: str) -> dict[str, Any]:
    """A call with cards for a patient of this test."""
    body = ordered(patient={"resourceType": "Patient", "id": id, "birthDate": "1960-05-01"})
    body["context"] |= {"patientId": id}
    body["context"]["draftOrders"]["entry"][0]["resource"]["subject"] = {
        "reference": f"Patient/{id}"
    }
    return body


def findings(answer: Mapping[str, Any]) -> set[str]:
    return {each["key"] for card in answer["cards"] for each in card["extension"][FINDINGS]}


def override(card: str) -> dict[str, Any]:
    return {
        "feedback": [
            {
                "card": card,
                "outcome": "overridden",
                "overrideReason": {
                    "reason": {"code": "OV-1", "system": "urn:x-cds-service:override-reason"}
                },
                "outcomeTimestamp": "2026-06-03T12:00:00Z",
            }
        ]
    }


# --- tokens ---------------------------------------------------------------------------------------


def kept_open(served: Served, worker: int) -> http.client.HTTPConnection:
    """A connection that this worker has taken."""
    with only(served, worker):
        connection = served.connect()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    return connection


def test_a_token_sent_to_two_workers_at_once_passes_exactly_once(
    server: SecuredServer, workers: tuple[int, int]
) -> None:
    """SEC-02, clarification 46: each worker gets every token, in the same moment."""
    tokens = [server.token() for _ in range(TOKENS)]
    body = json.dumps(ordered()).encode()
    together = threading.Barrier(2, timeout=20)

    def send_all(connection: http.client.HTTPConnection) -> list[int]:
        statuses = []
        for token in tokens:
            together.wait()
            connection.request("POST", ORDER_SELECT, body, JSON | bearer(token))
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        return statuses

    connections = [kept_open(server.served, worker) for worker in workers]
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(send_all, connections))
    for connection in connections:
        connection.close()
    told = Counter(tuple(sorted(statuses)) for statuses in zip(*answers, strict=True))
    assert told == {(200, 401): TOKENS}
    assert {server.ask(ordered(), token=token)[0] for token in tokens[:4]} == {401}


@pytest.mark.parametrize(
    ("path", "audience", "status"),
    [
        ("/cds-services", "/cds-services", 200),
        ("/cds-services", ORDER_SELECT, 401),
        (ORDER_SELECT, ORDER_SELECT, 200),
        (ORDER_SELECT, FEEDBACK, 401),
        (FEEDBACK, FEEDBACK, 200),
        (FEEDBACK, ORDER_SELECT, 200),
        (FEEDBACK, ORDER_SIGN, 401),
        (FEEDBACK, f"{ORDER_SIGN}/feedback", 401),
        (FEEDBACK, EXPLAIN, 401),
        (EXPLAIN, EXPLAIN, 200),
        (EXPLAIN, ORDER_SELECT, 200),
    ],
)
def test_the_audiences_of_each_path(
    server: SecuredServer, path: str, audience: str, status: int
) -> None:
    """DIS-09, FBK-05, clarification 46: the own URL, beside a service also the service's."""
    content: object = {"feedback": []} if path == FEEDBACK else ordered()
    body = None if path == "/cds-services" else json.dumps(content).encode()
    assert server.send(path, body, server.token(audience))[0] == status
    assert server.send(path, body, "no.token.it-is")[0] == 401


# --- overrides and counts -------------------------------------------------------------------------


def test_an_override_is_silent_at_every_worker_for_its_tenant(
    server: SecuredServer, workers: tuple[int, int]
) -> None:
    """Clarification 42, FBK-06: for every user of the tenant at the next call, for no other."""
    call = patient("of-the-override")
    one, other = workers
    with only(server.served, one):
        _, answer = server.ask(call)
        card = answer["cards"][0]
        overridden = {each["key"] for each in card["extension"][FINDINGS]}
        _, again = server.ask(call)  # nothing was reported, so nothing is silent
        assert findings(again) == findings(answer)
        assert server.ask(override(again["cards"][0]["uuid"]), FEEDBACK) == (200, {})
    for worker in (other, one):
        with only(server.served, worker):
            _, later = server.ask(call)
            assert findings(later) == findings(answer) - overridden
            _, elsewhere = server.ask(call, token=server.token(tenant="east"))
            assert findings(elsewhere) == findings(answer)
            _, another = server.ask(patient("another"))
            assert len(findings(another)) == len(findings(answer))


def gained(before: Counts, after: Counts, name: str, **labels: str) -> float:
    return sum(
        value - before.get((metric, found), 0)
        for (metric, found), value in after.items()
        if metric == name and labels.items() <= dict(found).items()
    )


def test_counts_add_up_over_both_workers(server: SecuredServer, workers: tuple[int, int]) -> None:
    """Whichever worker is asked tells what both have answered, refused and been told."""
    before = server.counted()
    shown = 0
    for number, worker in enumerate(workers):
        with only(server.served, worker):
            for turn in range(number + 2):
                _, answer = server.ask(patient(f"of-the-counts-{worker}-{turn}"))
                shown += len(answer["cards"])
                server.ask(override(answer["cards"][0]["uuid"]), FEEDBACK)
            server.ask(ordered(), token="no.token.it-is")
            server.ask({}, ORDER_SELECT)
    for worker in workers:
        with only(server.served, worker):
            after = server.counted()
        answered = {"service": "spasticity-order-select", "status": "200"}
        assert gained(before, after, "cds_calls_total", action="call", **answered) == 5
        assert gained(before, after, "cds_calls_total", action="feedback", **answered) == 5
        assert gained(before, after, "cds_call_seconds_count", action="feedback") == 5
        assert gained(before, after, "cds_cards_total") == shown
        assert gained(before, after, "cds_feedback_total", outcome="overridden") == 5
        assert gained(before, after, "cds_overrides_total", reason="OV-1") >= 5
        assert gained(before, after, "cds_overrides_total", rule="other") == 0
        assert gained(before, after, "cds_refusals_total", code="CDS-401-malformed") == 2
        assert gained(before, after, "cds_refusals_total", code="CDS-400-missing") == 2


# --- faults ---------------------------------------------------------------------------------------


def successor(server: SecuredServer, left: int, lost: int) -> int:
    """The worker in the place of one that was killed."""
    wait_for(lambda: len(workers_of(server.served) - {lost}) == 2, "another worker")
    (new,) = workers_of(server.served) - {lost, left}
    return new


def test_a_worker_killed_while_it_reads_from_the_ehr(
    server: SecuredServer, ehr: AwkwardEhr
) -> None:
    """Its call breaks off; the next is answered, and by the worker in its place as well."""
    call = patient("of-the-kill") | {"fhirServer": ehr.base}
    ehr.on("Condition?", ehr_that_is.silent)
    lost, left = sorted(workers_of(server.served))
    with ThreadPoolExecutor(1) as threads:
        with only(server.served, lost):
            answer = threads.submit(server.ask, call)
            wait_for(lambda: bool(ehr.asked("Condition?")), "the read to begin")
            os.kill(lost, signal.SIGKILL)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            answer.result(timeout=20)
    ehr.behaviours.clear()
    for worker in (left, successor(server, left, lost)):
        with only(server.served, worker):
            status, answered = server.ask(call)
        assert status == 200
        assert findings(answered)


def test_a_key_set_that_is_gone_and_back(tmp_path: Path) -> None:
    """Workers that know the keys go on; one that starts without them refuses until they are back.

    Nobody has to start the server again.
    """
    file, away = tmp_path / KEYS, tmp_path / "away.json"
    with secured_server(tmp_path) as server:
        lost, left = workers_of(server.served)
        for worker in (lost, left):
            with only(server.served, worker):
                assert server.ask(ordered())[0] == 200
        file.rename(away)
        for worker in (lost, left):
            with only(server.served, worker):
                assert [server.ask(ordered())[0] for _ in range(2)] == [200, 200]
                stranger = signer("stranger").sign({"iss": "x"})
                assert server.ask(ordered(), token=stranger)[0] == 401
        assert '"event": "key set not obtained"' in server.served.log
        os.kill(lost, signal.SIGKILL)
        new = successor(server, left, lost)
        with only(server.served, new):
            assert server.ask(ordered())[0] == 401
            assert server.served.send("GET", "/healthz")[0] == 200
        assert '"auth": "key-set-unreachable"' in server.served.log
        with only(server.served, left):
            assert server.ask(ordered())[0] == 200
        away.rename(file)
        with only(server.served, new):
            wait_for(lambda: server.ask(ordered())[0] == 200, "the keys to be read again")
    assert "Traceback" not in server.served.log
