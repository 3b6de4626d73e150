"""One check: the request goes the way of a call, and what comes back is what an EHR gets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from cds_service.cards.editing import apply_actions
from cds_service.cds import Service
from cds_service.errors import InvalidRequest, PatientUnobtainable
from cds_service.fhir.elements import as_list
from cds_service.fhir.reading import read_value
from cds_service.web import envelope, problems
from cds_service.web.answering import Desk, Note
from cds_service.web.pages.try_it.hook_request import request_body
from cds_service.web.pages.try_it.patient_bundle import PatientBundle, Resource, Unusable
from cds_service.web.pages.try_it.rows import Row
from cds_service.web.problems import Refusal
from cds_service.web.wire import encode_for_reading

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """A call and its answer. ``explanation`` is empty where the call was refused."""

    service: Service
    request: bytes
    status: int
    response: Json
    explanation: Json

    @property
    def cards(self) -> list[Json]:
        """The cards of the answer."""
        found: list[Json] = self.response.get("cards", [])
        return found


def check(
    service: Service,
    chart: PatientBundle,
    orders: Sequence[Resource],
    desk: Desk,
    *,
    note: Note,
    is_remembered: bool,
) -> Checked:
    """Ask the service. Cards that are not remembered can be overridden by nobody."""
    body = request_body(service, chart, orders)
    try:
        asked = envelope.read(envelope.parse(body), service).request
        if is_remembered:
            decided = desk.answer(asked, note)
        else:
            decided = replace(desk, silence_days=None).explain(asked, note)
    except (InvalidRequest, PatientUnobtainable) as error:
        return _refused(service, body, problems.as_refusal(error))
    except Refusal as refusal:
        return _refused(service, body, refusal)
    except RecursionError:
        return _refused(service, body, envelope.nested_too_deeply())
    return Checked(service, body, 200, decided.response, decided.explanation)


def _refused(service: Service, body: bytes, refusal: Refusal) -> Checked:
    outcome = problems.operation_outcome(refusal.issues)
    return Checked(service, body, refusal.status.value, outcome, {})


# --- accepting a suggestion -----------------------------------------------------------------------


def accepted(
    rows: Sequence[Row], orders: Sequence[Sequence[Resource]], actions: Sequence[Json]
) -> tuple[list[Row], list[str]]:
    """The rows after the actions of a suggestion, and what changed, in sentences.

    ``orders`` are those of each row. Raises ``Unusable`` for actions that are none of ours.
    """
    edits = [each for each in actions if each.get("type") != "create"]
    after: list[Row] = []
    changes: list[str] = []
    try:
        for row, of_row in zip(rows, orders, strict=True):
            made = _edited(of_row, edits, changes)
            is_same = made == [each.raw for each in of_row]
            after += [row] if is_same else [_written(each) for each in made]
        for new in apply_actions([], [each for each in actions if each["type"] == "create"]):
            changes.append(f"New: {described(new)}.")
            after.append(_written(new))
    except (KeyError, TypeError, AttributeError):
        raise Unusable("The suggestion cannot be read: check again, then accept it.") from None
    return after, changes


def _edited(orders: Sequence[Resource], edits: Sequence[Json], changes: list[str]) -> list[bytes]:
    made: list[bytes] = []
    for order in orders:
        records = read_value(order.raw, "draft").records
        result = apply_actions(records, edits) if records else [order.raw]
        if not result:
            changes.append(f"Removed: {described(order.raw)}.")
        elif result[0] != order.raw:
            changes.append(f"Changed: {described(order.raw)} became {described(result[0])}.")
        made += result
    return made


def _written(order: bytes) -> Row:
    return Row(written=encode_for_reading(json.loads(order, parse_float=Decimal)))


def described(order: bytes) -> str:
    """An order in words: what it is, and its doses one after the other."""
    try:
        content = json.loads(order)
    except (ValueError, RecursionError):
        return "an order"
    concepts = (content.get(name) for name in ("medicationCodeableConcept", "code"))
    concept = next((each for each in concepts if isinstance(each, dict)), {})
    doses = [
        str(each["text"])
        for each in as_list(content.get("dosageInstruction"))
        if isinstance(each, dict) and "text" in each
    ]
    words = str(concept.get("text") or content.get("resourceType", "an order"))
    if content.get("status") in ("stopped", "cancelled", "on-hold"):
        return f"{words}, {content['status']}"
    return f"{words} {', then '.join(doses)}".strip()
