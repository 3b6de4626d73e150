"""Nothing that an answer or the machine says sends a request or a token elsewhere."""

from __future__ import annotations

import io
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask.testing import FlaskClient

from tests.contract.reading_back.awkward_ehr import (
    PATIENT,
    AwkwardEhr,
    awkward_ehr,
    saying,
    searchset,
)
from tests.contract.reading_back.calls import (
    LISTS,
    NOT_OBTAINED,
    TOKEN,
    Open,
    asked,
    call,
    missing,
    notes,
)


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
