"""The page / with a patient's whole record, and without a mouse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.browsing import Visitor
from tests.stories.charts import FOLDER

pytestmark = pytest.mark.xdist_group("browser")


def own_patient() -> dict[str, Any]:
    text = (FOLDER / "ciprofloxacin.patient.json").read_text("utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def upload(page: Page, name: str, content: bytes) -> None:
    page.get_by_text("Your own patient").click()
    file = FilePayload(name=name, mimeType="application/json", buffer=content)
    page.get_by_label("Upload a FHIR Bundle").set_input_files(file)


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
    expect(page.locator("#answer .card > header .indicator")).to_have_text(["warning"])
