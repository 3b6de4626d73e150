"""Medicines of a case, in the chart and as drafts, as FHIR R4 resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.vignettes.concepts import (
    Concepts,
    DrugCoding,
    concept_of,
    drug_coding,
    route_concept,
)
from tests.vignettes.doses import dosage_instructions, dose_and_rate, phases_of
from tests.vignettes.fhir_json import (
    TERMINOLOGY,
    Json,
    coded,
    coding,
    quantity,
    ratio,
    reference,
)
from tests.vignettes.moment import Moment

CHART_SINCE = -365
_DEFAULT_STATUS = {"MedicationAdministration": "completed", "MedicationDispense": "completed"}
_SERIOUS_REACTION = "serious-adverse-reaction"


@dataclass(frozen=True, slots=True)
class Medicine:
    """One rendered medicine, with the Medication it refers to where it refers to one."""

    resource: Json
    medication: Json | None = None


@dataclass(frozen=True, slots=True)
class Pharmacy:
    """Renders the medicines of one patient."""

    concepts: Concepts
    moment: Moment
    subject: Json
    via: str = "inline"
    """How a medicine is named unless the case says so itself."""

    def render(self, facts: Json, resource_id: str, medication_id: str, since: Any) -> Medicine:
        """The resource of one medicine; ``since`` is the day where the case names none."""
        since = facts.get("since", since)
        kind = facts.get("resource", "MedicationRequest")
        drug = drug_coding(self.concepts, facts["drug"], facts.get("as"), facts.get("text"))
        made: Json = {"resourceType": kind, "id": resource_id}
        status = facts.get("status", _DEFAULT_STATUS.get(kind, "active"))
        if status != "missing":
            made["status"] = status
        if kind == "MedicationRequest" and facts.get("intent", "order") != "missing":
            made["intent"] = facts.get("intent", "order")
        if facts.get("do_not_perform"):
            made["doNotPerform"] = True
        medication = self._name(made, facts, drug, medication_id)
        made["subject"] = self.subject
        if "reason_reference" in facts:
            made["reasonReference"] = [reference(facts["reason_reference"])]
        if "reason_code" in facts:
            reason = self.concepts.find(facts["reason_code"], "conditions")
            made["reasonCode"] = [concept_of(reason)]
        route = route_concept(self.concepts, facts.get("route", drug.default_route))
        fill = {
            "MedicationRequest": self._request,
            "MedicationStatement": self._statement,
            "MedicationAdministration": self._administration,
            "MedicationDispense": self._dispense,
        }[kind]
        fill(made, facts, since, route)
        return Medicine(made, medication)

    def _name(self, made: Json, facts: Json, drug: DrugCoding, medication_id: str) -> Json | None:
        """Say which medicine it is; returns the Medication when that stands on its own."""
        own = "form" in facts or "strength" in facts
        via = facts.get("via", self.via)
        if via == "inline" and own:
            via = "contained"
        if via == "inline":
            made["medicationCodeableConcept"] = drug.concept
            return None
        medication = self._medication(facts, drug)
        if via == "contained":
            made["contained"] = [{"resourceType": "Medication", "id": "med", **medication}]
            made["medicationReference"] = reference("#med")
            return None
        made["medicationReference"] = reference(f"Medication/{medication_id}")
        return {"resourceType": "Medication", "id": medication_id, **medication}

    def _medication(self, facts: Json, drug: DrugCoding) -> Json:
        made: Json = {"code": drug.concept}
        if "form" in facts:
            made["form"] = concept_of(self.concepts.entry("forms", facts["form"]))
        strength = facts.get("strength", drug.strength)
        if strength is not None:
            made["ingredient"] = [
                {"itemCodeableConcept": drug.ingredient, "strength": ratio(strength)}
            ]
        return made

    def _taken(self, facts: Json, since: float | None) -> dict[str, str]:
        if facts.get("until") is None:
            return {}
        return self.moment.period(since, facts["until"])

    def _request(self, made: Json, facts: Json, since: float | None, route: Json | None) -> None:
        if since is not None:
            made["authoredOn"] = self.moment.instant(since, facts.get("hours_ago"))
        taken = self._taken(facts, since)
        instructions = dosage_instructions(facts.get("dose"), route, self.moment, taken)
        if instructions:
            made["dosageInstruction"] = instructions
        dispense = self._dispense_request(facts, since, taken)
        if dispense:
            made["dispenseRequest"] = dispense
        if "prior" in facts:
            made["priorPrescription"] = reference(facts["prior"])

    def _dispense_request(self, facts: Json, since: float | None, taken: dict[str, str]) -> Json:
        supply = facts.get("supply") or {}
        made: Json = {}
        if "valid_until" in supply:
            made["validityPeriod"] = self.moment.period(since, supply["valid_until"])
        elif taken:
            made["validityPeriod"] = dict(taken)
        if "quantity" in supply:
            made["quantity"] = quantity(*supply["quantity"])
        if "days" in supply:
            made["expectedSupplyDuration"] = quantity(supply["days"], "d")
        return made

    def _statement(self, made: Json, facts: Json, since: float | None, route: Json | None) -> None:
        period = self.moment.period(since, facts.get("until"))
        if period:
            made["effectivePeriod"] = period
        dosage = dosage_instructions(facts.get("dose"), route, self.moment, {})
        if dosage:
            made["dosage"] = dosage

    def _administration(
        self, made: Json, facts: Json, since: float | None, route: Json | None
    ) -> None:
        if since is not None:
            made["effectiveDateTime"] = self.moment.instant(since, facts.get("hours_ago"))
        dosage: Json = {} if route is None else {"route": route}
        for phase in phases_of(facts.get("dose"))[:1]:
            if "text" in phase:
                dosage["text"] = phase["text"]
            amounts = dose_and_rate(phase)
            if "doseQuantity" in amounts:
                dosage["dose"] = amounts.pop("doseQuantity")
            dosage.update(amounts)
        if dosage:
            made["dosage"] = dosage

    def _dispense(self, made: Json, facts: Json, since: float | None, route: Json | None) -> None:
        if since is not None:
            made["whenHandedOver"] = self.moment.instant(since, facts.get("hours_ago"))
        if "days_supply" in facts:
            made["daysSupply"] = quantity(facts["days_supply"], "d")
        instructions = dosage_instructions(facts.get("dose"), route, self.moment, {})
        if instructions:
            made["dosageInstruction"] = instructions


def stopped(resource: Json, order: Json) -> Json:
    """The active prescription as it is sent when it is stopped or put on hold."""
    made = {**resource, "status": order.get("status", "stopped")}
    reason = order.get("stop_reason")
    if reason == _SERIOUS_REACTION:
        system = f"{TERMINOLOGY}/medicationrequest-status-reason"
        made["statusReason"] = coded([coding(system, "sintol")], "Serious adverse reaction")
    elif reason is not None:
        made["statusReason"] = coded([], str(reason).replace("-", " "))
    return made
