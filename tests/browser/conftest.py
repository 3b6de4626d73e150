"""A server and a browser for all tests of this folder, a window for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.browsing import (
    DESKTOP,
    PHONE,
    Visitor,
    chromium,
    launched,
    must_not_skip,
    served,
)
from tests.contract.serving import Served


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = chromium()
    if program is None:
        reason = "there is no Chromium: on Debian and Ubuntu, apt-get install chromium"
        if must_not_skip():
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright, launched(playwright, program) as running:
        yield running


@pytest.fixture
def visitor(request: pytest.FixtureRequest, browser: Browser, server: Served) -> Iterator[Visitor]:
    """A window; ``@pytest.mark.parametrize("visitor", [{…}], indirect=True)`` chooses its kind.

    The test fails if the browser complains, or asks another machine for anything.
    """
    kind = {"viewport": DESKTOP} | getattr(request, "param", {})
    context = browser.new_context(**kind)
    visiting = Visitor(context, f"http://127.0.0.1:{server.port}")
    yield visiting
    context.close()
    assert visiting.complaints == []


@pytest.fixture
def page(visitor: Visitor) -> Page:
    """The page of the window."""
    return visitor.page


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``in_every_look`` runs a test light and dark, on a desk and on a phone."""
    if metafunc.definition.get_closest_marker("in_every_look"):
        kinds = {
            f"{size}-{scheme}": {"viewport": viewport, "color_scheme": scheme}
            for size, viewport in (("desktop", DESKTOP), ("phone", PHONE))
            for scheme in ("light", "dark")
        }
        metafunc.parametrize("visitor", list(kinds.values()), ids=list(kinds), indirect=True)
