"""What a client token must be: every way of being wrong, and the word that the log has for it."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds_service.ehr.key_sets import Fetch, KeySets
from cds_service.errors import StoreUnavailable
from cds_service.settings import Client
from cds_service.web.authentication import (
    LEEWAY_S,
    LONGEST_LIFETIME_S,
    Authentication,
    Cause,
    Unauthenticated,
    VerifiedClient,
    audiences,
)
from tests.contract.support import NOW, ORDER_SELECT, ORDER_SIGN
from tests.contract.tokens import (
    BASE,
    ISSUER,
    JWKS_URL,
    Ledger,
    Publisher,
    claims,
    encoded,
    key_set,
    signer,
)

SECONDS = int(NOW.timestamp())
KEY = signer()
RSA = signer("key-2", "RS384")


class Door:
    """Authentication with a network and a store that can be looked at."""

    def __init__(self, *clients: Client, base_url: str = BASE, fetch: Fetch | None = None) -> None:
        self.publisher = Publisher(key_set(KEY.jwk(), RSA.jwk()))
        self.ledger = Ledger()
        self.now = NOW
        clients = clients or (Client(ISSUER, JWKS_URL),)
        keys = KeySets(
            {client.issuer: str(client.jwks_url) for client in clients}, fetch or self.publisher
        )
        self.authentication = Authentication(
            clients, base_url, keys, self.ledger.consume, lambda: self.now
        )

    def passes(self, token: str, path: str = ORDER_SELECT) -> VerifiedClient:
        return self.authentication.authenticate(f"Bearer {token}", path)

    def cause(self, header: str | None, path: str = ORDER_SELECT) -> Cause:
        """Why it is refused; a refused call never uses a token up."""
        before = dict(self.ledger.used)
        with pytest.raises(Unauthenticated) as refusal:
            self.authentication.authenticate(header, path)
        assert self.ledger.used == before
        return refusal.value.cause


@pytest.fixture
def door() -> Door:
    return Door()


def good(**changes: Any) -> str:
    return KEY.sign(claims(ORDER_SELECT, **changes))


# --- the vector of the standard -------------------------------------------------------------------

# Printed in CDS Hooks 2.0.1, "Security and Safety", JWT Signing Algorithm, Example.
EXAMPLE_TOKEN = (
    "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImV4YW1wbGUta2lkIiwiamt1IjoiaHR0cHM6Ly9maGlyLWVo"
    "ci5leGFtcGxlLmNvbS9qd2tfdXJpIn0.eyJpc3MiOiJodHRwczovL2ZoaXItZWhyLmV4YW1wbGUuY29tLyIsImF1ZCI6"
    "Imh0dHBzOi8vY2RzLmV4YW1wbGUub3JnL2Nkcy1zZXJ2aWNlcy9zb21lLXNlcnZpY2UiLCJleHAiOjE0MjI1Njg4NjAs"
    "ImlhdCI6MTMxMTI4MDk3MCwianRpIjoiZWUyMmIwMjEtZTFiNy00NjExLWJhNWItOGVlYzZhMzNhYzFlIiwidGVuYW50"
    "IjoiMmRkZDZjM2EtOGU5YS00NGM2LWEzMDUtNTIxMTFhZDMwMmEyIn0.d1WfLjGRKlcWB94l9do4cM8REXeYJLL6SGUB"
    "O8VHZhfM8mwKYP70EMxJ67War4TQblEpaQrp11wx5p7oPFm2ETYgCicS84vXWEIYTdjooZdooCSDf2L8-i4awdoUwiEb"
)
EXAMPLE_KEY = {
    "kty": "EC",
    "use": "sig",
    "crv": "P-384",
    "kid": "example-kid",
    "x": "46SDH7Znh821wblCBglA61sNE9ZrHYKKt3qRtRTmSXyOI_FIGBLWrWa0GPUkDCEk",
    "y": "XMcRuuoGW7CXjQdy-F5i3FeBE0x9hPLdeFdSoDd3ELmx404tLX0VRRcqzAsPhXcI",
    "alg": "ES384",
}
EXAMPLE_EXPIRY = datetime(2015, 1, 29, 22, 1, tzinfo=UTC)
EXAMPLE_PATH = "/cds-services/some-service"


def example(now: datetime, longest_lifetime_s: float = float("inf")) -> VerifiedClient:
    client = Client("https://fhir-ehr.example.com/", "https://fhir-ehr.example.com/jwk_uri")
    return Authentication(
        [client],
        "https://cds.example.org",
        KeySets({client.issuer: str(client.jwks_url)}, Publisher(key_set(EXAMPLE_KEY))),
        Ledger().consume,
        lambda: now,
        longest_lifetime_s=longest_lifetime_s,
    ).authenticate(f"Bearer {EXAMPLE_TOKEN}", EXAMPLE_PATH)


def test_the_example_of_the_standard_verifies() -> None:
    """8.1: the known-answer vector, before it expires and without a limit to its lifetime."""
    client = example(EXAMPLE_EXPIRY - timedelta(seconds=1))
    assert client.issuer == "https://fhir-ehr.example.com/"
    assert client.tenant == "2ddd6c3a-8e9a-44c6-a305-52111ad302a2"


def test_the_example_of_the_standard_has_expired() -> None:
    with pytest.raises(Unauthenticated, match=Cause.EXPIRED):
        example(EXAMPLE_EXPIRY + timedelta(seconds=LEEWAY_S))


def test_the_example_of_the_standard_lives_too_long_for_a_service() -> None:
    """Its ``exp`` is three years after its ``iat``."""
    with pytest.raises(Unauthenticated, match=Cause.LIFETIME):
        example(EXAMPLE_EXPIRY - timedelta(seconds=1), LONGEST_LIFETIME_S)


# --- what passes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, RSA], ids=["ES384", "RS384"])
def test_both_algorithms_of_the_standard_pass(door: Door, key: Any) -> None:
    assert door.passes(key.sign(claims(ORDER_SELECT))) == VerifiedClient(ISSUER)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [f"{BASE}{ORDER_SELECT}"]},
        {"aud": ["https://elsewhere.example.org", f"{BASE}{ORDER_SELECT}"]},
        {"sub": 7},
        {"exp": SECONDS + 300.5, "iat": SECONDS - 0.5},
        {"tenant": None},
        {"iat": SECONDS + LEEWAY_S},
        {"iat": SECONDS - 3000, "exp": SECONDS + 600},
        {"exp": SECONDS - LEEWAY_S + 1, "iat": SECONDS - 300},
        {"nbf": SECONDS + LEEWAY_S},
        {"jti": "x" * 255},
    ],
)
def test_what_the_standard_allows_passes(door: Door, changes: dict[str, Any]) -> None:
    door.passes(good(**changes))


def test_the_key_set_may_be_named_by_the_token(door: Door) -> None:
    door.passes(KEY.sign(claims(ORDER_SELECT), jku=JWKS_URL))
    assert door.publisher.asked == [JWKS_URL]


def test_the_scheme_is_read_in_any_case(door: Door) -> None:
    door.authentication.authenticate(f"bearer  {good()}", ORDER_SELECT)


def test_a_tenant_is_handed_on(door: Door) -> None:
    assert door.passes(good(tenant="north")) == VerifiedClient(ISSUER, "north")


# --- what is refused ------------------------------------------------------------------------------


def with_none(claims: Mapping[str, Any]) -> str:
    """A token without a signature, as the algorithm ``none`` makes it."""
    head = {"alg": "none", "typ": "JWT", "kid": KEY.kid}
    return ".".join([encoded(json.dumps(part).encode()) for part in (head, claims)] + [""])


def with_hmac(claims: Mapping[str, Any]) -> str:
    """Signed with the public key as if it were a shared secret."""
    head = {"alg": "HS384", "typ": "JWT", "kid": KEY.kid}
    text = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
    secret = json.dumps(KEY.jwk()).encode()
    return f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha384))}"


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        (None, Cause.HEADER_MISSING),
        ("", Cause.NOT_BEARER),
        ("Basic dXNlcjpwYXNzd29yZA==", Cause.NOT_BEARER),
        (good(), Cause.NOT_BEARER),
        ("Bearer", Cause.MALFORMED),
        ("Bearer ", Cause.MALFORMED),
        ("Bearer a.b.c", Cause.MALFORMED),
        ("Bearer é.é.é", Cause.MALFORMED),
        (f"Bearer {good()}, Bearer {good()}", Cause.MALFORMED),
        (f"Bearer {good()}.{good()}", Cause.MALFORMED),
        (f"Bearer {good().rpartition('.')[0]}", Cause.MALFORMED),
        (f"Bearer {encoded(b'[]')}.{encoded(b'{}')}.", Cause.MALFORMED),
        (f"Bearer {encoded(b'[' * 5000)}.{encoded(b'{}')}.", Cause.MALFORMED),
        (f"Bearer {KEY.sign([])}", Cause.MALFORMED),  # type: ignore[arg-type] # not an object
        (f"Bearer {KEY.sign(claims(), crit=['exp'])}", Cause.MALFORMED),
        (f"Bearer {KEY.sign(claims(), kid=7)}", Cause.MALFORMED),
        (f"Bearer {KEY.sign(claims(), b64=False)}", Cause.MALFORMED),
    ],
)
def test_what_is_no_token(door: Door, header: str | None, cause: Cause) -> None:
    assert door.cause(header) is cause
    assert door.publisher.asked == []


@pytest.mark.parametrize(
    ("token", "cause"),
    [
        (with_none(claims(ORDER_SELECT)), Cause.ALGORITHM),
        (with_hmac(claims(ORDER_SELECT)), Cause.ALGORITHM),
        (signer("key-1", "ES256").sign(claims(ORDER_SELECT)), Cause.ALGORITHM),
        (RSA.sign(claims(ORDER_SELECT), alg="RS256"), Cause.ALGORITHM),
        (KEY.sign(claims(ORDER_SELECT), alg=None), Cause.ALGORITHM),
        (KEY.sign(claims(ORDER_SELECT), alg=["ES384"]), Cause.ALGORITHM),
        (KEY.sign(claims(ORDER_SELECT), typ=None), Cause.TYPE),
        (KEY.sign(claims(ORDER_SELECT), typ="jwt"), Cause.TYPE),
        (KEY.sign(claims(ORDER_SELECT), typ="at+jwt"), Cause.TYPE),
        (good(iss="https://stranger.example.org"), Cause.ISSUER_UNKNOWN),
        (good(iss=f"{ISSUER}/"), Cause.ISSUER_UNKNOWN),
        (good(iss=None), Cause.ISSUER_UNKNOWN),
        (good(iss=[ISSUER]), Cause.ISSUER_UNKNOWN),
        (
            KEY.sign(claims(ORDER_SELECT), jku="https://evil.example.org/jwks"),
            Cause.JKU_NOT_ALLOWED,
        ),
        (KEY.sign(claims(ORDER_SELECT), jku=f"{JWKS_URL}?"), Cause.JKU_NOT_ALLOWED),
        (KEY.sign(claims(ORDER_SELECT), jku=[JWKS_URL]), Cause.JKU_NOT_ALLOWED),
    ],
)
def test_nothing_is_fetched_for_a_token_that_cannot_pass(
    door: Door, token: str, cause: Cause
) -> None:
    """SEC-01: also a stranger cannot make us call anybody."""
    assert door.cause(f"Bearer {token}") is cause
    assert door.publisher.asked == []


def test_a_client_whose_keys_are_in_a_file_names_no_address() -> None:
    door = Door(Client(ISSUER))
    token = KEY.sign(claims(ORDER_SELECT), jku=JWKS_URL)
    assert door.cause(f"Bearer {token}") is Cause.JKU_NOT_ALLOWED


def test_the_algorithm_of_another_key_is_refused(door: Door) -> None:
    """SEC-06: the key decides what it is used with, not the header of the token."""
    assert door.cause(f"Bearer {KEY.sign(claims(), kid='key-2')}") is Cause.ALGORITHM
    assert door.cause(f"Bearer {RSA.sign(claims(), kid='key-1')}") is Cause.ALGORITHM


def test_the_key_of_somebody_else_is_refused(door: Door) -> None:
    stranger = signer("stranger")
    assert door.cause(f"Bearer {stranger.sign(claims())}") is Cause.KEY_UNKNOWN
    assert door.cause(f"Bearer {stranger.sign(claims(), kid=KEY.kid)}") is Cause.SIGNATURE
    assert door.cause(f"Bearer {KEY.sign(claims(), kid=None)}") is Cause.KEY_UNKNOWN


def test_a_client_does_not_pass_for_another() -> None:
    """Each issuer has its own keys."""
    other = Client("https://other.example.org", "https://other.example.org/jwks")
    sets = {JWKS_URL: key_set(KEY.jwk()), str(other.jwks_url): key_set(RSA.jwk())}
    door = Door(Client(ISSUER, JWKS_URL), other, fetch=sets.__getitem__)
    token = KEY.sign(claims(ORDER_SELECT, iss=other.issuer))
    assert door.cause(f"Bearer {token}") is Cause.KEY_UNKNOWN


def test_a_changed_token_is_refused(door: Door) -> None:
    head, _, signature = good().split(".")
    changed = encoded(json.dumps(claims(ORDER_SELECT, tenant="south")).encode())
    assert door.cause(f"Bearer {head}.{changed}.{signature}") is Cause.SIGNATURE


def test_a_key_set_that_cannot_be_reached(door: Door) -> None:
    door.publisher.content = ConnectionError()
    assert door.cause(f"Bearer {good()}") is Cause.KEY_SET_UNREACHABLE


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"exp": None}, Cause.EXP_MISSING),
        ({"exp": str(SECONDS + 300)}, Cause.EXP_MISSING),
        ({"exp": True}, Cause.EXP_MISSING),
        ({"exp": float("nan")}, Cause.EXP_MISSING),
        ({"exp": float("inf")}, Cause.EXP_MISSING),
        ({"exp": 10**400}, Cause.EXP_MISSING),
        ({"iat": None}, Cause.IAT_MISSING),
        ({"iat": "now"}, Cause.IAT_MISSING),
        ({"iat": -1}, Cause.IAT_MISSING),
        ({"exp": SECONDS - LEEWAY_S, "iat": SECONDS - 300}, Cause.EXPIRED),
        ({"iat": SECONDS, "exp": SECONDS}, Cause.LIFETIME),
        ({"iat": SECONDS - 1, "exp": SECONDS + LONGEST_LIFETIME_S}, Cause.LIFETIME),
        ({"iat": SECONDS + LEEWAY_S + 1}, Cause.NOT_YET),
        ({"nbf": SECONDS + LEEWAY_S + 1}, Cause.NOT_YET),
        ({"nbf": "soon"}, Cause.NOT_YET),
        ({"aud": None}, Cause.AUDIENCE),
        ({"aud": f"{BASE}/cds-services"}, Cause.AUDIENCE),
        ({"aud": f"{BASE}{ORDER_SIGN}"}, Cause.AUDIENCE),
        ({"aud": f"{BASE}{ORDER_SELECT}/feedback"}, Cause.AUDIENCE),
        ({"aud": f"{BASE}{ORDER_SELECT}/"}, Cause.AUDIENCE),
        ({"aud": f"{BASE}{ORDER_SELECT}?x=1"}, Cause.AUDIENCE),
        ({"aud": f"HTTPS://CDS.example.org{ORDER_SELECT}"}, Cause.AUDIENCE),
        ({"aud": f"http://cds.example.org{ORDER_SELECT}"}, Cause.AUDIENCE),
        ({"aud": BASE}, Cause.AUDIENCE),
        ({"aud": []}, Cause.AUDIENCE),
        ({"aud": [[f"{BASE}{ORDER_SELECT}"], 7]}, Cause.AUDIENCE),
        ({"aud": {f"{BASE}{ORDER_SELECT}": 1}}, Cause.AUDIENCE),
        ({"tenant": 7}, Cause.TENANT),
        ({"tenant": ""}, Cause.TENANT),
        ({"tenant": "a\nb"}, Cause.TENANT),
        ({"jti": None}, Cause.JTI_MISSING),
        ({"jti": ""}, Cause.JTI_MISSING),
        ({"jti": 7}, Cause.JTI_MISSING),
        ({"jti": "a\x00"}, Cause.JTI_MISSING),
        ({"jti": "\ud800"}, Cause.JTI_MISSING),
        ({"jti": "x" * 256}, Cause.JTI_MISSING),
    ],
)
def test_signed_claims_that_are_wrong(door: Door, changes: dict[str, Any], cause: Cause) -> None:
    assert door.cause(f"Bearer {good(**changes)}") is cause


@pytest.mark.parametrize("tenant", [None, "south", "North", ["north"]])
def test_where_tenants_are_listed_no_other_passes(tenant: object) -> None:
    """Clarification 46: also a token without one."""
    door = Door(Client(ISSUER, JWKS_URL, tenants=("north", "east")))
    assert door.passes(good(tenant="east")).tenant == "east"
    assert door.cause(f"Bearer {good(tenant=tenant)}") is Cause.TENANT


def test_a_refusal_names_only_clients(door: Door) -> None:
    for issuer, named in ((ISSUER, ISSUER), ("https://stranger.example.org", None)):
        with pytest.raises(Unauthenticated) as refusal:
            door.passes(good(iss=issuer, exp=SECONDS - 400, iat=SECONDS - 500))
        assert refusal.value.issuer == named


# --- once -----------------------------------------------------------------------------------------


def test_a_token_passes_once(door: Door) -> None:
    token = good()
    door.passes(token)
    assert door.cause(f"Bearer {token}") is Cause.REPLAYED


def test_the_same_id_in_another_token_is_a_replay(door: Door) -> None:
    door.passes(good(jti="1"))
    assert door.cause(f"Bearer {good(jti='1', exp=SECONDS + 200)}") is Cause.REPLAYED


def test_each_issuer_has_its_own_ids() -> None:
    other = "https://other.example.org"
    door = Door(Client(ISSUER, JWKS_URL), Client(other, JWKS_URL))
    door.passes(good(jti="1"))
    door.passes(good(jti="1", iss=other))


def test_a_token_is_remembered_as_long_as_it_could_pass(door: Door) -> None:
    door.passes(good(jti="1", exp=SECONDS + 200))
    expires_at = door.ledger.used[ISSUER, "1"]
    assert expires_at == NOW + timedelta(seconds=200 + LEEWAY_S)
    door.now = expires_at
    assert door.cause(f"Bearer {good(jti='1', exp=SECONDS + 200)}") is Cause.EXPIRED


def test_a_forged_token_does_not_use_up_the_real_one(door: Door) -> None:
    """Clarification 46: else anyone who sees a ``jti`` could lock the client out."""
    forged = signer("stranger").sign(claims(ORDER_SELECT, jti="1"), kid=KEY.kid)
    assert door.cause(f"Bearer {forged}") is Cause.SIGNATURE
    door.passes(good(jti="1"))


def test_at_once_it_passes_exactly_once(door: Door) -> None:
    token = good()
    start = threading.Barrier(8)
    passed, refused = [], []

    def call() -> None:
        start.wait(20)
        try:
            passed.append(door.passes(token))
        except Unauthenticated as refusal:
            refused.append(refusal.cause)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(passed) == 1
    assert refused == [Cause.REPLAYED] * 7


def test_without_the_store_nobody_passes(door: Door) -> None:
    def down(issuer: str, jti: str, expires_at: datetime, now: datetime) -> bool:
        raise StoreUnavailable("SQLITE_FULL")

    door.authentication._consume = down
    with pytest.raises(StoreUnavailable):
        door.passes(good())


# --- the audience ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("/cds-services", {"/cds-services"}),
        ("/cds-services/", {"/cds-services", "/cds-services/"}),
        ("/cds-services/a", {"/cds-services/a"}),
        ("/cds-services//a", {"/cds-services/a", "/cds-services//a"}),
        ("//cds-services/a", {"/cds-services/a", "//cds-services/a"}),
        ("/cds-services/a/feedback", {"/cds-services/a/feedback", "/cds-services/a"}),
        ("/cds-services/a/explain", {"/cds-services/a/explain", "/cds-services/a"}),
        (
            "/cds-services//a/feedback",
            {
                "/cds-services//a/feedback",
                "/cds-services/a/feedback",
                "/cds-services//a",
                "/cds-services/a",
            },
        ),
        ("/cds-services/feedback", {"/cds-services/feedback"}),
        ("/cds-services/a/b/feedback", {"/cds-services/a/b/feedback"}),
        ("/cds-services/a/feedbacks", {"/cds-services/a/feedbacks"}),
    ],
)
def test_who_a_token_may_be_made_out_to(path: str, accepted: set[str]) -> None:
    """Clarification 46: feedback and explain take their own URL or the service's."""
    assert audiences(BASE, path) == {f"{BASE}{each}" for each in accepted}


def test_the_public_url_may_have_a_path() -> None:
    door = Door(base_url=f"{BASE}/spasticity")
    door.passes(good(aud=f"{BASE}/spasticity{ORDER_SELECT}"))
    assert door.cause(f"Bearer {good()}") is Cause.AUDIENCE
