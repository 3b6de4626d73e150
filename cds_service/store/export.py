"""Feedback for others: a table as CSV, an audit trail as FHIR AuditEvent.

Comments are free text that may name a patient: they are in the table only, never in the trail.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cds_service.store.entries import StoredFeedback

_COLUMNS = (
    "received_at",
    "outcome_timestamp",
    "service",
    "tenant",
    "card",
    "outcome",
    "reason_code",
    "reason_system",
    "reason_display",
    "user_comment",
    "accepted_suggestions",
    "hook",
    "shown_at",
    "rulebook",
    "indicator",
    "rules",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_OBJECTS = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_OUTCOMES = "urn:x-cds-service:feedback-outcome"
_RULES = "urn:x-cds-service:rule"


# --- CSV ------------------------------------------------------------------------------------------


def csv_lines(feedback: Iterable[StoredFeedback]) -> Iterator[str]:
    """A heading and a line for each report (RFC 4180).

    A cell that a spreadsheet would run as a formula begins with an apostrophe. Lists within a
    cell are separated by spaces.
    """
    yield csv_line(_COLUMNS)
    for each in feedback:
        entry, card = each.entry, each.card
        yield csv_line(
            (
                _instant(each.received_at),
                _instant(entry.outcome_timestamp),
                each.service,
                each.tenant,
                entry.card,
                entry.outcome,
                entry.reason_code,
                entry.reason_system,
                entry.reason_display,
                entry.user_comment,
                " ".join(entry.accepted_suggestions),
                each.hook,
                None if each.shown_at is None else _instant(each.shown_at),
                each.rulebook,
                None if card is None else card.indicator.value,
                None if card is None else " ".join(finding.rule for finding in card.findings),
            )
        )


def csv_line(cells: Iterable[str | None]) -> str:
    """One line; a cell that a spreadsheet would run as a formula begins with an apostrophe."""
    stream = io.StringIO()
    csv.writer(stream).writerow([_harmless(cell or "") for cell in cells])
    return stream.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- AuditEvent -----------------------------------------------------------------------------------


def audit_events(feedback: Iterable[StoredFeedback]) -> Iterator[dict[str, Any]]:
    """Each report as an AuditEvent (FHIR R4): which card and rules, what outcome, no person."""
    return map(_audit_event, feedback)


def _audit_event(each: StoredFeedback) -> dict[str, Any]:
    return {
        "resourceType": "AuditEvent",
        "id": each.id,
        "type": {"system": _TYPES, "code": "rest", "display": "RESTful Operation"},
        "subtype": [{"system": _OUTCOMES, "code": each.entry.outcome}],
        "action": "C",
        "recorded": _instant(each.received_at),
        "outcome": "0",
        "agent": [
            {
                "type": {
                    "coding": [{"system": _DICOM, "code": "110150", "display": "Application"}]
                },
                "who": {"display": each.tenant or "client without a token"},
                "requestor": True,
            }
        ],
        "source": {"observer": {"display": "cds-service"}},
        "entity": [_card(each), *_rules(each), *_accepted(each)],
    }


def _card(each: StoredFeedback) -> dict[str, Any]:
    entry = each.entry
    details = {
        "service": each.service,
        "hook": each.hook,
        "rulebook": each.rulebook,
        "outcomeTimestamp": _instant(entry.outcome_timestamp),
        "overrideReason.system": entry.reason_system,
        "overrideReason.code": entry.reason_code,
    }
    return _entity("card", _uuid(entry.card), details)


def _rules(each: StoredFeedback) -> Iterator[dict[str, Any]]:
    for finding in each.card.findings if each.card else ():
        identifier = {"system": _RULES, "value": finding.rule}
        yield _entity("rule", identifier, {"indicator": finding.indicator.value})


def _accepted(each: StoredFeedback) -> Iterator[dict[str, Any]]:
    for suggestion in each.entry.accepted_suggestions:
        yield _entity("accepted suggestion", _uuid(suggestion), {})


def _entity(
    name: str, identifier: dict[str, Any], details: dict[str, str | None]
) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "what": {"identifier": identifier},
        "type": {"system": _OBJECTS, "code": "2", "display": "System Object"},
        "description": name,
    }
    known = [{"type": name, "valueString": text} for name, text in details.items() if text]
    return entity | ({"detail": known} if known else {})


def _uuid(text: str) -> dict[str, str]:
    """An identifier; clients may report on cards by ids that are no UUIDs."""
    try:
        return {"system": "urn:ietf:rfc:3986", "value": UUID(text).urn}
    except ValueError:
        return {"value": text}
