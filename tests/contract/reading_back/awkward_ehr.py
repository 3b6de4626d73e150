"""A FHIR server on loopback that does whatever a server may do to its readers.

It records every request. By default it knows one patient, and every search finds nothing.
"""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FHIR_JSON = "application/fhir+json"
Behaviour = Callable[["Exchange"], None]


class Exchange(BaseHTTPRequestHandler):
    """One request and the ways to answer it."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        try:
            self.server.ehr.answer(self)
        except OSError:  # a reader that gives up is what the tests are about
            self.server.ehr.given_up.append(self.path)

    def log_message(self, *args: object) -> None:
        """Silence."""

    def send(
        self,
        body: bytes,
        *,
        status: int = 200,
        type: str = FHIR_JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True

    def wait(self, seconds: float) -> bool:
        """Let time pass; whether the server is being stopped."""
        return self.server.ehr.is_stopping.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    ehr: AwkwardEhr

    def handle_error(self, request: object, client_address: object) -> None:
        """Readers break off connections here all the time."""


@dataclass
class Seen:
    """A request that came in."""

    path: str
    headers: dict[str, str]


@dataclass
class AwkwardEhr:
    """What it answers, by the longest beginning of the path that fits, and what it was asked."""

    port: int
    scheme: str = "http"
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    is_stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def base(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/fhir"

    def on(self, path: str, behaviour: Behaviour) -> None:
        """Behave so at every path under the base that begins so; "" is all of them."""
        self.behaviours[path] = behaviour

    def asked(self, path: str = "") -> list[str]:
        """The requests whose path under the base begins so, as they came."""
        return [each.path for each in self.seen if each.path.startswith(f"/fhir/{path}")]

    def answer(self, exchange: Exchange) -> None:
        self.seen.append(Seen(exchange.path, dict(exchange.headers)))
        path = exchange.path.removeprefix("/fhir/")
        fitting = [beginning for beginning in self.behaviours if path.startswith(beginning)]
        behaviour = self.behaviours[max(fitting, key=len)] if fitting else _by_default
        behaviour(exchange)


@contextmanager
def awkward_ehr(tls: ssl.SSLContext | None = None) -> Iterator[AwkwardEhr]:
    server = _Server(("127.0.0.1", 0), Exchange)
    server.ehr = AwkwardEhr(server.server_address[1], "http" if tls is None else "https")
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.ehr
    finally:
        server.ehr.is_stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01", "gender": "female"}


def searchset(*resources: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    entries = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | members


def next_link(url: str) -> list[dict[str, str]]:
    return [{"relation": "self", "url": "x"}, {"relation": "next", "url": url}]


def _by_default(exchange: Exchange) -> None:
    found = PATIENT if exchange.path == "/fhir/Patient/p1" else searchset(total=0)
    exchange.send(json.dumps(found).encode())


# --- behaviours -----------------------------------------------------------------------------------


def saying(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    return body(json.dumps(content).encode(), status=status, headers=headers)


def body(
    content: bytes,
    type: str = FHIR_JSON,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Behaviour:
    return lambda exchange: exchange.send(content, status=status, type=type, headers=headers)


def first_then(first: Behaviour, then: Behaviour = _by_default) -> Behaviour:
    """Another behaviour from the second request on."""
    behaviours = iter([first])

    def answer(exchange: Exchange) -> None:
        next(behaviours, then)(exchange)

    return answer


def hanging_up(exchange: Exchange) -> None:
    exchange.hang_up()


def cut_off(exchange: Exchange) -> None:
    """Half an answer."""
    exchange.send_response(200)
    exchange.send_header("Content-Type", FHIR_JSON)
    exchange.send_header("Content-Length", "1000")
    exchange.end_headers()
    exchange.wfile.write(b'{"resourceType":')
    exchange.hang_up()


def silent(exchange: Exchange) -> None:
    """Nothing for as long as the test lasts."""
    exchange.wait(60)
    exchange.hang_up()


def dripping_body(exchange: Exchange) -> None:
    """A byte now and then: no pause is ever long."""
    exchange.send_response(200)
    exchange.send_header("Content-Type", FHIR_JSON)
    exchange.send_header("Content-Length", "1000")
    exchange.end_headers()
    while not exchange.wait(0.05):
        exchange.wfile.write(b" ")


def dripping_head(exchange: Exchange) -> None:
    """The same before the body has begun."""
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not exchange.wait(0.05):
        exchange.wfile.write(b"x")


def gzip_bomb(exchange: Exchange) -> None:
    """A hundred megabytes of blanks in a hundred kilobytes."""
    exchange.send(_BOMB, headers={"Content-Encoding": "gzip"})


_BOMB = gzip.compress(b" " * 100_000_000, 9)


def endless(ehr: AwkwardEhr, path: str) -> Behaviour:
    """Every page has another one."""

    def answer(exchange: Exchange) -> None:
        link = next_link(f"{ehr.base}/{path}&page={len(ehr.seen)}")
        exchange.send(json.dumps(searchset(link=link)).encode())

    return answer
