"""Time in the service against a floor: decoding the same bytes with orjson in the same run.

Run it with ``make bench``. Ratios travel between machines; milliseconds do not.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import orjson

from benchmarks.request import sized_request
from cds_service.app import create_app
from cds_service.consultation import consult
from cds_service.rules.rulebook import load_rulebook
from cds_service.web import envelope

SIZES = (20, 300, 1000)
ROUNDS = 40
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RULEBOOK = Path(__file__).parent.parent / "hooks" / "spasticity"


def milliseconds(action: Callable[[], object]) -> float:
    """The median of several runs, in milliseconds."""
    action()
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        action()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def main() -> None:
    """Print a table."""
    begun = time.perf_counter()
    rulebook = load_rulebook(RULEBOOK)
    loading = (time.perf_counter() - begun) * 1000
    client = create_app(clock=lambda: NOW).test_client()
    service = rulebook.services["spasticity-order-sign"]
    path = f"/cds-services/{service.id}"
    out = sys.stdout.write
    out(f"rulebook loaded in {loading:.0f} ms\n\n")
    out(
        "| entries | bytes | orjson.loads | core | core / floor | through Flask | Flask / floor |\n"
    )
    out("| --- | --- | --- | --- | --- | --- | --- |\n")
    for size in SIZES:
        body = sized_request(size)
        request = envelope.read(envelope.parse(body), service).request
        floor = milliseconds(partial(orjson.loads, body))
        core = milliseconds(partial(consult, request, rulebook, now=NOW))
        whole = milliseconds(partial(client.post, path, data=body, content_type="application/json"))
        out(
            f"| {size} | {len(body)} | {floor:.2f} ms | {core:.2f} ms | {core / floor:.1f} "
            f"| {whole:.2f} ms | {whole / floor:.1f} |\n"
        )


if __name__ == "__main__":
    main()
