"""The rulebook as pages: complete, searchable, filtered on the server."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import create_app, rulebook_directory, shipped_cases
from cds_service.documentation.catalogue import Search, entries
from cds_service.documentation.example_cards import example_cards
from cds_service.documentation.material import Material, read_material
from cds_service.errors import RulebookError
from cds_service.rules.rulebook import Rulebook, load_rulebook
from cds_service.web import replies
from cds_service.web.pages import layout, rulebook
from tests.contract.support import settings

RULES = sorted(path.stem for path in (rulebook_directory() / "rules").rglob("*.yaml"))


@pytest.fixture(scope="module")
def shipped() -> Rulebook:
    return load_rulebook(rulebook_directory())


@pytest.fixture(scope="module")
def material(shipped: Rulebook) -> Material:
    return read_material(shipped, rulebook_directory(), shipped_cases())


def listed(client: FlaskClient, query: str = "") -> list[str]:
    """The rules that the index lists, in its order."""
    html = client.get(f"/rules{query}").text
    return re.findall(r'class="rule-link" href="/rules/([a-z0-9-]+)"', html)


def section(html: str, place: str) -> str:
    return html.partition(f'id="{place}"')[2].partition("</section>")[0]


# --- the index ------------------------------------------------------------------------------------


def test_the_index_lists_every_rule_once(client: FlaskClient) -> None:
    assert sorted(listed(client)) == RULES
    assert "45 of 45 rules" in client.get("/rules").text


def test_filters_narrow_together(client: FlaskClient) -> None:
    assert listed(client, "?drug=tizanidine&topic=renal") == ["tizanidine-low-creatinine-clearance"]
    critical = listed(client, "?indicator=critical")
    assert "tizanidine-strong-cyp1a2-inhibitor" in critical
    assert "baclofen-dose-above-60" not in critical
    assert set(listed(client, "?indicator=critical&drug=tizanidine")) < set(critical)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ciprofloxacin", {"tizanidine-strong-cyp1a2-inhibitor", "tizanidine-other-cyp1a2-inhibitor"}),
        ("S-16", {"tizanidine-low-creatinine-clearance"}),
        ("warfarin catheter", {"pump-anticoagulant"}),
        ("EPILEPSY abrupt", {"baclofen-abrupt-withdrawal"}),
    ],
)  # fmt: skip
def test_a_search_finds_words_drugs_and_claims(
    client: FlaskClient, words: str, found: set[str]
) -> None:
    assert found <= set(listed(client, f"?q={words.replace(' ', '+')}"))
    assert len(listed(client, f"?q={words.replace(' ', '+')}")) < 8


def test_a_search_without_result_says_what_to_do(client: FlaskClient) -> None:
    html = client.get("/rules?q=xyzzy&topic=nonsense").text
    assert "0 of 45 rules" in html
    assert "show all rules" in html


def test_what_is_searched_for_is_shown_and_escaped(client: FlaskClient) -> None:
    html = client.get('/rules?q="><script>alert(1)</script>&drug=tizanidine').text
    assert "<script>alert" not in html
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in html
    assert '<option value="tizanidine" selected>' in html


def test_every_rule_is_of_a_drug_but_those_about_therapy(material: Material) -> None:
    without = {entry.rule.id for entry in entries(material) if not entry.drugs}
    assert without == {"functional-dystonia-splint", "functional-disorder-therapy"}


def test_nothing_to_search_for_finds_everything(material: Material) -> None:
    assert all(Search().finds(entry) for entry in entries(material))


# --- the page of a rule ---------------------------------------------------------------------------


@pytest.mark.parametrize("rule_id", RULES)
def test_the_page_of_a_rule_is_complete(
    client: FlaskClient, shipped: Rulebook, rule_id: str
) -> None:
    response = client.get(f"/rules/{rule_id}")
    assert response.status_code == 200
    html, rule = unescape(response.text), shipped.rules[rule_id]
    assert f"<h1>{rule.title}</h1>" in html
    assert " ".join(rule.sentence.split()) in html
    for parameter in rule.parameters.values():
        assert " ".join(parameter.meaning.split()) in html
    for card in example_cards(rule, shipped):
        assert f"<h3>{card['summary']}</h3>" in html
    for citation in rule.citations:
        assert citation.source.label in html
    for place in (
        "numbers",
        "value-sets",
        "cases",
        "what-it-does-not-cover",
        "last-review-and-changes",
    ):
        assert f'<h2 id="{place}">' in html
    assert rule.last_reviewed in html
    assert "&lt;" not in section(response.text, "when-it-speaks")


def test_a_card_looks_as_it_is_shown(client: FlaskClient) -> None:
    html = client.get("/rules/baclofen-abrupt-withdrawal").text
    cards = section(html, "what-the-cards-say")
    assert '<article class="card critical">' in cards
    assert '<span class="indicator critical">critical</span>' in cards
    assert "Reasons for another choice" in cards
    assert 'class="suggestion recommended"' in cards


def test_every_case_is_a_row_with_who_record_orders_and_what_must_be_found(
    client: FlaskClient, material: Material
) -> None:
    rule = "tizanidine-low-creatinine-clearance"
    rows = section(client.get(f"/rules/{rule}").text, "cases").split("<tr")[2:]
    assert len(rows) == len([case for case in material.cases if rule in case.rules])
    (row,) = (each for each in rows if ">TC-01<" in each)
    for told in ("baseline", "creatinine 3.2 mg/dL", "tizanidine 2 mg 3 times a day", "warning"):
        assert told in row


def test_the_origin_of_a_number_is_spelt_out(client: FlaskClient, shipped: Rulebook) -> None:
    origins = {
        "label": "label",
        "literature": "literature",
        "proposed": "proposed, to be confirmed by a pharmacist",
    }
    for rule in shipped.rules.values():
        numbers = section(client.get(f"/rules/{rule.id}").text, "numbers")
        for parameter in rule.parameters.values():
            assert f">{origins.get(parameter.origin, parameter.origin)}</td>" in numbers


def test_what_the_site_has_switched_off_is_told(client: FlaskClient) -> None:
    assert "switched off at this site" in client.get("/rules/baclofen-levodopa").text
    assert "never shown" in client.get("/rules/tizanidine-child").text
    index = client.get("/rules").text
    assert index.count("switched off at this site") == 1


# --- value sets and sentences ---------------------------------------------------------------------


def test_a_value_set_lists_its_codes(client: FlaskClient) -> None:
    html = client.get("/rules/value-sets/alpha-2-agonist").text
    assert "<h1>Alpha-2 agonist</h1>" in html
    assert "1013930" in html
    assert "clonidine" in html
    assert 'id="snomed-ct"' in html
    assert "372805007" in html


def test_every_statement_has_a_row_that_links_can_name(client: FlaskClient) -> None:
    html = client.get("/rules/statements").text
    assert re.findall(r'<a id="(s-\d\d)"', html) == [f"s-{number:02d}" for number in range(1, 56)]


def test_every_link_between_the_pages_leads_somewhere(client: FlaskClient) -> None:
    paths, seen, dead = ["/rules"], {"/rules"}, []
    while paths:
        path = paths.pop()
        response = client.get(path)
        if response.status_code != 200:
            dead.append(path)
        for address in re.findall(r'href="(/rules[^"#?]*)', response.text):
            if address not in seen:
                seen.add(address)
                paths.append(address)
    assert dead == []
    assert len(seen) > 45 + 80


@pytest.mark.parametrize(
    "path", ["/rules/nothing", "/rules/README", "/rules/value-sets/nothing", "/rules/value-set-alt"]
)
def test_what_is_not_there_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


# --- other sites ----------------------------------------------------------------------------------


def test_a_rulebook_of_the_site_is_shown_without_the_cases_that_ship(tmp_path: Path) -> None:
    site = settings(tmp_path, f'[rules]\ndirectory = "{rulebook_directory()}"')
    html = create_app(site).test_client().get("/rules/baclofen-child").text
    assert 'id="cases"' not in html
    assert "not part of this installation" in html


def test_files_that_cannot_be_read_are_named() -> None:
    def fail() -> Material:
        raise RulebookError(["statements.yaml: S-01.rules: is <missing>"])

    app = Flask(__name__)
    replies.register(app)
    layout.register(app)
    app.register_blueprint(rulebook.blueprint(fail))
    response = app.test_client().get("/rules")
    assert response.status_code == 500
    assert "statements.yaml: S-01.rules: is &lt;missing&gt;" in response.text
