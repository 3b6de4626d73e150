"""The intrathecal pump: whether one is there, works, was tried for, and what an order means."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from cds_service.chart.chart import Chart
from cds_service.chart.medications import DrugUse, Taking
from cds_service.chart.orders import Change
from cds_service.chart.record import PatientRecord
from cds_service.fhir.dates import When

INTRATHECAL = "intrathecal"
_PUMP_CONCENTRATIONS = frozenset({Decimal("0.5"), Decimal(1), Decimal(2)})
"""mg/mL; 0.05 mg/mL is for screening only."""
_LEAST_FILL_ML, _MOST_FILL_ML = Decimal(10), Decimal(40)
_LONGEST_FILL = timedelta(days=180)
PUNCTURE = "intrathecal-puncture"
FIRST_MAINTENANCE = "first-intrathecal-maintenance"
ORDER_KINDS = frozenset({PUNCTURE, FIRST_MAINTENANCE})
"""What a drug order can be for the pump rules, beside the kinds of service orders."""


def is_bolus(use: DrugUse) -> bool:
    """Whether an intrathecal order is one single dose."""
    return use.regimen.given_once


def is_reservoir_product(use: DrugUse) -> bool:
    """Whether an order's product has a concentration that is only made for pumps."""
    strength = use.drug.strength
    return (
        strength is not None
        and strength.per_millilitre
        and strength.milligrams in _PUMP_CONCENTRATIONS
    )


def is_reservoir_fill(record: PatientRecord, use: DrugUse) -> bool:
    """Whether one single dose is the fill of a pump, and nothing the patient gets at once.

    10 to 40 mL of a pump concentration, or such a product where a pump is in place.
    """
    amount, strength = use.regimen.peak_single_mg, use.drug.strength
    if amount is None or strength is None or not (is_bolus(use) and is_reservoir_product(use)):
        return False
    if pump_in_place(record):
        return True
    in_milligrams = any(each.written_in_milligrams for each in use.regimen.instructions)
    return not in_milligrams and _LEAST_FILL_ML <= amount / strength.milligrams <= _MOST_FILL_ML


def is_maintenance(use: DrugUse) -> bool:
    """Whether an intrathecal order keeps running: a rate, or a dose that repeats."""
    return not is_bolus(use)


def intrathecal_uses(record: PatientRecord, taking: Taking) -> list[DrugUse]:
    """Intrathecal baclofen that is, or was, given."""
    return [use for use, _ in record.uses_of("baclofen", taking) if use.route == INTRATHECAL]


def pump_in_place(record: PatientRecord) -> tuple[str, ...]:
    """The resources that show a pump; none after an explantation that is later than all of them."""
    implanted = record.procedures_of("pump-implant")
    removed = [each for each in record.procedures_of("pump-explant") if each.when is not None]
    last_removal = max((each.when.high for each in removed if each.when is not None), default=None)
    traces = [
        each.ref
        for each in implanted
        if last_removal is None or (each.when is not None and each.when.low > last_removal)
    ]
    traces += [fact.ref for fact in record.facts("pump-complication")]
    traces += [device.ref for device in record.pump_devices]
    if last_removal is not None and not any(
        each.when is not None and each.when.low > last_removal for each in implanted
    ):
        # What says "pump" without a date is older than the removal as far as anyone can tell.
        traces = []
    traces += [
        use.ref for use in intrathecal_uses(record, Taking.NOW)
        if is_maintenance(use) and use.kind == "request" and use.end is not None
    ]  # fmt: skip
    return tuple(dict.fromkeys(traces))


def pump_failure(record: PatientRecord) -> tuple[str, ...]:
    """The active conditions that say the pump or its catheter fails."""
    return tuple(fact.ref for fact in record.facts("pump-failure"))


def oral_trial(record: PatientRecord) -> tuple[str, ...]:
    """Any record of oral baclofen, of any age, and any intolerance or allergy to it."""
    taken = [
        use.ref
        for use in record.drug_uses
        if use.taking in (Taking.NOW, Taking.PAST)
        and use.drug.match("baclofen", record.terminology) is not None
        and use.route == "oral"
    ]
    reactions = [
        allergy.ref
        for allergy in record.allergies
        if record.terminology.match("baclofen", allergy.rows) is not None
    ]
    return tuple(dict.fromkeys(taken + reactions))


