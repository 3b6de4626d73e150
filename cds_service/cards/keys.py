"""Opaque names: what is the same finding, patient or regimen can be told, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cds_service.cds import HookRequest
from cds_service.chart.medications import DrugUse
from cds_service.rules.engine import Finding

_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Keys:
    """Keyed hashes for one patient of one server; without the secret nobody can make them."""

    secret: bytes
    patient_id: str
    origin: str
    """The FHIR server, else the issuer of the client's token: ids are unique only there."""

    @classmethod
    def for_request(cls, secret: bytes, request: HookRequest) -> Keys:
        """The keys of one call."""
        origin = request.fhir_server or request.issuer or ""
        return cls(secret, request.patient_id, origin.rstrip("/"))

    @property
    def patient(self) -> str:
        """The patient."""
        return self._key("patient")

    def of(self, finding: Finding) -> str:
        """A finding: without order id, equal over hooks, workers and restarts."""
        return self._key(finding.rule.id, *finding.subjects)

    def of_regimen(self, use: DrugUse) -> str:
        """A drug by a route."""
        return self._key("regimen", *sorted(use.drug.ingredients), use.route or "")

    def _key(self, *parts: str) -> str:
        message = "\x1f".join([*parts, self.patient_id, self.origin]).encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:_LENGTH]
