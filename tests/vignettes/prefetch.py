"""Fill the prefetch templates of a service and answer them as the case wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tests.vignettes.fhir_json import Json
from tests.vignettes.moment import Moment
from tests.vignettes.search import Ehr

PRESCRIBER = "example-prescriber"
USER = f"Practitioner/{PRESCRIBER}"

TYPICAL_TEMPLATES: Mapping[str, str] = {
    "patient": "Patient/{{context.patientId}}",
    "conditions": "Condition?patient={{context.patientId}}",
    "medicationRequests": "MedicationRequest?patient={{context.patientId}}",
    "medicationStatements": "MedicationStatement?patient={{context.patientId}}",
    "medicationAdministrations": "MedicationAdministration?patient={{context.patientId}}",
    "medicationDispenses": "MedicationDispense?patient={{context.patientId}}",
    "observations": "Observation?patient={{context.patientId}}&_sort=-date",
    "allergies": "AllergyIntolerance?patient={{context.patientId}}",
    "procedures": "Procedure?patient={{context.patientId}}",
    "devices": "Device?patient={{context.patientId}}",
    "serviceRequests": "ServiceRequest?patient={{context.patientId}}",
}
"""Whole lists by type: what a service with plain needs would ask for."""

_TOKEN = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_TODAY = re.compile(r"today\(\)\s*(?:([+-])\s*(\d+)\s*days?)?")
_USER_TOKENS = {"userPractitionerId": PRESCRIBER}


class NoValue(Exception):
    """A token of the template has no value in this call."""


def fill(template: str, context: Json, moment: Moment) -> str:
    """The template as a relative URL; raises ``NoValue`` where a token cannot be filled."""

    def value_of(found: re.Match[str]) -> str:
        token = found.group(1)
        if (today := _TODAY.fullmatch(token)) is not None:
            days = int(today[2] or 0) * (-1 if today[1] == "-" else 1)
            return (moment.now + timedelta(days=days)).date().isoformat()
        value: Any = _USER_TOKENS.get(token)
        if token.startswith("context."):
            value = context.get(token.removeprefix("context."))
        if not isinstance(value, str):
            raise NoValue(token)
        return value

    return _TOKEN.sub(value_of, template)


def answer_templates(
    templates: Mapping[str, str],
    context: Json,
    moment: Moment,
    resources: list[Json],
    wishes: Json,
    reorder: Callable[[list[Any]], list[Any]] | None = None,
) -> Json:
    """Prefetch key -> resource, searchset or ``None``.

    ``wishes`` is the ``prefetch`` of the case: ``drop`` and ``outcome`` are regular
    expressions on the filled URL, ``empty_as_null`` sends ``null`` for empty searchsets.
    """
    ehr = Ehr([*resources, {"resourceType": "Practitioner", "id": PRESCRIBER}], reorder)
    answers: Json = {}
    for key, template in templates.items():
        try:
            url = fill(template, context, moment)
        except NoValue:
            continue
        if "drop" in wishes and re.search(wishes["drop"], url):
            continue
        if "outcome" in wishes and re.search(wishes["outcome"], url):
            answers[key] = _OUTCOME
            continue
        answer = ehr.get(url)
        if answer is not None and wishes.get("empty_as_null") and _is_empty_set(answer):
            answer = None
        answers[key] = answer
    return answers


def _is_empty_set(answer: Json) -> bool:
    return answer.get("type") == "searchset" and "entry" not in answer


_OUTCOME: Json = {
    "resourceType": "OperationOutcome",
    "issue": [
        {"severity": "error", "code": "timeout", "diagnostics": "the list could not be read"}
    ],
}
