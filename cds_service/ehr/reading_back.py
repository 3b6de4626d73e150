"""Completes a call: what its prefetch lacks is read from the EHR, within one deadline.

What was sent is never asked for again, and what cannot be read stays absent: the core names it.
Only servers that the site allows are asked, and only with the token of the call.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import date

from cds_service.cds import HookRequest, Service
from cds_service.ehr.breaker import State
from cds_service.ehr.guarded import Budget, Cause, GuardedClient, ReadFailed
from cds_service.ehr.paging import Page, bundle_of, joined, read_page, read_type
from cds_service.ehr.products import unresolved
from cds_service.ehr.templates import fill
from cds_service.fhir.reading import read_value

PRODUCTS_KEY = "medicationsReferenced"
"""The prefetch key of Medications that were read because something refers to them."""

_THREADS = 16
_ANSWERS_IN_A_BUDGET = 4
"""One answer may take this part of the bytes of a call."""
_MOST_PRODUCTS = 50
_TOKEN = re.compile(r"[!-~]+")
_OUTCOME = "OperationOutcome"


@dataclass(frozen=True, slots=True)
class Completed:
    """A call with all that could be read, and fixed words for the log about what could not."""

    request: HookRequest
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Query:
    """One address and what came of it so far.

    A thread fills it while the call may stop waiting at any moment: ``cause`` is cleared last.
    """

    key: str
    address: str
    resource_type: str
    pages: list[Page] = field(default_factory=list)
    whole: bytes | None = None
    """An answer that is passed on as it came."""
    cause: Cause | None = Cause.TIMEOUT

    @property
    def value(self) -> bytes | None:
        """What goes on to the core; ``None`` where nothing was obtained."""
        cause, pages = self.cause, list(self.pages)
        if self.whole is not None or not pages:
            return self.whole
        return joined(pages, is_complete=cause is None)


@dataclass(frozen=True, slots=True)
class _Ehr:
    """The server of one call."""

    base: str
    token: str | None = field(repr=False)
    budget: Budget


def _unobserved(cause: str, seconds: float) -> None:
    """Nobody counts the reads."""


class EhrReader:
    """Reads from the EHRs of a site; one a process, shared by its threads.

    ``observe`` is told of every read: "ok" or the cause of its failure, and its seconds.
    """

    def __init__(
        self,
        allowed_servers: Sequence[str],
        timeout_s: float,
        max_bytes: int,
        max_pages: int,
        *,
        observe: Callable[[str, float], None] = _unobserved,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = frozenset(server.rstrip("/") for server in allowed_servers)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._max_pages = max_pages
        self._observe = observe
        self._monotonic = monotonic
        self._client = GuardedClient(self._allowed, monotonic)
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def breaker_states(self) -> Mapping[str, State]:
        """Origin of an allowed server -> closed, open or half-open."""
        return self._client.breaker_states()

    def complete(self, request: HookRequest, service: Service, today: date) -> Completed:
        """The call with its missing prefetch, the rest of its pages, and products referred to.

        ``today`` is for templates that ask for the last days. Raises nothing that has to do with
        the EHR: what could not be read is absent, or marked as a part, and noted.
        """
        if not self._allowed:
            return Completed(request)
        base = (request.fhir_server or "").rstrip("/")
        if base not in self._allowed:
            note = "fhirServer-not-allowed" if base else "fhirServer-missing"
            return Completed(request, (note,) if _lacking(request, service, today, base) else ())
        token = request.access_token
        if token is not None and not _TOKEN.fullmatch(token):
            return Completed(request, ("access_token-unusable",))
        most_at_once = self._max_bytes // _ANSWERS_IN_A_BUDGET
        budget = Budget(self._timeout_s, self._max_bytes, most_at_once, self._monotonic)
        ehr = _Ehr(base, token, budget)
        queries = _lacking(request, service, today, base) + _continued(request, service, base)
        self._run([query for query in queries if query.cause is Cause.TIMEOUT], ehr)
        prefetch = {**request.prefetch, **_values(queries)}
        if PRODUCTS_KEY not in prefetch:
            products = self._products(replace(request, prefetch=prefetch), ehr)
            queries += products
            prefetch |= _values(products)
        return Completed(
            replace(request, prefetch=prefetch),
            tuple(dict.fromkeys(f"{q.key}-{q.cause}" for q in queries if q.cause is not None)),
        )

    def _products(self, request: HookRequest, ehr: _Ehr) -> list[_Query]:
        """Read the Medications that are referred to: in one search, else one by one."""
        values = [*request.prefetch.values(), *([request.orders] if request.orders else [])]
        ids = unresolved(values, ehr.base)
        if not ids:
            return []
        asked = ids[:_MOST_PRODUCTS]
        address = f"{ehr.base}/Medication?_id={','.join(asked)}&_count={_MOST_PRODUCTS}"
        search = _Query(PRODUCTS_KEY, address, "Bundle")
        self._run([search], ehr)
        if "Medication" not in read_value(search.value or b"null", PRODUCTS_KEY).types_seen:
            singles = [
                _Query(PRODUCTS_KEY, f"{ehr.base}/Medication/{id}", "Medication") for id in asked
            ]
            self._run(singles, ehr)
            found = [query.whole for query in singles if query.whole is not None]
            failures = [query.cause for query in singles if query.cause is not None]
            search.pages.clear()
            search.whole = bundle_of(found) if found else None
            search.cause = failures[0] if failures else None
        if len(ids) > len(asked) and search.cause is None:
            search.cause = Cause.TOO_MANY_REFERENCES
        return [search]

    # --- reading ----------------------------------------------------------------------------------

    def _run(self, queries: Sequence[_Query], ehr: _Ehr) -> None:
        """Follow all queries at once, and stop waiting for them at the deadline."""
        if not queries:
            return
        futures = [self._pool().submit(self._follow, query, ehr) for query in queries]
        done, late = wait(futures, ehr.budget.seconds_left())
        for future in late:
            future.cancel()
        for future in done:
            future.result()  # an error of our own is not hidden

    def _pool(self) -> ThreadPoolExecutor:
        # Made on first use: the server forks its workers after the application is made, and
        # threads do not survive that.
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ehr")
            return self._threads

    def _follow(self, query: _Query, ehr: _Ehr) -> None:
        """Read one query and its further pages."""
        address = query.address
        try:
            for _ in range(self._max_pages):
                page = self._read(address, query, ehr)
                if page is None or not page.has_next:
                    query.cause = None
                    return
                address = page.next_address(ehr.base, address)
            query.cause = Cause.TOO_MANY_PAGES
        except ReadFailed as failure:
            query.cause = failure.cause

    def _read(self, url: str, query: _Query, ehr: _Ehr) -> Page | None:
        """Read one address into the query; the page where it is one."""
        started = self._monotonic()
        outcome = "ok"
        try:
            body = self._client.get(url, token=ehr.token, budget=ehr.budget).body
            kind = read_type(body)
            if query.resource_type == "Bundle" and (kind != _OUTCOME or query.pages):
                page = read_page(body)
                query.pages.append(page)
                return page
            if kind not in {query.resource_type, _OUTCOME}:
                raise ReadFailed(Cause.WRONG_TYPE)
            query.whole = body
            return None
        except ReadFailed as failure:
            outcome = failure.cause
            raise
        finally:
            self._observe(outcome, self._monotonic() - started)


def _lacking(request: HookRequest, service: Service, today: date, base: str) -> list[_Query]:
    """What the service asks for, the client did not send, and this call can ask for."""
    queries = []
    for key, template in service.prefetch.items():
        address = None if key in request.prefetch else fill(template, request, today)
        if address is not None:
            expected = "Bundle" if "?" in address else address.partition("/")[0]
            queries.append(_Query(key, f"{base}/{address}", expected))
    return queries


def _continued(request: HookRequest, service: Service, base: str) -> list[_Query]:
    """Lists that were sent with a next page."""
    queries = []
    for key in service.prefetch:
        page = _sent_page(request.prefetch.get(key, b""))
        if page is not None and page.has_next:
            query = _Query(key, "", "Bundle", [page])
            try:
                query.address = page.next_address(base, f"{base}/")
            except ReadFailed as failure:
                query.cause = failure.cause
            queries.append(query)
    return queries


def _sent_page(value: bytes) -> Page | None:
    if b'"next"' not in value:
        return None
    try:
        return read_page(value)
    except ReadFailed:
        return None  # the core reads more forms than this, and names what it cannot read


def _values(queries: Sequence[_Query]) -> dict[str, bytes]:
    found = ((query.key, query.value) for query in queries)
    return {key: value for key, value in found if value is not None}
