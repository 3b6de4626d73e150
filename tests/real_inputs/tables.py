"""What came of every input, as tables that a pharmacist can read and a test can compare.

A row of findings is ``[indicator, rule, when, reason]`` or, where there is but one day,
``[indicator, rule, reason]``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from tests.real_inputs.asking import Found, prefetch_of, service
from tests.real_inputs.drafts import drafts
from tests.real_inputs.inputs import TODAY, PatientChart
from tests.vignettes.fhir_json import Json
from tests.vignettes.moment import Moment

Row = list[str]
Entry = dict[str, Any]

CHART_OPENED = "chart opened"
TODAY_ONLY, FRESH_ONLY, ALWAYS = "today", "fresh", "always"
_STANDING = {"active", "recurrence", "relapse"}
_LONGEST_LIST = 12
_OTHER_IN_YAML = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}


def order_hook(chart: PatientChart) -> str:
    """The hook by which orders in this version of FHIR are sent."""
    return "order-select" if chart.version == "R4" else "medication-prescribe"


def findings_of(chart: PatientChart, hook: str, orders: list[Json], moment: Moment) -> list[Found]:
    """The findings of one call about a patient."""
    answered = service().ask(hook, chart.patient_id, prefetch_of(chart, hook), orders, moment)
    assert answered.status == 200, f"HTTP {answered.status}: {answered.errors}"
    return list(answered.findings)


def drafted(chart: PatientChart) -> Entry:
    """What the service says when the chart is opened, and to each of our drafts in it."""
    entry: Entry = {"patient": _patient(chart), "problems": _problems(chart)}
    entry["takes"] = _takes(chart)
    moments = {TODAY_ONLY: TODAY}
    if chart.last_entry is not None:
        moments[FRESH_ONLY] = chart.last_entry
    entry[CHART_OPENED] = _rows(
        {when: findings_of(chart, "patient-view", [], at) for when, at in moments.items()}
    )
    for name in drafts(chart.version, chart.patient_id, TODAY):
        found = {}
        for when, at in moments.items():
            order = drafts(chart.version, chart.patient_id, at)[name]
            found[when] = findings_of(chart, order_hook(chart), [order], at)
        entry[name] = _rows(found)
    return entry


def _rows(found: dict[str, list[Found]]) -> list[Row]:
    """Rows of both days; what is found on both stands once."""
    today, fresh = found[TODAY_ONLY], found.get(FRESH_ONLY)
    rows = []
    for one in today:
        when = ALWAYS if fresh is None or one in fresh else TODAY_ONLY
        rows.append([one.indicator, one.rule, when, one.reason])
    rows += [
        [one.indicator, one.rule, FRESH_ONLY, one.reason] for one in fresh or [] if one not in today
    ]
    return rows


def plain_rows(found: Iterable[Found]) -> list[Row]:
    """Rows of a single day; what one rule says at one level stands together."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in found:
        reasons.setdefault((one.indicator, one.rule), []).append(one.reason)
    return [[*key, "; ".join(dict.fromkeys(each))] for key, each in reasons.items()]


# --- who it is, from the data alone ---------------------------------------------------------------


def _patient(chart: PatientChart) -> str:
    sex = {"female": "woman", "male": "man"}.get(chart.patient.get("gender", ""), "sex not stated")
    born = str(chart.patient.get("birthDate", ""))[:10]
    parts = [sex, f"born {born}" if born else "birth date not stated", f"FHIR {chart.version}"]
    if chart.last_entry is not None:
        parts.append(f"fresh on {chart.last_entry.day(0)}")
    return ", ".join(parts)


def _problems(chart: PatientChart) -> list[str]:
    return _distinct(
        _printed(one.get("code"), chart)
        for one in chart.resources
        if one["resourceType"] == "Condition" and _status(one.get("clinicalStatus")) in _STANDING
    )


def _takes(chart: PatientChart) -> list[str]:
    return _distinct(
        _printed(one.get("medicationCodeableConcept") or one.get("medicationReference"), chart)
        for one in chart.resources
        if one["resourceType"] in ("MedicationRequest", "MedicationOrder", "MedicationStatement")
        and one.get("status", "active") == "active"
    )


def _status(value: Any) -> str:
    if isinstance(value, dict):
        return str(next((one.get("code") for one in value.get("coding", [])), ""))
    return str(value or "active")


def as_printed(chart: PatientChart, resource: Json) -> str:
    """Type and printed name of a resource."""
    elements = ("medicationCodeableConcept", "medicationReference", "code")
    words = (_printed(resource.get(element), chart) for element in elements)
    return " ".join([resource["resourceType"], next((text for text in words if text), "unnamed")])


def _printed(concept: Any, chart: PatientChart) -> str:
    """The first words in a concept, or in the Medication that is referred to."""
    if not isinstance(concept, dict):
        return ""
    target = concept.get("reference")
    if target is not None:
        name = target.rsplit("/", 1)[-1].lstrip("#")
        holders = [one for parent in chart.resources for one in (parent, *_contained(parent))]
        medication = next(
            (
                one
                for one in holders
                if one["resourceType"] == "Medication"
                and str(one.get("id", "")).lstrip("#") == name
            ),
            {},
        )
        return _printed(medication.get("code"), chart)
    displays = [one.get("display", "") for one in concept.get("coding", [])]
    return next((text for text in (*displays, concept.get("text", "")) if text), "")


def _contained(resource: Json) -> list[Json]:
    return list(resource.get("contained", []))


def _distinct(words: Iterable[str]) -> list[str]:
    found = sorted({word for word in words if word}, key=str.casefold)
    if len(found) > _LONGEST_LIST:
        return [*found[:_LONGEST_LIST], f"and {len(found) - _LONGEST_LIST} more"]
    return found


# --- YAML that reads as a table -------------------------------------------------------------------


def as_yaml(heading: str, entries: dict[str, Entry]) -> str:
    """The file: one section an input, one line a finding."""
    lines = [*(f"# {line}".rstrip() for line in heading.strip().splitlines()), ""]
    for name, entry in entries.items():
        lines.append(f"{_scalar(name)}:")
        for key, value in entry.items():
            lines += _member(key, value)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _member(key: str, value: Any) -> list[str]:
    if isinstance(value, list) and value and isinstance(value[0], list):
        return [f"  {_scalar(key)}:", *(f"  - {_row(row)}" for row in value)]
    if isinstance(value, list):
        return [f"  {_scalar(key)}: [{', '.join(_quoted(one) for one in value)}]"]
    return [f"  {_scalar(key)}: {_scalar(value)}"]


def _row(row: Row) -> str:
    return f"[{', '.join([*map(_scalar, row[:-1]), _quoted(row[-1])])}]"


def _scalar(text: str) -> str:
    """As it is where YAML reads plain words the same, else in quotes."""
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*", text)
    return text if is_plain and text.lower() not in _OTHER_IN_YAML else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
