"""What ships, as a server of two workers that asks for tokens and may read from one EHR."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.contract.serving import (
    JSON,
    REAL,
    Served,
    start,
    stop,
    wait_for,
    wait_until_ready,
    workers_of,
)
from tests.contract.support import ORDER_SELECT
from tests.contract.tokens import BASE, ISSUER, bearer, claims, key_set, signer

KEY = signer()
KEYS = "keys.json"
_SITE = f"""
[server]
base_url = "{BASE}"
[security]
require_jwt = true
[[security.clients]]
issuer = "{ISSUER}"
jwks_file = "{KEYS}"
tenants = ["north", "east"]
"""


@dataclass(frozen=True)
class SecuredServer:
    """The server, and a client that it knows."""

    served: Served

    def token(self, path: str = ORDER_SELECT, **changes: Any) -> str:
        return KEY.sign(claims(path, datetime.now(UTC), **({"tenant": "north"} | changes)))

    def send(
        self, path: str, body: bytes | None, token: str | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """Without a token, one that is made out to the path."""
        method = "GET" if body is None else "POST"
        status, content, _ = self.served.send(
            method, path, body, JSON | bearer(token or self.token(path)) | headers
        )
        return status, content

    def ask(
        self, content: Any, path: str = ORDER_SELECT, token: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        status, answer = self.send(path, json.dumps(content).encode(), token)
        found: dict[str, Any] = json.loads(answer)
        return status, found

    def counted(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """(name of the metric, its labels as pairs) -> value."""
        text = self.served.send("GET", "/metrics")[1].decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@contextmanager
def secured_server(folder: Path, ehr: str | None = None) -> Iterator[SecuredServer]:
    """Run it; ``ehr`` is the base URL that may be read from."""
    (folder / KEYS).write_bytes(key_set(KEY.jwk()))
    reading = "" if ehr is None else f'[fhir]\nallowed_servers = ["{ehr}"]\ntimeout_s = 10\n'
    served = start(folder, "--workers", "2", settings=_SITE + reading, program=REAL)
    try:
        wait_until_ready(served)
        wait_for(lambda: len(workers_of(served)) == 2, "both workers")
        yield SecuredServer(served)
    finally:
        stop(served)
