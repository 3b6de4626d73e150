"""The bytes on the wire, sent to the real server: gunicorn, two workers, the real rulebook."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.description import violations
from tests.contract.hostile.bases import MARKER
from tests.contract.serving import JSON, REAL, Served, start, stop, wait_until_ready
from tests.contract.support import ORDER_SELECT, order_select

LIMIT = 1_000_000
HEAD = f"POST {ORDER_SELECT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """After each of these tests the log must be free of failures and of what was sent."""
    server = start(
        tmp_path_factory.mktemp("served"),
        program=REAL,
        settings=f"[limits]\nmax_request_bytes = {LIMIT}",
    )
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(server)
    assert "Traceback" not in server.log
    assert '"event": "failed"' not in server.log
    assert MARKER not in server.log


def exchange(served: Served, sent: bytes, *, end: bool = True) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the answer to raw bytes; ``end`` closes our side."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        try:
            connection.sendall(sent)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # an early refusal may close while we still send
        received = bytearray()
        while b"\r\n\r\n" not in received:
            part = connection.recv(65_536)
            assert part, f"closed without an answer, after {bytes(received)!r}"
            received += part
        head, _, content = bytes(received).partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        while len(content) < int(headers["Content-Length"]):
            part = connection.recv(65_536)
            assert part
            content += part
    return int(lines[0].split()[1]), headers, json.loads(content)


def refused(served: Served, sent: bytes, *, end: bool = True) -> tuple[int, str]:
    """Status and code of a proper refusal."""
    status, headers, outcome = exchange(served, sent, end=end)
    assert status >= 400
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert violations("OperationOutcome", outcome) == []
    assert MARKER not in json.dumps(outcome)
    return status, outcome["issue"][0]["diagnostics"]


def with_length(body: bytes, length: int | None = None, more: str = "") -> bytes:
    return (
        f"{HEAD}{more}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode()
        + body
    )


def chunked(*parts: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + last


def call(**context: Any) -> bytes:
    body = order_select(**context)
    body["context"]["note"] = MARKER
    return json.dumps(body).encode()


def test_half_sent_bodies(served: Served) -> None:
    """CALL-12: what ends before it is complete is never evaluated."""
    body = call()
    for cut in (0, 1, 40, len(body) - 1):
        assert refused(served, with_length(body[:cut], len(body))) == (400, "CDS-400-body")
    assert refused(served, chunked(body[:50], last=b"")) == (400, "CDS-400-body")
    assert refused(served, chunked(body, last=b"")) == (400, "CDS-400-body")
    assert refused(served, chunked(body[:50], last=b"40\r\nabc")) == (400, "CDS-400-body")


def test_a_body_longer_than_it_says(served: Served) -> None:
    """CALL-12: only as much is read as was announced; the rest is not taken for a call."""
    body = call()
    assert refused(served, with_length(body, len(body) - 10)) == (400, "CDS-400-json")
    assert exchange(served, with_length(body + b"GARBAGE", len(body)))[0] == 200


@pytest.mark.parametrize(
    "length", ["-1", "1e3", "0x10", "12, 13", "99999999999999999999999999", "", "abc", "1 2"]
)
def test_lengths_that_are_none(served: Served, length: str) -> None:
    """CALL-21: never a wait for a body that cannot come."""
    sent = f"{HEAD}Content-Length: {length}\r\n\r\n{{}}".encode()
    assert refused(served, sent)[0] in {400, 413, 415}


def test_two_lengths_and_both_framings(served: Served) -> None:
    """RFC 9112 section 6.3: what proxies might read in another way is refused."""
    body = call()
    twice = f"{HEAD}Content-Length: {len(body)}\r\nContent-Length: 2\r\n\r\n".encode() + body
    assert refused(served, twice)[0] == 400
    both = chunked(body).replace(b"\r\n\r\n", b"\r\nContent-Length: 4\r\n\r\n", 1)
    assert refused(served, both)[0] == 400


def test_chunks_beyond_the_limit(served: Served) -> None:
    """CALL-21: 413, also where one chunk says it has more than anybody could send."""
    assert refused(served, chunked(*[b" " * 50_000] * 25)) == (413, "CDS-413")
    status, code = refused(served, chunked(call(), last=b"ffffffffffff\r\nabc"))
    assert (status, code[:7]) in {(400, "CDS-400"), (413, "CDS-413")}


@pytest.mark.parametrize(
    "last", [b"zz\r\n", b"-5\r\n\r\n", b"5;\r\n", b"\r\n\r\n", b"5\r\nabcdefgh\r\n"]
)
def test_broken_chunks(served: Served, last: bytes) -> None:
    """CALL-12: the client's fault, 400."""
    assert refused(served, chunked(call()[:20], last=last))[0] == 400


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\r\n\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (MARKER.encode() + b"\r\n\r\n", 400),
        (b"GET /cds-services HTTP/9.9\r\n\r\n", 400),
        (b"get /cds-services HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nx: " + b"xMARKERx" * 2_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\n" + b"x: xMARKERx\r\n" * 200 + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nxMARKERx y: 1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded: xMARKERx\r\n\r\n", 400),
        (with_length(call(), more="Transfer-Encoding: gzip\r\n"), 400),
        (with_length(call(), more="Expect: xMARKERx\r\n"), 400),
    ],
)  # fmt: skip
def test_what_is_hardly_http(served: Served, sent: bytes, status: int) -> None:
    """CALL-24: also what the server itself refuses is an OperationOutcome that repeats nothing."""
    answered, code = refused(served, sent)
    assert (answered, code[:7]) == (status, f"CDS-{status}")


