"""Suggestions: complete resources a prescriber can accept with one tap.

Builders are named by the rule files (``rules/offers.py``). A builder returns nothing where
its suggestion would change nothing or would not fit the order. No suggestion stops an active
drug, and none creates a final order.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cds_service.cards.editing import (
    Json,
    PlannedDose,
    fhir_version,
    number,
    original,
    with_dosage,
)
from cds_service.cards.taper import as_table, taper
from cds_service.chart.kidney import Estimate
from cds_service.chart.medications import DrugUse
from cds_service.chart.orders import Change, DrugOrder
from cds_service.rules.engine import Finding
from cds_service.rules.schema import Offer

_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9._~-]{1,64}")
"""The characters that FHIR allows in an id, and those that an address lets pass besides."""

_OLD_VERSIONS = ("STU3", "DSTU2")
_RENEWALS = (Change.RECENT_RENEWAL, Change.STABLE_RENEWAL)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way out: a label and the actions that go together."""

    label: str
    actions: tuple[Json, ...]
    is_recommended: bool = False
    detail: str = ""
    """More about it for the card's text."""

    @property
    def changes_an_order(self) -> bool:
        """Whether it changes or removes a draft, beyond creating something."""
        return any(action["type"] != "create" for action in self.actions)

    def as_json(self) -> Json:
        """As the wire wants it."""
        suggestion: Json = {"label": self.label, "uuid": str(uuid.uuid4())}
        if self.is_recommended:
            suggestion["isRecommended"] = True
        return suggestion | {"actions": list(self.actions)}


def build(finding: Finding, patient_ref: str) -> list[Suggestion]:
    """Every suggestion that the finding's grade offers for its change of therapy."""
    found = []
    for offer in finding.grade.offers:
        if finding.case.change in offer.changes or finding.case.service is not None:
            suggestion = _BUILDERS[offer.kind](finding, offer, patient_ref)
            if suggestion is not None and all(map(_can_be_followed, suggestion.actions)):
                found.append(suggestion)
    return found


def _can_be_followed(action: Json) -> bool:
    """Whether a client can find the draft that the action is about, by its type and id."""
    if action["type"] == "create":
        return True
    resource = action.get("resource", {})
    name = action.get("resourceId") or f"{resource.get('resourceType')}/{resource.get('id')}"
    return _REFERENCE.fullmatch(name) is not None


def _label(finding: Finding, offer: Offer, values: Mapping[str, str] | None = None) -> str:
    return offer.label.format_map({**finding.answer.values, **(values or {})})


def _own_draft(finding: Finding) -> DrugOrder | None:
    """The draft of the rule's own drug, with an id a client can find again."""
    order = finding.case.order
    if order is None or finding.case.established is not None or not order.use.record.id:
        return None
    return order if order.change is not Change.REVIEW else None


def _update(order: DrugOrder, doses: list[PlannedDose], what: str) -> Json:
    resource = with_dosage(original(order.use.record), doses)
    return {"type": "update", "description": what, "resource": resource}


def _dose(finding: Finding, offer: Offer, patient_ref: str) -> Suggestion | None:
    """One dose so many times a day, for an order that gives more."""
    amount = Decimal(str(offer.arguments["amount_mg"]))
    return _new_dose(finding, offer, amount, int(offer.arguments["times_a_day"]))


def _label_start(finding: Finding, offer: Offer, patient_ref: str) -> Suggestion | None:
    """The start of the label: given less often to older people, and with reduced kidneys."""
    record = finding.case.record
    of = offer.arguments
    times = of["times_a_day"]
    if record.person.is_at_least(int(of["older_from_years"])) is not False:
        times = of["older_times_a_day"]
    limit = Decimal(str(of["reduced_egfr_below"]))
    if isinstance(record.egfr, Estimate) and record.egfr.is_below(limit) is not False:
        times = of["reduced_egfr_times_a_day"]
    return _new_dose(finding, offer, Decimal(str(of["amount_mg"])), int(times))


