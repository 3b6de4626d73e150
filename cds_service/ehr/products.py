"""Medications that orders and medication lists refer to and that nobody sent."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.fhir.drug_records import DrugHead
from cds_service.fhir.reading import read_value
from cds_service.fhir.references import ReferenceIndex

_ID = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,64}")
# Most charts write their drugs as codes: those need not be read here at all.
_MARKS = (b"Medication/", b"Medication\\/", b'"Medication"')


def unresolved(values: Iterable[bytes], base: str) -> list[str]:
    """Ids of Medications on this server that the values refer to and do not hold, each once."""
    records = [
        record
        for value in values
        if any(mark in value for mark in _MARKS)
        for record in read_value(value, "").records
    ]
    index = ReferenceIndex(records)
    found: dict[str, None] = {}
    for record in records:
        if isinstance(record, DrugHead) and record.pointer is not None:
            literal = record.pointer.literal or ""
            name = literal.removeprefix(f"{base}/").split("/_history/")[0]
            kind, _, id = name.partition("/")
            if kind == "Medication" and _ID.fullmatch(id) and index.find(literal, record) is None:
                found[id] = None
    return list(found)
