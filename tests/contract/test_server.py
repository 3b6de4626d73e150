"""The production server itself: what the test client of the framework cannot show."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.serving import JSON, Served, start, start_program, stop, wait_until_ready
from tests.contract.support import ORDER_SELECT, order_select

LIMIT = 100_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = start(
        tmp_path_factory.mktemp("served"), settings=f"[limits]\nmax_request_bytes = {LIMIT}"
    )
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(server)


def padded(size: int) -> bytes:
    body = json.dumps(order_select()).encode()
    return body + b" " * (size - len(body))


def in_parts(body: bytes, size: int = 8_000) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def test_a_call_is_answered(served: Served) -> None:
    """CALL-01: over HTTP, by the real server."""
    status, content, headers = served.send("POST", ORDER_SELECT, padded(5_000), JSON)
    assert status == 200
    assert isinstance(json.loads(content)["cards"], list)
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert not re.search(r"\d", headers.get("Server", ""))


def test_a_chunked_body_is_read_whole(served: Served) -> None:
    """CALL-01: a client may not know the length before it sends."""
    status, content, _ = served.send("POST", ORDER_SELECT, in_parts(padded(LIMIT)), JSON)
    assert status == 200, content


def test_a_chunked_body_over_the_limit_is_refused(served: Served) -> None:
    """CALL-21: 413 and not a cut body; every size just above and far above the limit."""
    for size in (LIMIT + 1, LIMIT + 10_000, 2 * LIMIT):
        status, content, _ = served.send("POST", ORDER_SELECT, in_parts(padded(size)), JSON)
        assert status == 413
        assert json.loads(content)["issue"][0]["diagnostics"] == "CDS-413"


def test_a_long_body_over_the_limit_is_refused(served: Served) -> None:
    """CALL-21: 413 by Content-Length, before the body is read."""
    status, content, _ = served.send("POST", ORDER_SELECT, padded(LIMIT + 1), JSON)
    assert status == 413
    assert json.loads(content)["resourceType"] == "OperationOutcome"


def test_a_refused_body_leaves_the_connection_usable(served: Served) -> None:
    """CALL-21: what is left of a body must not be read as the next request."""
    connection = served.connect()
    for body, expected in ((padded(LIMIT + 50), 413), (padded(2_000), 200)):
        connection.request("POST", ORDER_SELECT, body=body, headers=JSON)
        response = connection.getresponse()
        response.read()
        assert response.status == expected
    connection.close()


def test_a_broken_chunk_is_the_clients_fault(served: Served) -> None:
    """CALL-12: 400, not 500."""
    head = f"POST {ORDER_SELECT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(
            f"{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{}}   \r\nzz\r\n".encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")


def test_a_body_that_ends_too_early_is_not_evaluated(served: Served) -> None:
    """CALL-12: a connection that breaks off, even after what is whole JSON by itself."""
    body = json.dumps(order_select()).encode()
    head = f"POST {ORDER_SELECT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(f"{head}Content-Length: {len(body) + 5}\r\n\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("path", ["//cds-services", "/cds-services//", "/cds-services/"])
def test_stray_slashes(served: Served, path: str) -> None:
    """10.5: the server's own parser passes them on, and they are forgiven."""
    assert served.send("GET", path)[0] == 200
    headers = {"Origin": "http://localhost:8080", "Access-Control-Request-Method": "GET"}
    status, _, answer = served.send("OPTIONS", path, headers=headers)
    assert status == 200
    assert answer["Access-Control-Allow-Origin"] == "http://localhost:8080"


def test_slow_clients_do_not_stop_the_others(served: Served) -> None:
    """CALL-23: a worker has four threads, so three slow clients leave one even on one worker."""
    slow = []
    for _ in range(3):
        connection = socket.create_connection(("127.0.0.1", served.port), timeout=10)
        connection.sendall(f"POST {ORDER_SELECT} HTTP/1.1\r\nHost: x\r\n".encode())
        slow.append(connection)
    started = time.monotonic()
    assert served.send("POST", ORDER_SELECT, padded(2_000), JSON)[0] == 200
    assert time.monotonic() - started < 5
    for connection in slow:
        connection.close()


