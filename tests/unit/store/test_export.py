"""Feedback for others: the table with the comments, the audit trail without them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from cds_service.store.database import Store
from cds_service.store.entries import StoredFeedback
from cds_service.store.export import audit_events, csv_lines
from tests.unit.store.support import (
    CARD,
    NOW,
    OTHER_CARD,
    SERVICE,
    SUGGESTION,
    TENANT,
    accepted,
    call,
    card,
    overridden,
)

COMMENT = 'wanted, "really"\nby Dr. Marker'


def stored(entry: Any = None, **members: Any) -> StoredFeedback:
    made = StoredFeedback("a" * 64, NOW, SERVICE, TENANT, entry or overridden())
    return replace(made, **members)


def table(*feedback: StoredFeedback) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(csv_lines(feedback)), newline="")))


def event(feedback: StoredFeedback) -> dict[str, Any]:
    """The AuditEvent, after a check that it is one."""
    (made,) = audit_events([feedback])
    AuditEvent.model_validate_json(json.dumps(made))
    return made


def test_a_row_says_everything() -> None:
    entry = overridden(reason_display="Benefit outweighs risk", user_comment=COMMENT)
    known = stored(entry, card=card(), hook="order-sign", shown_at=NOW, rulebook="2026.06")
    assert table(known) == [
        {
            "received_at": "2026-06-03T12:00:00Z",
            "outcome_timestamp": "2026-06-03T12:00:00Z",
            "service": SERVICE,
            "tenant": TENANT,
            "card": CARD,
            "outcome": "overridden",
            "reason_code": "OV-1",
            "reason_system": "urn:x-cds-service:override-reason",
            "reason_display": "Benefit outweighs risk",
            "user_comment": COMMENT,
            "accepted_suggestions": "",
            "hook": "order-sign",
            "shown_at": "2026-06-03T12:00:00Z",
            "rulebook": "2026.06",
            "indicator": "warning",
            "rules": "baclofen-renal-impairment missing-data",
        }
    ]


def test_unknown_cards_leave_cells_empty() -> None:
    (row,) = table(stored(accepted(OTHER_CARD, "s-1", "s-2")))
    assert (row["card"], row["accepted_suggestions"]) == (OTHER_CARD, "s-1 s-2")
    assert not any(row[name] for name in ("hook", "shown_at", "rulebook", "indicator", "rules"))


def test_an_empty_table_has_its_heading() -> None:
    (heading,) = csv_lines([])
    assert heading.startswith("received_at,outcome_timestamp,")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    """A comment must not run in the spreadsheet of whoever reads the table."""
    (row,) = table(stored(overridden(user_comment=f"{start}HYPERLINK()")))
    assert row["user_comment"] == f"'{start}HYPERLINK()"


def test_an_audit_event_names_card_rules_and_outcome() -> None:
    made = event(stored(card=card(), hook="order-sign", shown_at=NOW, rulebook="2026.06"))
    assert made["recorded"] == "2026-06-03T12:00:00Z"
    assert made["subtype"][0]["code"] == "overridden"
    assert made["agent"][0]["who"]["display"] == TENANT
    shown, *rules = made["entity"]
    assert shown["what"]["identifier"]["value"] == f"urn:uuid:{CARD}"
    details = {each["type"]: each["valueString"] for each in shown["detail"]}
    assert details["overrideReason.code"] == "OV-1"
    assert [each["what"]["identifier"]["value"] for each in rules] == [
        "baclofen-renal-impairment",
        "missing-data",
    ]
    assert rules[0]["detail"] == [{"type": "indicator", "valueString": "warning"}]


def test_an_audit_event_names_what_was_accepted() -> None:
    made = event(stored(accepted(CARD, SUGGESTION)))
    assert [each["what"]["identifier"]["value"] for each in made["entity"]] == [
        f"urn:uuid:{CARD}",
        f"urn:uuid:{SUGGESTION}",
    ]


def test_a_card_that_has_no_uuid_is_named_as_it_is() -> None:
    made = event(stored(overridden("card 7", reason_code=None, reason_system=None), tenant=""))
    assert made["entity"][0]["what"]["identifier"] == {"value": "card 7"}


def test_no_comment_is_in_the_audit_trail() -> None:
    """Free text may name a patient or a colleague."""
    entry = overridden(user_comment=COMMENT, reason_display=COMMENT)
    assert "Marker" not in json.dumps(event(stored(entry)))


def test_what_was_stored_is_what_is_exported(store: Store) -> None:
    store.remember(call([card()]))
    store.add_feedback(SERVICE, TENANT, [overridden(user_comment=COMMENT)], NOW)
    (row,) = table(*store.stored_feedback())
    assert row["user_comment"] == COMMENT
    assert row["rules"] == "baclofen-renal-impairment missing-data"
    for each in store.stored_feedback():
        event(each)
