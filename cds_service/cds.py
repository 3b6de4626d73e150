"""The words of CDS Hooks that every room shares: services, requests, indicators.

Source: CDS Hooks 2.0.1, https://cds-hooks.hl7.org/STU2/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

PATIENT_VIEW = "patient-view"
MEDICATION_PRESCRIBE = "medication-prescribe"
HOOKS = ("order-select", "order-sign", MEDICATION_PRESCRIBE, PATIENT_VIEW)
"""The hooks that calls are read for."""

SUMMARY_LIMIT = 140
"""A card summary must stay strictly below this many characters."""

TOKEN = re.compile(r"\{\{\s*(.*?)\s*\}\}")
"""A token of a prefetch template; its name is the first group."""

_USER_TYPES = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson")


class Indicator(StrEnum):
    """How urgent a card is, in the words of the wire."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for critical."""
        return _ORDER.index(self)

    def lowered(self) -> Indicator:
        """One level lower; info stays info."""
        return _ORDER[max(self.rank - 1, 0)]


_ORDER = [Indicator.INFO, Indicator.WARNING, Indicator.CRITICAL]


@dataclass(frozen=True, slots=True)
class Service:
    """One entry of discovery."""

    id: str
    hook: str
    title: str
    description: str
    prefetch: Mapping[str, str]
    """Prefetch key -> template, legal under CDS Hooks 2.0.1."""
    usage_requirements: str | None = None


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One hook call after its envelope was checked; the FHIR in it is still raw JSON bytes.

    ``orders`` is the JSON of ``context.draftOrders`` (or ``context.medications``),
    ``None`` for hooks that carry none. ``prefetch`` maps a key to the JSON of its value,
    ``b"null"`` included; a key the client did not send is absent.
    """

    service: str
    hook: str
    hook_instance: str
    patient_id: str
    """Without the ``Patient/`` prefix."""
    orders: bytes | None = None
    prefetch: Mapping[str, bytes] = field(default_factory=dict)
    fhir_server: str | None = None
    access_token: str | None = field(default=None, repr=False)
    """The bearer token for ``fhir_server``; never logged, stored or repeated."""
    issuer: str | None = None
    """``iss`` of the verified client token, where there was one."""
    tenant: str | None = None
    """``tenant`` of the same token."""
    user_id: str | None = None
    encounter_id: str | None = None
    selections: tuple[str, ...] = ()

    @property
    def tokens(self) -> Mapping[str, str]:
        """Prefetch token -> its value, for the tokens that have one in this call."""
        user_type, _, user = (self.user_id or "").partition("/")
        values = {
            "context.patientId": self.patient_id,
            "context.userId": self.user_id,
            "context.encounterId": self.encounter_id,
            f"user{user_type}Id": user if user_type in _USER_TYPES else None,
        }
        return {name: value for name, value in values.items() if value}

    def can_be_asked(self, template: str) -> bool:
        """Whether every token of a prefetch template has a value in this call."""
        return all(
            name in self.tokens or name.startswith("today()") for name in TOKEN.findall(template)
        )
