"""Other ways to send one and the same patient: none of them may change what is found."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.vignettes.cases import Case
from tests.vignettes.concepts import load_concepts, systems_of
from tests.vignettes.fhir_json import Json, coded, coding, quantity
from tests.vignettes.rendering import Rendered
from tests.vignettes.versions import to_r5_request, to_stu3_dosage

UMOL_PER_MG_OF_CREATININE = Decimal("88.4")
_CREATININE_MASS, _CREATININE_MOLAR = "2160-0", "14682-9"
_INTRATHECAL = "72607000"

_TABLETS = {
    "1292": coding("rxn", "197391", "baclofen 10 MG oral tablet"),
    "57258": coding("rxn", "313413", "tizanidine 4 MG oral tablet"),
}
"""A marketed product for the RxNorm code of an ingredient."""


def _same_case(case: Case) -> Case:
    return case


def _same_patient(rendered: Rendered) -> Rendered:
    return rendered


def _same_request(request: Json) -> Json:
    return request


def _always(case: Case) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Variation:
    """A change of the case, of the rendered resources, or of the request made of them."""

    name: str
    case: Callable[[Case], Case] = _same_case
    rendered: Callable[[Rendered], Rendered] = _same_patient
    request: Callable[[Json], Json] = _same_request
    few: bool = False
    """Costly: a handful of cases is enough."""
    applies: Callable[[Case], bool] = _always
    """The cases it can be made of."""


def _encoding(name: str, *, few: bool = False, **encoding: Any) -> Variation:
    def change(case: Case) -> Case:
        return case.changed({"encoding": encoding})

    return Variation(name, case=change, few=few)


def _empty_as_null(case: Case) -> Case:
    return case.changed({"prefetch": {"empty_as_null": True}})


def _every_resource(rendered: Rendered, change: Callable[[Json], Json]) -> Rendered:
    return rendered.with_changes(
        chart=[change(resource) for resource in rendered.chart],
        drafts=[change(resource) for resource in rendered.drafts],
        draft_medications=[change(resource) for resource in rendered.draft_medications],
    )


def _creatinine_in_umol(rendered: Rendered) -> Rendered:
    return _every_resource(rendered, _molar)


def _molar(resource: Json) -> Json:
    """A creatinine in mg/dL stated in umol/L, to the last digit."""
    code = resource.get("code", {}).get("coding", [{}])[0].get("code")
    value = resource.get("valueQuantity", {})
    if code != _CREATININE_MASS or value.get("code") != "mg/dL":
        return resource
    made = deepcopy(resource)
    made["code"]["coding"][0]["code"] = _CREATININE_MOLAR
    amount = Decimal(str(value["value"])) * UMOL_PER_MG_OF_CREATININE
    made["valueQuantity"] = {**value, **quantity(float(amount), "umol/L")}
    return made


def _coded_by_product(rendered: Rendered) -> Rendered:
    return _every_resource(rendered, _by_product)


def _by_product(resource: Json) -> Json:
    """An oral drug by the code of a tablet; an intrathecal one by that of an ampule."""
    concept = resource.get("medicationCodeableConcept", {})
    codings = concept.get("coding", [])
    if len(codings) != 1 or codings[0]["code"] not in _TABLETS:
        return resource
    product = _TABLETS[codings[0]["code"]]
    if _is_intrathecal(resource):
        key = "itb50" if _is_bolus(resource) else "itb500"
        entry = load_concepts().entry("drugs", "baclofen")["products"][key]
        product = coding("rxn", entry["rxn"], entry["text"])
    elif not _is_oral(resource):
        return resource
    return {**resource, "medicationCodeableConcept": coded([product], product["display"])}


def _route_codes(resource: Json) -> set[str]:
    dosages = resource.get("dosageInstruction") or resource.get("dosage") or []
    routes = [one.get("route", {}) for one in (dosages if isinstance(dosages, list) else [dosages])]
    return {one["code"] for route in routes for one in route.get("coding", [])}


def _is_intrathecal(resource: Json) -> bool:
    return _INTRATHECAL in _route_codes(resource)


def _is_oral(resource: Json) -> bool:
    return "26643006" in _route_codes(resource)


def _is_bolus(resource: Json) -> bool:
    dosages = resource.get("dosageInstruction") or [{}]
    return "count" in dosages[0].get("timing", {}).get("repeat", {})


def _coded_in_every_system(rendered: Rendered) -> Rendered:
    return _every_resource(rendered, _every_coding)


def _every_coding(resource: Json) -> Json:
    """Diagnoses and drugs with a coding for each system their concept has a code in."""
    element, section = {
        "Condition": ("code", "conditions"),
        "MedicationRequest": ("medicationCodeableConcept", "drugs"),
        "MedicationStatement": ("medicationCodeableConcept", "drugs"),
        "AllergyIntolerance": ("code", "drugs"),
    }.get(resource["resourceType"], ("", ""))
    codings = resource.get(element, {}).get("coding", [])
    if len(codings) != 1:
        return resource
    for entry in load_concepts().sections[section].values():
        systems = systems_of(entry)
        own = [coding(system, entry[system], entry["text"]) for system in systems]
        if codings[0] == next(iter(own), None):
            # The first stays first: readers that look at one coding only see the same one.
            return {**resource, element: {**resource[element], "coding": own}}
    return resource


def _orders_as(change: Callable[[Json], Json]) -> Callable[[Rendered], Rendered]:
    def changed(rendered: Rendered) -> Rendered:
        if rendered.case.version != "R4":
            return rendered
        return rendered.with_changes(drafts=[change(draft) for draft in rendered.drafts])

    return changed


def _entries_twice(request: Json) -> Json:
    """Every searchset lists each entry twice, as overlapping pages do."""
    prefetch = {}
    for key, answer in request["prefetch"].items():
        entries = (answer or {}).get("entry")
        prefetch[key] = {**answer, "entry": [*entries, *entries]} if entries else answer
    return {**request, "prefetch": prefetch}


def _is_in_units_of_mass(case: Case) -> bool:
    """No dose in tablets: a product tells their strength, and then there is more to find."""
    uses = [*case.get("orders", []), *case.get("medications", [])]
    doses = [use.get("dose") or {} for use in uses]
    return not any("tablet" in str(dose) for dose in doses)


def _as_prescription(case: Case) -> Case:
    return case.changed({"hook": "medication-prescribe", "fhir": "STU3"})


def _is_prescription(case: Case) -> bool:
    """Medicines alone, and nothing said of them that STU3 has no place for."""
    orders = case.get("orders", [])
    return case.hook == "order-select" and all(
        ("drug" in order or "stop" in order)
        and not {"stop_reason", "do_not_perform"} & order.keys()
        for order in orders
    )


VARIATIONS: tuple[Variation, ...] = (
    _encoding("shuffled", shuffle=True),
    _encoding("thousand-unrelated-resources", noise=1000, few=True),
    _encoding("absolute-references", references="absolute"),
    _encoding("versioned-references", references="versioned"),
    Variation("empty-lists-as-null", case=_empty_as_null),
    _encoding("results-twice", duplicate_results=True),
    Variation("entries-twice", request=_entries_twice),
    _encoding("contained-medication", medication="contained"),
    _encoding("referenced-medication", medication="reference"),
    Variation("creatinine-in-umol", rendered=_creatinine_in_umol),
    Variation("drug-by-product", rendered=_coded_by_product, applies=_is_in_units_of_mass),
    Variation("every-coding-system", rendered=_coded_in_every_system),
    Variation("order-as-r5", rendered=_orders_as(to_r5_request)),
    Variation("order-with-stu3-dosage", rendered=_orders_as(to_stu3_dosage)),
    Variation("medication-prescribe-stu3", case=_as_prescription, applies=_is_prescription),
)
