"""Client tokens for tests: keys, key sets, and tokens signed with anything in them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.contract.support import NOW

BASE = "https://cds.example.org"
ISSUER = "https://ehr.example.org"
JWKS_URL = "https://ehr.example.org/.well-known/jwks.json"


@dataclass(frozen=True)
class Signer:
    """A key pair of a client."""

    algorithm: str
    kid: str
    private: Any

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """The public key as it is published; a member given as ``None`` is left out."""
        public = self.private.public_key()
        of = ECAlgorithm if self.algorithm.startswith("ES") else RSAAlgorithm
        members = of.to_jwk(public, as_dict=True) | {
            "kid": self.kid,
            "use": "sig",
            "alg": self.algorithm,
        }
        members.pop("key_ops", None)
        return {name: value for name, value in (members | changes).items() if value is not None}

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A token; a header member given as ``None`` is left out."""
        head = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid} | header
        parts = [{name: value for name, value in head.items() if value is not None}, claims]
        unsigned = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        return f"{unsigned}.{encoded(algorithm.sign(unsigned.encode(), self.private))}"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@cache
def signer(kid: str = "key-1", algorithm: str = "ES384", bits: int = 2048) -> Signer:
    """The same key for the same arguments: an RSA key takes a while to find."""
    if algorithm.startswith("ES"):
        curve = ec.SECP384R1() if algorithm == "ES384" else ec.SECP256R1()
        return Signer(algorithm, kid, ec.generate_private_key(curve))
    return Signer(algorithm, kid, rsa.generate_private_key(65537, bits))


def key_set(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def claims(path: str = "/cds-services", now: datetime = NOW, **changes: Any) -> dict[str, Any]:
    """Claims with nothing wrong; one given as ``None`` is left out."""
    issued = int(now.timestamp())
    members = {
        "iss": ISSUER,
        "aud": f"{BASE}{path}",
        "exp": issued + 300,
        "iat": issued,
        "jti": str(uuid4()),
    } | changes
    return {name: value for name, value in members.items() if value is not None}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Publisher:
    """Stands in for the network: answers with a key set and counts how often it is asked."""

    content: bytes | Exception = field(default_factory=lambda: key_set(signer().jwk()))
    asked: list[str] = field(default_factory=list)

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


@dataclass
class Ledger:
    """Stands in for the store: remembers which tokens were used."""

    used: dict[tuple[str, str], datetime] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def consume(self, issuer: str, jti: str, expires_at: datetime, now: datetime) -> bool:
        with self.lock:
            first = (issuer, jti) not in self.used
            self.used.setdefault((issuer, jti), expires_at)
        return first
