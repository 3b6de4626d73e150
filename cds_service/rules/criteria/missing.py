"""Criteria about data that a rule needs and the chart does not give.

Each says for one datum of one order whether it must be asked for, and quotes what is there.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cds_service.answer import Answer, no, yes
from cds_service.chart.intrathecal import INTRATHECAL, is_maintenance
from cds_service.chart.kidney import Estimate, NoEstimate
from cds_service.chart.medications import Taking
from cds_service.chart.results import Reading, State
from cds_service.fhir.reading import Obtained
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import (
    ALLERGIES,
    CONDITIONS,
    LABORATORY,
    MEDICATIONS,
    PROCEDURES,
    READS,
    ValueSetName,
    criterion,
)
from cds_service.rules.criteria.words import cut

ChartList = Literal["medications", "conditions", "allergies", "procedures"]
ClearanceDatum = Literal["weight", "creatinine", "sex", "age"]
GfrDatum = Literal["creatinine", "sex", "age"]
"""What can keep an estimate from being told from a limit; an eGFR needs no weight."""

NOT_OBTAINED = State.NOT_OBTAINED.value
"""The ``cause`` of a datum that the EHR did not deliver."""

_PROBLEM_LENGTH = 84
_PUMP_ORDER = "the pump order"
_VALUES = {
    "problem": _PROBLEM_LENGTH,
    "cause": len(NOT_OBTAINED),
    "drug": len(_PUMP_ORDER),
}
_LISTS = {
    MEDICATIONS: "medication list",
    CONDITIONS: "problem list",
    ALLERGIES: "allergy list",
    PROCEDURES: "list of procedures",
}
_RENAL_RESULTS = ("creatinine", "reported-egfr", "body-weight", "body-height")


def _missing(case: Case, problem: str, *evidence: str, cause: str = "") -> Answer:
    values = {"problem": cut(problem, _PROBLEM_LENGTH), "cause": cause, "drug": _about(case)}
    return yes(problem, *evidence, values=values)


def _about(case: Case) -> str:
    """What could not be checked: the ordered drug, or the order of a pump."""
    use = case.own_use
    if use is None:
        return _PUMP_ORDER
    own = case.record.vocabulary.own_ingredients
    names = use.drug.ingredients & own or {name for name in own if use.drug.mentions([name])}
    return cut(" / ".join(sorted(names)) or use.name, len(_PUMP_ORDER))


def _of(case: Case, reading: Reading) -> Answer:
    if reading.state is State.USABLE:
        return no(f"{reading.measurement.text if reading.measurement else ''} is there")
    return _missing(case, reading.problem, *reading.evidence, cause=reading.state.value)


@criterion(reads=(MEDICATIONS, CONDITIONS, ALLERGIES, PROCEDURES), values=_VALUES)
def list_not_obtained(case: Case, of: ChartList) -> Answer:
    """A list of the chart was not obtained, or only a page of it."""
    if of == MEDICATIONS:
        state = case.record.medications_obtained
    else:
        state = case.record.obtained(*READS[of])
    if state is Obtained.YES:
        return no(f"the {of} were obtained")
    how = "only in part" if state is Obtained.INCOMPLETE else "not"
    return _missing(case, f"the {_LISTS[of]} could {how} be obtained", cause=NOT_OBTAINED)


@criterion(
    reads=(LABORATORY, CONDITIONS, "encounters"), observations=_RENAL_RESULTS, values=_VALUES
)
def creatinine_is_missing(case: Case) -> Answer:
    """No usable serum creatinine, where the formulas would hold."""
    record = case.record
    if record.pregnancy is not None:
        return no("in pregnancy the formulas do not hold")
    if record.dialysis:
        return no("on dialysis a creatinine decides nothing")
    return _of(case, record.measurements.creatinine)


@criterion(
    reads=(LABORATORY, CONDITIONS, "encounters"), observations=_RENAL_RESULTS, values=_VALUES
)
def renal_function_is_missing(case: Case) -> Answer:
    """Neither a usable serum creatinine nor a usable reported eGFR."""
    if case.record.measurements.reported_egfr.state is State.USABLE:
        return no("a reported eGFR is there")
    return creatinine_is_missing(case)


@criterion(reads=(LABORATORY, "patient"), observations=_RENAL_RESULTS, values=_VALUES)
def clearance_is_undecided_by(case: Case, datum: ClearanceDatum, limit: Decimal) -> Answer:
    """Whether a datum alone keeps the creatinine clearance from being told from the limit."""
    record = case.record
    estimate = record.clearance
    if isinstance(estimate, NoEstimate):
        if estimate.datum == datum and datum != "creatinine":
            return _missing(case, estimate.reason, *estimate.evidence)
        return no("no clearance is computed")
    if estimate.is_below(limit) is not None or estimate.undecided_by != datum:
        return no(f"the {datum} does not decide")
    return _undecided(case, estimate, datum)


@criterion(reads=(LABORATORY, "patient"), observations=_RENAL_RESULTS, values=_VALUES)
def egfr_is_undecided_by(case: Case, datum: GfrDatum, limits: tuple[Decimal, ...]) -> Answer:
    """Whether a datum alone keeps the eGFR from being told from any of the limits."""
    estimate = case.record.egfr
    if case.record.dialysis:
        return no("on dialysis the estimate decides nothing")
    if isinstance(estimate, NoEstimate):
        if estimate.datum == datum and datum != "creatinine":
            return _missing(case, estimate.reason, *estimate.evidence)
        return no("no eGFR is computed")
    undecided = any(estimate.is_below(limit) is None for limit in limits)
    if not undecided or estimate.undecided_by != datum:
        return no(f"the {datum} does not decide")
    return _undecided(case, estimate, datum)


def _undecided(case: Case, estimate: Estimate, datum: str) -> Answer:
    reading = case.record.measurements.weight
    if datum == "weight":
        return _missing(case, reading.problem, *estimate.evidence)
    if datum == "sex":
        return _missing(case, "the sex is not recorded", *estimate.evidence)
    if datum == "age":
        return _missing(case, "the birth date is not exact", *estimate.evidence)
    creatinine = case.record.measurements.creatinine.usable
    seen = f"creatinine {creatinine.text}" if creatinine is not None else f"eGFR {estimate.inputs}"
    return _missing(case, f"{seen} leaves it open", *estimate.evidence)


@criterion(reads=("patient",), values=_VALUES)
def age_is_missing(case: Case) -> Answer:
    """No birth date that can be read."""
    person = case.record.person
    if person.ages is not None:
        return no("the age is known")
    return _missing(case, "the birth date is not recorded", person.ref)


@criterion(values=_VALUES)
def dose_cannot_be_computed(case: Case) -> Answer:
    """The dose of the order is not given, or not in a way that allows arithmetic."""
    use = case.own_use
    if use is None or use.regimen.problem is None:
        return no("the dose is known")
    return _missing(case, use.regimen.problem, use.ref)


@criterion(reads=(MEDICATIONS,), values=_VALUES)
def running_intrathecal_dose_cannot_be_computed(case: Case) -> Answer:
    """The intrathecal dose that runs now, which the order replaces or adds to, is not known."""
    order = case.order
    if order is None or order.use.route != INTRATHECAL or not is_maintenance(order.use):
        return no("no intrathecal maintenance")
    running = [*order.beside, *([order.prior] if order.prior is not None else [])]
    for use in running:
        if use.taking is Taking.NOW and is_maintenance(use) and use.regimen.problem is not None:
            return _missing(case, f"running dose unknown ({use.regimen.problem})", use.ref)
    return no("the running dose is known")


@criterion(values=_VALUES)
def route_is_not_stated(case: Case) -> Answer:
    """Neither route, form nor amount tell how the drug is given."""
    use = case.own_use
    if use is None or use.route is not None:
        return no("the route is known")
    if use.regimen.problem is not None:
        return no("the dose is asked for first")
    return _missing(case, "the route is not stated", use.ref)


@criterion(reads=(MEDICATIONS,), values=_VALUES)
def drug_is_not_coded(case: Case) -> Answer:
    """The draft, or a drug on the list, has no code we hold, and its words name a drug we read."""
    use = case.own_use
    if use is not None and not use.drug.is_known:
        if use.drug.mentions(case.record.vocabulary.own_ingredients):
            return _missing(case, "the order has no code this service knows", use.ref)
        return no("its words name none of our drugs")
    vocabulary = case.record.vocabulary
    wanted = (
        vocabulary.ingredients_read_about(use.drug.ingredients)
        if use is not None
        else vocabulary.service_ingredients
    )
    names: dict[str, None] = {}
    refs = []
    for other in case.record.drug_uses:
        if other.taking is Taking.NOW and not other.drug.is_known:
            mentioned = [name for name in sorted(wanted) if other.drug.mentions([name])]
            names.update(dict.fromkeys(mentioned))
            refs += [other.ref] if mentioned else []
    if names:
        return _missing(case, f"{', '.join(sorted(names))} on the list has no known code", *refs)
    return no("every drug that matters has a code")


@criterion(reads=(LABORATORY, MEDICATIONS), observations=("inr",), values=_VALUES)
def inr_is_missing(case: Case, on_vitamin_k_antagonist_days: int) -> Answer:
    """No INR that may be used: after a vitamin K antagonist always, else only if not obtained."""
    lately = case.chart.partners(
        "vitamin-k-antagonist", washout_days=on_vitamin_k_antagonist_days, systemic_only=False
    )
    within_five = case.chart.partners("vitamin-k-antagonist", washout_days=5, systemic_only=False)
    reading = case.record.measurements.inr(on_vitamin_k_antagonist=bool(within_five))
    if lately:
        return _of(case, reading)
    return _if_not_obtained(case, reading)


@criterion(reads=(LABORATORY,), observations=("platelets",), values=_VALUES)
def platelets_not_obtained(case: Case) -> Answer:
    """The platelet count could not be obtained."""
    return _if_not_obtained(case, case.record.measurements.platelets)


def _if_not_obtained(case: Case, reading: Reading) -> Answer:
    if reading.state is State.NOT_OBTAINED:
        return _of(case, reading)
    return no("obtained, or nothing recorded")


@criterion(reads=("services",))
def is_already_ordered(case: Case, of: ValueSetName) -> Answer:
    """A laboratory order for it is among the drafts or the active orders."""
    record = case.record
    for order in (*case.chart.service_orders, *record.services):
        if record.terminology.match(of, order.rows) is not None:
            return yes("already ordered", order.ref)
    return no("not ordered")
