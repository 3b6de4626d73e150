"""Which next pages may be read, and how pages become one Bundle."""

from __future__ import annotations

import json

import pytest

from cds_service.ehr.guarded import Cause, ReadFailed
from cds_service.ehr.paging import joined, read_page, read_type, within

BASE = "https://ehr.example.org/fhir"
PAGE = f"{BASE}/Condition?patient=p1"


@pytest.mark.parametrize(
    ("link", "address"),
    [
        (f"{BASE}/Condition?page=2", f"{BASE}/Condition?page=2"),
        (f"{BASE}?_getpages=1", f"{BASE}?_getpages=1"),
        ("https://EHR.example.org:443/fhir/Condition?page=2", f"{BASE}/Condition?page=2"),
        ("Condition?page=2", f"{BASE}/Condition?page=2"),
        ("?page=2", f"{BASE}/Condition?page=2"),
        ("/fhir/Condition?page=2", f"{BASE}/Condition?page=2"),
    ],
)
def test_a_next_page_under_the_base(link: str, address: str) -> None:
    assert within(BASE, PAGE, link) == address


@pytest.mark.parametrize(
    "link",
    [
        "http://ehr.example.org/fhir/Condition",
        "https://ehr.example.org:8443/fhir/Condition",
        "https://localhost/fhir/Condition",
        "https://ehr.example.org.evil.example/fhir/Condition",
        "https://ehr.example.org@evil.example/fhir/Condition",
        "https://user@ehr.example.org/fhir/Condition",
        "https://ehr.example.org/fhirs/Condition",
        "https://ehr.example.org/other",
        "https://ehr.example.org/fhir/../other",
        "https://ehr.example.org/fhir/%2e%2e/other",
        "https://ehr.example.org/fhir/..%2fother",
        "https://ehr.example.org/fhir/..\\other",
        "//evil.example/fhir/Condition",
        "/other",
        "ftp://ehr.example.org/fhir/Condition",
        "https://ehr.example.org:port/fhir",
        "https://[::1/fhir",
        "javascript:alert(1)",
    ],
)
def test_no_page_elsewhere_is_read(link: str) -> None:
    assert within(BASE, PAGE, link) is None


def page(*resources: str, **members: object) -> bytes:
    entries = [{"resource": {"resourceType": each}} for each in resources]
    return json.dumps({"resourceType": "Bundle", "entry": entries} | members).encode()


def test_pages_become_one_bundle() -> None:
    pages = [read_page(page("A", "B", total=3)), read_page(page("C"))]
    whole = json.loads(joined(pages, is_complete=True))
    assert [entry["resource"]["resourceType"] for entry in whole["entry"]] == ["A", "B", "C"]
    assert whole["total"] == 3
    assert "link" not in whole
    part = json.loads(joined(pages[:1], is_complete=False))
    assert part["link"] == [{"relation": "next"}]


def test_an_entry_stays_as_it_was_written() -> None:
    body = b'{"resourceType":"Bundle","entry":[ {"resource":{"value":0.10}} ]}'
    assert b'{"resource":{"value":0.10}}' in joined([read_page(body)], is_complete=True)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", Cause.NOT_JSON),
        (b"<html/>", Cause.NOT_JSON),
        (b'{"resourceType":"Bundle"', Cause.NOT_JSON),
        (b'{"resourceType":"Bundle","x":"\xff"}', Cause.NOT_JSON),
        (b"[" * 100_000, Cause.WRONG_TYPE),
        (b'{"x":' + b"[" * 100_000, Cause.NOT_JSON),
        (b"[]", Cause.WRONG_TYPE),
        (b"null", Cause.WRONG_TYPE),
        (b"{}", Cause.WRONG_TYPE),
        (b'{"resourceType":7}', Cause.WRONG_TYPE),
        (b'{"resourceType":"Patient"}', Cause.WRONG_TYPE),
        (b'{"resourceType":"Bundle","entry":{}}', Cause.WRONG_TYPE),
        (b'{"resourceType":"Bundle","link":"next"}', Cause.WRONG_TYPE),
    ],
)
def test_what_is_no_bundle(body: bytes, cause: Cause) -> None:
    with pytest.raises(ReadFailed) as failure:
        read_page(body)
    assert failure.value.cause is cause


def test_the_type_of_a_resource() -> None:
    assert read_type(b'{"id":"1","resourceType":"Patient"}') == "Patient"
