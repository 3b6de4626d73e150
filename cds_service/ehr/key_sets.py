"""The public keys of the clients: JWK sets (RFC 7517), fetched or read, kept and renewed.

The calls of a client go on while its key set cannot be reached: the last good set serves for a
day. A key that the client has withdrawn is refused as soon as the set was fetched again.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jwt import PyJWK, PyJWTError

from cds_service.ehr.guarded import Budget, GuardedClient, ReadFailed
from cds_service.errors import CdsServiceError

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024
"""A key set larger than this is not read."""

FRESH_S = 300
"""A set is used so long without a look at its source."""

LAST_GOOD_S = 24 * 3600
"""A set is used so long while its source cannot be reached."""

UNKNOWN_KEY_PAUSE_S = 30
"""How often at most an unknown key id makes us look for new keys: anyone can send one."""

_RETRY_WITH_KEYS_S = 30
_RETRY_WITHOUT_KEYS_S = 5

_FETCH_S = 3
_LEAST_RSA_BITS = 2048

Fetch = Callable[[str], bytes]
"""URL -> body of the answer. Follows no redirect, ends within seconds, reads no more than about
``MOST_BYTES``; raises ``OSError`` or ``KeyUnavailable``."""


class KeyUnavailable(CdsServiceError):
    """The key set of an issuer cannot be obtained, so nothing is known of the key."""

    code = "CDS-401"


class KeyUnknown(CdsServiceError):
    """The issuer has no such key, or none that is fit to sign tokens."""

    code = "CDS-401"


class KeySets:
    """The keys of all issuers that a site trusts; shared by the threads of a process."""

    def __init__(
        self,
        sources: Mapping[str, str | Path],
        fetch: Fetch,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``sources``: issuer -> the URL of its key set, or the file that holds it."""
        self._sets = {
            issuer: _KeySet(issuer, source, fetch, monotonic) for issuer, source in sources.items()
        }

    def key(self, issuer: str, kid: str) -> PyJWK:
        """A key of a known issuer; raises ``KeyUnknown`` or ``KeyUnavailable``.

        Its ``algorithm_name`` is the only algorithm it may be used with.
        """
        return self._sets[issuer].key(kid)


class _KeySet:
    """The keys of one issuer.

    A known key is found without waiting. One thread at a time asks the source; others wait for
    it only if they have nothing to go on with.
    """

    def __init__(
        self, issuer: str, source: str | Path, fetch: Fetch, monotonic: Callable[[], float]
    ) -> None:
        self._issuer = issuer
        self._source = source
        self._fetch = fetch
        self._monotonic = monotonic
        self._renewing = threading.Lock()
        self._keys: Mapping[str, PyJWK] | None = None
        self._version: object = None
        self._obtained_at = self._failed_at = self._unknown_key_at = -math.inf

    def key(self, kid: str) -> PyJWK:
        keys = self._usable()
        if not self._is_due(kid, keys):
            return self._pick(kid, keys)
        if self._renewing.acquire(blocking=kid not in (keys or {})):
            try:
                if self._is_due(kid, self._usable()):  # unless another thread was faster
                    self._renew(kid)
            finally:
                self._renewing.release()
        return self._pick(kid, self._usable())

    def _usable(self) -> Mapping[str, PyJWK] | None:
        """The last good set, until it is too old."""
        expired = self._monotonic() - self._obtained_at >= LAST_GOOD_S
        return None if expired else self._keys

    def _is_due(self, kid: str, keys: Mapping[str, PyJWK] | None) -> bool:
        """Whether the source is to be asked for the sake of this key."""
        now = self._monotonic()
        pause = _RETRY_WITHOUT_KEYS_S if keys is None else _RETRY_WITH_KEYS_S
        if now - self._failed_at < pause:
            return False
        if keys is None or now - self._obtained_at >= FRESH_S or self._changed():
            return True
        return kid not in keys and now - self._unknown_key_at >= UNKNOWN_KEY_PAUSE_S

    def _changed(self) -> bool:
        return isinstance(self._source, Path) and _version(self._source) != self._version

    def _renew(self, kid: str) -> None:
        if self._keys is not None and kid not in self._keys:
            self._unknown_key_at = self._monotonic()
        try:
            version = _version(self._source) if isinstance(self._source, Path) else None
            keys = read_keys(self._read())
        except (OSError, KeyUnavailable) as error:
            self._failed_at = self._monotonic()
            # Our own words say more; those of libraries may quote an address.
            fault = str(error) if isinstance(error, KeyUnavailable) else type(error).__name__
            log.warning("key set not obtained", extra={"issuer": self._issuer, "fault": fault})
            return
        self._keys, self._version = keys, version
        self._obtained_at, self._failed_at = self._monotonic(), -math.inf

    def _read(self) -> bytes:
        if isinstance(self._source, Path):
            with self._source.open("rb") as stream:
                return stream.read(MOST_BYTES + 1)
        return self._fetch(self._source)

    def _pick(self, kid: str, keys: Mapping[str, PyJWK] | None) -> PyJWK:
        if keys is not None and kid in keys:
            return keys[kid]
        if keys is None or math.isfinite(self._failed_at):
            raise KeyUnavailable("the key set of the client cannot be obtained")
        raise KeyUnknown("the client has no such key, or none that is fit to sign tokens")


def _version(file: Path) -> object:
    """What changes when a file is written again; ``None`` while there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def read_keys(content: bytes) -> Mapping[str, PyJWK]:
    """The keys of a JWK set that are fit to verify tokens, by key id.

    Keys for other purposes are passed over; a set without any is still a set. Raises
    ``KeyUnavailable`` where it is not a JWK set.
    """
    if len(content) > MOST_BYTES:
        raise KeyUnavailable(f"the key set is larger than {MOST_BYTES} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise KeyUnavailable("the key set is not JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise KeyUnavailable('the key set is not a JSON object with an array "keys"')
    keys: dict[str, PyJWK] = {}
    for entry in entries:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        key = _key(entry) if isinstance(kid, str) else None
        if key is not None:
            keys.setdefault(str(kid), key)
    return keys


def _key(entry: Mapping[str, Any]) -> PyJWK | None:
    """A key that may verify signatures; ``None`` for any other.

    A key whose private part is published proves nothing about who signed.
    """
    algorithm = _algorithm(entry)
    operations = entry.get("key_ops", ["verify"])
    if (
        algorithm is None
        or entry.get("alg", algorithm) != algorithm
        or entry.get("use", "sig") != "sig"
        or not (isinstance(operations, list) and "verify" in operations)
        or "d" in entry
    ):
        return None
    try:
        key = PyJWK(dict(entry), algorithm)
    except PyJWTError:
        return None
    if algorithm == "RS384" and key.key.key_size < _LEAST_RSA_BITS:
        return None
    return key


def _algorithm(entry: Mapping[str, Any]) -> str | None:
    """The one algorithm that a key is used with here."""
    if entry.get("kty") == "EC" and entry.get("crv") == "P-384":
        return "ES384"
    return "RS384" if entry.get("kty") == "RSA" else None


def guarded_fetch(urls: Iterable[str]) -> Fetch:
    """Fetches these key sets and nothing else, with the guarded client of this room."""
    client = GuardedClient(urls)

    def fetch(url: str) -> bytes:
        try:
            return client.get(url, budget=Budget(_FETCH_S, MOST_BYTES)).body
        except ReadFailed as failure:
            raise KeyUnavailable(failure.cause) from None

    return fetch
