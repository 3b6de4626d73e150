"""A case in plain words: who the patient is, what the record holds, what is ordered.

Cases speak of days from the moment of the call: -3 is three days ago. What a case does not say is
as in the baseline, see ``BASELINE``. The words are plain text, not Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cds_service.documentation.dose_words import counted, dose, ratio

Part = Mapping[str, Any]

BASELINE = (
    "Where a row says nothing else, the patient is a woman of 45 years with multiple sclerosis, "
    "70 kg and 170 cm, with normal results and without other drugs or allergies; the hook is "
    "order-select. An order is new unless it takes the place of something."
)

_SEXES = {"male": "man", "female": "woman", "other": "person, gender other", None: "person"}
_SHORT = {
    word.lower(): word for word in ("CKD", "ALT", "AST", "INR", "eGFR", "MS", "SCT", "ATC", "NDC")
} | {"itb": "intrathecal", "icd10": "ICD-10", "icd10cm": "ICD-10-CM", "uln": "upper limit"}
_STORIES = {
    "oral-baclofen-trial": "oral baclofen was tried before",
    "screening-positive": "a screening bolus had a good response 60 days ago",
    "screening-positive-old": "a screening bolus had a good response 950 days ago",
    "pump": "has a baclofen pump",
    "pump-explanted": "the baclofen pump was explanted 100 days ago",
    "dialysis": "on dialysis",
}
_RESOURCES = {
    "MedicationStatement": "by a statement",
    "MedicationDispense": "by a dispense",
    "MedicationAdministration": "given",
}


def who(case: Part) -> str:
    """Age, sex and size, as far as the case sets them."""
    patient: Part = case.get("patient") or {}
    words = [_person(patient)] if patient else []
    if "birth_sex" in patient:
        words.append(f"birth sex {patient['birth_sex']}")
    if "birthday_in_days" in patient:
        words.append(f"birthday {_day(patient['birthday_in_days'])}")
    if "birth_date_precision" in patient:
        words.append(f"birth date known to the {patient['birth_date_precision']}")
    words += [
        f"{number} {unit}"
        for name, unit in (("weight_kg", "kg"), ("weight_lb", "lb"), ("height_cm", "cm"))
        if (number := patient.get(name)) is not None
    ]
    omitted = (case.get("baseline") or {}).get("omit")
    if omitted:
        words.append(f"without {', '.join(map(_name, omitted))}")
    return ", ".join(words) or "baseline"


def record(case: Part) -> str:
    """What the record holds beyond the baseline, and how it is sent."""
    words = [_STORIES.get(story, _name(story)) for story in case.get("history") or ()]
    for section, describe in _SECTIONS.items():
        words += [describe(part) for part in _parts(case.get(section))]
    return "; ".join([*words, *_sent(case)]) or "baseline"


def orders(case: Part, taken: Iterable[Part] = ()) -> str:
    """What is drafted, and at which hook where it is not order-select.

    ``taken`` are medications beside those of the case that orders may refer to.
    """
    medications = [*taken, *(case.get("medications") or ())]
    drugs = {part["id"]: part["drug"] for part in medications if "id" in part}
    words = [_order(part, drugs) for part in case.get("orders") or ()]
    text = "; ".join(words) or "nothing"
    return f"{text} ({case['hook']})" if "hook" in case else text


def later_calls(case: Part) -> Iterator[str]:
    """What each step of a case changes or does, numbered by the calls."""
    number = 0
    for step in case.get("steps") or ():
        if "feedback" in step:
            yield f"then an override of {_rule(step['feedback'])}"
            continue
        number += 1
        if "accept" in step:
            yield f"call {number}: after {_accepted(step['accept'])} is accepted"
        elif told := _changes(step.get("call") or {}, case):
            yield f"call {number}: {told}"


# --- one function a kind of fact ------------------------------------------------------------------


def _person(patient: Part) -> str:
    sex = _SEXES.get(patient.get("sex"), "person")
    age = patient.get("age")
    return f"{sex} of unknown age" if age is None else f"{sex} of {counted(age, 'year')}"


def _condition(part: Part) -> str:
    return _said(
        _name(part.get("is", "multiple-sclerosis")),
        part.get("verification"),
        _status(part),
        _coded(part),
        _site(part),
        _when("begun", part.get("onset")),
        _when("ended", part.get("abated")),
    )


def _medication(part: Part) -> str:
    return _said(
        _drug(part),
        _status(part),
        _RESOURCES.get(part.get("resource", ""), ""),
        part.get("intent"),
        _coded(part),
        "do not perform" if part.get("do_not_perform") else "",
        _when("begun", part.get("since")),
        _hours(part),
        _when("ended", part.get("until")),
        f"for {counted(part['days_supply'], 'day')}" if "days_supply" in part else "",
        _supply(part),
    )


def _result(part: Part) -> str:
    value = part.get("value")
    if isinstance(value, list):
        value = "/".join("?" if each is None else str(each) for each in value)
    unit = part.get("unit")
    words = [
        _name(part["test"]),
        str(part.get("comparator", "")),
        str(part.get("value_concept", "no value" if value is None else value)),
        "without unit" if unit == "none" else str(unit or ""),
    ]
    return _said(
        " ".join(word for word in words if word),
        f"upper limit {part['uln']}" if part.get("uln") is not None else "",
        _status(part),
        "unit as text only" if part.get("unit_text_only") else "",
        _when("", part.get("day")),
        _hours(part),
        _when("issued", part.get("issued_day")),
    )


def _allergy(part: Part) -> str:
    return _said(
        f"{part.get('type', 'allergy')} to {_name(part['drug'])}",
        part.get("verification"),
        _status(part),
        _coded(part),
        f"criticality {part['criticality']}" if "criticality" in part else "",
        part.get("reaction"),
        part.get("severity"),
    )


def _procedure(part: Part) -> str:
    return _said(
        part.get("text") or _name(part["is"]),
        _status(part),
        part.get("outcome"),
        _when("", part.get("day")),
        _hours(part),
    )


def _service(part: Part) -> str:
    return _said(
        part.get("text") or _name(part.get("service") or part.get("device") or part.get("is", "")),
        _status(part),
        _coded(part),
        _site(part),
        f"for {_name(reason)}" if (reason := part.get("reason") or part.get("reason_code")) else "",
        "do not perform" if part.get("do_not_perform") else "",
        _when("ordered", part.get("since")),
        _when("planned", part.get("occurs")),
    )


def _family(part: Part) -> str:
    return f"father with {_name(part['is'])}"


def _encounter(part: Part) -> str:
    kind = {"IMP": "in hospital", "EMER": "in the emergency department"}
    of_class = part.get("class", "IMP")
    return _said(
        kind.get(of_class, f"encounter {of_class}"),
        _status(part),
        _when("begun", part.get("since")),
        _when("ended", part.get("until")),
    )


_SECTIONS: Mapping[str, Callable[[Part], str]] = {
    "conditions": _condition,
    "ms": _condition,
    "medications": _medication,
    "results": _result,
    "allergies": _allergy,
    "procedures": _procedure,
    "devices": _service,
    "services": _service,
    "family_history": _family,
    "encounters": _encounter,
}


def _order(part: Part, drugs: Mapping[str, str]) -> str:
    if "stop" in part:
        status = part.get("status", "stopped")
        taken = _name(drugs.get(part["stop"], part["stop"]))
        return _said(f"{taken} {status}", part.get("stop_reason"))
    if "drug" not in part:
        return _service(part)
    replaces = part.get("replaces") or part.get("same_id")
    taken = f"in place of {_name(drugs.get(replaces, replaces))}" if replaces else ""
    return _said(
        _drug(part),
        taken,
        _status(part),
        part.get("intent"),
        _coded(part),
        f"for {_name(reason)}" if (reason := part.get("reason") or part.get("reason_code")) else "",
        "do not perform" if part.get("do_not_perform") else "",
        _when("begun", part.get("since")),
        _supply(part),
    )


def _drug(part: Part) -> str:
    words = [
        part.get("text") or _name(part["drug"]),
        _name(part["route"]) if "route" in part else "",
        _name(part["form"]) if "form" in part else "",
        ratio(part["strength"]) if "strength" in part else "",
        dose(part.get("dose")),
    ]
    return " ".join(word for word in words if word)


# --- small words ----------------------------------------------------------------------------------


def _said(what: str, *details: object) -> str:
    """``what (detail, detail)``, without the details that say nothing."""
    told = ", ".join(_name(str(each)) for each in details if each)
    return f"{what} ({told})" if told else what


def _name(text: str) -> str:
    """``ckd-stage-4`` as people write it: CKD stage 4."""
    if not text.islower():
        return text
    return " ".join(_SHORT.get(word, word) for word in text.replace("-", " ").split())


def _status(part: Part) -> str:
    status = part.get("status", "")
    return "without status" if status == "missing" else str(status)


def _coded(part: Part) -> str:
    if part.get("text_only") or part.get("as") == "text":
        return "as text only"
    chosen = part.get("as", [])
    systems = chosen if isinstance(chosen, list) else [chosen]
    return f"as {' and '.join(map(str, systems))}" if systems else ""


def _site(part: Part) -> str:
    return _name(part["body_site"]) if "body_site" in part else ""


def _hours(part: Part) -> str:
    return f"{part['hours_ago']} hours ago" if part.get("hours_ago") is not None else ""


def _supply(part: Part) -> str:
    supply = part.get("supply") or {}
    words = [f"valid until {_day(supply['valid_until'])}"] if "valid_until" in supply else []
    if "quantity" in supply:
        words.append(" ".join(map(str, supply["quantity"])))
    if "days" in supply:
        words.append(f"for {counted(supply['days'], 'day')}")
    return ", ".join(words)


def _when(word: str, day: float | None) -> str:
    return "" if day is None else f"{word} {_day(day)}".strip()


def _day(day: float) -> str:
    if day == 0:
        return "today"
    days = counted(abs(day), "day")
    return f"{days} ago" if day < 0 else f"in {days}"


def _sent(case: Part) -> Iterator[str]:
    """Departures from the usual way of sending a record."""
    prefetch: Part = case.get("prefetch") or {}
    if "fhir" in case:
        yield f"FHIR {case['fhir']}"
    if "drop" in prefetch:
        yield f"not sent: {_kinds(prefetch['drop'])}"
    if "outcome" in prefetch:
        yield f"could not be fetched: {_kinds(prefetch['outcome'])}"
    if prefetch.get("empty_as_null"):
        yield "what is empty is sent as null"


def _kinds(pattern: str) -> str:
    return pattern.strip("^").replace("|", " or ")


def _parts(value: Any) -> list[Part]:
    if not value:
        return []
    return value if isinstance(value, list) else [value]


def _changes(call: Part, case: Part) -> str:
    changed: Part = call.get("with") or {}
    if "patient" in changed:
        changed = {**changed, "patient": {**(case.get("patient") or {}), **changed["patient"]}}
    found = [text for text in (who(changed), record(changed)) if text != "baseline"]
    if "orders" in changed:
        found.append(f"ordered: {orders(changed, case.get('medications') or ())}")
    if "hook" in call:
        found.append(f"at {call['hook']}")
    return "; ".join(found)


def _accepted(accept: Any) -> str:
    if not isinstance(accept, dict):
        return f"the suggestion of {accept}"
    kind = accept.get("type")
    which = f"suggestion {accept['suggestion']}" if "suggestion" in accept else "the suggestion"
    return f"{which} of {accept['rule']}{f' ({kind})' if kind else ''}"


def _rule(feedback: Any) -> str:
    return str(feedback["rule"] if isinstance(feedback, dict) else feedback)
