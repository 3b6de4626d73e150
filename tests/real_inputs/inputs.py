"""What others wrote: requests, Bundles and resources, and the patients in the Bundles.

A Bundle is taken apart as a server does it when it stores one: every resource has an id, and
references to a ``fullUrl`` become ``Type/id``. The files themselves are never changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tests.vignettes.fhir_json import Json, reference_to
from tests.vignettes.moment import Moment
from tests.vignettes.search import local_reference
from tests.vignettes.search_dates import interval

DATA = Path(__file__).with_name("data")
TODAY = Moment(datetime.fromisoformat("2026-11-24T12:00:00+00:00"))
"""The fixed day of these tests, so that data that is old today is as old in ten years."""

_DSTU2 = ("DSTU-2", "frankie_jackson")
_STU3 = ("STU-3", "fhir/Bundle-father")
_ONE_SOURCE = "sample-bulk-fhir-datasets/10-patients"
_DATED = (
    *("authoredOn", "dateWritten", "effectiveDateTime", "performedDateTime", "onsetDateTime"),
    *("recordedDate", "assertedDate", "dateRecorded", "whenHandedOver", "whenPrepared"),
)
_PERIODS = ("effectivePeriod", "performedPeriod", "period")
_BEARS_A_DATE = {
    *("Observation", "MedicationRequest", "MedicationOrder", "MedicationStatement"),
    *("MedicationDispense", "MedicationAdministration", "Condition", "Procedure", "Encounter"),
    *("AllergyIntolerance", "ServiceRequest", "DeviceRequest"),
}


@dataclass(frozen=True, slots=True, eq=False)
class PatientChart:
    """One patient of a Bundle with every resource that an EHR would hold about them."""

    name: str
    """The file below ``bundles/``, and the id where a file holds several patients."""
    version: str
    patient: Json
    resources: tuple[Json, ...]

    @property
    def patient_id(self) -> str:
        """The id of the patient."""
        return str(self.patient["id"])

    @property
    def last_entry(self) -> Moment | None:
        """Noon of the day after the newest entry: when the record was fresh."""
        dates = [date for one in self.resources for date in _dates(one) if date <= TODAY.now]
        if not dates:
            return None
        return Moment(datetime.combine(max(dates), time(12), TODAY.now.tzinfo) + timedelta(days=1))


def files(kind: str) -> list[str]:
    """Every file of ``requests``, ``bundles``, ``resources`` or ``malformed``, below it."""
    folder = DATA / kind
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def content(kind: str, name: str) -> bytes:
    """A file as it was published."""
    return (DATA / kind / name).read_bytes()


def documents(name: str) -> list[Json]:
    """The JSON values of a file of ``bundles``: one, or one for each line of NDJSON."""
    text = content("bundles", name)
    lines = text.splitlines() if name.endswith(".ndjson") else [text]
    return [json.loads(line) for line in lines if line.strip()]


def holds_a_patient(value: Any) -> bool:
    """Whether there is a Patient anywhere in a JSON value."""
    if isinstance(value, dict):
        if value.get("resourceType") == "Patient":
            return True
        return any(holds_a_patient(below) for below in value.values())
    return isinstance(value, list) and any(holds_a_patient(below) for below in value)


@cache
def charts() -> dict[str, PatientChart]:
    """Every patient of every Bundle by name."""
    sources: dict[str, list[Json]] = {}
    for name in files("bundles"):
        source = _ONE_SOURCE if name.startswith(_ONE_SOURCE) else name
        sources.setdefault(source, []).extend(_stored(documents(name)))
    return {chart.name: chart for name, found in sources.items() for chart in _charts(name, found)}


def _charts(name: str, resources: list[Json]) -> Iterator[PatientChart]:
    patients = [one for one in resources if one["resourceType"] == "Patient"]
    patients = patients or _known_by_reference(resources)
    for patient in patients:
        kept = [one for one in resources if _belongs(one, patient)]
        yield PatientChart(
            name=name if len(patients) == 1 else f"{name} {patient['id']}",
            version=_version(name),
            patient=patient,
            resources=(patient, *kept),
        )


def _known_by_reference(resources: list[Json]) -> list[Json]:
    """Patients of whom a Bundle has records but no Patient: nothing but their ids is known."""
    names = {subject for one in resources if (subject := subject_of(one)) is not None}
    return [{"resourceType": "Patient", "id": name.split("/")[1]} for name in sorted(names)]


def _belongs(resource: Json, patient: Json) -> bool:
    if resource["resourceType"] == "Patient":
        return False
    return subject_of(resource) in (None, reference_to(patient))


def subject_of(resource: Json) -> str | None:
    """``Patient/id`` that a resource is about, or ``None``."""
    target = resource.get("subject") or resource.get("patient") or {}
    name = local_reference(target.get("reference", "")) if isinstance(target, dict) else ""
    return name if name.startswith("Patient/") else None


def _version(name: str) -> str:
    if any(mark in name for mark in _DSTU2):
        return "DSTU2"
    return "STU3" if any(name.startswith(mark) or mark in name for mark in _STU3) else "R4"


def _stored(values: Iterable[Json]) -> list[Json]:
    """The resources of Bundles and of lines, as a server holds them."""
    entries = [entry for value in values for entry in _entries(value)]
    names: dict[str, str] = {}
    resources = []
    for number, entry in enumerate(entries, start=1):
        resource = dict(entry["resource"])
        full_url = str(entry.get("fullUrl", ""))
        resource.setdefault("id", full_url.rsplit(":", 1)[-1].rsplit("/", 1)[-1] or f"r{number}")
        if full_url:
            names[full_url] = reference_to(resource)
        resources.append(resource)
    return [_resolved(resource, names) for resource in resources]


def _entries(value: Json) -> list[Json]:
    if value["resourceType"] != "Bundle":
        return [{"resource": value}]
    return [entry for entry in value.get("entry", []) if "resource" in entry]


def _resolved(value: Any, names: dict[str, str]) -> Any:
    """The value with references to a ``fullUrl`` rewritten."""
    if isinstance(value, dict):
        made = {key: _resolved(below, names) for key, below in value.items()}
        target = made.get("reference")
        if isinstance(target, str) and target in names:
            made["reference"] = names[target]
        return made
    if isinstance(value, list):
        return [_resolved(below, names) for below in value]
    return value


def _dates(resource: Json) -> Iterator[datetime]:
    if resource["resourceType"] not in _BEARS_A_DATE:
        return
    texts = [resource.get(element) for element in _DATED]
    texts += [(resource.get(element) or {}).get("start") for element in _PERIODS]
    for text in texts:
        if isinstance(text, str):
            yield interval(text)[0]
