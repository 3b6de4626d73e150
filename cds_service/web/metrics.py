"""What the service counts, for Prometheus. Labels come from closed sets, never from a request.

The process makes one ``Metrics`` for its application. Where several workers serve it, their
counts lie in files of one folder (``SharedCounts``), and whichever worker is asked adds them up.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cds_service import __version__
from cds_service.consultation import Consultation
from cds_service.rules.schema import Rulebook

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_BREAKER = {"closed": 0, "half-open": 1, "open": 2}
_REASONS = frozenset(f"OV-{number}" for number in range(1, 13))

# Files shared by workers hold no time of creation, so a single process tells none either.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # by the library


class Metrics:
    """The counters of one application, in a registry of their own."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._services = frozenset(rulebook.services)
        self._rules = frozenset(rulebook.rules)
        registry = self._registry = CollectorRegistry()
        self._calls = Counter(
            "cds_calls",
            "Requests below /cds-services, by the status that was answered",
            ["service", "action", "status"],
            registry=registry,
        )
        self._call_seconds = Histogram(
            "cds_call_seconds",
            "Time to answer a request below /cds-services",
            ["service", "action"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._cards = Counter(
            "cds_cards",
            "Cards answered, by their indicator",
            ["service", "indicator"],
            registry=registry,
        )
        self._findings = Counter(
            "cds_findings",
            "Findings, on a card or held back (shadow, disabled, swallowed, below the minimum)",
            ["rule", "indicator", "shown"],
            registry=registry,
        )
        self._unknowns = Counter(
            "cds_unknowns",
            "Data that a rule needed and did not get, and why",
            ["datum", "cause"],
            registry=registry,
        )
        self._reads = Counter(
            "cds_ehr_reads", "Reads from the EHR, by outcome", ["outcome"], registry=registry
        )
        self._read_seconds = Histogram(
            "cds_ehr_read_seconds",
            "Time of a read from the EHR",
            buckets=_SECONDS,
            registry=registry,
        )
        self._breakers = Gauge(
            "cds_breaker_state",
            "Circuit breaker of an allowed FHIR server: 0 closed, 1 half-open, 2 open",
            ["origin"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._feedback = Counter(
            "cds_feedback", "Cards that clinicians answered, by outcome", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self._overrides = Counter(
            "cds_overrides",
            "Findings on overridden cards, by the reason chosen",
            ["rule", "reason"],
            registry=registry,
        )
        self._refusals = Counter(
            "cds_refusals", "Requests refused, by error code", ["code"], registry=registry
        )
        Gauge(
            "cds_build_info",
            "Always 1: the version of the service and of its rulebook",
            ["version", "rulebook"],
            registry=registry,
            multiprocess_mode="max",
        ).labels(__version__, rulebook.version).set(1)

    def call(self, service: str | None, action: str | None, status: int, seconds: float) -> None:
        """One request below /cds-services was answered."""
        known = service if service in self._services else "unknown"
        if action == "discovery":
            known = "all"
        action = action or "other"
        self._calls.labels(known, action, status).inc()
        self._call_seconds.labels(known, action).observe(seconds)

    def consulted(self, service: str, consultation: Consultation) -> None:
        """One call was decided: its cards, its findings, and the data that was missing."""
        shown = set()
        for card in consultation.response["cards"]:
            self._cards.labels(service, card["indicator"]).inc()
            for finding in card["extension"]["org.cds-service.findings"]:
                shown.add(_name(finding))
                self._findings.labels(finding["rule"], finding["indicator"], "yes").inc()
        for rule in consultation.explanation["rules"]:
            if "indicator" in rule and _name(rule) not in shown:
                self._findings.labels(rule["rule"], rule["indicator"], "no").inc()
        for datum, cause in consultation.unknowns:
            self._unknowns.labels(datum, cause).inc()

    def ehr_read(self, outcome: str, seconds: float) -> None:
        """One read from the EHR ended; ``outcome`` is a fixed word of the reader."""
        self._reads.labels(outcome).inc()
        self._read_seconds.observe(seconds)

    def breaker(self, origin: str, state: Literal["closed", "half-open", "open"]) -> None:
        """The breaker of an allowed server changed; with several workers the worst one is told."""
        self._breakers.labels(origin).set(_BREAKER[state])

    def feedback(self, outcome: str, rules: Iterable[str], reason: str | None) -> None:
        """A clinician accepted or overrode a card with findings of these rules."""
        self._feedback.labels(outcome).inc()
        if outcome == "overridden":
            chosen = "none" if reason is None else reason if reason in _REASONS else "other"
            for rule in rules:
                self._overrides.labels(rule if rule in self._rules else "other", chosen).inc()

    def refused(self, code: str) -> None:
        """A request was refused with one of our codes."""
        self._refusals.labels(code).inc()

    def text(self) -> bytes:
        """Everything that was counted, by all workers, in the text format of Prometheus."""
        registry = self._registry
        if _FOLDER_VARIABLE in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # by the library
        return prometheus_client.generate_latest(registry)


def _name(finding: Mapping[str, Any]) -> tuple[str, str | None]:
    return finding["rule"], finding.get("order")


class SharedCounts:
    """A folder for the counts of all workers, to be made before the application is.

    A worker writes to the files of its place, 0 to n - 1. When it ends, its successor takes the
    place and counts on: nothing is lost, and the files do not become more with every worker that
    is recycled.
    """

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="cds-service-metrics-")
        self._place = "start"
        self._maker = os.getpid()
        os.environ[_FOLDER_VARIABLE] = self._folder
        values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call] # by the library
            process_identifier=lambda: self._place
        )
        atexit.register(self._remove)

    @property
    def hooks(self) -> dict[str, Any]:
        """Settings of gunicorn that give each worker its place."""
        return {
            "pre_fork": self._assign,
            "post_fork": self._take,
            "child_exit": self._leave,
        }

    @staticmethod
    def _assign(arbiter: Any, worker: Any) -> None:
        taken = {other.place for other in arbiter.WORKERS.values()}
        worker.place = next(place for place in range(len(taken) + 1) if place not in taken)

    def _take(self, arbiter: Any, worker: Any) -> None:  # noqa: ARG002 (gunicorn's signature)
        self._place = f"worker{worker.place}"

    @staticmethod
    def _leave(arbiter: Any, worker: Any) -> None:  # noqa: ARG004 (gunicorn's signature)
        # Forgets what only the living tell, such as an open breaker; counts stay.
        mark_process_dead(f"worker{worker.place}")  # type: ignore[no-untyped-call] # by the library

    def _remove(self) -> None:
        if os.getpid() == self._maker:  # workers end by the same way out
            shutil.rmtree(self._folder, ignore_errors=True)
