"""The page / in a browser: every story, every button, hostile and huge records, any visitor."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.accessibility import violations
from tests.browser.browsing import PHONE, Visitor
from tests.stories.charts import FOLDER

pytestmark = pytest.mark.xdist_group("browser")

expect.set_options(timeout=30_000)

CARDS = {
    "ciprofloxacin": ["critical", "warning"],
    "kidneys": ["warning"],
    "abrupt-stop": ["critical"],
    "pump-on-warfarin": ["critical", "critical"],
    "milligrams": ["critical"],
    "screening": ["warning"],
    "splint": ["warning"],
    "pregnancy": ["warning"],
    "nothing-measured": ["info"],
    "the-pill": ["warning"],
    "refill": ["critical"],
    "silence": [],
}
STORY_NAMES = {
    "ciprofloxacin": "Tizanidine beside ciprofloxacin",
    "silence": "Nothing to say",
    "abrupt-stop": "Baclofen stopped at once",
}


def cards(page: Page) -> Any:
    return page.locator("#answer .card")


def expect_cards(page: Page, indicators: list[str]) -> None:
    expect(page.locator("#answer .card > header .indicator")).to_have_text(indicators)


def own_patient() -> dict[str, Any]:
    text = (FOLDER / "ciprofloxacin.patient.json").read_text("utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def upload(page: Page, name: str, content: bytes) -> None:
    page.get_by_text("Your own patient").click()
    file = FilePayload(name=name, mimeType="application/json", buffer=content)
    page.get_by_label("Upload a FHIR Bundle").set_input_files(file)


@pytest.mark.parametrize("story", CARDS)
def test_a_story_shows_its_cards(visitor: Visitor, story: str) -> None:
    page = visitor.visit(f"/?story={story}")
    expect_cards(page, CARDS[story])
    expect(page.locator(".stories [aria-current]")).to_have_count(1)


def test_every_story_is_one_click(visitor: Visitor) -> None:
    page = visitor.visit("/")
    assert page.locator(".stories a").count() == len(CARDS)
    page.get_by_role("link", name=STORY_NAMES["silence"]).click()
    expect(page.locator("#answer [role=status]")).to_contain_text("No card")


def test_the_cards_follow_the_order_while_it_is_edited(visitor: Visitor) -> None:
    page = visitor.visit("/?story=milligrams")
    dose = page.get_by_label("Dose", exact=True)
    dose.fill("")
    dose.press_sequentially("400.5")
    expect(cards(page)).to_contain_text(["400.5 mg"])
    expect(dose).to_be_focused()
    page.get_by_label("Unit").select_option("ug")
    expect(page.get_by_text("thousandfold error")).to_have_count(0)
    page.locator(".fhir summary").click()
    expect(page.locator("#json-0")).to_contain_text('"value": 400.5')


def test_a_dose_that_is_no_number_is_named_beside_it(visitor: Visitor) -> None:
    page = visitor.visit("/")
    page.get_by_label("Dose", exact=True).fill("four")
    expect(page.locator("#problem-0")).to_contain_text("Order 1, dose: write a number")
    expect_cards(page, [])
    page.get_by_label("Dose", exact=True).fill("4")
    expect(page.locator("#problem-0")).to_be_empty()
    expect_cards(page, CARDS["ciprofloxacin"])


def test_another_drug_brings_its_own_units(visitor: Visitor) -> None:
    page = visitor.visit("/")
    page.get_by_label("What").focus()
    page.get_by_label("What").select_option("baclofen-intrathecal")
    expect(page.get_by_label("Unit").locator("option")).to_contain_text(["µg", "mg", "µg a day"])
    page.get_by_label("What").select_option("pump-implant")
    expect(page.get_by_label("Unit")).to_have_count(0)
    expect(page.get_by_label("What")).to_be_focused()


def test_signing_calls_the_other_hook(visitor: Visitor) -> None:
    page = visitor.visit("/?story=nothing-measured")
    expect_cards(page, ["info"])
    page.get_by_role("button", name="Sign").click()
    expect(page.locator("#answer h2")).to_contain_text("order-sign")


def test_an_accepted_taper_takes_the_place_of_the_stop(visitor: Visitor) -> None:
    page = visitor.visit("/?story=abrupt-stop")
    page.locator(".suggestions button.recommended").click()
    expect(page.locator(".note")).to_contain_text("Accepted:")
    expect(page.locator(".note")).to_contain_text("Changed: baclofen, stopped became baclofen")
    expect(page.locator(".note")).to_be_focused()
    expect(page.locator("#written-0")).to_have_value(re.compile(r"dosageInstruction"))
    expect(page.locator("#answer .card.critical")).to_have_count(0)


def test_a_splint_becomes_a_referral(visitor: Visitor) -> None:
    page = visitor.visit("/?story=splint")
    page.locator(".suggestions button").first.click()
    expect(page.locator(".note")).to_contain_text("Removed:")
    expect(page.locator(".note")).to_contain_text("New:")
    expect_cards(page, [])


def test_a_dismissed_card_is_gone_and_stays_away(visitor: Visitor) -> None:
    page = visitor.visit("/?story=pregnancy")
    page.get_by_text("Reasons for another choice").click()
    page.get_by_role("radio").first.check()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".note")).to_contain_text("stored as feedback")
    expect_cards(page, [])
    page.get_by_role("button", name="Sign").click()
    expect(page.locator("#answer h2")).to_contain_text("order-sign")
    expect_cards(page, [])
    page.locator("#why > summary").click()
    expect(page.locator("#why")).to_contain_text("an earlier card was overridden")
    metrics = page.request.get(f"{visitor.base}/metrics").text()
    assert 'outcome="overridden"' in metrics


def test_reasons_are_given_for_silence_too(visitor: Visitor) -> None:
    page = visitor.visit("/?story=silence")
    page.locator("#why > summary").click()
    page.locator("#why .silent summary").click()
    expect(page.locator("#why .silent .reasons > li").nth(10)).to_be_visible()
    page.locator("#why .silent .reasons > li > p > a").first.click()
    expect(page).to_have_url(re.compile(r"/rules/[a-z0-9-]+$"))


def test_the_request_can_be_copied_and_sent_again(visitor: Visitor, tmp_path: Path) -> None:
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.visit("/")
    page.locator("#request > summary").click()
    page.locator("[data-copy=request-json]").click()
    expect(page.locator("[data-copy=request-json]")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    answer = page.request.post(
        f"{visitor.base}/cds-services/spasticity-order-select",
        data=copied,
        headers={"Content-Type": "application/json"},
    )
    assert len(answer.json()["cards"]) == 2
    with page.expect_download() as download:
        page.get_by_role("button", name="Download request.json").click()
    file = tmp_path / "request.json"
    download.value.save_as(file)
    assert json.loads(file.read_bytes())["hook"] == "order-select"
    assert "-d @request.json" in page.locator("#curl").inner_text()


def test_an_order_can_be_pasted_beside_another(visitor: Visitor) -> None:
    page = visitor.visit("/?story=silence")
    page.get_by_role("button", name="Paste an order").click()
    order = json.dumps({
        "resourceType": "MedicationRequest", "id": "mine", "status": "draft", "intent": "order",
        "medicationCodeableConcept": {"coding": [
            {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "57258"}]},
        "subject": {"reference": "Patient/silence-pat"},
        "dosageInstruction": [{"timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [{"doseQuantity": {"value": 20, "unit": "mg", "code": "mg",
                "system": "http://unitsofmeasure.org"}}]}],
    })  # fmt: skip
    page.get_by_label("FHIR of the order").fill(order)
    expect(cards(page).first).to_contain_text("Tizanidine")
    page.get_by_label("FHIR of the order").fill(order[:40])
    expect(page.locator("#problem-1")).to_contain_text("Order 2 is not valid JSON")


# --- records of others ----------------------------------------------------------------------------


def test_a_broken_file_is_named_and_the_next_one_works(visitor: Visitor) -> None:
    page = visitor.visit("/")
    upload(page, "broken.json", b'{"resourceType": "Bundle",\n "entry": [{"resource": }]}')
    expect(page.get_by_role("alert")).to_contain_text("The file is not valid JSON")
    expect(page.get_by_role("alert")).to_contain_text("line 2")
    expect(page.locator("#answer [role=status]")).to_have_text("Nothing was asked.")
    whole = json.dumps(own_patient()).encode()
    file = FilePayload(name="whole.json", mimeType="application/json", buffer=whole)
    page.get_by_label("Upload a FHIR Bundle").set_input_files(file)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".banner")).to_contain_text("Ruth Example")
    expect(cards(page)).not_to_have_count(0)


def test_a_long_record_does_not_hold_the_page_up(visitor: Visitor) -> None:
    """3.8 MB. The bound is generous; the page takes clicks while the answer is on its way."""
    bundle = own_patient()
    note = "kept for the size of it " * 12
    number = 0
    size = len(json.dumps(bundle))
    while size < 3_800_000:
        number += 1
        entry = {
            "resource": {
                "resourceType": ("Condition", "Observation", "Encounter")[number % 3],
                "id": f"n{number}",
                "status": "final",
                "subject": {"reference": "Patient/ciprofloxacin-pat"},
                "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}], "text": "x"},
                "note": [{"text": note}],
            }
        }
        bundle["entry"].append(entry)
        size += len(json.dumps(entry)) + 2
    page = visitor.visit("/?story=silence")
    page.evaluate(
        "() => { window.slowest = 0; let last = performance.now();"
        " setInterval(() => { const now = performance.now();"
        " window.slowest = Math.max(window.slowest, now - last); last = now; }, 20); }"
    )
    page.get_by_label("What").select_option("tizanidine")
    upload(page, "long.json", json.dumps(bundle).encode())
    page.locator(".more summary").click()
    expect(page.get_by_label("At most in a day")).to_be_visible()
    expect(page.locator("#answer .card.critical")).to_have_count(1, timeout=20_000)
    expect(page.locator("#request summary")).to_contain_text("MB")
    with page.expect_response(lambda answer: answer.request.method == "POST") as again:
        page.get_by_label("Dose", exact=True).fill("2")
    assert again.value.ok
    expect(page.locator("#answer .card.critical")).to_have_count(1)
    assert page.evaluate("window.slowest") < 5_000
    assert len(page.content()) < 400_000, "the record is not in the page"


PAYLOADS = (
    "<script>window.hit=1</script>",
    '<img src="https://evil.example/x.png" onerror="window.hit=1">',
    "![x](https://evil.example/y.png)",
    "[x](javascript:window.hit=1)",
    '"><svg onload=window.hit=1>',
    "</textarea><script>window.hit=1</script>",
)


def test_payloads_in_a_record_do_nothing(visitor: Visitor) -> None:
    """In names, texts, units and ids; no script runs and nobody else is asked for anything."""
    bundle = own_patient()
    words = " ".join(PAYLOADS)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        for element in ("code", "medicationCodeableConcept"):
            if element in resource:
                resource[element]["text"] = words
                for coding in resource[element]["coding"]:
                    coding["display"] = words
        if "valueQuantity" in resource:
            resource["valueQuantity"]["unit"] = f"mg/dL {words}"
    bundle["entry"][0]["resource"]["name"] = [{"text": words}]
    page = visitor.visit("/")
    page.get_by_text("Your own patient").click()
    page.get_by_label("or paste one").fill(json.dumps(bundle))
    expect(page.locator(".banner h2")).to_contain_text("<script>")
    expect(cards(page)).not_to_have_count(0)
    page.get_by_role("button", name="Sign").click()
    expect(page.locator("#answer h2")).to_contain_text("order-sign")
    for summary in page.locator("#answer .panel > summary").all():
        summary.click()
    assert page.evaluate("window.hit") is None
    assert page.locator("main :is(img, svg, script, iframe)").count() == 0
    assert page.locator("main a[href^=javascript]").count() == 0


# --- any visitor ----------------------------------------------------------------------------------


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    page = visitor.visit("/?story=splint")
    reached = page.locator(".suggestions button").first
    for _ in range(60):
        page.keyboard.press("Tab")
        if reached.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".note")).to_be_focused()
    expect(page.locator(".note")).to_contain_text("Accepted:")
    page.goto(f"{visitor.base}/?story=kidneys")
    page.get_by_label("Dose", exact=True).focus()
    page.keyboard.press("Enter")
    expect_cards(page, CARDS["kidneys"])


@pytest.mark.parametrize("visitor", [{"java_script_enabled": False}], indirect=True)
def test_it_works_without_javascript(visitor: Visitor) -> None:
    page = visitor.visit("/")
    page.get_by_role("link", name=STORY_NAMES["abrupt-stop"]).click()
    expect_cards(page, CARDS["abrupt-stop"])
    page.locator(".suggestions button.recommended").click()
    expect(page.locator(".note")).to_contain_text("Accepted:")
    page.get_by_role("link", name=STORY_NAMES["ciprofloxacin"]).click()
    page.get_by_label("How often").first.select_option("1")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_label("How often").first).to_have_value("1")
    page.get_by_role("button", name="Sign").click()
    expect(page.locator("#answer h2")).to_contain_text("order-sign")
    expect(page.locator("#answer .card.critical")).to_have_count(1)


@pytest.mark.parametrize("visitor", [{"viewport": PHONE, "is_mobile": True}], indirect=True)
@pytest.mark.parametrize("story", ["ciprofloxacin", "abrupt-stop"])
def test_a_phone_never_scrolls_sideways(visitor: Visitor, story: str) -> None:
    page = visitor.visit(f"/?story={story}")
    if story == "abrupt-stop":
        page.locator(".suggestions button.recommended").click()
        expect(page.locator("#written-0")).to_be_visible()
    for summary in page.locator("#answer .panel > summary, .own > summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.in_every_look
@pytest.mark.parametrize("story", ["ciprofloxacin", "abrupt-stop", "refill"])
def test_anyone_can_read_it(visitor: Visitor, story: str) -> None:
    page = visitor.visit(f"/?story={story}")
    for summary in page.locator("main summary").all():
        if summary.is_visible():
            summary.click()
    assert violations(page) == []
    if story == "abrupt-stop":
        page.locator(".suggestions button.recommended").click()
        expect(page.locator(".note")).to_be_visible()
        assert violations(page) == []
