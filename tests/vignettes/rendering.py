"""A case and an instant become one patient's chart and the drafted orders."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from tests.vignettes.cases import Case
from tests.vignettes.concepts import Concepts, load_concepts
from tests.vignettes.encodings import encoded
from tests.vignettes.facts import CONDITION_ONSET, Facts
from tests.vignettes.fhir_json import Json, reference, reference_to
from tests.vignettes.history import past_of
from tests.vignettes.medications import CHART_SINCE, Pharmacy, stopped
from tests.vignettes.moment import Moment
from tests.vignettes.results import Laboratory, results_of
from tests.vignettes.versions import converted

_MS = "multiple-sclerosis"
_HAS_MS_AS_REASON = ("baclofen", "tizanidine")
_DEFAULT_PATIENT: Json = {"age": 45, "sex": "female"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What exists for one patient at one instant."""

    case: Case
    moment: Moment
    patient_id: str
    chart: list[Json]
    """Every resource of the record, the Patient first, referenced Medications among them."""
    drafts: list[Json]
    """The orders of the bundle, in the order of the case."""
    draft_medications: list[Json] = field(default_factory=list)
    """Medications that drafts refer to; further entries of their bundle."""
    names: dict[str, str] = field(default_factory=dict)
    """What the case calls things (``home``, ``order1``) -> ``Type/id``."""

    def with_changes(self, **changes: Any) -> Rendered:
        """The same patient with other resources."""
        return replace(self, **changes)


def render(case: Case, moment: Moment, patient_suffix: str = "") -> Rendered:
    """Render a case; ``patient_suffix`` makes the patient another one on each run."""
    rendered = encoded(_Renderer(case, moment, patient_suffix).render(), case.get("encoding", {}))
    if case.version == "R4":
        return rendered
    return rendered.with_changes(
        chart=[converted(resource, case.version) for resource in rendered.chart],
        drafts=[converted(resource, case.version) for resource in rendered.drafts],
        draft_medications=[
            converted(resource, case.version) for resource in rendered.draft_medications
        ],
        names={name: _renamed(target, case.version) for name, target in rendered.names.items()},
    )


def _renamed(target: str, version: str) -> str:
    kind, _, resource_id = target.partition("/")
    made: str = converted({"resourceType": kind, "id": resource_id}, version)["resourceType"]
    return f"{made}/{resource_id}"


