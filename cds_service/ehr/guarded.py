"""One GET at a time to an origin on the list, and nothing that the answer asks for beyond it.

No redirects, proxies, ``.netrc`` or cookies: requests are sent by the adapter, without a session
that would add them. What fails fails with a fixed word; addresses and tokens stay out of errors.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from cds_service.ehr.breaker import Breaker, State
from cds_service.ehr.connections import TimedAdapter

_ACCEPTED = "application/fhir+json, application/json;q=0.9"
_MEDIA_TYPES = frozenset(
    {
        "application/fhir+json",
        "application/json",
        "application/json+fhir",  # before STU3
        "application/jwk-set+json",
    }
)
_CHUNK = 65536
_PAUSES_S = (0.1, 0.2)
_CONNECTIONS = 16
_DEFAULT_PORTS = {"http": 80, "https": 443}

# Its messages quote addresses, and those name patients.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class Cause(StrEnum):
    """Why something could not be read: the closed list of words for logs and metrics."""

    NOT_ALLOWED = "not-allowed"
    BREAKER_OPEN = "breaker-open"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    INTERRUPTED = "interrupted"
    REDIRECT = "redirect"
    STATUS_401 = "status-401"
    STATUS_403 = "status-403"
    STATUS_404 = "status-404"
    STATUS_4XX = "status-4xx"
    STATUS_5XX = "status-5xx"
    UNAVAILABLE = "unavailable"
    """502, 503 or 504: whoever stands before the EHR asks for patience."""
    UNEXPECTED_STATUS = "unexpected-status"
    MEDIA_TYPE = "media-type"
    TOO_LARGE = "too-large"
    NOT_JSON = "not-json"
    WRONG_TYPE = "wrong-type"
    """Another resource type than the one asked for."""
    OTHER_ORIGIN = "other-origin"
    """A next page on another origin, or outside the base path."""
    TOO_MANY_PAGES = "too-many-pages"
    TOO_MANY_REFERENCES = "too-many-references"


_PASSING = frozenset({Cause.UNREACHABLE, Cause.INTERRUPTED, Cause.UNAVAILABLE})
"""Worth another attempt."""

_OUT_OF_REACH = _PASSING | {Cause.TIMEOUT, Cause.CERTIFICATE, Cause.STATUS_5XX}
"""Held against the origin; a refusal or an odd answer is an answer."""

_STATUS_CAUSES: Mapping[int, Cause] = {
    HTTPStatus.UNAUTHORIZED: Cause.STATUS_401,
    HTTPStatus.FORBIDDEN: Cause.STATUS_403,
    HTTPStatus.NOT_FOUND: Cause.STATUS_404,
    HTTPStatus.BAD_GATEWAY: Cause.UNAVAILABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: Cause.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: Cause.UNAVAILABLE,
}
_CAUSES_BY_HUNDREDS = {3: Cause.REDIRECT, 4: Cause.STATUS_4XX, 5: Cause.STATUS_5XX}


class ReadFailed(Exception):
    """Something could not be read; ``cause`` is all there is to say about it."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class Budget:
    """What the reads of one call may spend together: time, and bytes after decompression.

    ``most_at_once`` is how many bytes a single answer may take, so that one that never ends does
    not cost all others; by default all of them.
    """

    def __init__(
        self,
        seconds: float,
        max_bytes: int,
        most_at_once: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most_at_once = max_bytes if most_at_once is None else most_at_once
        self._until = monotonic() + seconds
        self._bytes_left = max_bytes
        self._monotonic = monotonic
        self._lock = threading.Lock()

    def seconds_left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(self._until - self._monotonic(), 0.0)

    def take(self, count: int) -> bool:
        """Spend bytes, or with a negative count give them back; whether there were enough."""
        with self._lock:
            self._bytes_left -= count
            return self._bytes_left >= 0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with status 200; its body is decompressed and not yet looked at."""

    content_type: str
    body: bytes


def origin_of(url: str) -> str:
    """Scheme, host and port of an http(s) URL, spelt one way; else ``ValueError``."""
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
        raise ValueError("not an http(s) URL without user")
    shown = f"[{host}]" if ":" in host else host
    is_default = port in (None, _DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{shown}" + ("" if is_default else f":{port}")


class GuardedClient:
    """Reads from the origins of these URLs; threads may share it."""

    def __init__(
        self, allowed: Iterable[str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._breakers = {origin_of(url): Breaker(monotonic=monotonic) for url in allowed}

    @cached_property
    def _adapter(self) -> HTTPAdapter:
        return TimedAdapter(pool_maxsize=_CONNECTIONS)

    def breaker_states(self) -> Mapping[str, State]:
        """Origin -> the state of its breaker."""
        return {origin: breaker.state for origin, breaker in self._breakers.items()}

    def get(self, url: str, *, token: str | None = None, budget: Budget) -> Reply:
        """The answer to one GET, tried again where that may help and time is left.

        Raises ``ReadFailed``. The token goes into the ``Authorization`` header and nowhere else.
        """
        breaker = self._breakers.get(origin_of(url))
        if breaker is None:
            raise ReadFailed(Cause.NOT_ALLOWED)
        if budget.seconds_left() == 0:  # held against nobody: it was never asked
            raise ReadFailed(Cause.TIMEOUT)
        if not breaker.admits():
            raise ReadFailed(Cause.BREAKER_OPEN)
        is_reached = False
        try:
            reply = self._patiently(url, token, budget)
            is_reached = True
        except ReadFailed as failure:
            is_reached = failure.cause not in _OUT_OF_REACH
            raise
        finally:
            (breaker.succeeded if is_reached else breaker.failed)()
        return reply

    def _patiently(self, url: str, token: str | None, budget: Budget) -> Reply:
        for pause_s in _PAUSES_S:
            try:
                return self._once(url, token, budget)
            except ReadFailed as failure:
                if failure.cause not in _PASSING or budget.seconds_left() <= pause_s:
                    raise
            time.sleep(pause_s)
        return self._once(url, token, budget)

    def _once(self, url: str, token: str | None, budget: Budget) -> Reply:
        headers = {"Accept": _ACCEPTED, "Accept-Encoding": "gzip", "User-Agent": "cds-service"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            response = self._adapter.send(
                requests.Request("GET", url, headers=headers).prepare(),
                stream=True,
                # The types know only numbers; a total counts connecting and reading together.
                timeout=Timeout(total=budget.seconds_left()),  # type: ignore[arg-type]
            )
        except requests.exceptions.SSLError:
            raise ReadFailed(Cause.CERTIFICATE) from None
        except (OSError, HTTPError):  # what requests raises of its own is an OSError too
            raise ReadFailed(_cause_by_time(budget, Cause.UNREACHABLE)) from None
        try:
            return _read(response, budget)
        except (OSError, HTTPError):
            raise ReadFailed(_cause_by_time(budget, Cause.INTERRUPTED)) from None
        finally:
            response.close()


def _cause_by_time(budget: Budget, otherwise: Cause) -> Cause:
    """The libraries name a timeout in several ways; the clock knows it."""
    return Cause.TIMEOUT if budget.seconds_left() == 0 else otherwise


def _read(response: requests.Response, budget: Budget) -> Reply:
    status = response.status_code
    if status != HTTPStatus.OK:
        by_hundreds = _CAUSES_BY_HUNDREDS.get(status // 100, Cause.UNEXPECTED_STATUS)
        raise ReadFailed(_STATUS_CAUSES.get(status, by_hundreds))
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise ReadFailed(Cause.MEDIA_TYPE)
    return Reply(media_type, _read_body(response, budget))


def _read_body(response: requests.Response, budget: Budget) -> bytes:
    chunks = []
    size = 0
    is_whole = False
    try:
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            if not budget.take(len(chunk)) or size > budget.most_at_once:
                raise ReadFailed(Cause.TOO_LARGE)
            chunks.append(chunk)
        is_whole = True
    finally:
        if not is_whole:
            budget.take(-size)
    return b"".join(chunks)
