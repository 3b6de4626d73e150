"""A real server and a real browser: Debian's Chromium, driven over its debugging protocol."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.contract.serving import REAL, Served, start, stop, wait_until_ready

ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
HOST = "127.0.0.1"


def chromium() -> str | None:
    """The browser's program, or ``None`` where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def must_not_skip() -> bool:
    """In CI a test that is skipped has not been run, and that is a failure."""
    return any(os.environ.get(name) for name in ("CI", "CDS_CI"))


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """The service with its own rulebook, on a free port of loopback."""
    server = start(folder, "--workers", "1", program=REAL)
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(server)


@contextmanager
def launched(playwright: Playwright, program: str) -> Iterator[Browser]:
    """The browser, closed at the end."""
    browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS, timeout=120_000)
    try:
        yield browser
    finally:
        browser.close()


@dataclass
class Visitor:
    """A browser window that notes what must not happen: complaints and calls elsewhere."""

    context: BrowserContext
    base: str
    page: Page = field(init=False)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(60_000)
        self.context.on("request", lambda request: self._note_host(request.url))
        self.page = self.context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))

    def visit(self, path: str) -> Page:
        """Open a page of the service."""
        self.page.goto(self.base + path)
        return self.page

    def _note_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob", "about"} and parts.hostname != HOST:
            self.complaints.append(f"request to {parts.hostname}")

    def _note_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"console: {message.text}")