def _new_dose(finding: Finding, offer: Offer, amount: Decimal, times: int) -> Suggestion | None:
    order = _own_draft(finding)
    if order is None:
        return None
    dose = PlannedDose(amount, times)
    present_single, present_daily = (
        order.use.regimen.peak_single_mg,
        order.use.regimen.peak_daily_mg,
    )
    if present_daily is not None and present_single is not None:
        is_lower = present_daily > amount * times or present_single > amount
        if not is_lower:
            return None
    if not _product_can_give(order, amount):
        return None
    label = _label(finding, offer, {"dose": dose.text})
    action = _update(order, [dose], f"Change the draft to {dose.text}")
    return Suggestion(label, (action,), offer.is_recommended)


def _product_can_give(order: DrugOrder, amount: Decimal) -> bool:
    """Whole tablets or capsules, or half tablets; any volume of a liquid."""
    strength = order.use.drug.strength
    if strength is None or strength.per_millilitre:
        return True
    pieces = amount / strength.milligrams
    if "capsule" in order.use.drug.product_forms:
        return pieces == pieces.to_integral_value()
    return pieces * 2 == (pieces * 2).to_integral_value()


def _previous_dose(finding: Finding, offer: Offer, patient_ref: str) -> Suggestion | None:
    """Back to the dosage of the order it replaces."""
    order = _own_draft(finding)
    if order is None or order.prior is None or not _is_more_than_before(order, order.prior):
        return None
    doses = []
    for instruction in order.prior.regimen.instructions:
        if instruction.single_mg is None or instruction.per_day is None or instruction.is_rate:
            return None
        if instruction.as_needed or instruction.per_day != int(instruction.per_day):
            return None
        doses.append(
            PlannedDose(
                instruction.single_mg, int(instruction.per_day), sequence=instruction.sequence
            )
        )
    if not doses:
        return None
    text = " and ".join(dose.text for dose in doses)
    label = _label(finding, offer, {"dose": text})
    action = _update(order, doses, f"Change the draft back to {text}")
    return Suggestion(label, (action,), offer.is_recommended)


def _is_more_than_before(order: DrugOrder, prior: DrugUse) -> bool:
    """More a day, or as much in larger doses."""
    single, before = order.use.regimen.peak_single_mg, prior.regimen.peak_single_mg
    is_larger = single is not None and before is not None and single > before
    return order.change is Change.INCREASE or (order.change in _RENEWALS and is_larger)


def _remove(finding: Finding, offer: Offer, patient_ref: str) -> Suggestion | None:
    """Remove a draft that is new to the patient."""
    action = _delete(finding)
    if action is None:
        return None
    return Suggestion(_label(finding, offer), (action,), offer.is_recommended)


def _reenter(finding: Finding, offer: Offer, patient_ref: str) -> Suggestion | None:
    """Remove a draft whose amount cannot be meant, whatever it changes, to enter it again.

    A draft that carries the id of an active order is left: deleting it would end the order.
    """
    order = _own_draft(finding)
    if order is None or (order.prior is not None and order.prior.ref == order.ref):
        return None
    action = {
        "type": "delete",
        "description": "Remove the draft, to enter the dose again",
        "resourceId": order.ref,
    }
    return Suggestion(_label(finding, offer), (action,), offer.is_recommended)


def _delete(finding: Finding) -> Json | None:
    order = _own_draft(finding)
    if order is not None:
        if not order.change.starts_the_drug or order.use.prior is not None:
            return None
        ref = order.ref
    elif finding.case.service is not None and finding.case.established is None:
        ref = finding.case.service.ref
    else:
        return None
    if "/" not in ref:
        return None
    return {"type": "delete", "description": "Remove the draft order", "resourceId": ref}


def _order(finding: Finding, offer: Offer, patient_ref: str) -> Suggestion | None:
    """Draft a referral, test or follow-up beside the order."""
    if not _knows_service_requests(finding):
        return None
    action = _create(finding, offer, patient_ref)
    return Suggestion(_label(finding, offer), (action,), offer.is_recommended)


