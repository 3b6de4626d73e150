"""What prefetch lacks is read from the EHR, however the EHR behaves."""

from __future__ import annotations

import io
import json
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app, load_site_rulebook
from cds_service.cds import HookRequest
from cds_service.ehr.reading_back import EhrReader
from cds_service.rules.rulebook import Rulebook
from cds_service.web.logs import log_to
from tests.contract import awkward_ehr as ehr_that_is
from tests.contract.answers import FINDINGS, check_answer
from tests.contract.awkward_ehr import (
    PATIENT,
    AwkwardEhr,
    Behaviour,
    awkward_ehr,
    body,
    first_then,
    next_link,
    saying,
    searchset,
)
from tests.contract.serving import JSON, REAL, start, stop, wait_until_ready
from tests.contract.support import (
    NOW,
    ORDER_SIGN,
    PRESCRIBE,
    baclofen,
    bundle,
    fields,
    issues,
    medication_prescribe,
    order_sign,
    settings,
)

TOKEN = "xTOKENx.very-secret"
TIMEOUT_S = 1.0
GENEROUS_S = TIMEOUT_S + 5
LISTS = 13
"""Lists that order-sign asks for, beside the patient."""

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ORAL_BACLOFEN = baclofen(
    dosageInstruction=[
        {
            "route": {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]},
            "timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [
                {
                    "doseQuantity": {
                        "value": 5,
                        "unit": "mg",
                        "system": "http://unitsofmeasure.org",
                        "code": "mg",
                    }
                }
            ],
        }
    ]
)
Open = Callable[..., FlaskClient]


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory: pytest.TempPathFactory) -> Rulebook:
    return load_site_rulebook(settings(tmp_path_factory.mktemp("site")))


@pytest.fixture
def ehr() -> Iterator[AwkwardEhr]:
    with awkward_ehr() as running:
        yield running


@pytest.fixture
def open_service(rulebook: Rulebook, ehr: AwkwardEhr, tmp_path: Path) -> Open:
    """Builds the service; settings of the read-back may be given."""

    def build(allowed: str | None = None, **others: object) -> FlaskClient:
        keys: dict[str, object] = {"timeout_s": TIMEOUT_S, **others}
        keys["allowed_servers"] = [allowed or ehr.base]
        text = "[fhir]\n" + "\n".join(f"{name} = {json.dumps(keys[name])}" for name in keys)
        site = settings(tmp_path, text)
        return create_app(site, rulebook=rulebook, clock=lambda: NOW).test_client()

    return build


@pytest.fixture
def service(open_service: Open) -> FlaskClient:
    return open_service()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of the service, and everything any library says at any level."""
    stream = io.StringIO()
    own, root = logging.getLogger("cds_service"), logging.getLogger()
    before = own.handlers, own.level, own.propagate, root.level
    handler = log_to(stream)
    plain = logging.StreamHandler(stream)
    root.addHandler(plain)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(plain)
    handler.close()
    own.handlers, own.level, own.propagate = before[:3]
    root.setLevel(before[3])


def call(ehr: AwkwardEhr, prefetch: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """A new order of baclofen, the EHR's address and token, and no prefetch."""
    return {
        **order_sign(draftOrders=bundle(ORAL_BACLOFEN)),
        "prefetch": prefetch or {},
        "fhirServer": ehr.base,
        "fhirAuthorization": {
            "access_token": TOKEN,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.rs",
            "subject": "cds-service",
        },
    } | members


def asked(service: FlaskClient, content: object, path: str = ORDER_SIGN) -> TestResponse:
    """The answer, which must not keep the prescriber waiting."""
    started = time.monotonic()
    response = service.post(path, json=content)
    assert time.monotonic() - started < GENEROUS_S
    assert TOKEN not in response.text
    return response


def missing(response: TestResponse) -> set[str]:
    """What the answer says could not be checked."""
    assert response.status_code == 200, response.text
    answer = response.get_json()
    check_answer(answer)
    return {
        finding["reason"].split(" could")[0]
        for card in answer["cards"]
        for finding in card["extension"][FINDINGS]
        if finding["rule"] == "missing-data" and "could" in finding["reason"]
    }


def notes(log: io.StringIO) -> list[str]:
    lines = [json.loads(line) for line in log.getvalue().splitlines() if line.startswith("{")]
    return [note for line in lines if line["event"] == "call" for note in line.get("notes", [])]


