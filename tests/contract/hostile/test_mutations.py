"""Ten thousand damaged calls: an answer that keeps the rules, or a proper refusal."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from werkzeug.test import TestResponse

from tests.contract.description import violations
from tests.contract.hostile.bases import MARKER, valid_calls
from tests.contract.hostile.mutations import damaged
from tests.contract.support import captured_log
from tests.invariants.sites import site
from tests.vignettes.response_checks import problems_of_answer

CALLS = 10_000
CHUNKS = 40
PATIENCE_S = 20
"""A call takes milliseconds; this is for a hang, on a machine that does much else."""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with captured_log() as stream:
        yield stream


def post(path: str, body: bytes) -> TestResponse:
    return site().http.post(path, data=body, content_type="application/json")


def problems_of(response: TestResponse) -> Iterator[str]:
    """What no input may cause."""
    if response.status_code not in {200, 400, 412}:
        yield f"status {response.status_code}"
    if response.content_type != "application/json":
        yield f"media type {response.content_type}"
    body = json.loads(response.data.decode("utf-8"))
    if response.status_code == 200:
        yield from problems_of_answer(body)
    else:
        yield from violations("OperationOutcome", body)
        if MARKER.encode() in response.data:
            yield "the refusal repeats what was sent"


def test_undamaged_they_are_answered() -> None:
    statuses = Counter(post(path, text.encode()).status_code for path, text in valid_calls())
    assert set(statuses) == {200}
    assert {path for path, _ in valid_calls()} == {
        f"/cds-services/{service}" for service in site().templates
    }


@pytest.mark.parametrize("number", range(CHUNKS))
def test_damaged_calls(number: int, log: io.StringIO) -> None:
    """Never a failure, a hang or a trace; what was sent is in no refusal and in no log."""
    random = Random(number)
    statuses: Counter[int] = Counter()
    for each in range(CALLS // CHUNKS):
        path, text = random.choice(valid_calls())
        body = damaged(text, random)
        started = time.monotonic()
        response = post(path, body)
        problems = [*problems_of(response)]
        if time.monotonic() - started > PATIENCE_S:
            problems.append("took too long")
        assert not problems, f"seed {number}, call {each}, {path}: {problems}\n{body[:3000]!r}"
        statuses[response.status_code] += 1
    assert MARKER not in log.getvalue()
    events = Counter(json.loads(line)["event"] for line in log.getvalue().splitlines())
    assert events == {"call": CALLS // CHUNKS}, events
    assert statuses[200] > CALLS // CHUNKS // 10, "the damage must let some calls through"
    assert statuses[400] > CALLS // CHUNKS // 10
