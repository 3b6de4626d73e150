"""Criteria about blood pressure, pulse and liver enzymes."""

from __future__ import annotations

from decimal import Decimal

from cds_service.answer import Answer, no, unknown, yes
from cds_service.chart.results import Reading, State, plain_number
from cds_service.fhir.reading import Obtained
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import (
    LABORATORY,
    MEDICATIONS,
    ValueSetName,
    criterion,
)
from cds_service.rules.criteria.words import RESULT_LENGTH, cut

_PRESSURE = ("systolic-pressure", "pressure-panel")
_VALUES = {"result": len("systolic pressure ") + RESULT_LENGTH}


def _below(reading: Reading, limit: Decimal, name: str) -> Answer:
    usable = reading.usable
    if usable is None:
        return unknown(reading.problem, *reading.evidence)
    text = f"{name} {usable.text}"
    if usable.value < limit:
        return yes(text, usable.ref, values={"result": cut(text, _VALUES["result"])})
    return no(text, usable.ref)


@criterion(reads=(LABORATORY, "encounters"), observations=_PRESSURE, values=_VALUES)
def systolic_below(case: Case, limit: Decimal) -> Answer:
    """The newest systolic blood pressure in mmHg lies below a limit."""
    return _below(case.record.measurements.systolic, limit, "systolic pressure")


@criterion(reads=(LABORATORY, "encounters"), observations=("heart-rate",), values=_VALUES)
def pulse_below(case: Case, limit: Decimal) -> Answer:
    """The newest heart rate per minute lies below a limit."""
    return _below(case.record.measurements.pulse, limit, "pulse")


@criterion(reads=(MEDICATIONS,), values={"agents": 60})
def takes_at_least(case: Case, of: ValueSetName, unless: ValueSetName, count: int) -> Answer:
    """So many drugs of a value set are taken; drugs of another set are not counted."""
    agents: dict[str, tuple[str, str | None]] = {}
    for partner in case.chart.partners(of):
        if partner.use.drug.match(unless, case.record.terminology) is None:
            agents.setdefault(partner.ingredient, (partner.use.ref, partner.doubt))
    if len(agents) >= count:
        doubts = [f"{name} ({doubt})" for name, (_, doubt) in agents.items() if doubt is not None]
        names = ", ".join(sorted(agents))
        return yes(
            names,
            *(ref for ref, _ in agents.values()),
            doubt="; ".join(doubts) if len(agents) - len(doubts) < count else None,
            values={"agents": cut(names, 60)},
        )
    if case.record.medications_obtained is not Obtained.YES:
        return unknown("the medication list could not be obtained in full")
    return no(f"{len(agents)} drugs of the set")


@criterion(reads=(LABORATORY,), observations=("alt", "ast"), values=_VALUES)
def enzymes_above(case: Case, times: int, upper_limit: Decimal, days: int) -> Answer:
    """ALT or AST of the last days lies above so many times the laboratory's upper limit."""
    problems = []
    for value_set in ("alt", "ast"):
        reading, limit, stated = case.record.measurements.enzyme(value_set, days)
        usable = reading.usable
        if usable is None:
            problems.append(reading.problem)
            continue
        if not case.counts(usable.when):
            problems.append(f"{value_set.upper()} is not new beside a stable therapy")
            continue
        bound = (limit if limit is not None else upper_limit) * times
        if usable.value > bound or (usable.comparator == ">" and usable.value >= bound):
            own = "" if stated else f" (upper limit taken as {plain_number(upper_limit)} U/L)"
            name = value_set.upper()
            text = cut(f"{name} {usable.text}", _VALUES["result"])
            reason = f"{name} {usable.text}, above {plain_number(bound)} U/L{own}"
            return yes(reason, usable.ref, values={"result": text})
    return no("; ".join(problems) or "ALT and AST are not raised that far")


@criterion(reads=(LABORATORY,), observations=("alt",))
def has_no_alt_within(case: Case, days: int) -> Answer:
    """No ALT in the last days; one that could not be obtained is not asked for."""
    reading, _, _ = case.record.measurements.enzyme("alt", days)
    if reading.usable is not None:
        return no(f"ALT {reading.usable.text}", reading.usable.ref)
    if reading.state is State.NOT_OBTAINED:
        return unknown(reading.problem)
    return yes(f"no ALT in the last {days} days", *reading.evidence)