def _remove_and_order(finding: Finding, offer: Offer, patient_ref: str) -> Suggestion | None:
    """Remove the draft and order something else in its place: one plan, one suggestion."""
    removal = _delete(finding)
    if removal is None or not _knows_service_requests(finding):
        return None
    return Suggestion(
        _label(finding, offer),
        (removal, _create(finding, offer, patient_ref)),
        offer.is_recommended,
    )


def _knows_service_requests(finding: Finding) -> bool:
    """ServiceRequest exists from R4 on."""
    order = finding.case.order
    if order is None:
        return True
    return fhir_version(original(order.use.record)) not in _OLD_VERSIONS


def _speaks_r5(finding: Finding) -> bool:
    """Whether the drafts of the call are R5, where a code is a reference to a concept."""
    drafts = [original(draft) for draft in finding.case.chart.drafts]
    return any(
        "medication" in draft
        or (isinstance(draft.get("code"), dict) and "concept" in draft["code"])
        for draft in drafts
    )


def _create(finding: Finding, offer: Offer, patient_ref: str) -> Json:
    text = str(offer.arguments["text"])
    code: Json = {"text": text}
    if "code" in offer.arguments:
        coding = {name: offer.arguments[name] for name in ("system", "code", "display")}
        code = {"coding": [coding]} | code
    if _speaks_r5(finding):
        code = {"concept": code}
    resource: Json = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "code": code,
        "subject": {"reference": patient_ref},
    }
    if "note" in offer.arguments:
        resource["note"] = [{"text": str(offer.arguments["note"])}]
    return {"type": "create", "description": f"Draft order: {text}", "resource": resource}


def _note(finding: Finding, offer: Offer, patient_ref: str) -> Suggestion | None:
    """Add advice to a referral."""
    service = finding.case.service
    draft = next(
        (each for each in finding.case.chart.drafts if service and each.ref == service.ref), None
    )
    if draft is None or not draft.id or draft.resourceType != "ServiceRequest":
        return None
    resource = original(draft)
    text = str(offer.arguments["text"])
    notes = resource.get("note")
    resource["note"] = [*(notes if isinstance(notes, list) else []), {"text": text}]
    action = {
        "type": "update",
        "description": "Add the advice to the referral",
        "resource": resource,
    }
    return Suggestion(_label(finding, offer), (action,), offer.is_recommended)


def _taper(finding: Finding, offer: Offer, patient_ref: str) -> Suggestion | None:
    """Keep the order active and lower it step by step."""
    change = finding.case.regimen_change
    if change is None or change.before_daily_mg is None:
        return None
    drafts = [order for order in change.orders if order.change is not Change.STOP]
    order = (drafts or list(change.orders))[0]
    if not order.use.record.id:
        return None
    last = change.after[-1].daily_mg if change.after else Decimal(0)
    steps = {name: Decimal(str(value)) for name, value in offer.arguments.items()}
    doses = taper(
        change.before_daily_mg,
        step_mg=steps["step_mg"],
        step_below_20_mg=steps["step_below_20_mg"],
        interval_days=int(steps["interval_days"]),
        tablet_mg=steps["lowest_mg"],
        down_to=last if drafts and last is not None else Decimal(0),
    )
    if not doses:
        return None
    days = sum(dose.days or 0 for dose in doses)
    label = _label(
        finding,
        offer,
        {"days": str(days), "from": number(change.before_daily_mg)},
    )
    action = _update(order, doses, f"Lower step by step by a {days}-day plan")
    recommended = offer.is_recommended and not change.stop_codes
    return Suggestion(label, (action,), recommended, as_table(doses))


Builder = Callable[[Finding, Offer, str], Suggestion | None]

_BUILDERS: Mapping[str, Builder] = {
    "dose": _dose,
    "label-start": _label_start,
    "previous-dose": _previous_dose,
    "remove": _remove,
    "reenter": _reenter,
    "order": _order,
    "remove-and-order": _remove_and_order,
    "note": _note,
    "taper": _taper,
}


def builder_names() -> frozenset[str]:
    """The kinds of offers that can be built."""
    return frozenset(_BUILDERS)
