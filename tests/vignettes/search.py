"""An EHR small enough for tests: FHIR reads and searches over one patient's resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from urllib.parse import unquote

from tests.vignettes.fhir_json import SERVER, Json, reference_to
from tests.vignettes.search_dates import DateTest, date_test, dates_of, day_key

IGNORED = "urn:fhirlite:ignored"
"""System of the tags that name search parameters without effect."""

_RESULT_PARAMETERS = {
    *("_include", "_revinclude", "_summary", "_elements", "_format", "_total"),
    *("_count", "_sort"),
}
_TOKENS = {
    *("code", "category", "status", "clinical-status", "verification-status", "intent", "type"),
}
_DATES = {
    *("date", "authoredon", "effective", "onset-date", "recorded-date", "performed"),
    *("occurrence", "whenhandedover"),
}
_ELEMENT = {"clinical-status": "clinicalStatus", "verification-status": "verificationStatus"}
_TYPE_AND_ID = re.compile(r"([A-Za-z]+/[A-Za-z0-9\-.]+)(?:/_history/[^/]+)?$")

Test = Callable[[Json], bool]


@dataclass(frozen=True, slots=True)
class Ehr:
    """The resources that reads and searches are answered from."""

    resources: Sequence[Json]
    reorder: Callable[[list[Any]], list[Any]] | None = None
    """Applied to the entries of every answer; what was cut off stays cut off."""
    by_reference: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for resource in self.resources:
            self.by_reference.setdefault(reference_to(resource), resource)

    def get(self, url: str) -> Json | None:
        """Answer ``Type/id`` with the resource or ``None``, ``Type?...`` with a searchset."""
        path, question, query = url.partition("?")
        if not question and "/" in path:
            return self.by_reference.get(path)
        return self.search(path, query)

    def search(self, kind: str, query: str) -> Json:
        """A searchset Bundle; without ``entry`` when nothing matches."""
        parameters = list(_parameters(query))
        tests, ignored = self._tests(parameters)
        matches = [
            resource
            for resource in self.resources
            if resource["resourceType"] == kind and all(test(resource) for test in tests)
        ]
        results = dict(parameters)
        if "_sort" in results:
            matches = _sorted(matches, results["_sort"])
        total = len(matches)
        if "_count" in results:
            matches = matches[: int(results["_count"])]
        return self._bundle(matches, total, ignored)

    def _bundle(self, matches: list[Json], total: int, ignored: list[str]) -> Json:
        bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": total}
        if ignored:
            bundle["meta"] = {"tag": [{"system": IGNORED, "code": name} for name in ignored]}
        entries = [_entry(resource, "match") for resource in matches]
        included: dict[str, Json] = {}
        for resource in matches:
            medication = self.medication_of(resource)
            if medication is not None and "id" in medication:
                target = reference_to(medication)
                if target in self.by_reference:
                    included[target] = medication
        entries += [_entry(resource, "include") for resource in included.values()]
        if self.reorder is not None:
            entries = self.reorder(entries)
        if entries:
            bundle["entry"] = entries
        return bundle

    def _tests(self, parameters: list[tuple[str, str]]) -> tuple[list[Test], list[str]]:
        tests: list[Test] = []
        ignored: list[str] = []
        for name, value in parameters:
            if name in _RESULT_PARAMETERS:
                continue
            test = self._test(name, value)
            if test is not None:
                tests.append(test)
            elif name not in ignored:
                ignored.append(name)
        return tests, ignored

    def _test(self, name: str, value: str) -> Test | None:
        base, _, modifier = name.partition(":")
        wanted = value.split(",")
        if name in ("patient", "subject"):
            return lambda resource: _is_of_patient(resource, wanted)
        if name == "_id":
            return lambda resource: resource["id"] in wanted
        if base in _TOKENS and modifier in ("", "not"):
            return lambda resource: self._has_token(resource, base, wanted) == (modifier == "")
        if name in _DATES:
            return _any_date(name, [date_test(one) for one in wanted])
        return None

    def _has_token(self, resource: Json, name: str, wanted: list[str]) -> bool:
        codings = list(self._codings(resource, name))
        return any(_matches(token, one) for token in wanted for one in codings)

    def _codings(self, resource: Json, name: str) -> Iterator[Json]:
        if name == "code":
            yield from self._codes(resource)
        else:
            yield from _coded(resource.get(_ELEMENT.get(name, name)))

    def _codes(self, resource: Json) -> Iterator[Json]:
        for element in ("code", "codeCodeableConcept", "medicationCodeableConcept", "substance"):
            yield from _coded(resource.get(element))
        if resource["resourceType"] == "FamilyMemberHistory":
            for condition in resource.get("condition", []):
                yield from _coded(condition.get("code"))
        medication = self.medication_of(resource)
        if medication is not None:
            yield from _coded(medication.get("code"))

    def medication_of(self, resource: Json) -> Json | None:
        """The Medication a medicine refers to, contained or in the record."""
        target = resource.get("medicationReference")
        if target is None:
            target = (resource.get("medication") or {}).get("reference")
        if not isinstance(target, dict):
            return None
        name = target["reference"]
        if name.startswith("#"):
            contained = resource.get("contained", [])
            return next((one for one in contained if one["id"] == name[1:]), None)
        return self.by_reference.get(local_reference(name))


def local_reference(target: str) -> str:
    """``Type/id`` of a relative, absolute or versioned reference."""
    found = _TYPE_AND_ID.search(target)
    return found.group(1) if found else target


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield unquote(name), unquote(value)


def _entry(resource: Json, mode: str) -> Json:
    return {
        "fullUrl": f"{SERVER}/{reference_to(resource)}",
        "resource": resource,
        "search": {"mode": mode},
    }


def _is_of_patient(resource: Json, wanted: list[str]) -> bool:
    target = resource.get("subject") or resource.get("patient") or {}
    patient = local_reference(target.get("reference", ""))
    return any(patient in (one, f"Patient/{one}") for one in wanted)


def _coded(value: Any) -> Iterator[Json]:
    """The codings in a CodeableConcept, a Coding, a plain code, or a list of them."""
    if isinstance(value, list):
        for one in value:
            yield from _coded(one)
    elif isinstance(value, str):
        yield {"code": value}
    elif isinstance(value, dict):
        if "concept" in value:
            yield from _coded(value["concept"])
        elif "code" in value and "coding" not in value:
            yield value
        yield from value.get("coding", [])


def _matches(token: str, coding: Json) -> bool:
    system, bar, code = token.rpartition("|")
    if code and coding.get("code") != code:
        return False
    if bar and system and "system" in coding:
        return bool(coding["system"] == system)
    return bool(code or system)


def _any_date(name: str, tests: list[DateTest]) -> Test:
    def test(resource: Json) -> bool:
        return any(one(period) for period in dates_of(resource, name) for one in tests)

    return test


def _sorted(matches: list[Json], order: str) -> list[Json]:
    """By the named dates, the first name the strongest; without the date comes last."""
    made = list(matches)
    for name in reversed(order.split(",")):
        keyed = [(day_key(one, name.lstrip("-")), one) for one in made]
        dated = [(key, one) for key, one in keyed if key is not None]
        dated.sort(key=itemgetter(0), reverse=name.startswith("-"))
        made = [one for _, one in dated] + [one for key, one in keyed if key is None]
    return made
