"""What a rule file says it is about, read and checked against what each kind of subject takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

from cds_service.chart.chart import partner_name
from cds_service.fhir.terminology import Terminology
from cds_service.rules.reading import Fields
from cds_service.rules.schema import About, Subject
from cds_service.rules.subjects import NOT_STATED

_NEEDED: Mapping[About, tuple[tuple[str, ...], ...]] = {
    "order": (("drug",),),
    "change": (("drug",),),
    "pair": (("partner",), ("drug", "services")),
    "service": (("services",),),
    "datum": (("drug", "services"),),
    "patient": (),
}
"""One field of each group must be there: without it the rule would never find a subject."""

_TAKEN: Mapping[About, frozenset[str]] = {
    "order": frozenset({"drug", "routes", "partner", "services"}),
    "change": frozenset({"drug", "routes", "services"}),
    "pair": frozenset(
        {
            "drug", "routes", "services", "partner", "partner_by_any_route", "washout_days",
            "washout_is_certain",
        }
    ),
    "service": frozenset({"services"}),
    "datum": frozenset({"drug", "routes", "services"}),
    "patient": frozenset({"drug", "routes"}),
}  # fmt: skip
"""The fields that have an effect; any other would be silently without one."""

_GOES_WITH: Mapping[str, str] = {"routes": "drug", "washout_is_certain": "washout_days"}
"""Fields that only narrow another."""


def read_subject(
    item: Fields, terminology: Terminology, routes: frozenset[str], kinds: frozenset[str]
) -> Subject:
    """The subject of a rule; ``kinds`` are those of service orders."""
    about = cast(About, item.choice("kind", get_args(About)))
    item.only({"kind", *_TAKEN[about]})
    for group in _NEEDED[about]:
        if all(item.content.get(name) is None for name in group):
            item.complain(group[0], f"a rule about: {about} needs {' or '.join(group)}")
    for name, other in _GOES_WITH.items():
        if item.content.get(name) is not None and item.content.get(other) is None:
            item.complain(name, f"is without effect where {other} is not given")
    partner = _value_set(item, "partner", terminology)
    return Subject(
        about=about,
        drug=_value_set(item, "drug", terminology),
        routes=_known(item, "routes", routes | {NOT_STATED}, "is no route of routes.yaml"),
        partner=partner,
        washout_days=_washout(item, partner, terminology),
        services=_known(item, "services", kinds, "is no kind of service order"),
        partner_by_any_route=item.flag("partner_by_any_route"),
        washout_is_certain=item.flag("washout_is_certain"),
    )


def _value_set(item: Fields, name: str, terminology: Terminology) -> str | None:
    value_set = item.text(name, required=False)
    if value_set and value_set not in terminology.value_sets:
        item.complain(name, f"{value_set} is no value set")
        return None
    return value_set or None


def _known(item: Fields, name: str, allowed: frozenset[str], message: str) -> frozenset[str]:
    given = item.texts(name)
    for each in given:
        if each not in allowed:
            item.complain(name, f"{each} {message}; known are {', '.join(sorted(allowed))}")
    return frozenset(given)


def _washout(item: Fields, partner: str | None, terminology: Terminology) -> Mapping[str, int]:
    known = {"default"}
    if partner is not None:
        known |= {partner_name(row.ingredients) for row in terminology.members(partner)}
    found: dict[str, int] = {}
    for name, days in item.mapping("washout_days").content.items():
        where = f"washout_days.{name}"
        if partner is not None and name not in known:
            item.complain(where, f"is neither default nor an ingredient of the set {partner}")
        if isinstance(days, bool) or not isinstance(days, int) or days < 0:
            item.complain(where, "must be a whole number of days, 0 or more")
        else:
            found[name] = days
    return found
