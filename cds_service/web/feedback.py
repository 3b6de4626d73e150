"""What an EHR reports of cards: ``POST /cds-services/{id}/feedback``.

Acknowledged is only what is stored. Each entry stands for itself: bad ones are named, the good
ones of the same batch are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Response, g, request
from msgspec import Raw

from cds_service.cards.cards import OVERRIDE_SYSTEM
from cds_service.cds import Service
from cds_service.errors import StoreUnavailable
from cds_service.store.database import Store
from cds_service.store.entries import FeedbackEntry, tenant_of
from cds_service.web import envelope, problems
from cds_service.web.body import read_body
from cds_service.web.edge import HOOKS_PATH
from cds_service.web.metrics import Metrics
from cds_service.web.problems import Issue, IssueType, Refusal, refuse
from cds_service.web.replies import json_reply, not_found

MOST_ENTRIES = 1000
"""Of one request: a batch is one transaction."""

Keep = Callable[[bytes, Service], Sequence[Issue]]
"""Takes the body of a feedback request about a service; answers what was wrong in it."""

_array = msgspec.json.Decoder(list[Raw])


def tenant_of_request() -> str:
    """The verified client and its tenant as one opaque text; ``""`` on an open server."""
    client = g.get("client")
    return "" if client is None else tenant_of(client.issuer, client.tenant)


def blueprint(services: Mapping[str, Service], keep: Keep, max_bytes: int) -> Blueprint:
    """The feedback path of every service."""
    routes = Blueprint("feedback", __name__)

    @routes.post(f"{HOOKS_PATH}/<service_id>/feedback")
    def take(service_id: str) -> Response:
        g.action = "feedback"
        service = services.get(service_id)
        if service is None:
            raise not_found()
        g.service, g.hook = service.id, service.hook
        issues = keep(read_body(request, max_bytes), service)
        if issues:
            g.error_code = issues[0].code
        return json_reply(problems.operation_outcome(issues) if issues else {})

    return routes


def keeper(store: Store, metrics: Metrics, now: Callable[[], datetime]) -> Keep:
    """Stores the good entries of a body and answers what is wrong with the bad ones.

    It raises a ``Refusal`` where none is good, and ``StoreUnavailable``.
    """

    def keep(body: bytes, service: Service) -> Sequence[Issue]:
        good, issues, refused = _read(body)
        g.refused = refused
        if issues and not good:
            raise Refusal(HTTPStatus.BAD_REQUEST, issues)
        tenant = tenant_of_request()
        store.add_feedback(service.id, tenant, good, now())
        g.stored = len(good)
        _count(good, tenant, store, metrics)
        return issues

    return keep


def _count(entries: Sequence[FeedbackEntry], tenant: str, store: Store, metrics: Metrics) -> None:
    """Tell the metrics; the feedback is safe by now, so a failure here loses a count only."""
    with suppress(StoreUnavailable):
        cards = {card.uuid: card for card in store.shown(tenant, {each.card for each in entries})}
        for entry in entries:
            card = cards.get(entry.card)
            rules = {finding.rule for finding in card.findings} if card else set()
            metrics.feedback(entry.outcome, rules, _reason(entry))


def _reason(entry: FeedbackEntry) -> str | None:
    """The code of the reason where it is one of ours; free text is "other"."""
    if entry.reason_code is not None:
        return entry.reason_code if entry.reason_system == OVERRIDE_SYSTEM else "other"
    return "other" if entry.user_comment is not None else None


def _read(body: bytes) -> tuple[Sequence[FeedbackEntry], Sequence[Issue], int]:
    """The good entries, what is wrong with the bad ones, and how many are bad."""
    good: list[FeedbackEntry] = []
    issues: list[Issue] = []
    refused = 0
    for number, raw in enumerate(_entries(envelope.parse(body))):
        read = _entry(raw, f"feedback[{number}]")
        if isinstance(read, FeedbackEntry):
            good.append(read)
        else:
            issues += read
            refused += 1
    return good, issues, refused


def _entries(members: Mapping[str, Raw]) -> Sequence[Raw]:
    """The entries, each still JSON. None at all is no mistake: there was nothing to report."""
    if "feedback" not in members:
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            IssueType.REQUIRED,
            "CDS-400-missing",
            "feedback is missing: send an array with an entry for each card.",
            "feedback",
        )
    try:
        entries = _array.decode(members["feedback"])
    except msgspec.ValidationError:
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            IssueType.STRUCTURE,
            "CDS-400-type",
            "feedback has the wrong type: send an array with an entry for each card.",
            "feedback",
        ) from None
    if len(entries) > MOST_ENTRIES:
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            IssueType.TOO_LONG,
            "CDS-400-value",
            f"feedback has more than {MOST_ENTRIES} entries, and none was stored: send them in "
            "several requests.",
            "feedback",
        )
    return entries


def _entry(raw: Raw, field: str) -> FeedbackEntry | Sequence[Issue]:
    """One entry, or what is wrong with it."""
    try:
        members = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = f"{field} cannot be read: send plain JSON without extreme numbers or nesting."
        return [Issue(IssueType.STRUCTURE, "CDS-400-json", text, field)]
    if issues := list(envelope.violations("feedback", members, field)):
        return issues
    try:
        moment = datetime.fromisoformat(members["outcomeTimestamp"].upper())
        moment.astimezone(UTC)  # the first and last hours of the calendar have no equal elsewhere
    except (ValueError, OverflowError):
        where = f"{field}.outcomeTimestamp"
        text = f"{where} cannot be used: send a moment that exists, such as 2026-06-03T12:00:00Z."
        return [Issue(IssueType.VALUE, "CDS-400-value", text, where)]
    return _accepted(members, moment)


def _accepted(members: Mapping[str, Any], moment: datetime) -> FeedbackEntry:
    override = members.get("overrideReason") or {}
    reason = override.get("reason") or {}
    return FeedbackEntry(
        card=_id(members["card"]),
        outcome=members["outcome"],
        outcome_timestamp=moment,
        accepted_suggestions=tuple(
            _id(each["id"]) for each in members.get("acceptedSuggestions") or ()
        ),
        reason_code=reason.get("code"),
        reason_system=reason.get("system") or None,
        reason_display=reason.get("display") or None,
        user_comment=(override.get("userComment") or "").strip() or None,
    )


def _id(text: str) -> str:
    """A UUID as this service wrote it, whatever case the client keeps it in."""
    return text.lower() if envelope.is_uuid(text) else text
