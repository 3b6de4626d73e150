"""The service, asked over HTTP on a day of our choice; whatever it answers must be sound.

What no input may cause is collected as a problem of the service: a failure of the server, an
error that is no OperationOutcome, a rule that broke, an answer against the rules of CDS Hooks.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from flask.testing import FlaskClient

from cds_service.app import create_app
from tests.real_inputs.inputs import TODAY, PatientChart
from tests.temporary import temporary_settings
from tests.vignettes.fhir_json import Json, reference_to
from tests.vignettes.hook_request import ORDERS_OF_HOOK
from tests.vignettes.moment import Moment
from tests.vignettes.prefetch import USER, answer_templates
from tests.vignettes.response_checks import findings_of, problems_of_answer, read_answer
from tests.vignettes.update_form import problems_of_offers

SERVICES = {
    "order-select": "spasticity-order-select",
    "order-sign": "spasticity-order-sign",
    "medication-prescribe": "spasticity-medication-prescribe",
    "patient-view": "spasticity-patient-view",
}
"""Hook -> the one service of it."""


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """One finding as a reviewer reads it."""

    indicator: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one call."""

    status: int
    findings: tuple[Found, ...] = ()
    errors: tuple[str, ...] = ()
    """Code and field of each issue of a refusal."""


class _Faults(logging.Handler):
    """Takes note of what the service logs as an error."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.seen = seen

    def emit(self, record: logging.LogRecord) -> None:
        """One line: the event, and the rule and kind of fault where they are told."""
        details = (record.__dict__.get(name, "") for name in ("rule", "fault"))
        self.seen.append(" ".join(filter(None, ["logged:", record.getMessage(), *details])))


@dataclass(slots=True)
class Service:
    """One application whose clock stands where it is put."""

    moment: Moment = TODAY
    problems: list[str] = field(default_factory=list)
    """What was wrong with the answers since it was last cleared."""
    http: FlaskClient = field(init=False)
    templates: Mapping[str, Mapping[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.http = create_app(temporary_settings(), clock=lambda: self.moment.now).test_client()
        listed = self.http.get("/cds-services").get_json()["services"]
        self.templates = {one["id"]: one.get("prefetch", {}) for one in listed}
        logging.getLogger("cds_service").addHandler(_Faults(self.problems))

    def post(self, hook: str, body: bytes, moment: Moment = TODAY) -> Answered:
        """Post a body to the service of a hook, and judge what holds for every answer."""
        self.moment = moment
        response = self.http.post(
            f"/cds-services/{SERVICES[hook]}", data=body, content_type="application/json"
        )
        if response.status_code != 200:
            outcome = response.get_json()
            self.problems += _problems_of_refusal(response.status_code, outcome)
            return Answered(response.status_code, errors=_errors(outcome))
        answer = read_answer(response)
        request = with_a_bundle(json.loads(body))
        self.problems += problems_of_answer(answer, request)
        self.problems += problems_of_offers(answer, request, set())
        found = [Found(one["indicator"], one["rule"], one["reason"]) for one in findings_of(answer)]
        return Answered(200, tuple(sorted(found, key=_as_read)))

    def ask(
        self, hook: str, patient_id: str, prefetch: bytes, orders: list[Json], moment: Moment
    ) -> Answered:
        """A whole hook call; ``prefetch`` is JSON already, so that it is made but once."""
        context: Json = {"userId": USER, "patientId": patient_id}
        if hook == "order-select":
            context["selections"] = [reference_to(order) for order in orders]
        if hook in ORDERS_OF_HOOK:
            entries = [{"resource": order} for order in orders]
            context[ORDERS_OF_HOOK[hook]] = {"resourceType": "Bundle", "entry": entries}
        envelope = {
            "hook": hook,
            "hookInstance": "4f0f6f0e-5d2e-4a43-9a2e-3f3e1d6b9a51",
            "context": context,
        }
        body = json.dumps(envelope).encode().removesuffix(b"}") + b', "prefetch": ' + prefetch
        return self.post(hook, body + b"}", moment)


@cache
def service() -> Service:
    """One application for all calls of a run."""
    return Service()


@cache
def prefetch_of(chart: PatientChart, hook: str) -> bytes:
    """What an EHR with these resources answers to the service's own templates."""
    templates = service().templates[SERVICES[hook]]
    context = {"userId": USER, "patientId": chart.patient_id}
    answers = answer_templates(templates, context, TODAY, list(chart.resources), {})
    return json.dumps(answers).encode()


def with_a_bundle(request: Json) -> Json:
    """The request with its orders as the checks of an answer know them; clients vary here."""
    context = dict(request["context"])
    for name in set(ORDERS_OF_HOOK.values()) & context.keys():
        orders = context[name]
        if isinstance(orders, dict) and orders.get("resourceType") == "Bundle":
            continue
        listed = orders if isinstance(orders, list) else [orders]
        entries = [{"resource": one.get("resource", one)} for one in listed]
        context[name] = {"resourceType": "Bundle", "entry": entries}
    return {**request, "context": context}


def _as_read(found: Found) -> tuple[int, str, str]:
    """Most serious first."""
    order = ("critical", "warning", "info")
    return order.index(found.indicator), found.rule, found.reason


def _problems_of_refusal(status: int, outcome: Json) -> list[str]:
    """A refusal is the client's fault, and an OperationOutcome that says what to do."""
    problems = []
    if status >= 500:
        problems.append(f"HTTP {status}")
    if outcome.get("resourceType") != "OperationOutcome" or not outcome.get("issue"):
        return [*problems, f"HTTP {status} without an OperationOutcome"]
    for issue in outcome["issue"]:
        told = issue.get("code") and issue.get("details", {}).get("text", "").strip()
        if not told or issue.get("severity") not in ("error", "fatal"):
            problems.append(f"an issue that tells nothing: {issue}")
    return problems


def _errors(outcome: Json) -> tuple[str, ...]:
    """Code and field of each issue."""
    return tuple(
        sorted(
            " ".join([issue.get("diagnostics", ""), *issue.get("expression", [])])
            for issue in outcome.get("issue", [])
        )
    )
