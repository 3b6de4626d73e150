"""Lists that come in pages."""

from __future__ import annotations

import io
import json

import pytest
from flask.testing import FlaskClient

from tests.contract.reading_back import awkward_ehr as ehr_that_is
from tests.contract.reading_back.awkward_ehr import (
    PATIENT,
    AwkwardEhr,
    awkward_ehr,
    body,
    next_link,
    saying,
    searchset,
)
from tests.contract.reading_back.calls import (
    KIDNEY_RULE,
    KIDNEYS,
    LISTS,
    MISBEHAVIOUR,
    SCLEROSIS,
    TOKEN,
    Open,
    asked,
    call,
    missing,
    notes,
    patience,
)


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
    open_service: Open, ehr: AwkwardEhr, name: str
) -> None:
    service = open_service(timeout_s=patience(name))
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
