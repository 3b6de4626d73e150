"""Criteria about pump orders: trial, pump, clotting."""

from __future__ import annotations

from decimal import Decimal

from cds_service.answer import Answer, no, unknown, yes
from cds_service.chart.intrathecal import oral_trial, order_kinds, pump_failure, pump_in_place
from cds_service.chart.record import DRUG_LISTS
from cds_service.chart.results import Reading, plain_number
from cds_service.fhir.reading import Obtained
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import (
    ALLERGIES,
    CONDITIONS,
    LABORATORY,
    MEDICATIONS,
    PROCEDURES,
    criterion,
)
from cds_service.rules.criteria.words import RESULT_LENGTH, cut


@criterion(reads=(MEDICATIONS, ALLERGIES))
def has_oral_baclofen_history(case: Case) -> Answer:
    """Any record of oral baclofen, of any age, or of an intolerance of or allergy to it."""
    record = case.record
    refs = oral_trial(record)
    if refs:
        return yes("oral baclofen is on record", *refs)
    lists = (record.medications_obtained, record.obtained("AllergyIntolerance"))
    if any(each is not Obtained.YES for each in lists):
        return unknown("medications or allergies could not be obtained in full")
    if record.has_unreadable(*DRUG_LISTS, "AllergyIntolerance"):
        return unknown("a medication or allergy record could not be read")
    return no("no oral baclofen on record")


@criterion(reads=(PROCEDURES, CONDITIONS, MEDICATIONS, "devices"))
def has_pump(case: Case) -> Answer:
    """A pump is in place, or it failed and this is its replacement."""
    refs = pump_in_place(case.record)
    if refs:
        return yes("a pump is in place", *refs)
    failed = pump_failure(case.record)
    if failed:
        return yes("a failed pump is on record", *failed)
    if case.record.obtained("Procedure") is not Obtained.YES:
        return unknown("procedures could not be obtained in full")
    return no("no pump on record")


def _above(reading: Reading, limit: Decimal, name: str, value_name: str) -> Answer:
    usable = reading.usable
    if usable is None:
        return unknown(reading.problem, *reading.evidence)
    text = cut(usable.text, RESULT_LENGTH)
    if usable.comparator and usable.comparator.startswith("<") and usable.value > limit:
        return unknown(f"{name} {text} does not decide", usable.ref)
    if usable.value > limit or (usable.comparator == ">" and usable.value == limit):
        return yes(f"{name} {text}", usable.ref, values={value_name: text})
    if usable.comparator and usable.comparator.startswith(">"):
        return unknown(f"{name} {text} does not decide", usable.ref)
    return no(f"{name} {text}", usable.ref)


@criterion(reads=(LABORATORY, MEDICATIONS), observations=("inr",), values={"result": RESULT_LENGTH})
def inr_above(case: Case, limit: Decimal) -> Answer:
    """The newest INR lies above a limit; it must be of today on a vitamin K antagonist."""
    lately = bool(case.chart.partners("vitamin-k-antagonist", washout_days=5, systemic_only=False))
    reading = case.record.measurements.inr(on_vitamin_k_antagonist=lately)
    return _above(reading, limit, "INR", "result")


@criterion(reads=(LABORATORY,), observations=("platelets",), values={"result": RESULT_LENGTH})
def platelets_below(case: Case, limit: Decimal) -> Answer:
    """The newest platelet count in 10*9/L lies below a limit."""
    reading = case.record.measurements.platelets
    usable = reading.usable
    if usable is None:
        return unknown(reading.problem, *reading.evidence)
    text = cut(f"{plain_number(usable.value)} ×10⁹/L on {usable.when.text}", RESULT_LENGTH)
    if usable.value < limit and not (usable.comparator or "").startswith(">"):
        return yes(f"platelets {text}", usable.ref, values={"result": text})
    if usable.comparator and usable.value != limit:
        return unknown(f"platelets {usable.text} does not decide", usable.ref)
    return no(f"platelets {text}", usable.ref)


@criterion()
def order_is_for_a_pump(case: Case) -> Answer:
    """The order implants a pump or catheter, punctures for a trial, or begins an infusion."""
    if case.service is not None:
        return yes("", case.service.ref)
    if case.order is not None and order_kinds(case.chart, case.order.use):
        return yes("", case.order.ref)
    return no("no pump order")
