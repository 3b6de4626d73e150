"""Small pieces of FHIR as plain JSON, shared by everything that renders a case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
SYSTEMS = {
    "sct": "http://snomed.info/sct",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd10": "http://hl7.org/fhir/sid/icd-10",
    "rxn": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "loinc": "http://loinc.org",
    "pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "ndc": "http://hl7.org/fhir/sid/ndc",
}
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
SERVER = "https://ehr.example.org/fhir"
"""Base of every ``fullUrl`` and of absolute references; nothing is read from it."""

PRINTED_ONLY = {"mcg", "µg", "μg", "micrograms", "application"}
"""Amounts that real orders print without a UCUM code; both micro signs are among them."""

_CODE_OF_UNIT = {
    "tablet": "{tablet}",
    "capsule": "{capsule}",
    "dose": "{dose}",
    "drop": "[drp]",
    "lb": "[lb_av]",
}
_PRINTED_UNIT = {
    "/min": "beats/minute",
    "Cel": "degrees C",
    "{INR}": "INR",
    "mm[Hg]": "mmHg",
}


def is_printed_only(unit: str) -> bool:
    """Whether the unit has no UCUM code: ``mcg``, ``µg/h``, ``micrograms/d`` ..."""
    return unit.split("/", 1)[0] in PRINTED_ONLY


def quantity(value: Any, unit: str | None, *, text_only: bool = False) -> Json:
    """A Quantity; without a unit where ``unit`` is ``None`` or ``none``."""
    if unit is None or unit == "none":
        return {"value": value}
    printed = _PRINTED_UNIT.get(unit, unit)
    if text_only or is_printed_only(unit):
        return {"value": value, "unit": printed}
    code = _CODE_OF_UNIT.get(unit, unit)
    return {"value": value, "unit": printed, "system": UCUM, "code": code}


def ratio(parts: list[Any]) -> Json:
    """A Ratio from ``[n, unit, per, unit]``."""
    value, unit, per, per_unit = parts
    return {"numerator": quantity(value, unit), "denominator": quantity(per, per_unit)}


def coding(system: str, code: str, display: str | None = None) -> Json:
    """One Coding; ``system`` is a key of ``SYSTEMS`` or a URL."""
    made: Json = {"system": SYSTEMS.get(system, system), "code": code}
    if display is not None:
        made["display"] = display
    return made


def coded(codings: list[Json], text: str | None = None) -> Json:
    """A CodeableConcept without empty members."""
    made: Json = {}
    if codings:
        made["coding"] = codings
    if text is not None:
        made["text"] = text
    return made


def hl7_code(system: str, code: str, display: str | None = None) -> Json:
    """A CodeableConcept of one code of an HL7 code system."""
    return coded([coding(f"{TERMINOLOGY}/{system}", code, display)])


def reference_to(resource: Json) -> str:
    """``Type/id`` of a resource."""
    return f"{resource['resourceType']}/{resource['id']}"


def reference(target: str) -> Json:
    """A Reference."""
    return {"reference": target}


def walk(value: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """Every value below (and with) this one, each with its path."""
    yield path, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from walk(below, f"{path}.{key}")
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from walk(below, f"{path}[{index}]")
