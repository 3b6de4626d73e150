"""The rows of the specification, put to the real server: gunicorn, two workers, what ships.

A situation is named for its row in ``requirements.yaml``. Every answer is also held against
``openapi.yaml`` and, where it has cards, against the rules for answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract.answers import FINDINGS, check_answer
from tests.contract.description import problems_of_reply
from tests.contract.serving import REAL, Served, start, stop, wait_until_ready
from tests.contract.support import (
    ORDER_SELECT,
    ORDER_SIGN,
    PATIENT,
    PATIENT_VIEW,
    PRESCRIBE,
    baclofen,
    bundle,
    medication_prescribe,
    nulls_and_empties,
    oral_baclofen,
    order_select,
    order_sign,
    ordered,
    patient_view,
    without,
)

DISCOVERY = "/cds-services"
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
Content = dict[str, Any]


@dataclass(frozen=True)
class Situation:
    """One request and what must come of it."""

    row: str
    what: str
    body: Any = field(default_factory=ordered)
    """JSON, or bytes to be sent as they are; ``None`` asks with GET."""
    status: int = 200
    path: str = ORDER_SELECT
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    method: str | None = None
    fields: tuple[str, ...] = ()
    """What the refusal names."""
    check: Callable[[Content], object] = lambda answer: True
    """Something that must be true of the answer."""


def cards(answer: Content) -> list[Content]:
    found: list[Content] = answer["cards"]
    return found


def has_cards(answer: Content) -> bool:
    return bool(cards(answer))


def is_silent(answer: Content) -> bool:
    return cards(answer) == []


def actions(answer: Content) -> list[Content]:
    return [
        action
        for card in cards(answer)
        for suggestion in card.get("suggestions", [])
        for action in suggestion["actions"]
    ]


def rules(answer: Content) -> list[str]:
    return [one["rule"] for card in cards(answer) for one in card["extension"][FINDINGS]]


def each_card(check: Callable[[Content], object]) -> Callable[[Content], bool]:
    return lambda answer: has_cards(answer) and all(check(card) for card in cards(answer))


def services(answer: Content) -> list[Content]:
    found: list[Content] = answer["services"]
    return found


def templates(answer: Content) -> list[str]:
    return [text for service in services(answer) for text in service["prefetch"].values()]


def discovered(row: str, what: str, check: Callable[[Content], object]) -> Situation:
    return Situation(row, what, None, path=DISCOVERY, headers=(), check=check)


def typed(row: str, media_type: str, status: int) -> Situation:
    return Situation(row, media_type, status=status, headers=(("Content-Type", media_type),))


def drafted(*orders: Content) -> Content:
    """order-select with these orders, as entries of a Bundle without a type."""
    entries = [{"resource": order} for order in orders]
    body = order_select(draftOrders={"resourceType": "Bundle", "entry": entries})
    return body | {"prefetch": {"patient": PATIENT}}


PREFETCH_OF_NO_USE: list[Any] = ["Condition/1", 12, [], {"resourceType": "Practitioner", "id": "x"}]


def prefetched(value: Any) -> Content:
    """The order that gets cards, with a value where the conditions belong."""
    return ordered(conditions=value)


def dstu2(**members: Any) -> Content:
    return {
        "resourceType": "MedicationOrder",
        "id": "order-123",
        "status": "draft",
        "patient": {"reference": "Patient/p1"},
        "medicationCodeableConcept": oral_baclofen()["medicationCodeableConcept"],
    } | members


def of(rxnorm: str) -> Content:
    code = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": rxnorm}
    return {"medicationCodeableConcept": {"coding": [code]}}


REMOVED = drafted(
    oral_baclofen(1, "2") | of("57258"), oral_baclofen(2, "500") | of("2551") | {"id": "order-2"}
)
"""Tizanidine and ciprofloxacin, both new: the removal of tizanidine is offered."""

SITUATIONS = [
    Situation("GEN-01", "JSON both ways", check=has_cards),
    Situation("GEN-03", "no null in an answer", check=lambda a: not [*nulls_and_empties(a)]),
    Situation("GEN-04", "nothing empty but cards", check=lambda a: not [*nulls_and_empties(a)]),
    discovered("GEN-05", "what has no value is left out", lambda a: not [*nulls_and_empties(a)]),
    Situation("GEN-06", "no blank texts", check=each_card(lambda c: c["summary"].strip())),
    Situation("GEN-08", "FHIR inside as an object",
              check=lambda a: any(isinstance(one.get("resource"), dict) for one in actions(a))),
    typed("GEN-09", "application/json", 200),
    typed("GEN-09", "application/json; charset=utf-8", 200),
    typed("GEN-09", "application/fhir+json", 200),
    typed("GEN-09", "application/json+fhir", 200),
    typed("GEN-09", "text/plain", 415),
    Situation("GEN-10", "unknown members are ignored",
              ordered() | {"foo": [None], "extension": {"org.example.x": 1}}, check=has_cards),
    discovered("DIS-01", "always at that path", services),
    discovered("DIS-02", "an object with an array", lambda a: set(a) == {"services"}),
    discovered("DIS-04", "status 200", services),
    discovered("DIS-06", "ids are unique",
               lambda a: len({one["id"] for one in services(a)}) == len(services(a)) == 4),
    discovered("DIS-07", "ids are path segments",
               lambda a: all(one["id"].replace("-", "").isalpha() for one in services(a))),
    discovered("DIS-10", "members of the standard only", lambda a: all(
        set(one) <= {"hook", "title", "description", "id", "prefetch", "usageRequirements", "version"}
        for one in services(a))),
    *(Situation("DIS-05", f"{body['hook']} answers at its id", body | {"prefetch": {"patient": PATIENT}}, path=path)
      for path, body in ((ORDER_SELECT, order_select()), (ORDER_SIGN, order_sign()),
                         (PRESCRIBE, medication_prescribe()), (PATIENT_VIEW, patient_view()))),
    discovered("PRE-01", "relative addresses", lambda a: not any(one.startswith(("http", "/")) for one in templates(a))),
    discovered("PRE-02", "tokens are fields of the context", lambda a: all(
        part.startswith("context.patientId}}") for one in templates(a) for part in one.split("{{")[1:])),
    discovered("PRE-03", "fields that may be tokens", lambda a: all(
        part.startswith("context.patientId}}") for one in templates(a) for part in one.split("{{")[1:])),
    discovered("PRE-04", "no path into an order", lambda a: "draftOrders" not in json.dumps(a)),
    discovered("PRE-05", "keys are plain names", lambda a: all(
        key.isalpha() for one in services(a) for key in one["prefetch"])),
    discovered("PRE-06", "reads and searches by type", lambda a: all(
        one.split("?")[0].split("/")[0].isalpha() for one in templates(a))),
    Situation("PRE-07", "a client may honour few of the keys", check=has_cards),
    Situation("PRE-07", "and send keys nobody asked for", ordered(other=bundle()), check=has_cards),
    discovered("FP-01", "no today()", lambda a: "today()" not in json.dumps(a)),
    discovered("FP-02", "no resolve()", lambda a: "resolve()" not in json.dumps(a)),
    discovered("FP-04", "no %variables", lambda a: "%" not in json.dumps(a)),
    discovered("FP-05", "keys keep their order",
               lambda a: next(iter(services(a)[0]["prefetch"])) == "patient"),
    Situation("CALL-01", "cards", check=has_cards),
    Situation("CALL-01", "cards when the chart is opened", patient_view() | {"prefetch": {"patient": PATIENT}},
              path=PATIENT_VIEW, check=is_silent),
    Situation("CALL-02", "an order of no interest", drafted(baclofen() | of("83367")), check=is_silent),
    Situation("CALL-02", "no orders", drafted(), check=is_silent),
    Situation("CALL-03", "no patient, no FHIR server", order_select() | {"prefetch": {}}, 412,
              fields=("prefetch.patient",)),
    Situation("CALL-05", "no prefetch at all", without(order_select(), "prefetch"), 412,
              fields=("prefetch.patient",)),
    Situation("CALL-06", "null: looked, nothing there", prefetched(None), check=has_cards),
    Situation("CALL-06", "no patient there", order_select() | {"prefetch": {"patient": None}}, 412,
              fields=("prefetch.patient",)),
    Situation("CALL-07", "an OperationOutcome is no data", prefetched(OUTCOME),
              check=lambda a: "missing-data" in rules(a)),
    Situation("CALL-07", "nor inside a Bundle", prefetched(bundle(OUTCOME)),
              check=lambda a: "missing-data" in rules(a)),
    Situation("CALL-07", "nor for the patient", order_select() | {"prefetch": {"patient": OUTCOME}}, 412,
              fields=("prefetch.patient",)),
    Situation("CALL-08", "a search without a result", prefetched(bundle()), check=has_cards),
    Situation("CALL-10", "neither server nor token", check=has_cards),
    Situation("CALL-10", "both null", ordered() | {"fhirServer": None, "fhirAuthorization": None}, check=has_cards),
    Situation("CALL-11", "an id of no service", status=404, path="/cds-services/no-such-service"),
    Situation("CALL-11", "its explanation", status=404, path="/cds-services/no-such-service/explain"),
    *(Situation("CALL-12", f"{body[:12]!r} is no call", body, 400)
      for body in (b"", b"{", b"[]", b'"text"', b"null", b"{} {}", b"\xff", b'{"hook": NaN}')),
    *(Situation("CALL-13", f"no {name}", without(ordered(), name), 400, fields=(name,))
      for name in ("hook", "hookInstance", "context")),
    *(Situation("CALL-13", f"{name} of a wrong type", ordered() | {name: 7}, 400, fields=(name,))
      for name in ("hook", "hookInstance", "context", "prefetch", "fhirServer", "fhirAuthorization")),
    Situation("CALL-14", "the hook of another service", ordered() | {"hook": "order-sign"}, 400, fields=("hook",)),
    Situation("CALL-14", "and the reverse", ordered(), 400, path=ORDER_SIGN, fields=("hook",)),
    Situation("CALL-15", "no patientId", order_select(patientId=None), 400, fields=("context.patientId",)),
    Situation("CALL-15", "no draftOrders", order_select(draftOrders=None), 400, fields=("context.draftOrders",)),
    Situation("CALL-15", "draftOrders of a wrong type", order_select(draftOrders=4), 400,
              fields=("context.draftOrders",)),
    Situation("CALL-16", "hookInstance is no UUID", ordered() | {"hookInstance": "7"}, check=has_cards),
    Situation("CALL-17", "a token without a server", ordered() | {"fhirAuthorization": {"access_token": "t"}},
              check=has_cards),
    Situation("CALL-20", "an order of nonsense", drafted(baclofen(status=[1], dosageInstruction="three a day"))),
    Situation("CALL-20", "an order that is none", drafted({"resourceType": "Bogus"}), check=is_silent),
    Situation("CALL-21", "PUT", status=405, method="PUT"),
    Situation("CALL-21", "GET", None, 405, headers=()),
    Situation("CALL-21", "POST to discovery", status=405, path=DISCOVERY),
    Situation("CALL-21", "another media type", b"<a/>", 415, headers=(("Content-Type", "application/xml"),)),
    Situation("CALL-21", "compressed", b"\x1f\x8b", 415,
              headers=(("Content-Type", "application/json"), ("Content-Encoding", "gzip"))),
    Situation("CALL-24", "each fault is an issue",
              {"hook": "order-select", "hookInstance": 1, "context": {"selections": "all", "patientId": ""}}, 400,
              fields=("hookInstance", "context.selections", "context.patientId", "context.draftOrders")),
    Situation("PFS-1", "a key is missing", ordered(), check=lambda a: "missing-data" in rules(a)),
    Situation("PFS-2", "null", prefetched(None), check=has_cards),
    Situation("PFS-3", "a search without a result", prefetched(bundle()), check=has_cards),
    Situation("PFS-4", "a first page, the next not to be had",
              prefetched(bundle() | {"type": "searchset", "link": [{"relation": "next", "url": "http://127.0.0.1:9/x"}]}),
              check=lambda a: "missing-data" in rules(a)),
    Situation("PFS-5", "an OperationOutcome", prefetched(OUTCOME), check=lambda a: "missing-data" in rules(a)),
    *(Situation("PFS-6", f"{value!r} is no result", prefetched(value), check=has_cards)
      for value in PREFETCH_OF_NO_USE),
    Situation("RSP-01", "cards are an array", check=has_cards),
    Situation("RSP-02", "summary, indicator, source.label",
              check=each_card(lambda c: c["summary"].strip() and c["source"]["label"].strip())),
    Situation("RSP-03", "summary below 140", check=each_card(lambda c: len(c["summary"].encode("utf-16-le")) < 280)),
    Situation("RSP-04", "three indicators", check=each_card(lambda c: c["indicator"] in ("info", "warning", "critical"))),
    Situation("RSP-05", "suggestions have a selectionBehavior",
              check=each_card(lambda c: "suggestions" not in c or c["selectionBehavior"] in ("at-most-one", "any"))),
    Situation("RSP-06", "and only they", check=each_card(lambda c: ("suggestions" in c) == ("selectionBehavior" in c))),
    Situation("RSP-07", "reasons are whole", check=each_card(
        lambda c: all(set(one) == {"code", "system", "display"} for one in c["overrideReasons"]))),
    Situation("RSP-08", "links have a type", check=each_card(
        lambda c: all(one["type"] == "absolute" and "appContext" not in one for one in c.get("links", ())))),
    Situation("RSP-09", "absolute addresses", check=each_card(
        lambda c: all(one["url"].startswith("https://") for one in (*c.get("links", ()), {"url": "https://"} | c["source"])))),
    Situation("RSP-10", "actions are whole", check=lambda a: all(one["type"] and one["description"] for one in actions(a))),
    Situation("RSP-11", "uuids are unique", check=lambda a: len({one["uuid"] for one in cards(a)}) == len(cards(a))),
    Situation("RSP-12", "nothing null or empty", check=lambda a: not [*nulls_and_empties(a)]),
    Situation("RSP-13", "one recommendation of those that exclude each other", check=each_card(
        lambda c: c.get("selectionBehavior") == "any"
        or sum(one.get("isRecommended", False) for one in c.get("suggestions", ())) <= 1)),
    Situation("RSP-14", "known members only", check=lambda a: set(a) == {"cards", "extension"}),
    Situation("RSP-15", "advice is withdrawn by an empty list", drafted(), check=is_silent),
    Situation("ACT-01", "an update is a whole resource with its id", check=lambda a: any(
        one["type"] == "update" and one["resource"]["id"] == "order-1" for one in actions(a))),
    Situation("ACT-02", "a delete names a draft", REMOVED, check=lambda a: any(
        one["type"] == "delete" and one["resourceId"] == "MedicationRequest/order-1" for one in actions(a))),
    Situation("ACT-03", "also for the hook of 1.0",
              medication_prescribe(medications=REMOVED["context"]["draftOrders"]) | {"prefetch": {"patient": PATIENT}},
              path=PRESCRIBE, check=lambda a: any(
                  one["type"] == "delete" and "resource" not in one for one in actions(a))),
    Situation("ACT-04", "a changed draft keeps its id", check=lambda a: all(
        one["resource"]["id"] == "order-1" for one in actions(a) if one["type"] == "update")),
    Situation("HK-01", "two FHIR versions in one Bundle", drafted(oral_baclofen(), dstu2()), check=has_cards),
    Situation("HK-02", "a selection that is no draft",
              ordered() | {"context": ordered()["context"] | {"selections": ["MedicationRequest/none"]}},
              check=has_cards),
    Situation("HK-03", "a Bundle without a type", drafted(oral_baclofen()), check=has_cards),
    Situation("HK-04", "entries without fullUrl", drafted(oral_baclofen()), check=lambda a: all(
        one["order"] == "MedicationRequest/order-1" for c in cards(a) for one in c["extension"][FINDINGS])),
    Situation("HK-05", "a user of any form",
              ordered() | {"context": ordered()["context"] | {"userId": "who knows"}}, check=has_cards),
    Situation("HK-06", "an order without a drug",
              drafted({"resourceType": "MedicationRequest", "status": "draft"}), check=is_silent),
    Situation("EXT-01", "extensions of a request",
              ordered() | {"extension": {"org.example.x": {"y": [1]}}}, check=has_cards),
    Situation("EXT-02", "names below a reversed domain", check=lambda a: all(
        name.startswith("org.cds-service.") for part in (a, *cards(a)) for name in part["extension"])),
    Situation("EXT-03", "unknown extensions are ignored",
              ordered() | {"extension": {"davinci-crd.configuration": {"coverage-info": False}}}, check=has_cards),
    Situation("EXT-04", "own data in extension only", check=lambda a: set(a) == {"cards", "extension"}),
    Situation("VER-01", "the version is read off the resource",
              medication_prescribe(medications=bundle(dstu2())) | {"prefetch": {"patient": PATIENT}},
              path=PRESCRIBE, check=has_cards),
    Situation("VER-02", "R5 writes medication.concept", drafted(
        without(oral_baclofen(), "medicationCodeableConcept")
        | {"medication": {"concept": oral_baclofen()["medicationCodeableConcept"]}}), check=has_cards),
    Situation("SBX-1", "draftOrders without a type", drafted(oral_baclofen()), check=has_cards),
    Situation("SBX-2", "no drug yet", drafted(
        {"resourceType": "MedicationRequest", "id": "request-123", "status": "draft",
         "dosageInstruction": [{"doseQuantity": {"value": 1}, "timing": {"repeat": {}}}]}), check=is_silent),
    Situation("SBX-2", "category is an object", drafted(oral_baclofen() | {"category": {"coding": []}}), check=has_cards),
    Situation("SBX-3", "DSTU2", drafted(dstu2()), check=has_cards),
    Situation("SBX-4", "neither selections nor draftOrders", order_select(selections=None, draftOrders=None), 400,
              fields=("context.draftOrders",)),
    Situation("SBX-5", "empty coding and empty reasons", drafted(
        {"resourceType": "ServiceRequest", "id": "example-request-id", "status": "draft", "intent": "plan",
         "code": {"coding": [{}]}, "reasonCode": []}), check=is_silent),
    Situation("SBX-6", "an imaging order", drafted(
        {"resourceType": "ServiceRequest", "id": "s", "status": "draft", "intent": "order",
         "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "70450"}], "text": "CT head"}}),
        check=is_silent),
    *(Situation("SBX-7", f"{path} has a stray slash", path=path, check=has_cards)
      for path in ("/cds-services//spasticity-order-select", "/cds-services/spasticity-order-select/",
                   "//cds-services//spasticity-order-select//")),
    *(Situation("SBX-7", f"{path} has a stray slash", None, path=path, headers=(), check=services)
      for path in ("/cds-services/", "//cds-services")),
]  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = start(tmp_path_factory.mktemp("served"), program=REAL)
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(server)
    assert '"event": "failed"' not in server.log


def ask(served: Served, situation: Situation) -> tuple[int, Content]:
    body = situation.body
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    method = situation.method or ("GET" if body is None else "POST")
    status, content, headers = served.send(method, situation.path, body, dict(situation.headers))
    answer: Content = json.loads(content, parse_constant=pytest.fail)
    problems = problems_of_reply(method, situation.path, status, dict(headers), answer)
    assert not problems, problems
    return status, answer


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: f"{one.row} {one.what}")
def test_situation(served: Served, situation: Situation) -> None:
    """The status, what the refusal names, and what the answer says."""
    status, answer = ask(served, situation)
    assert status == situation.status, answer
    if status == 200:
        if "cards" in answer:
            check_answer(answer)
        assert situation.check(answer), answer
    else:
        named = {name for issue in answer["issue"] for name in issue.get("expression", ())}
        assert named == set(situation.fields)


def test_the_same_call_twice(served: Served) -> None:
    """CALL-29, RSP-11: the same findings with fresh uuids, whichever worker answers."""
    told = [ask(served, Situation("CALL-29", "again"))[1] for _ in range(6)]
    assert len({tuple(rules(answer)) for answer in told}) == 1
    uuids = [card["uuid"] for answer in told for card in cards(answer)]
    assert len(uuids) == len(set(uuids))


def test_a_body_that_is_too_large(served: Served) -> None:
    """CALL-21: 413 at the default limit of 20 MB."""
    situation = Situation(
        "CALL-21", "too large", json.dumps(ordered()).encode() + b" " * 20_000_000, 413
    )
    assert ask(served, situation)[0] == 413


@pytest.mark.parametrize("path", [DISCOVERY, ORDER_SELECT, ORDER_SELECT + "/explain"])
def test_cors(served: Served, path: str) -> None:
    """8.2, SEC-10, FBK-07: preflights need no token, and refusals carry the header too."""
    origin = {"Origin": "https://sandbox.cds-hooks.org"}
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    status, _, headers = served.send("OPTIONS", path, headers=origin | asked)
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert "authorization" in headers["Access-Control-Allow-Headers"].lower()
    for body in (b"{", b""):
        _, _, headers = served.send("POST", path, body, origin)
        assert headers["Access-Control-Allow-Origin"] == origin["Origin"]


def test_discovery_is_kept_by_its_etag(served: Served) -> None:
    """DIS-08, PERF-02: equal over workers; calls are never stored."""
    tags = {served.send("GET", DISCOVERY)[2]["ETag"] for _ in range(6)}
    (tag,) = tags
    assert served.send("GET", DISCOVERY, headers={"If-None-Match": tag})[0] == 304
    _, _, headers = served.send(
        "POST", ORDER_SELECT, json.dumps(ordered()).encode(), {"Content-Type": "application/json"}
    )
    assert headers["Cache-Control"] == "no-store"


def test_departures_are_in_the_log(served: Served) -> None:
    """CALL-16, CALL-17, HK-02: accepted with a warning, in fixed words."""
    body = ordered() | {"hookInstance": "7", "fhirAuthorization": {}}
    body["context"] |= {"selections": ["MedicationRequest/order-1", "MedicationRequest/xMARKERx"]}
    assert ask(served, Situation("CALL-16", "noted", body))[0] == 200
    noted = [json.loads(line) for line in served.log.splitlines() if '"notes"' in line]
    expected = {
        "hookInstance-not-uuid",
        "fhirAuthorization-without-fhirServer",
        "fhirAuthorization-incomplete",
        "selections-not-in-orders",
    }
    assert any(expected <= set(line["notes"]) for line in noted)
    assert "xMARKERx" not in served.log
