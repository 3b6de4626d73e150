"""What an operator relies on: probes, headers, counts over workers, stops and lost workers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from cds_service.cli import main
from cds_service.web import operations
from cds_service.web.metrics import Metrics
from tests.contract.serving import (
    JSON,
    Served,
    start,
    start_program,
    stop,
    wait_for,
    wait_until_ready,
    workers_of,
)
from tests.contract.support import ORDER_SELECT, order_select, small_rulebook

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
BODY = json.dumps(order_select()).encode()


# --- probes and headers ---------------------------------------------------------------------------


def test_ready_only_with_everything_it_needs() -> None:
    """Contract section 1: 503 names what failed, and comes back when it does."""
    store = [False]
    rulebook = small_rulebook()
    app = Flask("x")
    checks = {"store": lambda: store[0], "other": lambda: True}
    app.register_blueprint(operations.blueprint(rulebook.version, Metrics(rulebook), checks))
    client = app.test_client()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.get_json() == {
        "status": "unavailable",
        "rulebook": "test-1",
        "failed": ["store"],
    }
    assert client.get("/healthz").status_code == 200
    store[0] = True
    assert client.get("/readyz").get_json() == {"status": "ok", "rulebook": "test-1"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/metrics", 405),
        ("POST", ORDER_SELECT, 200),
        ("GET", ORDER_SELECT, 405),
    ],
)
def test_headers_of_every_answer(client: FlaskClient, method: str, path: str, status: int) -> None:
    """SEC-08, SEC-10: nothing is kept, guessed, framed or run."""
    response = client.open(path, method=method, json=order_select() if method == "POST" else None)
    assert response.status_code == status
    assert {name: response.headers[name] for name in HEADERS} == HEADERS


def test_counts_are_not_for_browsers(client: FlaskClient) -> None:
    """8.2: only the hooks may be read by a page of another origin."""
    response = client.get("/metrics", headers={"Origin": "http://localhost:8080"})
    assert "Access-Control-Allow-Origin" not in response.headers


# --- several workers ------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = start(tmp_path)
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(server)


def call(served: Served) -> int:
    return served.send("POST", ORDER_SELECT, BODY, JSON)[0]


def calls_counted(served: Served) -> float:
    text = served.send("GET", "/metrics")[1].decode()
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    assert not any("pid" in sample.labels for sample in samples)
    return sum(each.value for each in samples if each.name == "cds_calls_total")


def lose_a_worker(served: Served) -> None:
    before = workers_of(served)
    os.kill(min(before), signal.SIGKILL)
    wait_for(
        lambda: len(after := workers_of(served)) == len(before) and after != before,
        "another worker",
    )


def test_counts_of_all_workers_add_up_and_outlive_them(served: Served) -> None:
    """Whichever worker is asked tells the counts of all, also of those that were killed."""
    for _ in range(40):
        assert call(served) == 200
    assert [calls_counted(served) for _ in range(8)] == [40] * 8
    for _ in range(3):
        lose_a_worker(served)
    assert call(served) == 200
    assert calls_counted(served) == 41


def folders_of_counts(temporary: Path) -> list[Path]:
    return list(temporary.glob("cds-service-metrics-*"))


def test_files_of_counts_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new worker counts on in the files of the one it replaces; a stop removes them all."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    server = start(tmp_path)
    try:
        wait_until_ready(server)
        for _ in range(20):
            call(server)
        (folder,) = folders_of_counts(temporary)
        before = {file.name for file in folder.iterdir()}
        assert {name.rpartition("_")[2] for name in before} == {
            "start.db", "worker0.db", "worker1.db"
        }  # fmt: skip
        for _ in range(4):
            lose_a_worker(server)
        for _ in range(20):
            call(server)
        assert {file.name for file in folder.iterdir()} == before
    finally:
        assert stop(server) == 0
    assert folders_of_counts(temporary) == []


def test_a_server_without_a_temporary_folder_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container with a read-only root needs a tmpfs."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == 1
    assert "TMPDIR" in result.stderr


# --- lost workers, recycled workers, stops --------------------------------------------------------


def test_recycled_workers_drop_no_request(tmp_path: Path) -> None:
    """A worker is replaced after so many requests: those in flight and kept connections survive."""
    program = "app = Flask('x')\napp.add_url_rule('/readyz', view_func=lambda: 'ok')"
    server = start_program(tmp_path, program, workers=2, max_requests=10, max_requests_jitter=0)
    statuses: list[int] = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        for _ in range(50):
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()

    try:
        wait_until_ready(server)
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert statuses == [200] * 200
        assert server.log.count("Autorestarting worker") >= 10
    finally:
        assert stop(server) == 0


SLOW = """
from pathlib import Path
import time
folder = Path({folder!r})
app = Flask('x')
app.add_url_rule('/readyz', view_func=lambda: 'ok')
@app.get('/slow')
def slow():
    (folder / 'begun').touch()
    while not (folder / 'go').exists():
        time.sleep(0.02)
    return 'done'
"""


def ask_slowly(server: Served) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/slow")
    wait_for((server.folder / "begun").exists, "the handler to begin")
    return connection


def test_a_lost_worker_costs_only_its_own_requests(tmp_path: Path) -> None:
    """A worker that is killed in mid-request is replaced; the next request is answered."""
    server = start_program(tmp_path, SLOW.format(folder=str(tmp_path)))
    try:
        wait_until_ready(server)
        connection = ask_slowly(server)
        lose_a_worker(server)
        assert server.send("GET", "/readyz")[0] == 200
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
    finally:
        assert stop(server) == 0


def test_a_stop_waits_for_what_is_being_answered(tmp_path: Path) -> None:
    """CALL-23: the running request is answered, then the server ends with 0."""
    server = start_program(tmp_path, SLOW.format(folder=str(tmp_path)))
    try:
        wait_until_ready(server)
        connection = ask_slowly(server)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "Handling signal: term" in server.log, "the stop to begin")
        assert server.process.poll() is None
        (tmp_path / "go").touch()
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"done")
        connection.close()
        assert server.process.wait(timeout=15) == 0
    finally:
        server.process.kill()
        server.process.wait()


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    """CALL-23: what is not answered in the time of grace is given up, and the end is still 0."""
    server = start_program(tmp_path, SLOW.format(folder=str(tmp_path)), graceful_timeout=1)
    try:
        wait_until_ready(server)
        connection = ask_slowly(server)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=15) == 0
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
    finally:
        server.process.kill()
        server.process.wait()
