"""Criteria about kidney function: estimates, dialysis, and what makes a number meaningless."""

from __future__ import annotations

from decimal import Decimal

from cds_service.answer import Answer, no, unknown, yes
from cds_service.chart.kidney import Estimate, NoEstimate, egfr_from
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import (
    CONDITIONS,
    LABORATORY,
    PROCEDURES,
    criterion,
)
from cds_service.rules.criteria.words import NUMBER_LENGTH, RESULT_LENGTH, cut

_RENAL_RESULTS = ("creatinine", "reported-egfr", "body-weight", "body-height")
_READS = (CONDITIONS, LABORATORY, "patient", "encounters")
_VALUES = {
    "estimate": NUMBER_LENGTH,
    "seen": RESULT_LENGTH + len("creatinine "),
    "inputs": 240,
    "other_estimate": 120,
}


def _below(case: Case, estimate: Estimate | NoEstimate, limit: Decimal, other: str) -> Answer:
    if isinstance(estimate, NoEstimate):
        return unknown(estimate.reason, *estimate.evidence)
    side = estimate.is_below(limit)
    creatinine = case.record.measurements.creatinine.usable
    seen = f"creatinine {creatinine.text}" if creatinine is not None else _reported(estimate)
    shown = estimate.shown(limit)
    if side is None:
        reason = f"{estimate.label} lies on both sides of {limit}: {estimate.inputs}"
        return unknown(reason, *estimate.evidence)
    number = f"{shown} {estimate.unit}" if shown else f"below {limit} {estimate.unit}"
    if not side:
        number = f"{shown} {estimate.unit}" if shown else f"not below {limit} {estimate.unit}"
    label = "Creatinine clearance" if estimate.formula == "Cockcroft-Gault" else "eGFR"
    reason = f"{label} {number} ({seen})"
    if not side:
        return no(reason, *estimate.evidence)
    return yes(
        reason,
        *estimate.evidence,
        values={
            "estimate": shown or f"< {limit}",
            "seen": cut(seen, _VALUES["seen"]),
            "inputs": cut(f"{estimate.label}: {estimate.inputs}", 240),
            "other_estimate": cut(other, 120),
        },
    )


def _reported(estimate: Estimate) -> str:
    return f"reported {estimate.inputs}"


def _text_of(estimate: Estimate | NoEstimate, what: str, limit: Decimal) -> str:
    if isinstance(estimate, NoEstimate):
        return f"{what} not computed ({estimate.reason})"
    return f"{what} {estimate.range_beside(limit)} {estimate.unit} ({estimate.formula})"


@criterion(reads=_READS, observations=_RENAL_RESULTS, values=_VALUES)
def creatinine_clearance_below(case: Case, limit: Decimal) -> Answer:
    """Cockcroft-Gault clearance in mL/min lies below a limit."""
    record = case.record
    return _below(case, record.clearance, limit, _text_of(record.egfr, "eGFR", limit))


@criterion(reads=_READS, observations=_RENAL_RESULTS, values=_VALUES)
def egfr_below(case: Case, limit: Decimal) -> Answer:
    """eGFR in mL/min/1.73 m2 lies below a limit."""
    record = case.record
    return _below(
        case, record.egfr, limit, _text_of(record.clearance, "creatinine clearance", limit)
    )


@criterion(reads=(CONDITIONS, PROCEDURES))
def is_on_dialysis(case: Case) -> Answer:
    """Dialysis: an active condition, or a procedure in the last 90 days."""
    refs = case.record.dialysis
    return yes("on dialysis", *refs) if refs else no("no dialysis recorded")


@criterion(reads=(CONDITIONS, PROCEDURES))
def dialysis_began_recently(case: Case) -> Answer:
    """The first trace of dialysis lies within 90 days."""
    refs = case.record.dialysis
    if case.record.dialysis_began_recently:
        return yes("dialysis began within 90 days", *refs)
    return no("dialysis is older than 90 days, or its start is not recorded", *refs)


@criterion(reads=_READS, observations=_RENAL_RESULTS, values={"creatinine": RESULT_LENGTH})
def creatinine_is_unstable(case: Case) -> Answer:
    """The newest creatinine has risen by 0.3 mg/dL in 48 hours or to 1.5 times in 7 days."""
    creatinine = case.record.measurements.creatinine.usable
    if case.record.creatinine_is_unstable and creatinine is not None:
        return yes(
            f"creatinine is not steady ({creatinine.text})",
            creatinine.ref,
            values={"creatinine": cut(creatinine.text, RESULT_LENGTH)},
        )
    return no("no rise of creatinine that makes it unsteady")


@criterion(reads=_READS, observations=_RENAL_RESULTS)
def has_no_estimate(case: Case) -> Answer:
    """No eGFR can be computed from this chart."""
    estimate = case.record.egfr
    if isinstance(estimate, NoEstimate):
        return yes(estimate.reason, *estimate.evidence)
    return no("an eGFR is there", *estimate.evidence)


@criterion(reads=_READS, observations=_RENAL_RESULTS)
def fell_below_since_prescribed(case: Case, limit: Decimal) -> Answer:
    """An earlier creatinine since the prescription began gave an eGFR at or above the limit."""
    record = case.record
    prescribed = case.order.prior if case.order is not None and case.order.prior else case.own_use
    start = prescribed.start if prescribed is not None else None
    history = record.measurements.creatinine_history
    # A result that is listed twice is not the one before.
    previous = next((each for each in history if each.when.low < history[0].when.low), None)
    if start is None or previous is None or previous.when.low < start.low:
        return no("no earlier creatinine since the prescription")
    estimate = egfr_from(previous, record.person)
    if isinstance(estimate, Estimate) and estimate.is_below(limit) is False:
        return yes(f"eGFR was {estimate.shown(limit)} ({previous.text})", previous.ref)
    return no("eGFR was below the limit before", previous.ref)


@criterion(reads=_READS, observations=_RENAL_RESULTS)
def result_is_newer_than_prescription(case: Case) -> Answer:
    """The creatinine is newer than the start of the prescription that is renewed.

    Only a stable renewal is asked: every other change looks at the kidneys anyway.
    """
    order = case.order
    if order is None or order.change.value != "stable-renewal":
        return yes("")
    creatinine = case.record.measurements.creatinine.usable
    start = order.prior.start if order.prior is not None else None
    if creatinine is None or start is None:
        return no("the prescription has no start or there is no creatinine")
    if creatinine.when.low > start.high:
        return yes(f"creatinine of {creatinine.when.text} is newer than the prescription")
    return no(f"the prescription of {start.text} is newer than the creatinine", creatinine.ref)
