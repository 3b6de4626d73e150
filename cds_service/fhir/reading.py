"""From the bytes a client sent to typed records, each resource on its own.

What real clients send is accepted: Bundles without type, entries without ``resource`` or
``fullUrl``, one resource or a list where a Bundle belongs, the pre-1.0 ``{response,
resource}`` wrapper. A resource that cannot be read is set aside and named; it never costs
another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

from cds_service.fhir.drug_records import (
    Medication,
    MedicationAdministration,
    MedicationAdministrationHead,
    MedicationDispense,
    MedicationDispenseHead,
    MedicationHead,
    MedicationRequest,
    MedicationRequestHead,
    MedicationStatement,
    MedicationStatementHead,
)
from cds_service.fhir.records import (
    AllergyIntolerance,
    AllergyIntoleranceHead,
    Condition,
    ConditionHead,
    Device,
    DeviceHead,
    DeviceUseStatement,
    EncounterHead,
    Observation,
    ObservationHead,
    OperationOutcome,
    Patient,
    PatientHead,
    Practitioner,
    PractitionerRole,
    Procedure,
    ProcedureHead,
    Record,
    ServiceRequest,
    ServiceRequestHead,
)

READ_TYPES: dict[str, tuple[type[Record], type[Record]]] = {
    "Patient": (Patient, PatientHead),
    "Condition": (Condition, ConditionHead),
    "MedicationRequest": (MedicationRequest, MedicationRequestHead),
    "MedicationOrder": (MedicationRequest, MedicationRequestHead),
    "MedicationStatement": (MedicationStatement, MedicationStatementHead),
    "MedicationAdministration": (MedicationAdministration, MedicationAdministrationHead),
    "MedicationDispense": (MedicationDispense, MedicationDispenseHead),
    "Medication": (Medication, MedicationHead),
    "Observation": (Observation, ObservationHead),
    "AllergyIntolerance": (AllergyIntolerance, AllergyIntoleranceHead),
    "Procedure": (Procedure, ProcedureHead),
    "Device": (Device, DeviceHead),
    "DeviceUseStatement": (DeviceUseStatement, DeviceUseStatement),
    "ServiceRequest": (ServiceRequest, ServiceRequestHead),
    "DeviceRequest": (ServiceRequest, ServiceRequestHead),
    "Encounter": (EncounterHead, EncounterHead),
    "Practitioner": (Practitioner, Practitioner),
    "PractitionerRole": (PractitionerRole, PractitionerRole),
    "OperationOutcome": (OperationOutcome, OperationOutcome),
}
"""Resource type -> its record and, for when the body cannot be read, its head."""


CANNOT_BE_READ = "cannot be read"
"""Why a resource was set aside whole; rules that read its type cannot say *no*."""


class Obtained(StrEnum):
    """What became of one query for the chart."""

    YES = "obtained"
    INCOMPLETE = "incomplete"
    """A page of it: the search has a next page that was not read."""
    NO = "not obtained"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A resource that could not be read, or only in part."""

    origin: str
    resource_type: str
    ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What one prefetch value held."""

    records: tuple[Record, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    obtained: Obtained = Obtained.YES
    types_seen: frozenset[str] = field(default_factory=frozenset)


class _Search(Struct):
    mode: str | None = None


class _Entry(Struct):
    resource: Raw = Raw(b"")
    fullUrl: str | None = None
    resourceType: str | None = None
    search: _Search | None = None


class _Link(Struct):
    relation: str | None = None


class _Container(Struct):
    resourceType: str | None = None
    entry: Raw = Raw(b"")
    resource: Raw = Raw(b"")
    link: Raw = Raw(b"")
    total: Any = None


class _Kind(Struct):
    resourceType: str | None = None
    id: Any = None


_CONTAINER = msgspec.json.Decoder(_Container)
_ENTRIES = msgspec.json.Decoder(list[_Entry])
_RAW_LIST = msgspec.json.Decoder(list[Raw])
_ENTRY = msgspec.json.Decoder(_Entry)
_LINKS = msgspec.json.Decoder(list[_Link])
_KIND = msgspec.json.Decoder(_Kind)
_DECODERS: dict[str, tuple[msgspec.json.Decoder[Record], msgspec.json.Decoder[Record]]] = {
    name: (msgspec.json.Decoder(body), msgspec.json.Decoder(head))
    for name, (body, head) in READ_TYPES.items()
}
_ADDED = ("include", "outcome")
_ERRORS = (msgspec.DecodeError, RecursionError)


def read_value(value: bytes, origin: str) -> Answered:
    """Read one prefetch value or order Bundle.

    ``null`` and an empty Bundle hold nothing but were obtained; an OperationOutcome, or a
    value that is no FHIR at all, was not obtained.
    """
    content = value.strip()
    if content == b"null":
        return Answered()
    try:
        pairs, obtained = _open(content)
    except _ERRORS:
        return Answered(obtained=Obtained.NO)
    records: list[Record] = []
    set_aside: list[SetAside] = []
    types_seen: set[str] = set()
    for raw, full_url in pairs:
        record = _read_one(raw, full_url, origin, set_aside)
        if isinstance(record, OperationOutcome):
            if any(issue.severity in ("error", "fatal") for issue in record.issue or []):
                obtained = Obtained.NO
        elif record is not None:
            records.append(record)
            types_seen.add(record.resourceType)
    return Answered(tuple(records), tuple(set_aside), obtained, frozenset(types_seen))


def _open(content: bytes) -> tuple[list[tuple[Raw, str | None]], Obtained]:
    """The raw resources in a value, each with its fullUrl, and whether that is all of them."""
    if content.startswith(b"["):
        return [(raw, None) for raw in _RAW_LIST.decode(content)], Obtained.YES
    container = _CONTAINER.decode(content)
    if container.resourceType is None and bytes(container.resource):
        return _open(bytes(container.resource).strip())
    if container.resourceType == "Bundle" or (
        container.resourceType is None and bytes(container.entry)
    ):
        pairs, matches = _entries(bytes(container.entry))
        return pairs, _completeness(bytes(container.link), container.total, matches)
    if container.resourceType is None:
        # An empty object stands where a client found nothing.
        return [], Obtained.YES if content == b"{}" else Obtained.NO
    if container.resourceType == "OperationOutcome":
        return [], Obtained.NO
    return [(Raw(content), None)], Obtained.YES


def _entries(content: bytes) -> tuple[list[tuple[Raw, str | None]], int]:
    """The resources in the entries, and how many of them the search itself matched."""
    if not content or content == b"null":
        return [], 0
    raws: list[Raw] | None = None
    try:
        entries = _ENTRIES.decode(content)
    except _ERRORS:
        raws = _RAW_LIST.decode(content)
        entries = [_one_entry(raw) for raw in raws]
    pairs: list[tuple[Raw, str | None]] = []
    for position, entry in enumerate(entries):
        if bytes(entry.resource) and bytes(entry.resource) != b"null":
            pairs.append((entry.resource, entry.fullUrl))
        elif entry.resourceType is not None:
            # Some clients list the resources themselves as entries.
            raws = raws if raws is not None else _RAW_LIST.decode(content)
            pairs.append((raws[position], entry.fullUrl))
    added = sum(1 for entry in entries if entry.search is not None and entry.search.mode in _ADDED)
    return pairs, len(entries) - added


def _one_entry(raw: Raw) -> _Entry:
    try:
        return _ENTRY.decode(raw)
    except _ERRORS:
        return _Entry(resource=raw)


def _completeness(link: bytes, total: object, matches: int) -> Obtained:
    """A next page, or a total above what came, means that some of it is missing."""
    try:
        links = _LINKS.decode(link) if link else []
    except _ERRORS:
        links = []
    has_next = any(each.relation == "next" for each in links)
    is_short = isinstance(total, int) and not isinstance(total, bool) and total > matches
    return Obtained.INCOMPLETE if has_next or is_short else Obtained.YES


def _read_one(
    raw: Raw, full_url: str | None, origin: str, set_aside: list[SetAside]
) -> Record | None:
    try:
        kind = _KIND.decode(raw)
    except _ERRORS:
        set_aside.append(SetAside(origin, "", full_url or "", "not a FHIR resource"))
        return None
    name = kind.resourceType or ""
    if name not in _DECODERS:
        return None
    ref = f"{name}/{kind.id}" if isinstance(kind.id, str) and kind.id else (full_url or "")
    record = decode_record(name, raw)
    if record is None:
        set_aside.append(SetAside(origin, name, ref, CANNOT_BE_READ))
        return None
    if record.damaged:
        set_aside.append(SetAside(origin, name, ref, "details cannot be read"))
    record.ref = ref
    record.full_url = full_url or ""
    return record


def decode_record(resource_type: str, raw: Raw) -> Record | None:
    """One resource of a known type: whole, or its head alone (``damaged``), or ``None``."""
    body, head = _DECODERS[resource_type]
    try:
        record = body.decode(raw)
        damaged = False
    except _ERRORS:
        try:
            # The head decoder builds the head class: lift it into the full record.
            partial = head.decode(raw)
        except _ERRORS:
            return None
        full_type = READ_TYPES[resource_type][0]
        known = {name: getattr(partial, name) for name in partial.__struct_fields__}
        record = full_type(**known)
        damaged = True
    record.damaged = damaged
    record.ref = ""
    record.full_url = ""
    record.source = Raw(bytes(raw))
    return record
