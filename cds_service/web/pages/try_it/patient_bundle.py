"""A patient's FHIR Bundle, whatever its size: opened once, its resources left as raw JSON.

A record of some megabytes is sent with every check, so only what is looked for is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Raw, Struct

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DATE = re.compile(r'(?<=")(\d{4}-\d{2}-\d{2})(?="|T\d{2}:)')
_NO_PATIENT_ID = "patient"


class Unusable(Exception):
    """What is wrong with a Bundle or an order, for the person who gave it."""


class _Head(Struct):
    resourceType: Any = None  # noqa: N815 (FHIR's own name)
    id: Any = None
    status: Any = None
    code: Raw = Raw(b"null")


class _Entry(Struct):
    resource: Raw = Raw(b"null")
    fullUrl: Any = None  # noqa: N815 (FHIR's own name)


class _Bundle(Struct):
    resourceType: Any = None  # noqa: N815 (FHIR's own name)
    entry: list[_Entry] | None = None
    timestamp: Any = None


_BUNDLE = msgspec.json.Decoder(_Bundle)
_HEAD = msgspec.json.Decoder(_Head)
_RAWS = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a record, as raw JSON, and what it is found by."""

    type: str
    id: str
    status: str
    code: Raw
    full_url: str | None
    raw: bytes

    @property
    def entry(self) -> bytes:
        """As the entry of a search result."""
        where = (
            b"" if self.full_url is None else b'"fullUrl":%s,' % msgspec.json.encode(self.full_url)
        )
        mode = b"include" if self.type == "Medication" else b"match"
        return b'{%s"resource":%s,"search":{"mode":"%s"}}' % (where, self.raw, mode)


@dataclass(frozen=True, slots=True)
class PatientBundle:
    """The record of one patient."""

    patient: Resource
    resources: Sequence[Resource]
    size: int
    """In bytes, as it was given."""

    @property
    def patient_id(self) -> str:
        """The id of the Patient; a name of our own where it has none."""
        return self.patient.id or _NO_PATIENT_ID

    def of_type(self, *types: str) -> list[Resource]:
        """The resources of some types, in the order of the Bundle."""
        return [each for each in self.resources if each.type in types]


def read_bundle(content: bytes, name: str) -> PatientBundle:
    """The record in a FHIR Bundle (or a lone Patient); raises ``Unusable``.

    ``name`` is what the messages call it.
    """
    found = _resources(content.removeprefix(_BYTE_ORDER_MARK).strip(), name)
    patients = [each for each in found if each.type == "Patient"]
    if not patients:
        raise Unusable(
            f"{name} holds no Patient among its {len(found)} resources: add the Patient."
        )
    if len(patients) > 1:
        raise Unusable(f"{name} holds {len(patients)} Patients: give the record of one.")
    return PatientBundle(patients[0], found, len(content))


def resources_in(content: bytes, name: str) -> list[Resource]:
    """The resources in a Bundle, in an array, or a lone one; raises ``Unusable``."""
    return _resources(content.removeprefix(_BYTE_ORDER_MARK).strip(), name)


def _resources(content: bytes, name: str) -> list[Resource]:
    if not content:
        raise Unusable(f"{name} is empty: give FHIR in JSON.")
    try:
        content.decode()
        if content.startswith(b"["):
            entries = [_Entry(resource=raw) for raw in _RAWS.decode(content)]
        else:
            bundle = _BUNDLE.decode(content)
            if bundle.resourceType == "Bundle":
                entries = bundle.entry or []
            elif isinstance(bundle.resourceType, str):
                entries = [_Entry(resource=Raw(content))]
            else:
                raise Unusable(
                    f"{name} is JSON, but not FHIR: it has no resourceType. Give a Bundle."
                )
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1}"
        raise Unusable(f"{name} is not text in UTF-8 (see {where}): save it as UTF-8.") from None
    except RecursionError:
        raise Unusable(f"{name} is nested too deeply to be read.") from None
    except msgspec.ValidationError as error:
        raise Unusable(
            f"{name} is not a FHIR Bundle: {_fault(error)}. Its member entry must be an array of "
            "objects."
        ) from None
    except msgspec.DecodeError as error:
        raise Unusable(f"{name} is not valid JSON: {_place(str(error), content)}.") from None
    return [
        _resource(entry, f"{name}, entry {number}")
        for number, entry in enumerate(entries, start=1)
        if bytes(entry.resource) not in (b"null", b"")
    ]


def _resource(entry: _Entry, name: str) -> Resource:
    try:
        head = _HEAD.decode(entry.resource)
    except (msgspec.DecodeError, RecursionError):
        raise Unusable(f"{name}: the resource is not a JSON object.") from None
    if not isinstance(head.resourceType, str):
        raise Unusable(f"{name}: the resource has no resourceType.")
    return Resource(
        type=head.resourceType,
        id=head.id if isinstance(head.id, str) else "",
        status=head.status if isinstance(head.status, str) else "",
        code=head.code,
        full_url=entry.fullUrl if isinstance(entry.fullUrl, str) else None,
        raw=bytes(entry.resource),
    )


def _fault(error: msgspec.ValidationError) -> str:
    """The type that was found and where, none of the values."""
    return str(error).replace("`", "").replace(" - at $", " at ").rstrip(".")


def _place(message: str, content: bytes) -> str:
    """What the decoder says, with the line beside the byte."""
    found = re.search(r"\(byte (\d+)\)", message)
    if found is None:
        return "it ends too early" if "truncated" in message else message
    line = content.count(b"\n", 0, int(found[1])) + 1
    return f"{message.removeprefix('JSON is malformed: ')}, line {line}"


def brought_to(content: bytes, today: date) -> bytes:
    """A story as if it happened today: every date moved by the age of its ``timestamp``.

    A story tells of days before its own: "two days ago". Written as dates these would grow old,
    and an INR of last year is a different case.
    """
    timestamp = _BUNDLE.decode(content).timestamp
    days = timedelta(days=(today - datetime.fromisoformat(timestamp).date()).days)

    def moved(match: re.Match[str]) -> str:
        return (date.fromisoformat(match[1]) + days).isoformat()

    return _DATE.sub(moved, content.decode()).encode()
