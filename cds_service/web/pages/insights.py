"""What happens with the cards, for those who answer for the rules: figures, pictures, CSV.

Nothing here is about one patient. Comments of clinicians may name one: they are only counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request, url_for

from cds_service.rules.schema import Rulebook
from cds_service.store.database import Store
from cds_service.store.figures import (
    FREE_TEXT,
    NO_REASON,
    OTHER_CODE,
    REVIEW_LINE,
    CallCounts,
    Insights,
    Mark,
    Scope,
    Tally,
)
from cds_service.web.pages import layout
from cds_service.web.pages.access import Operator
from cds_service.web.pages.figures_csv import TABLES
from cds_service.web.pages.period import CHOICES, Period, earliest, read_period
from cds_service.web.problems import IssueType, Refusal, refuse
from cds_service.web.replies import not_found

_NOT_ABOUT_ORDERS = "patient-view"
"""The hook whose calls say nothing about how often orders are interrupted."""
_MARKS = {Mark.REVIEW: 0, Mark.WATCH: 1, None: 2}
_OTHER_REASONS = {
    FREE_TEXT: "A comment and no code",
    OTHER_CODE: "A code that is not of this rulebook",
    NO_REASON: "No reason given",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for: a period, and perhaps one service or rule."""

    period: Period
    service: str
    """Empty: all."""
    rule: str
    """Empty: all."""

    def address(self, endpoint: str = "page", days: int | None = None, **parts: str) -> str:
        """The address of the same choice, or of the same filters over ``days``."""
        period = self.period
        if days is not None or period.days_back is not None:
            when: dict[str, Any] = {"days": days or period.days_back}
        else:
            when = {"from": period.first.isoformat(), "to": period.last.isoformat()}
        filters = {"service": self.service, "rule": self.rule}
        chosen = when | {name: value for name, value in filters.items() if value} | parts
        return url_for(f"insights.{endpoint}", **chosen)


def blueprint(
    store: Store, rulebook: Rulebook, operator: Operator, now: Callable[[], datetime]
) -> Blueprint:
    """The page and its tables. ``now`` gives instants in the zone of the site."""
    routes = Blueprint("insights", __name__)

    def figures(choice: Choice, moment: datetime) -> Insights:
        return store.insights(
            Scope(
                edges=choice.period.edges(moment.tzinfo),
                now=moment,
                service=choice.service or None,
                rule=choice.rule or None,
                reasons=rulebook.override_reasons.keys(),
            )
        )

    @routes.get("/insights")
    @operator.only
    def page() -> Response:
        moment = now()
        today = moment.date()
        values: dict[str, Any] = {
            "rulebook": rulebook,
            "given": request.args,
            "today": today,
            "earliest": earliest(today),
            "choices": CHOICES,
        }
        try:
            choice = _choice(request.args, moment, rulebook)
        except Refusal as refusal:
            problem = refusal.issues[0].text
            default = Choice(read_period({}, today), "", "")
            return layout.page(
                "insights.html",
                HTTPStatus.BAD_REQUEST,
                choice=default,
                problem=problem,
                **values,
            )
        found = figures(choice, moment)
        return layout.page(
            "insights.html",
            choice=choice,
            found=found,
            orders=_orders(found),
            rules=_ranked(found.rules),
            silent=[each for each in rulebook.rules.values() if each.id not in found.rules],
            reasons=_reasons(rulebook),
            line=REVIEW_LINE,
            local=lambda instant: instant.astimezone(moment.tzinfo),
            **values,
        )

    @routes.get("/insights/<name>.csv")
    @operator.only
    def table(name: str) -> Response:
        moment = now()
        if name not in TABLES:
            raise not_found()
        choice = _choice(request.args, moment, rulebook)
        titles = {each.id: each.title for each in rulebook.rules.values()}
        words = titles | _reasons(rulebook)
        lines = TABLES[name](figures(choice, moment), words, moment.tzinfo)
        return _csv(f"insights-{name}-{choice.period.first}-{choice.period.last}", lines)

    return routes


def _csv(name: str, lines: Iterable[str]) -> Response:
    response = Response("".join(lines), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _choice(given: Mapping[str, str], moment: datetime, rulebook: Rulebook) -> Choice:
    """What the address asks for; raises ``Refusal``."""
    service, rule = given.get("service", ""), given.get("rule", "")
    if service not in {"", *rulebook.services}:
        raise _unknown("service", "/cds-services")
    if rule not in {"", *rulebook.rules}:
        raise _unknown("rule", "/rules")
    return Choice(read_period(given, moment.date()), service, rule)


def _unknown(field: str, listed: str) -> Refusal:
    text = f"There is no such {field}: {listed} lists them."
    return refuse(HTTPStatus.BAD_REQUEST, IssueType.VALUE, "CDS-400-value", text, field)


def _reasons(rulebook: Rulebook) -> dict[str, str]:
    """What a reason says, by its code or by what stands in the place of one."""
    coded = {code: reason.display for code, reason in rulebook.override_reasons.items()}
    return coded | _OTHER_REASONS


def _orders(found: Insights) -> CallCounts:
    """The calls about orders: with every chart that is opened, cards would look rarer."""
    about = (each for each in found.services.values() if each.hook != _NOT_ABOUT_ORDERS)
    return sum((each.calls for each in about), CallCounts())


def _ranked(rules: Mapping[str, Tally]) -> list[tuple[str, Tally]]:
    """What asks for a review first, then what is shown most."""
    return sorted(rules.items(), key=lambda item: (_MARKS[item[1].mark], -item[1].shown, item[0]))