def test_a_compressed_body(served: Served) -> None:
    """Clarification 51: 415, and nothing is unpacked."""
    body = gzip.compress(call())
    sent = with_length(body, more="Content-Encoding: gzip\r\n")
    assert refused(served, sent) == (415, "CDS-415-encoding")


@pytest.mark.parametrize("place", ['"context": %s', '"prefetch": {"patient": %s}', '"x": %s'])
def test_100_000_levels(served: Served, place: str) -> None:
    """Clarification 51: 400 from the real server too, whose threads have another stack."""
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        nested = place % (opening * 100_000 + "1" + closing * 100_000)
        body = f'{{"hook": "order-select", "hookInstance": "1", {nested}}}'.encode()
        assert refused(served, with_length(body)) == (400, "CDS-400-json")
    assert served.send("GET", "/healthz")[0] == 200
    assert served.log.count("Booting worker") == 2


def test_slow_headers_cost_one_thread_each(served: Served) -> None:
    """CALL-23: a client that sends a byte now and then does not stop the others."""
    slow = []
    for _ in range(3):
        connection = socket.create_connection(("127.0.0.1", served.port), timeout=20)
        connection.sendall(HEAD.encode()[:30])
        slow.append(connection)
    for byte in HEAD.encode()[30:34]:
        for connection in slow:
            connection.sendall(bytes([byte]))
        assert exchange(served, with_length(call()))[0] == 200
    for connection in slow:
        connection.close()


def test_clients_that_leave(served: Served) -> None:
    """CALL-23: a connection reset in the middle of a call leaves the server as it was."""
    for cut in (10, len(HEAD), len(HEAD) + 40):
        connection = socket.create_connection(("127.0.0.1", served.port), timeout=20)
        connection.sendall(with_length(call())[:cut])
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00" + b"\x00" * 4
        )
        connection.close()
    deadline = time.monotonic() + 20
    assert exchange(served, with_length(call()))[0] == 200
    assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "xMARKERx", "GET"]
)
def test_other_methods(served: Served, method: str) -> None:
    """CALL-21: 405 with Allow."""
    status, content, headers = served.send(method, ORDER_SELECT, headers=JSON)
    assert status in {400, 405}
    assert violations("OperationOutcome", json.loads(content)) == []
    assert status == 400 or headers["Allow"] == "OPTIONS, POST"
