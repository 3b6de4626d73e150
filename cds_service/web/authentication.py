"""Who calls: the signed token (JWT) that a client sends with every call.

Source: CDS Hooks 2.0.1, "Trusting CDS Clients", https://cds-hooks.hl7.org/STU2/. The caller is
never told what is wrong with its token; the log is, in a fixed word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import jwt
from flask import Flask, g, request

from cds_service.ehr.key_sets import KeySets, KeyUnavailable, KeyUnknown
from cds_service.errors import CdsServiceError
from cds_service.settings import Client
from cds_service.web import edge, problems
from cds_service.web.body import discard_body

ALGORITHMS = ("ES384", "RS384")
"""The two that the standard recommends."""

LONGEST_LIFETIME_S = 3600
LEEWAY_S = 60
"""How far the clocks of client and service may differ."""

_LATEST = datetime(3000, 1, 1, tzinfo=UTC).timestamp()
_LONGEST_NAME = 255
_BESIDE_A_SERVICE = re.compile(rf"(/*{edge.HOOKS_PATH}/+[^/]+)/+(?:feedback|explain)/*")

ConsumeToken = Callable[[str, str, datetime, datetime], bool]
"""(issuer, jti, expires at, now) -> whether it is the first time. Among calls at once, in any
process, exactly one is told so. Raises ``StoreUnavailable``."""


class Cause(StrEnum):
    """Why a call was refused, in the words of the log."""

    HEADER_MISSING = "header-missing"
    NOT_BEARER = "not-bearer"
    MALFORMED = "malformed"
    TYPE = "type"
    ALGORITHM = "algorithm"
    ISSUER_UNKNOWN = "issuer-unknown"
    JKU_NOT_ALLOWED = "jku-not-allowed"
    KEY_UNKNOWN = "key-unknown"
    KEY_SET_UNREACHABLE = "key-set-unreachable"
    SIGNATURE = "signature"
    EXP_MISSING = "exp-missing"
    IAT_MISSING = "iat-missing"
    LIFETIME = "lifetime"
    EXPIRED = "expired"
    NOT_YET = "not-yet"
    AUDIENCE = "audience"
    TENANT = "tenant"
    JTI_MISSING = "jti-missing"
    REPLAYED = "replayed"


class Unauthenticated(CdsServiceError):
    """The caller has not proved who it is. ``issuer`` is who it says it is, if that is a client."""

    code = "CDS-401"

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.issuer: str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedClient:
    """Who calls, proved by its token."""

    issuer: str
    tenant: str | None = None


def register(app: Flask, authentication: Authentication, max_bytes: int) -> None:
    """Ask for a token on every path of the hooks, whether or not something is served there."""

    @app.before_request
    def authenticate() -> None:
        # A browser sends no token with a preflight, and one is never answered with data.
        if request.method == "OPTIONS" or not edge.is_hooks_path(request.path):
            return
        try:
            g.client = authentication.authenticate(
                request.headers.get("Authorization"), request.environ[edge.PATH_AS_SENT]
            )
        except Unauthenticated as refusal:
            g.auth, g.issuer = refusal.cause, refusal.issuer
            discard_body(request, max_bytes)
            raise problems.unauthenticated() from None
        g.issuer = g.client.issuer


class Authentication:
    """Checks the token of a call."""

    def __init__(
        self,
        clients: Sequence[Client],
        base_url: str,
        keys: KeySets,
        consume: ConsumeToken,
        clock: Callable[[], datetime],
        *,
        longest_lifetime_s: float = LONGEST_LIFETIME_S,
    ) -> None:
        """``base_url``: the public URL of this service; ``clock`` gives aware instants."""
        self._clients = {client.issuer: client for client in clients}
        self._base_url = base_url
        self._keys = keys
        self._consume = consume
        self._clock = clock
        self._longest_lifetime_s = longest_lifetime_s

    def authenticate(self, header: str | None, path: str) -> VerifiedClient:
        """Who calls this path, slashes as sent, with this ``Authorization`` header.

        Raises ``Unauthenticated``, or ``StoreUnavailable`` where it cannot be known whether the
        token was used before. A token is used up only by a call that it lets pass.
        """
        token = _bearer(header)
        head, claims = _unverified(token)
        if head.get("typ") != "JWT":
            raise Unauthenticated(Cause.TYPE)
        if head.get("alg") not in ALGORITHMS:
            raise Unauthenticated(Cause.ALGORITHM)
        issuer = claims.get("iss")
        client = self._clients.get(issuer) if isinstance(issuer, str) else None
        if client is None:
            raise Unauthenticated(Cause.ISSUER_UNKNOWN)
        try:
            return self._verified(token, head, client, path)
        except Unauthenticated as refusal:
            refusal.issuer = client.issuer
            raise

    def _verified(
        self, token: str, head: Mapping[str, Any], client: Client, path: str
    ) -> VerifiedClient:
        # Nothing is fetched for the sake of an address that a token brings along.
        if "jku" in head and (client.jwks_url is None or head["jku"] != client.jwks_url):
            raise Unauthenticated(Cause.JKU_NOT_ALLOWED)
        claims = _signed_claims(token, self._key(client, head.get("kid")))
        now = self._clock()
        expires_at = self._expiry(claims, now)
        if audiences(self._base_url, path).isdisjoint(_audiences_of(claims)):
            raise Unauthenticated(Cause.AUDIENCE)
        tenant = _tenant(claims, client)
        jti = _name(claims.get("jti"))
        if jti is None:
            raise Unauthenticated(Cause.JTI_MISSING)
        if not self._consume(client.issuer, jti, expires_at, now):
            raise Unauthenticated(Cause.REPLAYED)
        return VerifiedClient(client.issuer, tenant)

    def _key(self, client: Client, kid: object) -> jwt.PyJWK:
        if not isinstance(kid, str):
            raise Unauthenticated(Cause.KEY_UNKNOWN)
        try:
            return self._keys.key(client.issuer, kid)
        except KeyUnknown:
            raise Unauthenticated(Cause.KEY_UNKNOWN) from None
        except KeyUnavailable:
            raise Unauthenticated(Cause.KEY_SET_UNREACHABLE) from None

    def _expiry(self, claims: Mapping[str, Any], now: datetime) -> datetime:
        """The moment from which the token is refused for its age alone."""
        expires, issued = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
        if expires is None:
            raise Unauthenticated(Cause.EXP_MISSING)
        if issued is None:
            raise Unauthenticated(Cause.IAT_MISSING)
        if not 0 < expires - issued <= self._longest_lifetime_s:
            raise Unauthenticated(Cause.LIFETIME)
        if expires + LEEWAY_S <= now.timestamp():
            raise Unauthenticated(Cause.EXPIRED)
        not_before = _seconds(claims["nbf"]) if "nbf" in claims else issued
        if not_before is None or max(issued, not_before) > now.timestamp() + LEEWAY_S:
            raise Unauthenticated(Cause.NOT_YET)
        return datetime.fromtimestamp(expires + LEEWAY_S, UTC)


def audiences(base_url: str, path: str) -> frozenset[str]:
    """The URLs that a token for a call of this path may be made out to.

    The URL of the path; with the slashes it was sent with, for a client that signs what its user
    typed. What stands beside a service, feedback and explain, also takes the service's own: the
    standard names no audience for them.
    """
    paths = {path, edge.straightened(path)}
    beside = map(_BESIDE_A_SERVICE.fullmatch, tuple(paths))
    paths |= {match[1] for match in beside if match}
    return frozenset(f"{base_url}{each}" for each in paths)


def _bearer(header: str | None) -> str:
    if header is None:
        raise Unauthenticated(Cause.HEADER_MISSING)
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated(Cause.NOT_BEARER)
    return token.strip()


def _unverified(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims of a token, as anyone may have written them."""
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise Unauthenticated(Cause.MALFORMED) from None
    return parts["header"], parts["payload"]


