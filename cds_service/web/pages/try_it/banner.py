"""What an EHR shows above the orders: who the patient is, and the gist of the record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from cds_service.cds import Service
from cds_service.chart.drugs import read_drug
from cds_service.chart.vocabulary import Vocabulary
from cds_service.fhir.drug_records import MedicationRequest
from cds_service.fhir.reading import decode_record, read_value
from cds_service.fhir.references import ReferenceIndex
from cds_service.web.pages.try_it.composing import ChartOrder
from cds_service.web.pages.try_it.hook_request import prefetch
from cds_service.web.pages.try_it.patient_bundle import PatientBundle, Resource

_ACTIVE = ("active", "on-hold")
_LONG_TAIL = re.compile(r" \[| in | with | by ")
"""Where the names of LOINC go on to say of what, with what and how."""
_MOST_SHOWN = 8
_MOST_WORDS = 80
_MOST_PARSED = 400
"""Of a kind: the banner is a gist, and a long record must not hold it up."""

Kind = TypeVar("Kind", bound=Struct)


class _Coding(Struct):
    display: str | None = None
    code: str | None = None


class _Concept(Struct):
    text: str | None = None
    coding: list[_Coding] | None = None

    @property
    def words(self) -> str:
        codings = [each.display or each.code or "" for each in self.coding or ()]
        words = self.text or next(filter(None, codings), "")
        return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}…"


class _Name(Struct):
    text: str | None = None
    family: str | None = None
    given: list[str] | None = None


class _Patient(Struct):
    name: list[_Name] | None = None
    gender: str | None = None
    birthDate: str | None = None  # noqa: N815 (FHIR's own name)


class _Condition(Struct):
    code: _Concept | None = None
    clinicalStatus: _Concept | None = None  # noqa: N815 (FHIR's own name)


class _Medication(Struct):
    medicationCodeableConcept: _Concept | None = None  # noqa: N815 (FHIR's own name)


class _Quantity(Struct):
    value: float | None = None
    unit: str | None = None
    code: str | None = None

    @property
    def words(self) -> str:
        unit = self.unit or self.code or ""
        return "" if self.value is None else f"{self.value:g} {unit}".strip()


class _Component(Struct):
    valueQuantity: _Quantity | None = None  # noqa: N815 (FHIR's own name)


class _Observation(Struct):
    code: _Concept | None = None
    status: str | None = None
    valueQuantity: _Quantity | None = None  # noqa: N815 (FHIR's own name)
    component: list[_Component] | None = None
    effectiveDateTime: str | None = None  # noqa: N815 (FHIR's own name)


class _ObservationEntry(Struct):
    resource: msgspec.Raw


class _Searchset(Struct):
    entry: list[_ObservationEntry] | None = None


@dataclass(frozen=True, slots=True)
class Banner:
    """Texts of the record, none of them trusted."""

    name: str
    who: str
    problems: Sequence[str]
    medicines: Sequence[str]
    values: Sequence[tuple[str, str, str]]
    """What was measured, its value, and the day."""
    resources: int
    size: int


def banner(chart: PatientBundle, service: Service, today: date) -> Banner:
    """The gist of a record; ``service`` says which measurements matter."""
    patient = _read(_Patient, chart.patient) or _Patient()
    return Banner(
        name=_name(patient),
        who=_who(patient, today),
        problems=_few(_problems(chart)),
        medicines=_few(_medicines(chart)),
        values=_values(chart, service)[:_MOST_SHOWN],
        resources=len(chart.resources),
        size=chart.size,
    )


def orders_of_chart(chart: PatientBundle, vocabulary: Vocabulary) -> list[ChartOrder]:
    """The active orders of the drugs that the rulebook is about."""
    active = [each for each in chart.of_type("MedicationRequest") if each.status in _ACTIVE]
    products = b",".join(each.raw for each in chart.of_type("Medication"))
    index = ReferenceIndex(read_value(b"[%s]" % products, "Medication").records)
    found = []
    for resource in active:
        record = decode_record("MedicationRequest", msgspec.Raw(resource.raw))
        if not isinstance(record, MedicationRequest) or record.damaged or not resource.id:
            continue
        drug = read_drug(record, index, vocabulary.terminology)
        if drug.ingredients & vocabulary.own_ingredients:
            words = " ".join(dict.fromkeys([drug.words, _dose_words(record)])).strip()
            found.append(ChartOrder(f"MedicationRequest/{resource.id}", words, resource))
    return found


def _read(kind: type[Kind], resource: Resource) -> Kind | None:
    """The shown elements, or ``None`` where one of them is odd: the service says what of it."""
    try:
        return msgspec.json.decode(resource.raw, type=kind)
    except (msgspec.DecodeError, RecursionError):
        return None


def _few(texts: Iterator[str]) -> list[str]:
    every = list(dict.fromkeys(filter(None, texts)))
    more = len(every) - _MOST_SHOWN
    return every if more <= 0 else [*every[:_MOST_SHOWN], f"and {more} more"]


def _name(patient: _Patient) -> str:
    for name in patient.name or ():
        words = name.text or " ".join([*(name.given or ()), name.family or ""]).strip()
        if words:
            return words[:_MOST_WORDS]
    return "No name"


def _who(patient: _Patient, today: date) -> str:
    parts = [patient.gender or "sex not stated"]
    try:
        born = date.fromisoformat(patient.birthDate or "")
    except ValueError:
        parts.append(f"born {patient.birthDate[:10]}" if patient.birthDate else "age not stated")
    else:
        had_birthday = (today.month, today.day) >= (born.month, born.day)
        parts.append(f"{today.year - born.year - (not had_birthday)} years")
    return ", ".join(parts)


def _problems(chart: PatientBundle) -> Iterator[str]:
    for resource in chart.of_type("Condition")[:_MOST_PARSED]:
        condition = _read(_Condition, resource)
        if condition is None or condition.code is None:
            continue
        status = condition.clinicalStatus
        codes = {each.code for each in (status.coding if status else None) or ()}
        words = condition.code.words
        yield words if not codes or "active" in codes else f"{words} (past)"


def _medicines(chart: PatientBundle) -> Iterator[str]:
    for resource in chart.of_type("MedicationRequest", "MedicationStatement")[:_MOST_PARSED]:
        medicine = _read(_Medication, resource) if resource.status in _ACTIVE else None
        if medicine is None:
            continue
        concept = medicine.medicationCodeableConcept
        words = concept.words if concept is not None else "a medicine"
        record = decode_record(resource.type, msgspec.Raw(resource.raw))
        dose = _dose_words(record) if isinstance(record, MedicationRequest) else ""
        yield f"{words} {dose}".strip()


def _dose_words(order: MedicationRequest) -> str:
    """An amount and how often, where that is simple to say."""
    try:
        dosages: Any = msgspec.json.decode(order.dosageInstruction or b"[]")
        dosage = dosages[0]
        quantity = dosage["doseAndRate"][0]["doseQuantity"]
        repeat = dosage["timing"]["repeat"]
        often = repeat["frequency"] if (repeat["period"], repeat["periodUnit"]) == (1, "d") else 0
        return f"{quantity['value']:g} {quantity['unit']} × {often:d} a day"[:_MOST_WORDS]
    except (msgspec.DecodeError, LookupError, TypeError, ValueError):
        return ""


def _values(chart: PatientBundle, service: Service) -> list[tuple[str, str, str]]:
    """The last of each measurement the service asks for, as far as it is a plain quantity."""
    last: dict[str, tuple[str, str]] = {}
    queries = {
        key: template
        for key, template in service.prefetch.items()
        if template.startswith("Observation?")
    }
    for answer in prefetch(queries, chart).values():
        for entry in msgspec.json.decode(answer, type=_Searchset).entry or ():
            _note_last(entry.resource, last)
    return [(name, value, day) for name, (day, value) in sorted(last.items())]


def _note_last(raw: msgspec.Raw, last: dict[str, tuple[str, str]]) -> None:
    try:
        found = msgspec.json.decode(raw, type=_Observation)
    except (msgspec.DecodeError, RecursionError):
        return
    quantities = [found.valueQuantity, *(each.valueQuantity for each in found.component or ())]
    value = "/".join(each.words.split(" ")[0] for each in quantities if each and each.words)
    if found.code is None or not value or found.status == "entered-in-error":
        return
    unit = next(filter(None, quantities), _Quantity()).words.partition(" ")[2]
    day = (found.effectiveDateTime or "")[:10]
    name = _LONG_TAIL.split(found.code.words)[0]
    if day >= last.get(name, ("", ""))[0]:
        last[name] = (day, value if unit in name else f"{value} {unit.replace('10*9', '×10⁹')}")


def sizes(count: int) -> str:
    """A number of bytes for people."""
    megabytes = count / 1_000_000
    return f"{megabytes:.1f} MB" if megabytes >= 1 else f"{max(count // 1000, 1)} kB"
