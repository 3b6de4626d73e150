"""The requests of others: as they were sent, and completed so that they reach the rules.

Most of them lack the patient, many the hook or its instance: as sent they are refused. A
*completed* call has what is missing and nothing else: the hook of the service, an instance,
the orders under the name that the hook has for them, and a patient of whom little is known.
"""

from __future__ import annotations

import json
from typing import Any

from tests.real_inputs.asking import SERVICES, Answered, service, with_a_bundle
from tests.real_inputs.drafts import BACLOFEN_15, drafts
from tests.real_inputs.inputs import TODAY, content, files, holds_a_patient
from tests.real_inputs.tables import Entry, plain_rows
from tests.vignettes.fhir_json import Json
from tests.vignettes.hook_request import ORDERS_OF_HOOK

AS_SENT, COMPLETED, WITH_BACLOFEN = "as sent", "completed", "with baclofen drafted besides"

_NAMES_OF_ORDERS = ("draftOrders", "medications", "orders")
_INSTANCE = "5b1f7a52-5f0c-4c39-9d0a-0d5c1f6f6a10"


def request_names() -> list[str]:
    """Every request and everything malformed, as folder and file."""
    return [f"{kind}/{name}" for kind in ("malformed", "requests") for name in files(kind)]


def answers_to(name: str) -> Entry:
    """What came of one file, in every form that makes sense of it."""
    kind, _, file = name.partition("/")
    raw = content(kind, file)
    if kind == "malformed":
        return _joined(AS_SENT, {hook: service().post(hook, raw) for hook in SERVICES})
    request: Json = json.loads(raw)
    own_hook = request.get("hook")
    sent_to = own_hook if own_hook in SERVICES else "order-select"
    entry = _joined(AS_SENT, {sent_to: service().post(sent_to, raw)})
    entry |= _joined(COMPLETED, {hook: _post(completed(request, hook)) for hook in SERVICES})
    if isinstance(request["context"].get("patientId"), str):
        entry |= _joined(WITH_BACLOFEN, {"order-select": _post(_with_baclofen(request))})
    return entry


def _post(request: Json) -> Answered:
    return service().post(request["hook"], json.dumps(request).encode())


def completed(request: Json, hook: str) -> Json:
    """The call of a hook that the request would have been."""
    made: Json = {"hookInstance": _INSTANCE, **request, "hook": hook}
    context = made["context"] = dict(request["context"])
    field = ORDERS_OF_HOOK.get(hook)
    found = [context[name] for name in _NAMES_OF_ORDERS if name in context]
    if field is not None and found:
        context.setdefault(field, found[0])
    prefetch = dict(made.get("prefetch") or {})
    patient_id = context.get("patientId")
    if isinstance(patient_id, str) and not holds_a_patient(prefetch):
        prefetch["patient"] = {
            "resourceType": "Patient",
            "id": patient_id.removeprefix("Patient/"),
            "gender": "female",
            "birthDate": "1970-01-01",
        }
    made["prefetch"] = prefetch
    return made


def _with_baclofen(request: Json) -> Json:
    """The completed call with baclofen among its orders, so that its chart is looked at."""
    made = with_a_bundle(completed(request, "order-select"))
    context = made["context"]
    patient_id = context["patientId"].removeprefix("Patient/")
    bundle = dict(context.get("draftOrders") or {"resourceType": "Bundle"})
    order = drafts("R4", patient_id, TODAY)[BACLOFEN_15]
    bundle["entry"] = [*bundle.get("entry", []), {"resource": order}]
    context["draftOrders"] = bundle
    return made


def _joined(form: str, answers: dict[str, Answered]) -> Entry:
    """One member where all services answer alike, else one for each answer."""
    by_answer: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for hook, answered in answers.items():
        value = _value(answered)
        by_answer.setdefault(repr(value), []).append(hook)
        values[repr(value)] = value
    if len(by_answer) == 1:
        return {form: next(iter(values.values()))}
    return {f"{form} as {' and '.join(hooks)}": values[key] for key, hooks in by_answer.items()}


def _value(answered: Answered) -> Any:
    if answered.status != 200:
        return f"{answered.status}, {', '.join(answered.errors)}"
    return plain_rows(answered.findings) or "200, no card"
