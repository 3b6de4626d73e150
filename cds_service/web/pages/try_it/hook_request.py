"""The hook request an EHR would send: the service's own templates, answered from a Bundle."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from cds_service.cds import PATIENT_VIEW, Service
from cds_service.web.pages.try_it.patient_bundle import PatientBundle, Resource

_USER = "Practitioner/example-prescriber"
_ORDER_SELECT = "order-select"


class _Coding(Struct):
    system: str | None = None
    code: str | None = None


class _Concept(Struct):
    coding: list[_Coding] | None = None


_CONCEPT = msgspec.json.Decoder(_Concept | None)


def request_body(
    service: Service, chart: PatientBundle, orders: Sequence[Resource], *, instance: str = ""
) -> bytes:
    """The JSON body of a call to a service; ``instance`` is a fresh UUID unless given."""
    context: dict[str, object] = {"userId": _USER, "patientId": chart.patient_id}
    encounters = [each for each in chart.of_type("Encounter") if each.status == "in-progress"]
    if encounters and encounters[0].id:
        context["encounterId"] = encounters[0].id
    if service.hook == _ORDER_SELECT:
        context["selections"] = [f"{each.type}/{each.id}" for each in orders if each.id]
    if service.hook != PATIENT_VIEW:
        context["draftOrders"] = Raw(
            _bundle(b'"type":"collection"', (b'{"resource":%s}' % each.raw for each in orders))
        )
    return msgspec.json.encode(
        {
            "hook": service.hook,
            "hookInstance": instance or str(uuid.uuid4()),
            "context": context,
            "prefetch": prefetch(service.prefetch, chart),
        }
    )


def prefetch(templates: Mapping[str, str], chart: PatientBundle) -> dict[str, Raw]:
    """Prefetch key -> its answer.

    An EHR may answer with more than one page asked for, so what a search matches comes whole:
    ``_count`` and ``_sort`` change nothing. That a resource is the patient's own is the service's
    to see.
    """
    return {key: Raw(_answer(template, chart)) for key, template in templates.items()}


def _answer(template: str, chart: PatientBundle) -> bytes:
    kind, question, query = template.partition("?")
    if not question:
        return _patient(chart)
    found = chart.of_type(kind)
    codes = _codes(query)
    if codes is not None:
        found = [each for each in found if _has_code(each, codes)]
    products = chart.of_type("Medication") if kind == "MedicationRequest" and found else []
    return _searchset(len(found), (each.entry for each in (*found, *products)))


def _patient(chart: PatientBundle) -> bytes:
    """The Patient; with its name in the Bundle where others may refer to it by that."""
    name = chart.patient.full_url
    if name is None or name.endswith(f"Patient/{chart.patient.id}"):
        return chart.patient.raw
    return _searchset(1, [chart.patient.entry])


def _searchset(total: int, entries: Iterable[bytes]) -> bytes:
    return _bundle(b'"type":"searchset","total":%d' % total, entries)


def _bundle(members: bytes, entries: Iterable[bytes]) -> bytes:
    """FHIR knows no empty arrays."""
    joined = b",".join(entries)
    return b'{"resourceType":"Bundle",%s%s}' % (
        members,
        b',"entry":[%s]' % joined if joined else b"",
    )


def _codes(query: str) -> frozenset[str] | None:
    """``system|code`` of a search by code, or ``None`` where the search is by patient alone."""
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        if name == "code":
            return frozenset(value.split(","))
    return None


def _has_code(resource: Resource, codes: frozenset[str]) -> bool:
    try:
        concept = _CONCEPT.decode(resource.code)
    except (msgspec.DecodeError, RecursionError):
        return True  # whether the service can use it is the service's to say
    codings = (concept.coding if concept is not None else None) or []
    return any(f"{each.system}|{each.code}" in codes for each in codings)
