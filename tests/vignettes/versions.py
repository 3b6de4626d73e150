"""R4 resources in the shape of other FHIR versions: STU3, DSTU2 and, for requests, R5."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.vignettes.fhir_json import Json


def converted(resource: Json, version: str) -> Json:
    """The resource as STU3 or DSTU2 states it."""
    if version == "STU3":
        return to_stu3(resource)
    if version == "DSTU2":
        return to_dstu2(resource)
    raise ValueError(f"no conversion to {version!r}")


def to_stu3(resource: Json) -> Json:
    """An STU3 resource; a type without a difference comes back as it was."""
    made = deepcopy(resource)
    convert = _STU3.get(resource["resourceType"])
    if convert is not None:
        convert(made)
    for contained in made.get("contained", []):
        if contained["resourceType"] == "Medication":
            _stu3_medication(contained)
    return made


def to_dstu2(resource: Json) -> Json:
    """A DSTU2 resource, made from the STU3 one; requests become MedicationOrder."""
    made = to_stu3(resource)
    convert = _DSTU2.get(made["resourceType"])
    if convert is not None:
        convert(made)
    for contained in made.get("contained", []):
        if contained["resourceType"] == "Medication":
            _dstu2_medication(contained)
    return made


def to_stu3_dosage(resource: Json) -> Json:
    """An R4 request whose dosage alone has the flat STU3 form."""
    made = deepcopy(resource)
    for dosage in made.get("dosageInstruction", []):
        _flatten(dosage)
    return made


def to_r5_request(resource: Json) -> Json:
    """A MedicationRequest as R5 states it; other resources come back as they were."""
    made = deepcopy(resource)
    if made["resourceType"] != "MedicationRequest":
        return made
    if "medicationCodeableConcept" in made:
        made["medication"] = {"concept": made.pop("medicationCodeableConcept")}
    elif "medicationReference" in made:
        made["medication"] = {"reference": made.pop("medicationReference")}
    reasons = [{"reference": reason} for reason in made.pop("reasonReference", [])]
    reasons += [{"concept": reason} for reason in made.pop("reasonCode", [])]
    if reasons:
        made["reason"] = reasons
    for dosage in made.get("dosageInstruction", []):
        _move(dosage, "asNeededBoolean", "asNeeded")
        if "asNeededCodeableConcept" in dosage:
            dosage["asNeededFor"] = [dosage.pop("asNeededCodeableConcept")]
        if "maxDosePerPeriod" in dosage:
            dosage["maxDosePerPeriod"] = [dosage["maxDosePerPeriod"]]
    for contained in made.get("contained", []):
        _r5_medication(contained)
    return made


def _r5_medication(medication: Json) -> None:
    _move(medication, "form", "doseForm")
    for ingredient in medication.get("ingredient", []):
        ingredient["item"] = {"concept": ingredient.pop("itemCodeableConcept")}
        _move(ingredient, "strength", "strengthRatio")


def _move(made: Json, old: str, new: str) -> None:
    if old in made:
        made[new] = made.pop(old)


def _first_code(made: Json, element: str) -> None:
    """A CodeableConcept of one code becomes a plain code."""
    if isinstance(made.get(element), dict):
        made[element] = made[element]["coding"][0]["code"]


def _flatten(dosage: Json) -> None:
    for amounts in dosage.pop("doseAndRate", [])[:1]:
        dosage.update(amounts)


def _stu3_condition(made: Json) -> None:
    _first_code(made, "clinicalStatus")
    _first_code(made, "verificationStatus")
    _move(made, "recordedDate", "assertedDate")


def _stu3_allergy(made: Json) -> None:
    _first_code(made, "clinicalStatus")
    _first_code(made, "verificationStatus")
    _move(made, "recordedDate", "assertedDate")


def _stu3_request(made: Json) -> None:
    for element in ("statusReason", "doNotPerform"):
        made.pop(element, None)
    for dosage in made.get("dosageInstruction", []):
        _flatten(dosage)


def _stu3_statement(made: Json) -> None:
    made["taken"] = "y"
    for dosage in made.get("dosage", []):
        _flatten(dosage)


def _stu3_medication(made: Json) -> None:
    for ingredient in made.get("ingredient", []):
        _move(ingredient, "strength", "amount")


def _stu3_service(made: Json) -> None:
    made["resourceType"] = "ProcedureRequest"


def _stu3_device_request(made: Json) -> None:
    made["intent"] = {"coding": [{"code": made["intent"]}]}
    made.pop("doNotPerform", None)


_STU3: dict[str, Callable[[Json], None]] = {
    "Condition": _stu3_condition,
    "AllergyIntolerance": _stu3_allergy,
    "MedicationRequest": _stu3_request,
    "MedicationDispense": _stu3_request,
    "MedicationStatement": _stu3_statement,
    "Medication": _stu3_medication,
    "ServiceRequest": _stu3_service,
    "DeviceRequest": _stu3_device_request,
}


def _single(made: Json, element: str) -> None:
    """A list of one becomes its one member."""
    if isinstance(made.get(element), list):
        made[element] = made[element][0]


def _dstu2_dosage(dosage: Json) -> None:
    dosage.pop("sequence", None)
    repeat = dosage.get("timing", {}).get("repeat", {})
    _move(repeat, "periodUnit", "periodUnits")
    _move(repeat, "boundsDuration", "boundsQuantity")
    _single(repeat, "when")
    _move(dosage, "rateQuantity", "rateRatio")
    if "rateRatio" in dosage and "numerator" not in dosage["rateRatio"]:
        dosage["rateRatio"] = _rate_as_ratio(dosage["rateRatio"])


def _rate_as_ratio(rate: Json) -> Json:
    unit, _, per = str(rate.get("unit", "")).partition("/")
    coded = {key: rate[key] for key in ("system",) if key in rate}
    made: Json = {
        "numerator": {"value": rate["value"], "unit": unit, **coded},
        "denominator": {"value": 1, "unit": per, **coded},
    }
    if "code" in rate:
        made["numerator"]["code"], _, made["denominator"]["code"] = rate["code"].partition("/")
    return made


def _dstu2_request(made: Json) -> None:
    made["resourceType"] = "MedicationOrder"
    made.pop("intent", None)
    _move(made, "subject", "patient")
    _move(made, "authoredOn", "dateWritten")
    _move(made, "reasonCode", "reasonCodeableConcept")
    _single(made, "reasonReference")
    _single(made, "reasonCodeableConcept")
    if "reasonReference" in made:
        made.pop("reasonCodeableConcept", None)
    if "priorPrescription" in made:
        prior: Any = made["priorPrescription"]["reference"]
        changed = prior.replace("MedicationRequest/", "MedicationOrder/")
        made["priorPrescription"] = {"reference": changed}
    for dosage in made.get("dosageInstruction", []):
        _dstu2_dosage(dosage)


def _dstu2_statement(made: Json) -> None:
    made.pop("taken", None)
    _move(made, "subject", "patient")
    for dosage in made.get("dosage", []):
        _dstu2_dosage(dosage)
        _move(dosage, "doseQuantity", "quantityQuantity")
        _move(dosage, "doseRange", "quantityRange")


def _dstu2_administration(made: Json) -> None:
    _move(made, "subject", "patient")
    _move(made, "effectiveDateTime", "effectiveTimeDateTime")
    _move(made.get("dosage", {}), "dose", "quantity")


def _dstu2_dispense(made: Json) -> None:
    _move(made, "subject", "patient")


def _dstu2_condition(made: Json) -> None:
    _move(made, "subject", "patient")
    _move(made, "assertedDate", "dateRecorded")
    _single(made, "category")


def _dstu2_allergy(made: Json) -> None:
    _move(made, "code", "substance")
    status = made.pop("verificationStatus", "confirmed")
    made["status"] = made.pop("clinicalStatus", "active") if status == "confirmed" else status
    made.pop("clinicalStatus", None)
    _single(made, "category")
    risk = {"high": "CRITH", "low": "CRITL", "unable-to-assess": "CRITU"}
    if "criticality" in made:
        made["criticality"] = risk[made["criticality"]]


def _dstu2_observation(made: Json) -> None:
    _single(made, "category")
    _single(made, "dataAbsentReason")


def _dstu2_device(made: Json) -> None:
    states = {"active": "available", "inactive": "not-available"}
    made["status"] = states.get(made["status"], made["status"])


def _dstu2_service(made: Json) -> None:
    made.pop("intent", None)
    _move(made, "authoredOn", "orderedOn")
    _move(made, "occurrenceDateTime", "scheduledDateTime")


def _dstu2_encounter(made: Json) -> None:
    _move(made, "subject", "patient")
    classes = {"IMP": "inpatient", "ACUTE": "inpatient", "NONAC": "inpatient"}
    code = made["class"]["code"]
    made["class"] = classes.get(code, "emergency" if code == "EMER" else "outpatient")


def _dstu2_medication(made: Json) -> None:
    product: Json = {}
    if "form" in made:
        product["form"] = made.pop("form")
    ingredients = made.pop("ingredient", [])
    if ingredients:
        product["ingredient"] = [_dstu2_ingredient(one) for one in ingredients]
    if product:
        made["product"] = product


def _dstu2_ingredient(ingredient: Json) -> Json:
    made: Json = {"item": {"display": ingredient["itemCodeableConcept"]["text"]}}
    if "amount" in ingredient:
        made["amount"] = ingredient["amount"]
    return made


_DSTU2: dict[str, Callable[[Json], None]] = {
    "Condition": _dstu2_condition,
    "AllergyIntolerance": _dstu2_allergy,
    "MedicationRequest": _dstu2_request,
    "MedicationDispense": _dstu2_dispense,
    "MedicationStatement": _dstu2_statement,
    "MedicationAdministration": _dstu2_administration,
    "Medication": _dstu2_medication,
    "Observation": _dstu2_observation,
    "Device": _dstu2_device,
    "ProcedureRequest": _dstu2_service,
    "Encounter": _dstu2_encounter,
}