class _Renderer:
    """Builds one patient; ids count up within each kind of resource."""

    def __init__(self, case: Case, moment: Moment, patient_suffix: str) -> None:
        self.case = case
        self.patient_id = f"{case.slug}-pat{patient_suffix}"
        self.concepts: Concepts = load_concepts()
        self.moment = moment
        subject = reference(f"Patient/{self.patient_id}")
        via = case.get("encoding", {}).get("medication", "inline")
        self.facts = Facts(self.concepts, moment, subject)
        self.pharmacy = Pharmacy(self.concepts, moment, subject, via)
        self.laboratory = Laboratory(self.concepts, moment, subject)
        self.omitted = set(case.get("baseline", {}).get("omit") or [])
        self.chart: list[Json] = []
        self.names: dict[str, str] = {}
        self.medication_of: dict[str, Json] = {}
        self.medications = 0

    def render(self) -> Rendered:
        case = self.case
        patient = case.get("patient", _DEFAULT_PATIENT)
        self.chart.append(self.facts.patient(patient, self.patient_id, case.id))
        past = past_of(case.get("history", []))
        self._conditions(past.conditions)
        self._medicines(past.medications)
        results = results_of(case.get("results", []), patient, self.omitted)
        self._each(results, "obs", self.laboratory.observation)
        self._each(case.get("allergies", []), "alg", self.facts.allergy)
        self._each([*past.procedures, *case.get("procedures", [])], "proc", self.facts.procedure)
        self._each([*past.devices, *case.get("devices", [])], "dev", self.facts.device)
        self._each(case.get("family_history", []), "fmh", self.facts.family_history)
        self._each(case.get("encounters", []), "enc", self.facts.encounter)
        self._each(case.get("services", []), "srv", self._chart_service)
        drafts = [
            self._draft(order, f"{case.slug}-ord{number}", f"order{number}")
            for number, order in enumerate(case.get("orders", []), start=1)
        ]
        medications = {
            medication["id"]: medication
            for draft in drafts
            if (medication := self.medication_of.get(reference_to(draft))) is not None
        }
        return Rendered(
            case=case,
            moment=self.moment,
            patient_id=self.patient_id,
            chart=self.chart,
            drafts=drafts,
            draft_medications=list(medications.values()),
            names=self.names,
        )

    def _each(self, items: list[Json], kind: str, make: Callable[[Json, str], Json]) -> None:
        for number, item in enumerate(items, start=1):
            self.chart.append(make(item, f"{self.case.slug}-{kind}{number}"))

    def _name(self, name: str | None, resource: Json) -> None:
        if name is not None:
            self.names.setdefault(name, reference_to(resource))

    def _conditions(self, past: list[Json]) -> None:
        ms = self.case.get("ms", {})
        own = [] if _MS in self.omitted else [{"is": _MS, "onset": CONDITION_ONSET, **ms}]
        conditions = [*own, *self.case.get("conditions", []), *past]
        for number, condition in enumerate(conditions, start=1):
            made = self.facts.condition(condition, f"{self.case.slug}-cond{number}")
            self._name(condition.get("id"), made)
            self._name(condition["is"], made)
            if own and number == 1:
                self._name(_MS, made)
            self.chart.append(made)

    def _medicines(self, past: list[Json]) -> None:
        medications = [*past, *self.case.get("medications", [])]
        for number, facts in enumerate(medications, start=1):
            resource_id = f"{self.case.slug}-rx{number}"
            made = self._medicine(facts, resource_id, CHART_SINCE)
            self._name(facts.get("id"), made)
            self.chart.append(made)
            if (medication := self.medication_of.get(reference_to(made))) is not None:
                self.chart.append(medication)

    def _medicine(self, facts: Json, resource_id: str, since: float) -> Json:
        self.medications += 1
        medication_id = f"{self.case.slug}-med{self.medications}"
        made = self.pharmacy.render(facts, resource_id, medication_id, since)
        if made.medication is not None:
            self.medication_of[reference_to(made.resource)] = made.medication
        return made.resource

    def _chart_service(self, facts: Json, resource_id: str) -> Json:
        make = self.facts.device_request if "device" in facts else self.facts.service_request
        made = make(self._with_reason(facts), resource_id, status="active", since=CHART_SINCE)
        self._name(facts.get("id"), made)
        return made

    def _draft(self, order: Json, resource_id: str, name: str) -> Json:
        if "stop" in order:
            made = stopped(self._charted(order["stop"]), order)
        elif "drug" in order:
            made = self._drug_draft(order, resource_id)
        elif "service" in order:
            made = self.facts.service_request(
                self._with_reason(order), resource_id, status="draft", since=0
            )
        else:
            made = self.facts.device_request(
                self._with_reason(order), resource_id, status="draft", since=0
            )
        self._name(name, made)
        self._name(order.get("id"), made)
        return made

    def _drug_draft(self, order: Json, resource_id: str) -> Json:
        facts = {"status": "draft", **self._with_reason(order)}
        if "replaces" in order:
            facts["prior"] = self._reference(order["replaces"])
        if "same_id" in order:
            resource_id = self._reference(order["same_id"]).partition("/")[2]
            self.medication_of.pop(f"MedicationRequest/{resource_id}", None)
        return self._medicine(facts, resource_id, since=0)

    def _with_reason(self, order: Json) -> Json:
        default = None
        if order.get("drug") in _HAS_MS_AS_REASON and _MS not in self.omitted:
            default = _MS
        reason = order.get("reason", default)
        if reason is None:
            return order
        return {**order, "reason_reference": self._reference(reason)}

    def _reference(self, name: str) -> str:
        try:
            return self.names[name]
        except KeyError:
            raise LookupError(f"{self.case.id}: nothing is called {name!r}") from None

    def _charted(self, name: str) -> Json:
        target = self._reference(name)
        return deepcopy(next(one for one in self.chart if reference_to(one) == target))