def test_silent_clients_are_given_up(tmp_path: Path) -> None:
    """CALL-23: lost connections must not keep every thread for ever."""
    served = start_program(tmp_path, "app = Flask('x')", silence_s=1)
    try:
        wait_until_ready(served, expected=404)
        silent = [
            socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(6)
        ]
        for connection in silent:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert served.send("GET", "/readyz")[0] == 404
        for connection in silent:
            connection.close()
    finally:
        stop(served)


def test_the_log_is_json_lines_without_patients(served: Served) -> None:
    """SEC-05, SEC-09: the server's own lines as well as ours."""
    body = json.dumps(order_select(patientId="xMARKERx")).encode()
    served.send("POST", f"{ORDER_SELECT}?patient=xMARKERx", body, JSON)
    served.send("POST", "/cds-services/xMARKERx", body, JSON)
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(
            b"GET /?a=xMARKERx HTTP/1.1\r\nHost: x\r\nxMARKERx: a\r\nxMARKERx\r\n\r\n"
        )
        assert b" 400 " in connection.recv(4096)
    assert "xMARKERx" not in served.log
    lines = [json.loads(line) for line in served.log.splitlines() if line.startswith("{")]
    assert sum(line["event"] == "Booting worker with pid" for line in lines) == 2
    assert any(line["event"].startswith("Listening at") for line in lines)
    assert any(line["event"] == "call" and line["status"] == 200 for line in lines)


def test_secret_and_database_are_for_their_owner_alone(served: Served) -> None:
    """Contract section 5: made beside the settings, and nothing else is written."""
    secret = served.folder / "feedback.key"
    assert len(secret.read_bytes()) == 32
    for file in (secret, served.folder / "feedback.db"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    logs = {"feedback.db-shm", "feedback.db-wal"}  # of the database, while it is open
    assert sorted({file.name for file in served.folder.iterdir()} - logs) == [
        "feedback.db",
        "feedback.key",
        "log",
        "settings.toml",
    ]


def test_a_graceful_stop_answers_what_was_begun(tmp_path: Path) -> None:
    """CALL-23: a call in flight is answered, then the server ends with 0."""
    served = start(tmp_path, "--workers", "1")
    try:
        wait_until_ready(served)
        body = json.dumps(order_select()).encode()
        head = f"POST {ORDER_SELECT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", served.port), timeout=15) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:40])
            time.sleep(0.5)  # the worker has begun to read
            served.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            connection.sendall(body[40:])
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert served.process.wait(timeout=15) == 0
    finally:
        served.process.kill()
        served.process.wait()


def test_the_secret_outlives_a_start(tmp_path: Path) -> None:
    """Clarification 50: keys of findings are equal over restarts, so the secret is kept."""
    secret = tmp_path / "feedback.key"
    secret.write_bytes(b"0123456789abcdef0123456789abcdef")
    served = start(tmp_path, "--workers", "1")
    wait_until_ready(served)
    assert stop(served) == 0
    assert secret.read_bytes() == b"0123456789abcdef0123456789abcdef"


def refused(tmp_path: Path, *arguments: str, settings: str = "") -> str:
    """What a server says that does not start."""
    served = start(tmp_path, *arguments, settings=settings)
    assert served.process.wait(timeout=15) == 1
    assert "Traceback" not in served.log
    return served.log


def test_beyond_loopback_only_on_request(tmp_path: Path) -> None:
    """Contract section 5: without authentication the server stays on loopback."""
    assert "--insecure" in refused(tmp_path, "--host", "0.0.0.0")


def test_settings_that_ask_for_too_much(tmp_path: Path) -> None:
    """Contract section 5: what this version cannot do stops the start, by name of the key."""
    text = refused(tmp_path, settings="[security]\nrequire_jwt = true")
    assert "settings.toml: security.require_jwt: " in text


def test_a_broken_rulebook_is_told_once(tmp_path: Path) -> None:
    """Contract section 1: never a server without a checked rulebook."""
    text = refused(tmp_path, settings='[rules]\ndirectory = "nothing-here"')
    assert text.count("nothing-here") == 1
    assert "rules.directory" in text


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Contract section 5: the server starts and says that its keys will not last."""
    text = 'feedback = { secret_file = "/proc/feedback.key" }'  # not even root can make it
    served = start(tmp_path, "--workers", "1", settings=text)
    wait_until_ready(served)
    assert stop(served) == 0
    assert "feedback.secret_file" in served.log