def _signed_claims(token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
    """The claims, after a check of the signature only: the library reads the clock itself."""
    unchecked: jwt.types.Options = {
        "verify_exp": False,
        "verify_iat": False,
        "verify_nbf": False,
        "verify_aud": False,
        "verify_sub": False,
        "verify_jti": False,
    }
    try:
        return jwt.decode(token, key, algorithms=ALGORITHMS, options=unchecked)
    except jwt.InvalidAlgorithmError:
        raise Unauthenticated(Cause.ALGORITHM) from None
    except jwt.PyJWTError:
        raise Unauthenticated(Cause.SIGNATURE) from None


def _seconds(value: object) -> float | None:
    """A NumericDate (RFC 7519): seconds since 1970."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= _LATEST else None


def _name(value: object) -> str | None:
    """A text that can be stored and compared; ``None`` for anything else."""
    if not isinstance(value, str) or not value.isprintable():
        return None
    return value if 0 < len(value) <= _LONGEST_NAME else None


def _audiences_of(claims: Mapping[str, Any]) -> set[str]:
    """A string or an array of strings."""
    audience = claims.get("aud")
    each = audience if isinstance(audience, list) else [audience]
    return {name for name in each if isinstance(name, str)}


def _tenant(claims: Mapping[str, Any], client: Client) -> str | None:
    """The organization that the call is for; where the site lists tenants, one of them."""
    tenant = _name(claims.get("tenant"))
    malformed = tenant is None and claims.get("tenant") is not None
    if malformed or (client.tenants and tenant not in client.tenants):
        raise Unauthenticated(Cause.TENANT)
    return tenant