NOT_OBTAINED = {"medications", "conditions", "allergies", "creatinine"}
"""What the cards name when nothing but the patient was obtained."""


# --- what is read ---------------------------------------------------------------------------------


def test_what_was_not_sent_is_read(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """CALL-05, CALL-26: one request for each key, with the token, by GET."""
    assert missing(asked(service, call(ehr))) == set()
    assert len(ehr.seen) == 1 + LISTS
    assert ehr.asked("Patient") == ["/fhir/Patient/p1"]
    for each in ehr.seen:
        assert each.headers["Authorization"] == f"Bearer {TOKEN}"
        assert each.headers["Accept"].startswith("application/fhir+json")
    searches = [path for path in ehr.asked() if "?" in path]
    assert len(searches) == LISTS
    assert all("patient=Patient/p1" in path for path in searches)


def test_what_was_sent_is_not_asked_again(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """CALL-06, CALL-07, CALL-08: null, an empty Bundle and an OperationOutcome are answers."""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "security"}],
    }
    sent = {
        "patient": PATIENT,
        "conditions": None,
        "medicationRequests": searchset(total=0),
        "allergies": outcome,
    }
    assert missing(asked(service, call(ehr, sent))) == {"allergies"}
    assert len(ehr.seen) == 1 + LISTS - len(sent)
    for type in ("Patient", "Condition", "MedicationRequest", "AllergyIntolerance"):
        assert [path for path in ehr.asked(type) if path.startswith(f"/fhir/{type}?")] == []


def test_a_patient_sent_as_null_is_not_asked_again(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """CALL-06: the client looked; only the absence of the patient makes advice impossible."""
    response = asked(service, call(ehr, {"patient": None}))
    assert response.status_code == 412
    (issue,) = issues(response)
    assert "holds no Patient" in issue["details"]["text"]
    assert ehr.asked("Patient") == []


def test_explain_reads_the_same(service: FlaskClient, ehr: AwkwardEhr) -> None:
    response = asked(service, call(ehr), f"{ORDER_SIGN}/explain")
    assert response.status_code == 200
    assert len(ehr.seen) == 1 + LISTS


def test_an_open_server_is_read_without_token(service: FlaskClient, ehr: AwkwardEhr) -> None:
    assert missing(asked(service, call(ehr, fhirAuthorization=None))) == set()
    assert all("Authorization" not in each.headers for each in ehr.seen)


@pytest.mark.parametrize("token", ["two words", "line\r\nX-Evil: 1", "\u00fc"])
def test_a_token_that_no_header_can_carry(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO, token: str
) -> None:
    authorization = call(ehr)["fhirAuthorization"] | {"access_token": token}
    content = call(ehr, {"patient": PATIENT}, fhirAuthorization=authorization)
    assert missing(asked(service, content)) == NOT_OBTAINED
    assert ehr.seen == []
    assert notes(log) == ["access_token-unusable"]
    assert token not in log.getvalue()


# --- whom to ask ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "server",
    [
        "http://127.0.0.1:{port}/fhir/other",
        "http://127.0.0.1:{port}/fhi",
        "http://127.0.0.1:{port}",
        "http://localhost:{port}/fhir",
        "http://user@127.0.0.1:{port}/fhir",
        "http://127.0.0.1:{port}/fhir?x=",
        "http://127.0.0.1:{port}/fhir#",
    ],
)
def test_no_other_server_is_asked(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO, server: str
) -> None:
    """CALL-28, clarification 43: the exact base URL or nothing."""
    content = call(ehr, {"patient": PATIENT}, fhirServer=server.format(port=ehr.port))
    assert missing(asked(service, content)) == NOT_OBTAINED
    assert ehr.seen == []
    assert notes(log) == ["fhirServer-not-allowed"]


def test_a_trailing_slash_makes_no_other_server(service: FlaskClient, ehr: AwkwardEhr) -> None:
    assert missing(asked(service, call(ehr, fhirServer=f"{ehr.base}/"))) == set()
    assert len(ehr.seen) == 1 + LISTS
    assert all("//" not in path.partition("?")[0] for path in ehr.asked())


def test_without_an_allowed_server_nothing_is_read(
    rulebook: Rulebook, ehr: AwkwardEhr, tmp_path: Path, log: io.StringIO
) -> None:
    app = create_app(settings(tmp_path), rulebook=rulebook, clock=lambda: NOW)
    response = asked(app.test_client(), call(ehr))
    assert response.status_code == 412
    assert fields(response) == {"prefetch.patient"}
    assert ehr.seen == []
    assert notes(log) == []


