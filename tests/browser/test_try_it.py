"""The page / in a browser: stories, doses, suggestions, signing, overrides, and other people's data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from cds_service.web.pages.try_it.menu import Story, read_menu
from tests.browser.accessibility import violations
from tests.browser.browsing import PHONE, Visitor
from tests.stories.charts import FOLDER

STORIES = read_menu(FOLDER).stories
PAYLOAD = (
    '"><script>window.hit=1</script><img src="https://evil.example/x.png" onerror="window.hit=1">'
)

pytestmark = pytest.mark.xdist_group("browser")
"""One browser for all of them: see in_parallel in the Makefile."""

expect.set_options(timeout=30_000)


def opened(visitor: Visitor, story: str = "ciprofloxacin") -> Page:
    return visitor.visit(f"/?story={story}")


def cards(page: Page) -> Locator:
    return page.locator("#answer .card")


def indicators(page: Page) -> list[str]:
    return page.locator("#answer .card .indicator").all_inner_texts()


def rules_in_response(page: Page) -> set[str]:
    response = json.loads(page.locator("#response-json").text_content() or "")
    return {
        finding["rule"]
        for card in response["cards"]
        for finding in card["extension"]["org.cds-service.findings"]
    }


def chart_of(*others: dict[str, Any], **members: Any) -> str:
    patient = {
        "resourceType": "Patient",
        "id": "own",
        "gender": "female",
        "birthDate": "1961-05-02",
    }
    every = [patient | members, *others]
    entries = [{"resource": each} for each in every]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def paste(page: Page, text: str) -> None:
    page.get_by_text("Your own patient").click()
    page.get_by_label("or paste one").fill(text)


def test_each_story_leads_to_its_cards(visitor: Visitor) -> None:
    page = visitor.visit("/")
    for story in STORIES.values():
        page.get_by_role("link", name=story.title, exact=True).click()
        expect(page.locator(".about")).to_contain_text(story.see)
        assert rules_in_response(page) == set(story.rules), story.id
        check_that_cards_stand_first(page, story)


def check_that_cards_stand_first(page: Page, story: Story) -> None:
    """JSON is folded away; where there is nothing to say the page says so."""
    expect(page.locator("#request-json")).to_be_hidden()
    expect(page.locator("#response-json")).to_be_hidden()
    if story.rules:
        expect(cards(page).first).to_be_visible()
    else:
        expect(page.get_by_role("status")).to_contain_text("No card.")


def test_another_dose_changes_the_cards_while_it_is_typed(visitor: Visitor) -> None:
    page = opened(visitor, "kidneys")
    expect(cards(page)).to_have_count(1)
    dose = page.get_by_label("Dose", exact=True)
    dose.fill("40")
    expect(cards(page)).to_have_count(3)
    expect(dose).to_be_focused()
    assert '"value": 40' in (page.locator("#json-0").text_content() or "")
    dose.fill("lots")
    expect(page.locator("#problem-0")).to_have_text(re.compile("Order 1, dose: write a number"))


def test_micrograms_instead_of_milligrams_end_the_alarm(visitor: Visitor) -> None:
    page = opened(visitor, "milligrams")
    assert indicators(page) == ["critical"]
    page.get_by_label("Dose", exact=True).fill("350")
    page.get_by_label("Unit").select_option("ug/d")
    expect(page.locator("#answer .indicator.critical")).to_have_count(0)


def test_an_accepted_taper_becomes_the_order(visitor: Visitor) -> None:
    page = opened(visitor, "abrupt-stop")
    page.locator("#answer button.recommended").click()
    notice = page.locator("#answer .note")
    expect(notice).to_contain_text("Accepted:")
    expect(notice).to_contain_text("Changed: baclofen, stopped became baclofen")
    expect(page.get_by_label("FHIR of the order")).to_have_value(re.compile("boundsDuration"))
    expect(page.locator("#answer .indicator.critical")).to_have_count(0)


def test_a_second_order_is_checked_with_the_first(visitor: Visitor) -> None:
    page = opened(visitor, "silence")
    page.get_by_role("button", name="Add an order").click()
    expect(page.locator("fieldset.order")).to_have_count(2)
    second = page.locator("fieldset.order").nth(1)
    expect(second.get_by_label("What")).to_have_value("tizanidine")
    second.get_by_label("Dose", exact=True).fill("60")
    second.get_by_label("How often").first.select_option("3")
    expect(cards(page).first).to_be_visible()
    page.get_by_role("button", name="Remove: order 2").click()
    expect(page.locator("fieldset.order")).to_have_count(1)
    expect(cards(page)).to_have_count(0)


def test_signing_calls_the_other_hook(visitor: Visitor) -> None:
    page = opened(visitor)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.locator("#answer h2")).to_contain_text("order-sign")
    page.locator("#request > summary").click()
    expect(page.locator("#request-json")).to_contain_text('"hook": "order-sign"')
    expect(page.locator("#curl")).to_contain_text(f"{visitor.base}/cds-services/")


def test_a_dismissed_card_is_stored_and_gone_at_the_next_check(visitor: Visitor) -> None:
    page = opened(visitor, "pregnancy")
    expect(cards(page)).to_have_count(1)
    page.get_by_text("Reasons for another choice").click()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#answer .note")).to_contain_text("Choose a reason")
    page.get_by_text("Reasons for another choice").click()
    page.locator("#answer .override input[type=radio]").first.check()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#answer .note")).to_contain_text("stored as feedback")
    expect(cards(page)).to_have_count(0)
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#answer .note")).to_have_count(0)
    expect(cards(page)).to_have_count(0)
    metrics = page.request.get(f"{visitor.base}/metrics").text()
    assert re.search(r'cds_feedback_total\{outcome="overridden"\} [1-9]', metrics)


def test_the_reasons_name_what_was_looked_at(visitor: Visitor) -> None:
    page = opened(visitor)
    why = page.locator("#why")
    expect(why.locator(".reasons").first).to_be_hidden()
    why.locator("> summary").click()
    expect(why.get_by_role("link", name=re.compile("CYP1A2")).first).to_be_visible()
    why.locator(".silent > summary").first.click()
    silent = why.locator(".silent .reasons").first.locator("> li")
    expect(silent.first).to_be_visible()
    assert silent.count() > 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"resourceType": "Bundle", "entry": [', "is not valid JSON"),
        (b'{"resourceType": "Bundle"}', "holds no Patient"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
    ],
)
def test_a_broken_upload_is_told_what_is_wrong(
    visitor: Visitor, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "patient.json"
    file.write_bytes(content)
    page = opened(visitor)
    page.get_by_text("Your own patient").click()
    page.get_by_label("Upload a FHIR Bundle").set_input_files(file)
    expect(page.locator("#patient [role=alert]")).to_contain_text(message)
    expect(cards(page)).to_have_count(0)


def test_an_uploaded_patient_is_asked_about(visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "patient.json"
    file.write_text(chart_of(name=[{"text": "Mine Own"}]))
    page = opened(visitor)
    page.get_by_text("Your own patient").click()
    page.get_by_label("Upload a FHIR Bundle").set_input_files(file)
    expect(page.locator("#patient-name")).to_have_text("Mine Own")
    page.get_by_label("Dose", exact=True).fill("2")
    expect(page.locator("#request-json")).to_contain_text('"patientId": "own"')
    assert "missing-data" in rules_in_response(page)


def test_a_pasted_payload_is_text_and_nothing_else(visitor: Visitor) -> None:
    """The visitor fails the test for a request elsewhere, and for what the policy had to stop."""
    concept = {
        "coding": [{"system": "http://snomed.info/sct", "code": PAYLOAD, "display": PAYLOAD}],
        "text": f"![x](https://evil.example/x.png) {PAYLOAD}",
    }
    subject = {"reference": "Patient/own"}
    active = {"coding": [{"code": "active"}]}
    condition = {"resourceType": "Condition", "id": "c", "clinicalStatus": active, "code": concept}
    order: dict[str, Any] = {"resourceType": "MedicationRequest", "id": PAYLOAD}
    order["status"] = "active"
    order |= {"intent": "order", "medicationCodeableConcept": concept, "subject": subject}
    chart = chart_of(condition | {"subject": subject}, order, name=[{"text": PAYLOAD}])
    page = opened(visitor)
    paste(page, chart)
    expect(page.locator("#patient-name")).to_contain_text(PAYLOAD[:70])
    page.get_by_role("button", name="Edit the FHIR: order 1").click()
    draft: dict[str, Any] = {"resourceType": "MedicationRequest", "id": "d"}
    draft |= {"status": "draft", "intent": "order"}
    tizanidine = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "57258"}
    draft |= {"medicationCodeableConcept": {"coding": [tizanidine], "text": PAYLOAD}}
    page.get_by_label("FHIR of the order").fill(json.dumps(draft | {"subject": subject}))
    expect(page.locator("#request-json")).to_contain_text('"id": "d"')
    page.locator("#why > summary").click()
    page.locator("#request > summary").click()
    page.locator("#response > summary").click()
    assert page.evaluate("window.hit") is None
    assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("visitor", [{"viewport": PHONE, "is_mobile": True}], indirect=True)
def test_a_phone_never_scrolls_sideways(visitor: Visitor) -> None:
    for story in ("ciprofloxacin", "abrupt-stop"):
        page = opened(visitor, story)
        for summary in page.locator("#why, #request, #response, .own, .order .fhir").all():
            summary.locator("> summary").click()
        page.locator("#answer .card details > summary").first.click()
        wide = page.evaluate(
            "[...document.querySelectorAll('main *')]"
            ".filter(each => each.getBoundingClientRect().right > innerWidth + 1"
            " && !each.closest('thead, .stories'))"
            ".map(each => each.outerHTML.slice(0, 120))"
        )
        assert wide == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("visitor", [{"java_script_enabled": False}], indirect=True)
def test_it_works_without_javascript(visitor: Visitor) -> None:
    page = opened(visitor, "screening")
    assert indicators(page) == ["warning"]
    page.get_by_label("Dose", exact=True).fill("50")
    page.get_by_role("button", name="Check").click()
    expect(cards(page)).to_have_count(0)
    expect(page.get_by_label("Dose", exact=True)).to_have_value("50")
    page.get_by_role("link", name="Baclofen stopped at once").click()
    page.locator("#answer button.recommended").click()
    expect(page.locator("#answer .note")).to_contain_text("Accepted:")
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.locator("#answer h2")).to_contain_text("order-sign")


@pytest.mark.in_every_look
def test_anyone_can_read_it(visitor: Visitor) -> None:
    """Contrast of AA in light and dark, names and roles for screen readers, all panels open."""
    page = opened(visitor)
    assert violations(page) == []
    page.get_by_role("button", name="Edit the FHIR: order 1").click()
    expect(page.get_by_label("FHIR of the order")).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert violations(page) == []
