"""Which resource a reference means: relative, absolute, versioned, ``urn:uuid:`` or ``#id``."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from cds_service.fhir.reading import READ_TYPES, decode_record
from cds_service.fhir.records import Record


class _Identity(Struct):
    resourceType: str | None = None
    id: str | None = None


_IDENTITY = msgspec.json.Decoder(_Identity)


def relative(reference: str) -> str:
    """``Type/id`` of a relative, absolute or versioned reference; others as they are."""
    if reference.startswith(("urn:", "#")):
        return reference
    plain = reference.split("/_history/", 1)[0].rstrip("/")
    parts = plain.rsplit("/", 2)
    return "/".join(parts[-2:]) if len(parts) >= 2 else plain  # noqa: PLR2004 - type and id


class ReferenceIndex:
    """The records of one request by every name they can be referred to."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._by_name: dict[str, Record] = {}
        for record in records:
            for name in {record.ref, record.full_url, relative(record.full_url)} - {""}:
                self._by_name.setdefault(name, record)

    def find(self, reference: str | None, container: Record | None = None) -> Record | None:
        """The record a reference means, looking inside its container for ``#id``."""
        if not reference:
            return None
        if reference.startswith("#"):
            return _contained(container, reference[1:]) if container is not None else None
        return self._by_name.get(reference) or self._by_name.get(relative(reference))


def _contained(container: Record, wanted: str) -> Record | None:
    for raw in container.contained or []:
        found = _read_contained(raw, wanted)
        if found is not None:
            return found
    return None


def _read_contained(raw: Raw, wanted: str) -> Record | None:
    try:
        identity = _IDENTITY.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    # DSTU2 wrote contained ids with their hash.
    if identity.resourceType not in READ_TYPES or (identity.id or "").lstrip("#") != wanted:
        return None
    return decode_record(identity.resourceType, raw)
