"""The rulebook in a browser: by mouse, by keyboard, on a phone, in the dark, without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import violations
from tests.browser.browsing import PHONE, Visitor

RULE = "/rules/tizanidine-low-creatinine-clearance"
PAGES = [
    "/rules",
    RULE,
    "/rules/baclofen-abrupt-withdrawal",
    "/rules/value-sets",
    "/rules/value-sets/alt",
    "/rules/statements",
]

pytestmark = pytest.mark.xdist_group("browser")
"""One browser for all of them: see in_parallel in the Makefile."""

expect.set_options(timeout=30_000)


def count(page: Page) -> str:
    return page.locator("#count").inner_text()


def rules_shown(page: Page) -> list[str]:
    return page.locator(".rule-link").all_inner_texts()


def test_the_index_lists_45_rules(visitor: Visitor) -> None:
    page = visitor.visit("/rules")
    expect(page.locator(".rule-link")).to_have_count(45)
    assert count(page) == "45 of 45 rules"


def test_a_search_narrows_while_it_is_typed(visitor: Visitor) -> None:
    page = visitor.visit("/rules")
    page.get_by_label("Search").press_sequentially("ciprofloxacin")
    expect(page.locator("#count")).to_have_text("2 of 45 rules")
    expect(page.locator(".rule-link")).to_have_count(2)
    expect(page).to_have_url(re.compile(r"q=ciprofloxacin"))


def test_filters_by_drug_topic_and_indicator(visitor: Visitor) -> None:
    page = visitor.visit("/rules")
    page.get_by_label("Drug").select_option("tizanidine")
    expect(page.locator("#count")).not_to_have_text("45 of 45 rules")
    page.get_by_label("Topic").select_option("renal")
    expect(page.locator(".rule-link")).to_have_text(
        ["Tizanidine and a creatinine clearance below 25 mL/min"]
    )
    page.get_by_label("Topic").select_option("")
    page.get_by_label("Indicator").select_option("critical")
    milder = page.locator(".rules > li", has_not=page.locator(".indicator.critical"))
    expect(milder).to_have_count(0)
    expect(page.locator(".rule-link").first).to_be_visible()


def test_a_found_rule_is_opened(visitor: Visitor) -> None:
    page = visitor.visit("/rules?q=S-16")
    page.locator(".rule-link").click()
    expect(page.locator("h1")).to_have_text("Tizanidine and a creatinine clearance below 25 mL/min")
    page.get_by_role("link", name="Cases", exact=True).click()
    expect(page.locator("#cases")).to_be_in_viewport()
    page.locator(".card summary").first.click()
    expect(page.locator(".card .reasons li").first).to_be_visible()


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    page = visitor.visit("/rules")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    search = page.get_by_label("Search")
    for _ in range(5):
        page.keyboard.press("Tab")
        if search.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.type("strong cyp1a2")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).not_to_have_text("45 of 45 rules")
    expect(search).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('rule-link')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("CYP1A2")


def test_what_has_the_focus_is_marked(visitor: Visitor) -> None:
    page = visitor.visit("/rules")
    for _ in range(8):
        page.keyboard.press("Tab")
        width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        shadow = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
        assert width >= 2 or shadow != "none"


def test_the_back_button_leads_back_to_the_search(visitor: Visitor) -> None:
    page = visitor.visit("/rules")
    page.get_by_label("Search").press_sequentially("ciprofloxacin")
    expect(page).to_have_url(re.compile(r"q=ciprofloxacin"))
    page.locator(".rule-link").first.click()
    expect(page.locator("h1")).to_contain_text("CYP1A2")
    page.go_back()
    expect(page.locator("#count")).to_have_text("2 of 45 rules")


@pytest.mark.parametrize("visitor", [{"java_script_enabled": False}], indirect=True)
def test_it_works_without_javascript(visitor: Visitor) -> None:
    page = visitor.visit("/rules")
    page.get_by_label("Search").fill("ciprofloxacin")
    page.get_by_label("Drug").select_option("tizanidine")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#count")).to_have_text("2 of 45 rules")
    expect(page.get_by_label("Search")).to_have_value("ciprofloxacin")
    expect(page.get_by_label("Drug")).to_have_value("tizanidine")
    page.locator(".rule-link").first.click()
    expect(page.locator("h1")).to_contain_text("CYP1A2")


@pytest.mark.parametrize("visitor", [{"viewport": PHONE, "is_mobile": True}], indirect=True)
@pytest.mark.parametrize("path", PAGES)
def test_a_phone_never_scrolls_sideways(visitor: Visitor, path: str) -> None:
    page = visitor.visit(path)
    wide = page.evaluate(
        "[...document.querySelectorAll('main *')]"
        ".filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('thead'))"
        ".map(each => each.outerHTML.slice(0, 120))"
    )
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.in_every_look
@pytest.mark.parametrize("path", ["/rules", RULE, "/rules/value-sets/alt", "/rules/nothing"])
def test_anyone_can_read_it(visitor: Visitor, path: str) -> None:
    """Contrast of AA in light and dark, names and roles for screen readers."""
    found = violations(visitor.visit(path))
    # The page of an error is an error to the console, too.
    visitor.complaints[:] = [each for each in visitor.complaints if "404" not in each]
    assert found == []


def test_a_payload_in_the_address_is_shown_and_does_nothing(visitor: Visitor) -> None:
    page = visitor.visit("/rules?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E")
    expect(page.get_by_label("Search")).to_have_value('"><img src=x onerror=alert(1)>')
    assert page.locator("main img").count() == 0


def test_the_policy_stops_what_would_slip_through(visitor: Visitor) -> None:
    """Even an element that came in is not run, and nothing is fetched from elsewhere."""
    page = visitor.visit("/rules")
    with page.expect_event("requestfailed") as stopped:
        page.evaluate(
            "document.querySelector('main').innerHTML = '<b onclick=\"window.hit=1\">x</b>"
            '<img src="https://evil.example/x.png" onerror="window.hit=1">\''
        )
    assert stopped.value.failure == "csp"
    page.locator("main b").click()
    assert page.evaluate("window.hit") is None
    assert sum("Content Security Policy" in each for each in visitor.complaints) >= 2
    visitor.complaints.clear()
