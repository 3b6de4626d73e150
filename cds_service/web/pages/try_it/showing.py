"""The view as HTML, and what is downloaded from it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Response, request

from cds_service.web.body import discard_body
from cds_service.web.pages.layout import page
from cds_service.web.pages.try_it.banner import banner, sizes
from cds_service.web.pages.try_it.checking import described
from cds_service.web.pages.try_it.composing import TIMES, UNITS
from cds_service.web.pages.try_it.reasons import reasons
from cds_service.web.pages.try_it.rows import MOST_ROWS, PHASES, Phase, Row
from cds_service.web.pages.try_it.view import ORDER_SELECT, Site, View
from cds_service.web.wire import encode, encode_for_reading

_SHOWN_WHOLE = 60_000
_SHOWN_HEAD = 1_500
"""Bytes of a request that is too long to be shown whole."""


@dataclass(frozen=True, slots=True)
class RowView:
    """A row as the form shows it."""

    number: int
    row: Row
    units: tuple[str, ...]
    phases: tuple[Phase, ...]
    text: str
    """The FHIR of its order."""
    problem: str

    @property
    def has_more(self) -> bool:
        """Whether something stands in the fields that are folded away."""
        row = self.row
        return len(row.phases) > 1 or bool(row.phases[0].days or row.most or row.route)


def show(view: View, site: Site, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """The whole page; htmx takes from it what has changed."""
    checked = view.checked
    service = checked.service if checked else site.service(view.sheet.hook or ORDER_SELECT)
    today = site.desk.now().date()
    menu = view.composer.menu
    is_refused = checked is not None and checked.status != HTTPStatus.OK
    return page(
        "try_it.html",
        status,
        title="Try it",
        stories=menu.stories.values(),
        story=menu.stories.get(view.sheet.story),
        is_own=view.is_own,
        has_file=view.has_file,
        pasted=view.sheet.pasted,
        chart_problem=view.chart_problem,
        banner=None if view.chart_problem else banner(view.chart, service, today),
        rows=_rows(view),
        groups=menu.groups,
        of_chart=view.composer.of_chart,
        unit_names=UNITS,
        times=TIMES,
        routes=menu.routes,
        most_rows=MOST_ROWS,
        can_add=len(view.rows) < MOST_ROWS,
        notices=view.notices,
        service=service,
        checked=checked,
        is_refused=is_refused,
        names={f"{each.type}/{each.id}": described(each.raw) for each in view.every_order},
        reasons=reasons(checked.explanation, site.rulebook) if checked else (),
        request_text=_request_text(checked.request) if checked else "",
        is_cut=checked is not None and len(checked.request) > _SHOWN_WHOLE,
        request_size=sizes(len(checked.request)) if checked else "",
        response_text=encode_for_reading(checked.response) if checked else "",
        offer=_offer,
        sizes=sizes,
        is_stored=site.operator.is_asking,
        silence_days=site.desk.silence_days,
        base_url=(site.base_url or request.host_url).rstrip("/"),
        wants_token=site.wants_token,
    )


def _rows(view: View) -> list[RowView]:
    found = []
    for position, row in enumerate(view.rows):
        settled = view.composer.settled(row)
        blank = (Phase(),) * (PHASES - len(row.phases))
        orders = view.orders[position] if view.orders else []
        found.append(
            RowView(
                number=position,
                row=settled,
                units=view.composer.units(row),
                phases=row.phases + blank,
                text="\n".join(map(readable, (each.raw for each in orders))),
                problem=view.problems.get(position, ""),
            )
        )
    return found


def readable(resource: bytes) -> str:
    """JSON, indented; numbers keep their digits."""
    return msgspec.json.format(resource, indent=2).decode()


def _request_text(body: bytes) -> str:
    if len(body) <= _SHOWN_WHOLE:
        return readable(body)
    return body[:_SHOWN_HEAD].decode(errors="ignore")


def _offer(card: dict[str, Any], suggestion: dict[str, Any]) -> str:
    """What the button of a suggestion carries: its actions, as an EHR has them in its hands."""
    return encode(
        {
            "card": card["uuid"],
            "suggestion": suggestion["uuid"],
            "label": suggestion["label"],
            "actions": suggestion.get("actions", []),
        }
    ).decode()


def file_reply(content: bytes, name: str) -> Response:
    """JSON that a browser saves."""
    response = Response(content, content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def from_elsewhere() -> Response:
    """The answer to a form of another site."""
    return page(
        "error.html",
        HTTPStatus.FORBIDDEN,
        title="That form was not sent from this page",
        text="Open this page itself and send the form from there. Programs call /cds-services.",
    )


def too_large(view: View, site: Site) -> Response:
    """More was sent than a call may hold. The sender is heard out, or it would see no answer."""
    discard_body(request, site.most_bytes)
    view.chart_problem = (
        f"That is larger than a call to this service may be ({sizes(site.most_bytes)}): give a "
        "smaller record, or raise limits.max_request_bytes."
    )
    # htmx shows no part of an answer that is an error.
    is_part = "HX-Request" in request.headers
    return show(view, site, HTTPStatus.OK if is_part else HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
