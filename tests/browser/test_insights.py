"""The figures in a browser: read, filtered, taken away as CSV, on a phone, without JavaScript."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect

from cds_service.store.database import Store
from tests.browser.accessibility import violations
from tests.browser.browsing import PHONE, Visitor
from tests.contract.serving import Served
from tests.seeding import seed

RULE = "baclofen-cns-depressants"
TITLE = "Baclofen with drugs that depress the central nervous system"
FIGURES = "/insights?days=90"
EMPTY = "/insights?from=2020-01-01&to=2020-01-31"

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.usefixtures("_seeded")]
"""One browser for all of them: see in_parallel in the Makefile."""


@pytest.fixture(scope="module")
def _seeded(server: Served) -> None:
    """Three months of cards in the store of the server, none near the edge of a period."""
    with closing(Store(f"sqlite:///{server.folder}/feedback.db")) as store:
        seed(store, datetime.now(UTC), calls_a_day=24, ages=range(2, 86))


def test_the_figures_are_shown(visitor: Visitor) -> None:
    page = visitor.visit(FIGURES)
    expect(page.locator("h1")).to_have_text("What happens with the cards")
    expect(page.locator("nav.periods [aria-current]")).to_have_text("90 days")
    expect(page.locator(".numbers strong")).to_have_count(4)
    row = page.locator(".rules-table tbody tr", has_text=TITLE)
    expect(row.locator(".rate-cell strong")).to_have_text(re.compile(r"^\d+\.\d %$"))
    expect(page.locator(".charts canvas")).to_have_count(2)
    expect(page.locator("#trend-table")).to_be_hidden()
    page.get_by_text("The trend as a table").click()
    expect(page.locator("#trend-table")).to_be_visible()


def test_reasons_open_under_a_rule(visitor: Visitor) -> None:
    page = visitor.visit(FIGURES)
    row = page.locator(".rules-table tbody tr", has_text=TITLE)
    row.get_by_text("Reasons").click()
    expect(row.get_by_text("Will monitor")).to_be_visible()
    expect(row.get_by_role("link", name=TITLE)).to_have_attribute("href", f"/rules/{RULE}")


def test_a_filter_narrows_and_stays(visitor: Visitor) -> None:
    page = visitor.visit(FIGURES)
    page.get_by_label("Rule", exact=True).select_option(RULE)
    page.get_by_label("Service", exact=True).select_option("spasticity-order-sign")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#scope")).to_contain_text(TITLE)
    expect(page.locator(".rules-table tbody tr")).to_have_count(1)
    page.get_by_role("link", name="365 days").click()
    expect(page.locator("#scope")).to_contain_text("365 days")
    expect(page.get_by_label("Rule", exact=True)).to_have_value(RULE)
    page.get_by_role("link", name="Start again").click()
    expect(page.get_by_label("Rule", exact=True)).to_have_value("")


def test_a_table_is_taken_away_as_csv(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.visit(FIGURES)
    with page.expect_download() as started:
        page.get_by_role("link", name="Table of rules as CSV").click()
    file = tmp_path / "rules.csv"
    started.value.save_as(file)
    assert started.value.suggested_filename.startswith("insights-rules-")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("rule,title,shown,accepted,overridden,ignored")
    assert any(line.startswith(RULE) for line in lines)


@pytest.mark.parametrize("visitor", [{"java_script_enabled": False}], indirect=True)
def test_it_works_without_javascript(visitor: Visitor) -> None:
    """The trend stands as a table where the pictures would be."""
    page = visitor.visit(FIGURES)
    expect(page.locator("#trend-table")).to_be_visible()
    expect(page.locator(".charts")).to_be_hidden()
    page.get_by_label("Service", exact=True).select_option("spasticity-patient-view")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("[aria-labelledby=by-service] tbody tr")).to_have_count(1)


@pytest.mark.parametrize("visitor", [{"viewport": PHONE, "is_mobile": True}], indirect=True)
@pytest.mark.parametrize("path", [FIGURES, EMPTY])
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
def test_anyone_can_read_it(visitor: Visitor) -> None:
    """Contrast of AA in light and dark, names and roles for screen readers."""
    page = visitor.visit(FIGURES)
    page.locator("summary").evaluate_all(
        "all => all.forEach(each => each.parentElement.open = true)"
    )
    assert violations(page) == []


def test_a_period_that_is_refused_leaves_the_form(visitor: Visitor) -> None:
    page = visitor.visit("/insights?from=2020-02-01&to=2020-01-31")
    # The page of an error is an error to the console, too.
    visitor.complaints[:] = [each for each in visitor.complaints if "400" not in each]
    expect(page.get_by_role("alert")).to_contain_text("The first day must not lie after the last")
    expect(page.get_by_label("First day")).to_have_value("2020-02-01")
    assert violations(page) == []


def test_an_empty_period_says_what_to_do(visitor: Visitor) -> None:
    page = visitor.visit(EMPTY)
    expect(page.locator("#nothing")).to_have_text("No call was answered in this period")
    assert violations(page) == []