def test_a_call_without_server_is_answered_from_its_prefetch(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    """CALL-10."""
    content = call(ehr, {"patient": PATIENT}, fhirServer=None, fhirAuthorization=None)
    assert missing(asked(service, content)) == NOT_OBTAINED
    assert notes(log) == ["fhirServer-missing"]


@pytest.mark.parametrize("id", ["\ud800", "..", "a/../../b", "p1?x=", "%2e%2e", "\u0000"])
def test_an_id_that_no_address_can_carry(service: FlaskClient, ehr: AwkwardEhr, id: str) -> None:
    context = order_sign(draftOrders=bundle(ORAL_BACLOFEN), patientId=id)["context"]
    body = json.dumps(call(ehr, context=context | {"userId": f"Practitioner/{id}"}))
    response = service.post(ORDER_SIGN, data=body, content_type="application/json")
    assert response.status_code in {400, 412}
    assert all(path.startswith("/fhir/") and "/.." not in path for path in ehr.asked())


# --- servers that misbehave -----------------------------------------------------------------------

LATER = TIMEOUT_S / 4
MISBEHAVIOUR: dict[str, tuple[Behaviour, str, int]] = {
    # name: behaviour of every search, cause in the log, requests it is worth for each list
    "silent": (ehr_that_is.silent, "timeout", 1),
    "dripping its body": (ehr_that_is.dripping_body, "timeout", 1),
    "dripping its head": (ehr_that_is.dripping_head, "timeout", 1),
    "hanging up": (ehr_that_is.hanging_up, "unreachable", 3),
    "cut off": (ehr_that_is.cut_off, "interrupted", 3),
    "HTML": (body(b"<html>Sign in</html>", "text/html; charset=utf-8"), "media-type", 1),
    "HTML called JSON": (body(b"<html>Sign in</html>"), "not-json", 1),
    "without media type": (body(b"{}", ""), "media-type", 1),
    "401": (saying({}, 401), "status-401", 1),
    "403": (saying({}, 403), "status-403", 1),
    "404": (saying({}, 404), "status-404", 1),
    "400": (saying({}, 400), "status-4xx", 1),
    "500": (saying({}, 500), "status-5xx", 1),
    "503": (saying({}, 503), "unavailable", 3),
    "no content": (saying({}, 202), "unexpected-status", 1),
    "unknown status": (saying({}, 799), "unexpected-status", 1),
    "50 MB": (body(b'{"resourceType":"Bundle"}' + b" " * 50_000_000), "too-large", 1),
    "gzip bomb": (ehr_that_is.gzip_bomb, "too-large", 1),
    "broken gzip": (body(b"{}", headers={"Content-Encoding": "gzip"}), "interrupted", 3),
    "wrong type": (saying(PATIENT), "wrong-type", 1),
    "list": (saying([]), "wrong-type", 1),
}


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_a_list_that_cannot_be_read_is_named(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO, name: str
) -> None:
    """CALL-03, CALL-22: 200, the finding that names it, and the next call is answered."""
    behaviour, cause, attempts = MISBEHAVIOUR[name]
    ehr.on("Condition?", behaviour)
    assert missing(asked(service, call(ehr))) == {"conditions"}
    assert notes(log) == [f"conditions-{cause}"]
    assert len(ehr.asked("Condition?")) == attempts
    assert len(ehr.seen) == LISTS + attempts
    ehr.behaviours.clear()
    assert missing(asked(service, call(ehr))) == set()
    assert TOKEN not in log.getvalue()
    assert "p1" not in log.getvalue()


@pytest.mark.parametrize("name", ["silent", "dripping its head", "hanging up", "503", "404"])
def test_when_nothing_can_be_read_the_patient_is_missing(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO, name: str
) -> None:
    """CALL-03: 412 that says what was tried; the next call is answered."""
    behaviour, cause, _ = MISBEHAVIOUR[name]
    ehr.on("", behaviour)
    response = asked(service, call(ehr))
    assert response.status_code == 412
    assert fields(response) == {"prefetch.patient"}
    (issue,) = issues(response)
    assert "was not sent, and could not be read" in issue["details"]["text"]
    assert f"patient-{cause}" in notes(log)
    ehr.behaviours.clear()
    assert missing(asked(service, call(ehr))) == set()


def test_a_server_that_is_not_there(open_service: Open, ehr: AwkwardEhr, log: io.StringIO) -> None:
    with awkward_ehr() as gone:
        base = gone.base
    content = call(ehr, {"patient": PATIENT}, fhirServer=base)
    assert missing(asked(open_service(base), content)) == NOT_OBTAINED
    assert "conditions-unreachable" in notes(log)


@pytest.mark.parametrize("name", ["503", "hanging up", "cut off", "broken gzip"])
def test_a_short_outage_is_not_noticed(service: FlaskClient, ehr: AwkwardEhr, name: str) -> None:
    """Tried again inside the deadline."""
    ehr.on("Condition?", first_then(MISBEHAVIOUR[name][0]))
    assert missing(asked(service, call(ehr))) == set()
    assert len(ehr.asked("Condition?")) == 2


def test_an_outcome_instead_of_a_list_is_an_answer(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    """CALL-07: passed on as it came; the finding names the list."""
    issue = {"severity": "error", "code": "security"}
    ehr.on("Condition?", saying({"resourceType": "OperationOutcome", "issue": [issue]}))
    assert missing(asked(service, call(ehr))) == {"conditions"}
    assert notes(log) == []


def test_an_outcome_instead_of_the_patient(service: FlaskClient, ehr: AwkwardEhr) -> None:
    ehr.on("Patient/", saying({"resourceType": "OperationOutcome", "issue": []}))
    assert asked(service, call(ehr)).status_code == 412


def test_a_list_instead_of_the_patient(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    ehr.on("Patient/", saying(searchset(PATIENT)))
    assert asked(service, call(ehr)).status_code == 412
    assert notes(log) == ["patient-wrong-type"]


def test_a_server_that_ignores_parameters(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """Trap of real servers: what is about somebody else is no evidence."""
    strangers = {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": {"reference": "Patient/p2"},
        "code": {"coding": [{"system": RXNORM, "code": "1292"}]},
    }
    warning = {
        "resource": {
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "warning", "code": "not-supported"}],
        },
        "search": {"mode": "outcome"},
    }
    found = searchset(strangers, total=1)
    found["entry"].append(warning)
    ehr.on("AllergyIntolerance?", saying(found))
    response = asked(service, call(ehr))
    assert missing(response) == set()
    assert "baclofen-allergy" not in response.text


# --- redirects, cookies, credentials of the machine ------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO, status: int
) -> None:
    """CALL-28: not to another port, and the token does not go there."""
    with awkward_ehr() as elsewhere:
        location = f"{elsewhere.base}/Condition"
        ehr.on("Condition?", saying(searchset(), status, {"Location": location}))
        assert missing(asked(service, call(ehr))) == {"conditions"}
        assert elsewhere.seen == []
    assert notes(log) == ["conditions-redirect"]


def test_the_machines_own_settings_are_not_used(
    service: FlaskClient, ehr: AwkwardEhr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A .netrc would replace the token, a proxy would see it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert missing(asked(service, call(ehr))) == set()
    assert {each.headers["Authorization"] for each in ehr.seen} == {f"Bearer {TOKEN}"}


def test_cookies_are_not_kept(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """They would carry one caller's session into the call of another."""
    ehr.on("Patient/", saying(PATIENT, headers={"Set-Cookie": "session=1; Path=/"}))
    for _ in range(2):
        asked(service, call(ehr))
    assert all("Cookie" not in each.headers for each in ehr.seen)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of a server at 127.0.0.1 that nobody outside the house knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hospital")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "hospital.pem"
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8
    file.write_bytes(
        key.private_bytes(pem, private, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return file


@pytest.mark.parametrize(
    ("host", "is_known", "is_read"),
    [("127.0.0.1", True, True), ("127.0.0.1", False, False), ("localhost", True, False)],
)
def test_a_certificate_must_be_trusted_by_the_system(
    open_service: Open,
    authority: Path,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    is_known: bool,
    is_read: bool,
) -> None:
    """A hospital's own authority counts; otherwise it ends before the token is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with awkward_ehr(context) as secure:
        base = f"https://{host}:{secure.port}/fhir"
        content = call(secure, {"patient": PATIENT}, fhirServer=base)
        found = missing(asked(open_service(base), content))
        assert found == (set() if is_read else NOT_OBTAINED)
        assert len(secure.seen) == (LISTS if is_read else 0)
        assert is_read or "conditions-certificate" in notes(log)


# --- pages ----------------------------------------------------------------------------------------


def condition(id: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": id,
        "subject": {"reference": "Patient/p1"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
    }


SCLEROSIS = condition("c1", "G35")
KIDNEYS = condition("c2", "N18.5")
KIDNEY_RULE = "baclofen-renal-impairment"


def test_all_pages_are_read(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """CALL-09."""
    second = f"{ehr.base}/Condition?page=2"
    ehr.on("Condition?patient", saying(searchset(SCLEROSIS, total=2, link=next_link(second))))
    ehr.on("Condition?page=2", saying(searchset(KIDNEYS, total=2)))
    response = asked(service, call(ehr))
    assert missing(response) == set()
    assert KIDNEY_RULE in response.text
    assert ehr.seen[-1].headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_list_that_was_sent_in_part_is_continued(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """CALL-09: the page that came is not asked for again."""
    link = next_link(f"{ehr.base}/Condition?page=2")
    ehr.on("Condition?page=2", saying(searchset(KIDNEYS)))
    response = asked(service, call(ehr, {"conditions": searchset(SCLEROSIS, link=link)}))
    assert missing(response) == set()
    assert KIDNEY_RULE in response.text
    assert ehr.asked("Condition") == ["/fhir/Condition?page=2"]


def test_a_list_that_was_sent_in_a_form_of_its_own_is_left_to_the_core(
    service: FlaskClient, ehr: AwkwardEhr
) -> None:
    """An array of resources, one of which has the word for a further page in it."""
    sent = [KIDNEYS | {"note": [{"text": "next"}]}]
    response = asked(service, call(ehr, {"conditions": sent}))
    assert missing(response) == set()
    assert KIDNEY_RULE in response.text
    assert ehr.asked("Condition") == []


@pytest.mark.parametrize(
    "link", ["{other}/Condition", "http://localhost:{port}/fhir/Condition", "{base}/../Condition"]
)
@pytest.mark.parametrize("is_sent", [True, False])
def test_a_next_page_elsewhere_is_not_read(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO, link: str, is_sent: bool
) -> None:
    """CALL-28: the page that came counts, the list is named as a part, the token stays here."""
    with awkward_ehr() as other:
        address = link.format(other=other.base, port=ehr.port, base=ehr.base)
        page = searchset(KIDNEYS, link=next_link(address))
        ehr.on("Condition?", saying(page))
        response = asked(service, call(ehr, {"conditions": page} if is_sent else None))
        assert other.seen == []
    assert missing(response) == {"conditions"}
    assert "only in part" in response.text
    assert KIDNEY_RULE in response.text
    assert notes(log) == ["conditions-other-origin"]
    assert len(ehr.asked()) == LISTS + 1 - is_sent


def test_endless_pages_are_read_up_to_the_limit(
    open_service: Open, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    ehr.on("Condition?", ehr_that_is.endless(ehr, "Condition?x=1"))
    assert missing(asked(open_service(max_pages=3), call(ehr))) == {"conditions"}
    assert len(ehr.asked("Condition?")) == 3
    assert notes(log) == ["conditions-too-many-pages"]


@pytest.mark.parametrize("name", ["silent", "500", "HTML", "wrong type"])
def test_pages_that_came_before_a_failure_count(
    service: FlaskClient, ehr: AwkwardEhr, name: str
) -> None:
    link = next_link(f"{ehr.base}/Condition?page=2")
    ehr.on("Condition?patient", saying(searchset(KIDNEYS, link=link)))
    ehr.on("Condition?page=2", MISBEHAVIOUR[name][0])
    response = asked(service, call(ehr))
    assert missing(response) == {"conditions"}
    assert KIDNEY_RULE in response.text


def test_a_total_that_is_not_reached_is_a_part(service: FlaskClient, ehr: AwkwardEhr) -> None:
    ehr.on("Condition?", saying(searchset(SCLEROSIS, total=2)))
    assert missing(asked(service, call(ehr))) == {"conditions"}


def test_bytes_are_counted_over_the_whole_call(open_service: Open, ehr: AwkwardEhr) -> None:
    """Thirteen lists just below the limit are thirteen times the limit."""
    whole = json.dumps(searchset()).encode()
    ehr.on("", body(whole + b" " * 60_000))
    ehr.on("Patient/", saying(PATIENT))
    content = call(ehr, {"patient": PATIENT})
    assert missing(asked(open_service(max_bytes=400_000), content)) != set()
    assert missing(asked(open_service(max_bytes=1_000_000), content)) == set()


# --- products -------------------------------------------------------------------------------------


def product(id: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Medication",
        "id": id,
        "code": {"coding": [{"system": RXNORM, "code": code}]},
    }


def active(id: str, medication: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "active",
        "intent": "order",
        "authoredOn": "2026-05-30",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": medication},
    }


LEVODOPA = product("m1", "6375")
LEVODOPA_RULE = "baclofen-levodopa"


@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize(
    "reference", ["Medication/m1", "{base}/Medication/m1", "Medication/m1/_history/2"]
)
def test_products_that_are_referred_to_are_read(
    service: FlaskClient, ehr: AwkwardEhr, reference: str, is_sent: bool
) -> None:
    requests = searchset(
        active("r1", reference.format(base=ehr.base)), active("r2", "Medication/m2")
    )
    ehr.on("MedicationRequest?", saying(requests))
    ehr.on("Medication?", saying(searchset(LEVODOPA)))
    response = asked(service, call(ehr, {"medicationRequests": requests} if is_sent else None))
    assert LEVODOPA_RULE in response.text
    assert ehr.asked("Medication?") == ["/fhir/Medication?_id=m1,m2&_count=50"]
    assert ehr.asked("Medication/") == []


def test_products_are_read_one_by_one_where_the_search_finds_none(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    ehr.on(
        "MedicationRequest?",
        saying(searchset(active("r1", "Medication/m1"), active("r2", "Medication/m2"))),
    )
    ehr.on("Medication/m1", saying(LEVODOPA))
    ehr.on("Medication/m2", saying({}, 404))
    response = asked(service, call(ehr))
    assert LEVODOPA_RULE in response.text
    assert sorted(ehr.asked("Medication/")) == ["/fhir/Medication/m1", "/fhir/Medication/m2"]
    assert notes(log) == ["medicationsReferenced-status-404"]


def test_products_of_drafts_are_read(service: FlaskClient, ehr: AwkwardEhr) -> None:
    draft = ORAL_BACLOFEN | {"medicationReference": {"reference": "Medication/m9"}}
    del draft["medicationCodeableConcept"]
    ehr.on("Medication?", saying(searchset(product("m9", "1292"))))
    content = call(ehr, context=order_sign(draftOrders=bundle(draft))["context"])
    ehr.on("Condition?", saying({}, 404))
    assert missing(asked(service, content)) == {"conditions"}  # so baclofen was recognised


@pytest.mark.parametrize(
    "resource",
    [
        active("r1", "#m1") | {"contained": [LEVODOPA]},
        active("r1", "https://elsewhere.example/fhir/Medication/m1"),
        active("r1", "urn:uuid:0a1b"),
        active("r1", "Medication/.."),
        active("r1", "Medication/a,b"),
        active("r1", "Substance/Medication/m1"),
    ],
)
def test_products_that_are_there_or_not_here_are_not_asked_for(
    service: FlaskClient, ehr: AwkwardEhr, resource: dict[str, Any]
) -> None:
    ehr.on("MedicationRequest?", saying(searchset(resource)))
    assert asked(service, call(ehr)).status_code == 200
    assert ehr.asked("Medication?") + ehr.asked("Medication/") == []


def test_products_that_came_along_are_not_asked_for(service: FlaskClient, ehr: AwkwardEhr) -> None:
    found = searchset(active("r1", "Medication/m1"))
    found["entry"].append({"resource": LEVODOPA, "search": {"mode": "include"}})
    ehr.on("MedicationRequest?", saying(found))
    assert LEVODOPA_RULE in asked(service, call(ehr)).text
    assert ehr.asked("Medication?") == []


def test_products_that_were_sent_under_the_same_name_are_kept(
    service: FlaskClient, ehr: AwkwardEhr
) -> None:
    requests = searchset(active("r1", "Medication/m1"), active("r2", "Medication/m2"))
    sent = {"medicationRequests": requests, "medicationsReferenced": LEVODOPA}
    assert LEVODOPA_RULE in asked(service, call(ehr, sent)).text
    assert ehr.asked("Medication?") == []


def test_at_most_fifty_products_are_read(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    many = [active(f"r{n}", f"Medication/m{n}") for n in range(60)]
    ehr.on("MedicationRequest?", saying(searchset(*many)))
    ehr.on("Medication?", saying(searchset(LEVODOPA)))
    asked(service, call(ehr))
    (path,) = ehr.asked("Medication?")
    assert path.count(",") == 49
    assert notes(log) == ["medicationsReferenced-too-many-references"]


# --- over many calls ------------------------------------------------------------------------------


def test_an_ehr_that_stays_away_is_left_alone_for_a_while(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    """The circuit breaker: later calls do not wait, and are answered from what they bring."""
    ehr.on("", saying({}, 500))
    for _ in range(2):
        assert asked(service, call(ehr)).status_code == 412
    before = len(ehr.seen)
    assert missing(asked(service, call(ehr, {"patient": PATIENT}))) == NOT_OBTAINED
    assert len(ehr.seen) == before
    assert "conditions-breaker-open" in notes(log)


def test_refusals_do_not_open_the_breaker(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """A token without rights says nothing about the server."""
    ehr.on("", saying({}, 401))
    for _ in range(3):
        asked(service, call(ehr))
    assert len(ehr.seen) == 3 * (1 + LISTS)


def test_every_read_is_observed(rulebook: Rulebook, ehr: AwkwardEhr) -> None:
    """For the metrics: outcome and seconds, nothing of the patient; the breaker by origin."""
    seen: list[tuple[str, float]] = []
    reader = EhrReader(
        [ehr.base],
        10,
        10_000_000,
        3,
        observe=lambda outcome, seconds: seen.append((outcome, seconds)),
    )
    ehr.on("Condition?", saying({}, 404))
    request = HookRequest(
        service="spasticity-order-sign",
        hook="order-sign",
        hook_instance="i",
        patient_id="p1",
        fhir_server=ehr.base,
        access_token=TOKEN,
    )
    completed = reader.complete(request, rulebook.services[request.service], NOW.date())
    outcomes = [outcome for outcome, _ in seen]
    assert sorted(outcomes) == ["ok"] * LISTS + ["status-404"]
    assert all(0 <= seconds < GENEROUS_S + 10 for _, seconds in seen)
    assert reader.breaker_states() == {ehr.base.removesuffix("/fhir"): "closed"}
    assert TOKEN not in repr(completed)


def test_the_order_lists_of_two_versions(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """Clarification 43: no server has both MedicationRequest and MedicationOrder."""
    ehr.on("MedicationOrder?", saying({}, 404))
    content = call(ehr) | {name: medication_prescribe()[name] for name in ("hook", "context")}
    assert missing(asked(service, content, PRESCRIBE)) == set()


def test_a_query_without_a_value_for_its_token_is_not_missing(
    rulebook: Rulebook, ehr: AwkwardEhr, tmp_path: Path
) -> None:
    """Clarification 43: without an encounter nothing of an encounter is asked for or missed."""
    service = rulebook.services["spasticity-order-sign"]
    template = "Condition?encounter={{context.encounterId}}"
    wider = replace(service, prefetch={**service.prefetch, "ofEncounter": template})
    book = replace(rulebook, services={**rulebook.services, service.id: wider})
    site = settings(tmp_path, f"[fhir]\nallowed_servers = ['{ehr.base}']")
    client = create_app(site, rulebook=book, clock=lambda: NOW).test_client()
    assert missing(asked(client, call(ehr))) == set()
    assert ehr.asked("Condition?encounter") == []
    ehr.on("Condition?encounter", saying({}, 404))
    context = call(ehr)["context"] | {"encounterId": "e1"}
    assert missing(asked(client, call(ehr, context=context))) == {"conditions"}
    assert ehr.asked("Condition?encounter") == ["/fhir/Condition?encounter=e1"]


def test_the_workers_of_the_server_read(ehr: AwkwardEhr, tmp_path: Path) -> None:
    """Threads do not survive a fork, so they must not be there before it."""
    text = f'[fhir]\nallowed_servers = ["{ehr.base}"]\ntimeout_s = 10'
    served = start(tmp_path, settings=text, program=REAL)
    try:
        wait_until_ready(served)
        for _ in range(4):
            status, content, _ = served.send(
                "POST", ORDER_SIGN, json.dumps(call(ehr)).encode(), JSON
            )
            assert status == 200
            assert b"could not be obtained" not in content
        assert len(ehr.seen) == 4 * (1 + LISTS)
        assert TOKEN not in served.log
        assert '"notes"' not in served.log
        assert "without effect" not in served.log
    finally:
        assert stop(served) == 0
