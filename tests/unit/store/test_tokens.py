"""Replay protection: a token passes exactly once, whoever asks."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from cds_service.store.database import Store
from tests.unit.store.support import HOUR, NOW

ISSUER = "https://ehr.example.org"


def test_a_token_passes_exactly_once(store: Store) -> None:
    assert store.consume_token(ISSUER, "a", NOW + HOUR, NOW)
    assert not store.consume_token(ISSUER, "a", NOW + HOUR, NOW)
    assert not store.consume_token(ISSUER, "a", NOW + 2 * HOUR, NOW + HOUR / 2)


def test_a_token_belongs_to_its_issuer(store: Store) -> None:
    assert store.consume_token(ISSUER, "a", NOW + HOUR, NOW)
    assert store.consume_token("https://other.example.org", "a", NOW + HOUR, NOW)
    assert store.consume_token(ISSUER, "b", NOW + HOUR, NOW)


def test_a_token_is_remembered_until_it_expires(store: Store) -> None:
    store.consume_token(ISSUER, "a", NOW + HOUR, NOW)
    assert not store.consume_token(ISSUER, "a", NOW + HOUR, NOW + HOUR)
    assert store.consume_token(ISSUER, "a", NOW + 3 * HOUR, NOW + 2 * HOUR)


def test_a_used_token_stays_used_after_a_restart(database: str) -> None:
    for expected in (True, False):
        store = Store(database)
        assert store.consume_token(ISSUER, "a", NOW + HOUR, NOW) is expected
        store.close()


def test_any_text_can_be_a_token_id(store: Store) -> None:
    for jti in ("", "\x00", "\ud800", "x" * 100_000, "'; DROP TABLE feedback; --"):
        assert store.consume_token(ISSUER, jti, NOW + HOUR, NOW)
        assert not store.consume_token(ISSUER, jti, NOW + HOUR, NOW)


def test_eight_threads_consume_a_token_once(store: Store) -> None:
    tokens = [f"token-{number}" for number in range(20) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        passed = list(
            threads.map(lambda jti: store.consume_token(ISSUER, jti, NOW + HOUR, NOW), tokens)
        )
    assert Counter(jti for jti, first in zip(tokens, passed, strict=True) if first) == Counter(
        set(tokens)
    )


PROCESS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from cds_service.store.database import Store
from tests.unit.store.support import HOUR, NOW

store = Store(sys.argv[1])

def consume(number):
    # Each round also has old tokens to forget, which the other process forgets as well.
    store.consume_token("old", f"{sys.argv[2]}-{number}", NOW - HOUR, NOW - 2 * HOUR)
    return store.consume_token("issuer", f"token-{number}", NOW + HOUR, NOW)

print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(4) as threads:
    print(*(number for number, first in enumerate(threads.map(consume, range(40))) if first))
store.close()
"""


def test_two_processes_consume_a_token_once(database: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, database, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    passed = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(int(number) for each in passed for number in each) == list(range(40))
