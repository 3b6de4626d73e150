"""A client that accepts suggestions: it deletes, updates and creates drafts, and asks again."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal

from fhir.resources import get_fhir_model_class
from fhir.resources.STU3 import get_fhir_model_class as stu3_model
from pydantic import ValidationError

from tests.invariants.wire import plainly
from tests.vignettes.cases import Case
from tests.vignettes.fhir_json import UCUM, Json, reference_to
from tests.vignettes.hook_request import ORDERS_OF_HOOK
from tests.vignettes.offers import MEDICATION_ORDERS
from tests.vignettes.rendering import Rendered
from tests.vignettes.resource_validity import problem_of_resource
from tests.vignettes.versions import to_r5_request, to_stu3_dosage


@dataclass(frozen=True, slots=True)
class Shape:
    """A way to write the drafts of a case."""

    name: str
    version: str
    """The FHIR version in which offered resources have to be valid; empty where none can tell."""
    case: Callable[[Case], Case]
    draft: Callable[[Json], Json]
    applies: Callable[[Case], bool]

    def rendered(self, rendered: Rendered) -> Rendered:
        """The patient with the drafts in this shape."""
        return rendered.with_changes(drafts=[self.draft(each) for each in rendered.drafts])


def _same(case: Case) -> Case:
    return case


def _orders_drugs(case: Case) -> bool:
    """Current requests, with a medication order among them to write in another way."""
    orders = case.get("orders", [])
    return case.version == "R4" and any("drug" in order or "stop" in order for order in orders)


def _with_all_elements(draft: Json) -> Json:
    """A medication order with what a real one has besides: all of it must survive a change.

    The numbers have digits that a binary fraction would lose.
    """
    if draft["resourceType"] not in MEDICATION_ORDERS:
        return draft
    made = deepcopy(draft)
    made["extension"] = [
        {"url": "https://ehr.example.org/price", "valueDecimal": Decimal("0.10")},
        {"url": "https://ehr.example.org/ratio", "valueDecimal": Decimal("1.000000000000000001")},
    ]
    made["note"] = [{"text": "Ask about swallowing."}]
    supply = made.setdefault("dispenseRequest", {})
    supply["numberOfRepeatsAllowed"] = 2
    supply["quantity"] = {"value": Decimal("90.0"), "unit": "tablet"}
    days = {"value": Decimal("30.00"), "unit": "d", "system": UCUM, "code": "d"}
    supply["expectedSupplyDuration"] = days
    return made


def _r5(draft: Json) -> Json:
    return to_r5_request(_with_all_elements(draft))


def _flat(draft: Json) -> Json:
    return to_stu3_dosage(_with_all_elements(draft))


def _prescribed(version: str) -> Callable[[Case], Case]:
    def changed(case: Case) -> Case:
        return case.changed({"hook": "medication-prescribe", "fhir": version})

    return changed


def _is_prescription(case: Case) -> bool:
    """Medicines alone, and nothing said of them that the older versions have no place for."""
    return case.hook in ("order-select", "order-sign") and all(
        ("drug" in order or "stop" in order)
        and not {"stop_reason", "do_not_perform"} & order.keys()
        for order in case.get("orders", [])
    )


AS_RENDERED = Shape("as rendered", "R4", _same, dict, lambda case: True)
SHAPES = (
    Shape("with all elements", "R4", _same, _with_all_elements, _orders_drugs),
    Shape("R5", "R5", _same, _r5, _orders_drugs),
    Shape("flat dosage", "", _same, _flat, _orders_drugs),
    Shape("STU3", "STU3", _prescribed("STU3"), _with_all_elements, _is_prescription),
    Shape("DSTU2", "", _prescribed("DSTU2"), _with_all_elements, _is_prescription),
)


def problem_as(version: str, resource: Json) -> str | None:
    """The first fault a strict reader of that FHIR version finds, or ``None``."""
    plain = plainly(resource)
    if version in ("R4", ""):
        return problem_of_resource(plain) if version else None
    model = get_fhir_model_class if version == "R5" else stu3_model
    try:
        model(resource["resourceType"]).model_validate(plain)
    except (ValidationError, KeyError, LookupError) as error:
        return str(error).replace("\n", " ")[:400]
    return None


def shape_of(order: Json) -> str:
    """Which version a medication order is written in, by the elements that tell."""
    if order.get("resourceType") == "MedicationOrder":
        return "DSTU2"
    if "medication" in order:
        return "R5"
    flat = any("doseQuantity" in each or "doseRange" in each for each in _dosages(order))
    return "flat dosage" if flat else "R4"


def _dosages(order: Json) -> list[Json]:
    dosages: list[Json] = order.get("dosageInstruction") or []
    return dosages


def accepted(request: Json, suggestion: Json, call: int) -> Json:
    """The request after the client has followed all actions of the suggestion.

    What it creates it stores with an id; entries that no action names stay as they are.
    """
    made = deepcopy(request)
    context = made["context"]
    bundle = context[ORDERS_OF_HOOK[request["hook"]]]
    entries: list[Json] = bundle.pop("entry", [])
    for number, action in enumerate(suggestion.get("actions", []), start=1):
        entries = _after(entries, action, f"new-{call}-{number}")
    if entries:
        bundle["entry"] = entries
    if "selections" in context:
        resources = [entry["resource"] for entry in entries]
        orders = [each for each in resources if each["resourceType"] != "Medication"]
        context["selections"] = [reference_to(each) for each in orders]
    return made


def _after(entries: list[Json], action: Json, fresh_id: str) -> list[Json]:
    if action["type"] == "create":
        return [*entries, {"resource": {**action["resource"], "id": fresh_id}}]
    if action["type"] == "delete":
        return [each for each in entries if _target(each) != action["resourceId"]]
    changed = action["resource"]
    return [
        {**each, "resource": changed} if _target(each) == reference_to(changed) else each
        for each in entries
    ]


def _target(entry: Json) -> str:
    return reference_to(entry["resource"])
