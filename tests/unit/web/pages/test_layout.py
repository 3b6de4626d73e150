"""What every page carries: headers, files, and errors for people."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.web.pages.layout import CONTENT_SECURITY_POLICY, STATIC
from tests.contract.support import issues, settings, small_rulebook

ROOT = Path(__file__).parents[4]
VENDORS = [STATIC / "vendor", ROOT / "tests" / "browser" / "vendor"]


def test_a_page_can_do_nothing_but_be_a_page(client: FlaskClient) -> None:
    response = client.get("/rules")
    assert response.content_type == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/rules", "/rules/baclofen-child", "/rules/statements", "/rules/nothing"]
)
def test_a_page_holds_nothing_inline_and_nothing_from_elsewhere(
    client: FlaskClient, path: str
) -> None:
    html = client.get(path).text
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", html) == []
    loaded = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]+)"', html)
    assert loaded
    assert [each for each in loaded if not each.startswith("/static/")] == []


def test_the_pages_that_are_there_are_in_the_head(client: FlaskClient) -> None:
    html = client.get("/rules").text
    head = html.partition("<header")[2].partition("</header>")[0]
    assert re.findall(r'<a href="([^"]+)"( aria-current="page")?>Rulebook</a>', head) == [
        ("/rules", ' aria-current="page"')
    ]
    endpoints = {rule.endpoint for rule in client.application.url_map.iter_rules()}
    assert ("Insights" in head) == ("insights.page" in endpoints)


# --- files ----------------------------------------------------------------------------------------


def test_every_file_of_a_page_is_served_and_kept(client: FlaskClient) -> None:
    for address in set(re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/rules").text)):
        response = client.get(address)
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        response.close()


def test_a_file_without_its_version_is_kept_for_an_hour(client: FlaskClient) -> None:
    for address in ("/static/pages.css", "/static/pages.css?v=0"):
        response = client.get(address)
        assert response.headers["Cache-Control"] == "public, max-age=3600"
        response.close()


@pytest.mark.parametrize("name", ["../layout.py", "..%2Flayout.py", "nothing.css", "vendor"])
def test_only_files_of_the_pages_are_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


@pytest.mark.parametrize("folder", VENDORS, ids=["served", "tests"])
def test_files_of_others_are_as_they_were_published(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text("utf-8").splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    present = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert listed == present


@pytest.mark.parametrize("folder", VENDORS, ids=["served", "tests"])
def test_files_of_others_come_with_their_licence_and_a_notice(folder: Path) -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    for package in (path for path in folder.iterdir() if path.is_dir()):
        assert (package / "LICENSE").is_file()
        name, _, version = package.name.rpartition("-")
        assert re.search(rf"{re.escape(name)}\S* {re.escape(version)}", notice, re.IGNORECASE)


# --- errors ---------------------------------------------------------------------------------------


def test_people_get_a_page_and_programs_an_outcome(client: FlaskClient) -> None:
    page = client.get("/nowhere")
    assert (page.status_code, page.content_type) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in page.text
    assert page.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert page.headers["Vary"] == "Accept"
    for accept in ("application/json", "*/*", ""):
        issues(client.get("/nowhere", headers={"Accept": accept}))


@pytest.mark.parametrize("path", ["/cds-services/none", "/healthz", "/cds-services/a/feedback"])
def test_the_interface_never_answers_with_a_page(client: FlaskClient, path: str) -> None:
    response = client.put(path)
    assert response.content_type == "application/json"


def test_a_page_about_a_wrong_method_keeps_what_is_allowed(client: FlaskClient) -> None:
    response = client.post("/rules")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert "<h1>That cannot be done here</h1>" in response.text


def test_a_site_without_pages_has_none(tmp_path: Path) -> None:
    site = settings(tmp_path, "[ui]\nenabled = false")
    client = create_app(site, rulebook=small_rulebook()).test_client()
    for path in ("/rules", "/rules/baclofen-child", "/static/pages.css", "/"):
        issues(client.get(path, headers={"Accept": "text/html"}))
    assert client.get("/cds-services").status_code == 200