def is_rescue(
    chart: Chart, use: DrugUse, *, lowest_mg: Decimal, highest_mg: Decimal, times_a_day: Decimal
) -> bool:
    """Whether an oral order is a rescue during pump failure or intrathecal withdrawal.

    The dose of a rescue, with the failure recorded or an intrathecal stop in the bundle.
    """
    if use.route != "oral" or not use.drug.match("baclofen", chart.record.terminology):
        return False
    single, daily = use.regimen.peak_single_mg, use.regimen.peak_daily_mg
    if single is None or daily is None or not lowest_mg <= single <= highest_mg:
        return False
    if daily != times_a_day * single:
        return False
    stopped = any(
        order.use.route == INTRATHECAL and order.change is Change.STOP
        for order in chart.drug_orders
    )
    explanted = any("pump-explant" in order.kinds for order in chart.service_orders)
    return bool(pump_failure(chart.record)) or stopped or explanted


def order_kinds(chart: Chart, use: DrugUse) -> frozenset[str]:
    """What an intrathecal drug order means for the pump rules.

    ``intrathecal-puncture``: a bolus where no pump is; ``first-intrathecal-maintenance``: an
    infusion where none was before.
    """
    if use.route != INTRATHECAL or not use.drug.match("baclofen", chart.record.terminology):
        return frozenset()
    if is_bolus(use):
        if is_reservoir_fill(chart.record, use):
            return frozenset()
        has_pump = bool(pump_in_place(chart.record))
        return frozenset() if has_pump else frozenset({PUNCTURE})
    before = [
        other
        for taking in (Taking.NOW, Taking.PAST)
        for other in intrathecal_uses(chart.record, taking)
        if is_maintenance(other) and other.kind != "administration"
    ]
    return frozenset() if before else frozenset({FIRST_MAINTENANCE})


def positive_screening(record: PatientRecord) -> tuple[str, ...]:
    """A completed procedure whose outcome is successful, of a screening or beside a bolus."""
    boluses = [
        use
        for use in intrathecal_uses(record, Taking.PAST)
        if use.kind == "administration" or is_bolus(use)
    ]
    successful = [
        each.ref
        for each in record.procedures
        if record.terminology.match("successful-outcome", each.outcome_rows) is not None
        and (boluses or record.is_of_kind("screening-trial", each))
    ]
    return tuple(dict.fromkeys([*successful, *(use.ref for use in boluses if successful)]))


def keeps_delivery(chart: Chart, *, unless_lowered: bool = False) -> bool:
    """Whether the bundle keeps intrathecal delivery going.

    A replacement pump, an external catheter infusion, or a sequenced intrathecal wean. With
    ``unless_lowered`` an order that only continues at a lower dose does not count.
    """
    if any("pump-implant" in order.kinds for order in chart.service_orders):
        return True
    for order in chart.drug_orders:
        use = order.use
        if order.change is Change.STOP or use.route != INTRATHECAL or is_bolus(use):
            continue
        if len(use.regimen.phases) > 1 or not unless_lowered:
            return True
    return False


def refill_dates(record: PatientRecord) -> list[tuple[When, str]]:
    """Planned refill dates after the last documented refill, each with where it stands.

    Active refill requests with an occurrence, and the end of validity of the active
    intrathecal request where it lies within 180 days of the last refill or its start.
    """
    done = [
        each.when
        for each in record.procedures
        if each.when is not None and record.is_of_kind("pump-refill", each)
    ]
    last = max((when.high for when in done), default=None)
    dates = [
        (order.occurs, order.ref)
        for order in record.services
        if "pump-refill" in order.kinds and order.occurs is not None and order.is_active
    ]
    for use in intrathecal_uses(record, Taking.NOW):
        if use.kind == "request" and is_maintenance(use) and use.end is not None:
            begun = last or (use.start.low if use.start is not None else None)
            if begun is not None and use.end.low - begun <= _LONGEST_FILL:
                dates.append((use.end, use.ref))
    return [(when, ref) for when, ref in dates if last is None or when.low > last]
