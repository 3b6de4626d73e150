"""The public keys of the clients: which are taken, when they are fetched, how long they are kept."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest

from cds_service.ehr.key_sets import (
    FRESH_S,
    LAST_GOOD_S,
    MOST_BYTES,
    UNKNOWN_KEY_PAUSE_S,
    KeySets,
    KeyUnavailable,
    KeyUnknown,
    guarded_fetch,
    read_keys,
)
from tests.contract.tokens import ISSUER, JWKS_URL, Publisher, key_set, signer

OLD, NEW = signer("old"), signer("new")
DOWN = ConnectionError("refused")
DEADLINE_S = 20


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def publisher() -> Publisher:
    return Publisher(key_set(OLD.jwk()))


@pytest.fixture
def keys(publisher: Publisher, clock: Clock) -> KeySets:
    return KeySets({ISSUER: JWKS_URL}, publisher, monotonic=clock)


def kids(content: bytes) -> list[str]:
    return list(read_keys(content))


# --- which keys are taken -------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["given", None])
def test_the_algorithms_of_the_standard_are_taken(alg: str | None) -> None:
    """A key without ``alg`` is used with the one algorithm that fits it."""
    change = {} if alg else {"alg": None}
    pair = [signer("ec"), signer("rsa", "RS384")]
    found = read_keys(key_set(*(each.jwk(**change) for each in pair)))
    assert {kid: key.algorithm_name for kid, key in found.items()} == {
        "ec": "ES384",
        "rsa": "RS384",
    }


@pytest.mark.parametrize(
    "entry",
    [
        signer("k").jwk(use="enc"),
        signer("k").jwk(alg="ES256"),
        signer("k").jwk(alg="HS384"),
        signer("k").jwk(kty="RSA"),
        signer("k").jwk(crv="P-256"),
        signer("k").jwk(key_ops=["sign"]),
        signer("k").jwk(key_ops="verify"),
        signer("k").jwk(x="AAAA"),
        signer("k").jwk(y=None),
        signer("k").jwk(kid=None),
        signer("k").jwk(kid=7),
        signer("k", "ES256").jwk(),
        signer("k", "ES256").jwk(alg="ES384"),
        signer("k", "RS384").jwk(alg="RS256"),
        signer("k", "RS384").jwk(alg="PS384"),
        signer("k", "RS384").jwk(n=7),
        signer("k", "RS384", 1024).jwk(),
        {"kty": "oct", "kid": "k", "k": "c2VjcmV0", "alg": "HS384"},
        {"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AAAA"},
        {"kid": "k"},
        {"kid": "k", "kty": ["EC"], "crv": {}},
        "k",
        None,
    ],
)
def test_other_keys_are_passed_over(entry: Any) -> None:
    """SEC-06: a key whose use, algorithm, type or curve says it is for something else."""
    assert kids(key_set(entry, OLD.jwk())) == ["old"]


def test_a_published_private_key_proves_nothing() -> None:
    private = jwt.algorithms.ECAlgorithm.to_jwk(OLD.private, as_dict=True)
    assert kids(key_set(OLD.jwk(d=private["d"]), NEW.jwk())) == ["new"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"keys": {}}',
        b"\xff",
        b"[" * 100_000,
        b'{"keys": []}' + b" " * MOST_BYTES,
    ],
)
def test_what_is_no_key_set(content: bytes) -> None:
    with pytest.raises(KeyUnavailable):
        read_keys(content)


# --- when they are fetched ------------------------------------------------------------------------


def test_a_set_is_fetched_once_and_then_from_time_to_time(
    keys: KeySets, publisher: Publisher, clock: Clock
) -> None:
    for _ in range(3):
        assert keys.key(ISSUER, "old").key_id == "old"
    assert publisher.asked == [JWKS_URL]
    clock.now += FRESH_S - 1
    keys.key(ISSUER, "old")
    assert len(publisher.asked) == 1
    clock.now += 1
    keys.key(ISSUER, "old")
    assert len(publisher.asked) == 2


def test_a_new_key_is_found_when_it_is_first_used(keys: KeySets, publisher: Publisher) -> None:
    """Rotation: the client signs with the new key right after it has published it."""
    keys.key(ISSUER, "old")
    publisher.content = key_set(OLD.jwk(), NEW.jwk())
    assert keys.key(ISSUER, "new").key_id == "new"
    assert keys.key(ISSUER, "old").key_id == "old"
    assert len(publisher.asked) == 2


def test_a_withdrawn_key_is_refused_after_the_next_fetch(
    keys: KeySets, publisher: Publisher, clock: Clock
) -> None:
    keys.key(ISSUER, "old")
    publisher.content = key_set(NEW.jwk())
    clock.now += FRESH_S
    with pytest.raises(KeyUnknown):
        keys.key(ISSUER, "old")


def test_a_set_without_keys_withdraws_all(
    keys: KeySets, publisher: Publisher, clock: Clock
) -> None:
    keys.key(ISSUER, "old")
    publisher.content = key_set()
    clock.now += FRESH_S
    with pytest.raises(KeyUnknown):
        keys.key(ISSUER, "old")


def test_unknown_keys_do_not_make_us_a_nuisance(
    keys: KeySets, publisher: Publisher, clock: Clock
) -> None:
    """Anyone can send a token with a key id that nobody has."""
    keys.key(ISSUER, "old")
    for number in range(50):
        with pytest.raises(KeyUnknown):
            keys.key(ISSUER, f"made up {number}")
    assert len(publisher.asked) == 2
    clock.now += UNKNOWN_KEY_PAUSE_S
    with pytest.raises(KeyUnknown):
        keys.key(ISSUER, "made up")
    assert len(publisher.asked) == 3


def test_issuers_do_not_share_keys(publisher: Publisher, clock: Clock) -> None:
    other = "https://other.example.org"
    sets = {JWKS_URL: key_set(OLD.jwk()), "https://other.example.org/jwks": key_set(NEW.jwk())}
    keys = KeySets(
        {ISSUER: JWKS_URL, other: "https://other.example.org/jwks"},
        lambda url: sets[url],
        monotonic=clock,
    )
    assert keys.key(other, "new").key_id == "new"
    with pytest.raises(KeyUnknown):
        keys.key(other, "old")


# --- outages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble", [DOWN, TimeoutError(), KeyUnavailable("404"), b"<html>", b" " * (MOST_BYTES + 1)]
)
def test_the_last_good_set_serves_through_an_outage_for_a_day(
    keys: KeySets, publisher: Publisher, clock: Clock, trouble: bytes | Exception
) -> None:
    keys.key(ISSUER, "old")
    publisher.content = trouble
    clock.now += LAST_GOOD_S - 1
    assert keys.key(ISSUER, "old").key_id == "old"
    clock.now += 1
    with pytest.raises(KeyUnavailable):
        keys.key(ISSUER, "old")
    publisher.content = key_set(OLD.jwk())
    clock.now += 30
    assert keys.key(ISSUER, "old").key_id == "old"


def test_a_source_that_is_down_is_asked_only_now_and_then(
    keys: KeySets, publisher: Publisher, clock: Clock
) -> None:
    keys.key(ISSUER, "old")
    publisher.content = DOWN
    clock.now += FRESH_S
    for _ in range(20):
        keys.key(ISSUER, "old")
        clock.now += 1
    assert len(publisher.asked) == 2


def test_nothing_is_known_of_a_key_while_its_source_is_down(
    keys: KeySets, publisher: Publisher, clock: Clock
) -> None:
    """At the start there is no last good set; with one, the key may be in the next."""
    publisher.content = DOWN
    for _ in range(4):
        with pytest.raises(KeyUnavailable):
            keys.key(ISSUER, "old")
    assert len(publisher.asked) == 1
    publisher.content = key_set(OLD.jwk())
    clock.now += 5
    keys.key(ISSUER, "old")
    publisher.content = DOWN
    with pytest.raises(KeyUnavailable):
        keys.key(ISSUER, "new")


@pytest.mark.parametrize(
    ("trouble", "fault"),
    [
        (ConnectionError("https://ehr.example.org/?secret"), "ConnectionError"),
        (b"secret", "the key set is not JSON"),
        (KeyUnavailable("status-404"), "status-404"),
    ],
)
def test_an_outage_is_in_the_log(
    keys: KeySets,
    publisher: Publisher,
    caplog: pytest.LogCaptureFixture,
    trouble: bytes | Exception,
    fault: str,
) -> None:
    publisher.content = trouble
    with caplog.at_level("WARNING", "cds_service"), pytest.raises(KeyUnavailable):
        keys.key(ISSUER, "old")
    (record,) = caplog.records
    assert record.message == "key set not obtained"
    assert record.__dict__["issuer"] == ISSUER
    assert record.__dict__["fault"] == fault
    assert "secret" not in caplog.text


# --- several threads ------------------------------------------------------------------------------


class SlowPublisher:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.arrived, self.answer = threading.Event(), threading.Event()

    def __call__(self, url: str) -> bytes:
        self.asked += 1
        self.arrived.set()
        assert self.answer.wait(DEADLINE_S)
        return key_set(OLD.jwk())


def in_thread(keys: KeySets, kid: str, found: list[str | None]) -> threading.Thread:
    thread = threading.Thread(target=lambda: found.append(keys.key(ISSUER, kid).key_id))
    thread.start()
    return thread


def test_calls_at_once_share_one_fetch(clock: Clock) -> None:
    publisher = SlowPublisher()
    keys = KeySets({ISSUER: JWKS_URL}, publisher, monotonic=clock)
    found: list[str | None] = []
    threads = [in_thread(keys, "old", found) for _ in range(4)]
    publisher.answer.set()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert found == ["old"] * 4
    assert publisher.asked == 1


def test_known_keys_do_not_wait_for_a_slow_source(clock: Clock) -> None:
    publisher = SlowPublisher()
    keys = KeySets({ISSUER: JWKS_URL}, publisher, monotonic=clock)
    publisher.answer.set()
    keys.key(ISSUER, "old")
    publisher.answer.clear()
    publisher.arrived.clear()
    clock.now += FRESH_S
    found: list[str | None] = []
    renewing = in_thread(keys, "old", found)
    assert publisher.arrived.wait(DEADLINE_S)
    assert keys.key(ISSUER, "old").key_id == "old"  # while the other thread still waits
    assert found == []
    publisher.answer.set()
    renewing.join(DEADLINE_S)
    assert found == ["old"]


# --- a file ---------------------------------------------------------------------------------------


def test_a_file_is_read_again_when_it_has_changed(
    tmp_path: Path, publisher: Publisher, clock: Clock
) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(OLD.jwk()))
    keys = KeySets({ISSUER: file}, publisher, monotonic=clock)
    assert keys.key(ISSUER, "old").key_id == "old"
    draft = tmp_path / "draft"
    draft.write_bytes(key_set(NEW.jwk()))
    os.replace(draft, file)  # noqa: PTH105 (the way an operator's tool does it)
    assert keys.key(ISSUER, "new").key_id == "new"
    with pytest.raises(KeyUnknown):
        keys.key(ISSUER, "old")
    assert publisher.asked == []


@pytest.mark.parametrize("content", [None, b"", b"{", b" " * (MOST_BYTES + 1)])
def test_a_file_that_breaks_is_an_outage(
    tmp_path: Path, publisher: Publisher, clock: Clock, content: bytes | None
) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(OLD.jwk()))
    keys = KeySets({ISSUER: file}, publisher, monotonic=clock)
    keys.key(ISSUER, "old")
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert keys.key(ISSUER, "old").key_id == "old"
    with pytest.raises(KeyUnavailable):
        keys.key(ISSUER, "new")
    file.write_bytes(key_set(NEW.jwk()))
    clock.now += 30
    assert keys.key(ISSUER, "new").key_id == "new"


# --- over the network -----------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """``/keys`` is a key set; every other path is something that must not be taken for one."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/keys")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/gone" else 200)
        content = b" " * (MOST_BYTES + 1) if self.path == "/large" else key_set(OLD.jwk())
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) + 9 * (self.path == "/cut")))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (its own name)
        """Nothing: the requests are in ``seen``."""


@pytest.fixture
def address() -> Iterator[str]:
    Answers.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(DEADLINE_S)
    server.server_close()


def test_a_key_set_is_fetched(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert json.loads(guarded_fetch([address])(f"{address}/keys"))["keys"][0]["kid"] == "old"


@pytest.mark.parametrize("path", ["/moved", "/gone", "/large", "/cut"])
def test_nothing_else_is_taken_for_one(address: str, path: str) -> None:
    with pytest.raises((KeyUnavailable, OSError)):
        guarded_fetch([address])(f"{address}{path}")
    assert set(Answers.seen) == {path}
