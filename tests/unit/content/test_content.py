"""The content of the rulebook: code lists, sources, statements and override reasons."""

import csv
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

CONTENT = Path(__file__).parents[3] / "hooks" / "spasticity"
CODES = CONTENT / "codes"
SNOMED_CT = CODES / "snomed-ct"
RULES = sorted((CONTENT / "rules").rglob("*.yaml"))

HEADER = ["system", "code", "match", "display", "ingredient", "strength", "form", "evidence"]

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
SHAPES = {
    RXNORM: r"[1-9]\d{0,7}",
    SNOMED: r"[1-9]\d{5,17}",
    LOINC: r"[1-9]\d{0,6}-\d",
    ICD10: r"[A-Z]\d\d(\.\d)?",
    "http://hl7.org/fhir/sid/icd-10-cm": r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?",
    "http://www.cms.gov/Medicare/Coding/ICD10": r"[0-9A-HJ-NP-Z]{7}",
    "http://hl7.org/fhir/sid/ndc": r"\d{4}-\d{4}-\d\d|\d{5}-\d{3}-\d\d|\d{5}-\d{4}-\d",
    "http://www.whocc.no/atc": r"[A-Z]\d\d([A-Z]{1,2}(\d\d)?)?",
}
FORMS = {
    "",
    "tablet",
    "capsule",
    "disintegrating-tablet",
    "oral-solution",
    "oral-suspension",
    "granules",
    "intrathecal-injection",
}
SNOMED_TAGS = re.compile(r"\((disorder|finding|procedure|substance|situation|qualifier value)\)$")
# Short hospital product names of older drug files, which others own: "warfarin na 5mg tab,ud".
OTHERS_PRODUCT_NAME = re.compile(r"\d(mg|mcg|ml|unt)\b.*(,| (tab|cap|inj|susp|soln|supp)\b)")

CSV_FILES = sorted(CODES.rglob("*.csv"))
each_file = pytest.mark.parametrize(
    "path", CSV_FILES, ids=[str(path.relative_to(CODES)) for path in CSV_FILES]
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load(name: str) -> Any:
    return yaml.safe_load((CONTENT / name).read_text(encoding="utf-8"))


def strip_references(line: str) -> str:
    return re.sub(r" \d(?:, \d)*$", "", line.strip().removeprefix("- "))


# --- check digits ---------------------------------------------------------------------------------


def product(a: int, b: int) -> int:
    """The product of two elements of D5: 0 to 4 are turns, 5 to 9 are flips."""
    turn = (a + b if a < 5 else a - b) % 5
    return turn + 5 if (a < 5) is not (b < 5) else turn


_STEP = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def verhoeff_is_valid(number: str) -> bool:
    """The check of SNOMED CT identifiers: a product in D5, one more permutation at each place."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(place % 8):
            value = _STEP[value]
        check = product(check, value)
    return check == 0


def loinc_check_digit_is_valid(code: str) -> bool:
    """The check of LOINC: mod 10, every second digit doubled from the right."""
    body, check = code.split("-")
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value // 10 + value % 10
    return (10 - total % 10) % 10 == int(check)


@pytest.mark.parametrize(
    ("number", "valid"),
    [("788908000", True), ("788908001", False), ("387342009", True), ("387432009", False)],
)
def test_a_snomed_ct_identifier_is_told_from_a_mistyped_one(number: str, valid: bool) -> None:
    assert verhoeff_is_valid(number) is valid


@pytest.mark.parametrize(("code", "valid"), [("2160-0", True), ("2160-1", False), ("6301-6", True)])
def test_a_loinc_code_is_told_from_a_mistyped_one(code: str, valid: bool) -> None:
    assert loinc_check_digit_is_valid(code) is valid


# --- code lists -----------------------------------------------------------------------------------


@each_file
def test_every_field_is_quoted_and_every_line_ends_alike(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")
    assert "\r" not in text
    assert "\ufeff" not in text
    assert text.endswith("\n")
    quoted = re.compile(r'"(?:[^"]|"")*"(?:,"(?:[^"]|"")*"){7}')
    assert [line for line in text.splitlines() if not quoted.fullmatch(line)] == []


@each_file
def test_a_list_has_the_agreed_columns_and_at_least_one_code(path: Path) -> None:
    """A concept with SNOMED CT codes only keeps its name beside the lists of the others."""
    with path.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == HEADER
    assert rows(path) or rows(SNOMED_CT / path.name)


@each_file
def test_a_list_is_sorted_and_names_no_code_twice(path: Path) -> None:
    keys = [(row["system"], row["code"]) for row in rows(path)]
    assert keys == sorted(set(keys))


@each_file
def test_every_code_has_a_name_and_evidence(path: Path) -> None:
    for row in rows(path):
        assert row["display"].strip(), row
        assert row["evidence"].strip(), row
        assert row["match"] in {"exact", "prefix"}, row
        assert all(value == value.strip() for value in row.values()), row


@each_file
def test_every_code_has_the_shape_of_its_system(path: Path) -> None:
    for row in rows(path):
        assert re.fullmatch(SHAPES[row["system"]], row["code"]), row
        if row["system"] == SNOMED:
            assert verhoeff_is_valid(row["code"]), row
        if row["system"] == LOINC:
            assert loinc_check_digit_is_valid(row["code"]), row


@each_file
def test_only_classifications_are_matched_by_prefix(path: Path) -> None:
    for row in rows(path):
        if row["match"] == "prefix":
            assert "icd" in row["system"] or "atc" in row["system"], row


@each_file
def test_snomed_ct_is_kept_apart(path: Path) -> None:
    in_its_folder = path.parent == SNOMED_CT
    assert {row["system"] == SNOMED for row in rows(path)} <= {in_its_folder}


@each_file
def test_displays_read_like_words_on_a_card(path: Path) -> None:
    for row in rows(path):
        assert not SNOMED_TAGS.search(row["display"]), row
        if not row["ingredient"] and row["system"] != LOINC:
            assert len(row["display"]) <= 80, row


@each_file
def test_names_that_others_own_are_not_shipped(path: Path) -> None:
    for row in rows(path):
        if "NDF-RT" in row["evidence"]:
            assert not OTHERS_PRODUCT_NAME.search(row["display"]), row
        if row["system"] == ICD10:
            assert row["display"].endswith(f"(ICD-10 {row['code']})"), row


@each_file
def test_strength_and_form_are_of_products_with_a_dose(path: Path) -> None:
    for row in rows(path):
        assert row["form"] in FORMS, row
        assert re.fullmatch(r"|[\d.]+ mg(/mL)?", row["strength"]), row
        if row["strength"]:
            assert row["form"], row
            assert row["ingredient"] in {"baclofen", "tizanidine"}, row


def test_a_drug_list_names_the_ingredient_of_every_code() -> None:
    for path in CSV_FILES:
        named = {bool(row["ingredient"]) for row in rows(path)}
        assert len(named) <= 1, path


def test_baclofen_holds_what_its_parts_hold() -> None:
    whole = {(row["system"], row["code"]) for row in rows(CODES / "baclofen.csv")}
    for part in ("baclofen-oral", "baclofen-intrathecal"):
        assert {(row["system"], row["code"]) for row in rows(CODES / f"{part}.csv")} <= whole


# --- statements -----------------------------------------------------------------------------------

STATEMENTS: list[dict[str, Any]] = load("statements.yaml")
GUIDELINE_LINES = [
    line.strip()
    for line in (CONTENT / "guideline.txt").read_text(encoding="utf-8").splitlines()
    if line.strip()
]


def test_the_statements_are_numbered_without_a_gap() -> None:
    assert [entry["id"] for entry in STATEMENTS] == [f"S-{n:02d}" for n in range(1, 56)]


@pytest.mark.parametrize("entry", STATEMENTS, ids=lambda entry: str(entry["id"]))
def test_a_statement_quotes_its_sentence_word_for_word(entry: dict[str, Any]) -> None:
    references = ", ".join(str(number) for number in entry["references"])
    line = f"{entry['sentence']} {references}".strip()
    assert line in {text.removeprefix("- ") for text in GUIDELINE_LINES}


@pytest.mark.parametrize("entry", STATEMENTS, ids=lambda entry: str(entry["id"]))
def test_a_statement_is_carried_by_a_rule_or_says_why_not(entry: dict[str, Any]) -> None:
    assert entry["role"] in {"rule", "quoted", "background"}
    assert bool(entry["rules"]) is (entry["role"] != "background")
    assert entry["reason"].strip()
    assert entry["statement"].strip()
    assert entry["topic"].strip()


def test_every_sentence_of_the_guideline_is_accounted_for() -> None:
    quoted = {entry["sentence"] for entry in STATEMENTS}
    left_out = [line for line in GUIDELINE_LINES if strip_references(line) not in quoted]
    assert [line for line in left_out if strip_references(line) != line] == [], "with a reference"
    assert [line for line in left_out if line.startswith("-")] == [], "in a list"
    # What remains are headings.
    assert [line for line in left_out if len(line.split()) > 7] == []


@pytest.mark.skipif(not RULES, reason="no rule is written yet")
def test_a_statement_names_rules_that_exist() -> None:
    known = {path.stem for path in RULES}
    named = {rule for entry in STATEMENTS for rule in entry["rules"]}
    assert named - known == set()


# --- sources --------------------------------------------------------------------------------------

SOURCES: dict[str, dict[str, Any]] = load("sources.yaml")
REQUIRED = {"label", "title", "publisher", "edition", "date", "terms", "kind", "last_reviewed"}
KINDS = {"label", "literature", "consensus", "guideline", "opinion"}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_described_in_full(name: str) -> None:
    source = SOURCES[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert set(source) - {"authors", "note", "url", "other_urls"} == REQUIRED
    assert source["kind"] in KINDS
    assert source["note"].strip()
    assert len(source["label"]) <= 80
    assert isinstance(source["last_reviewed"], dt.date)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_links_to_a_secure_address(name: str) -> None:
    source = SOURCES[name]
    for address in [*([source["url"]] if "url" in source else []), *source.get("other_urls", [])]:
        parts = urlsplit(address)
        assert parts.scheme == "https"
        assert parts.hostname
        assert parts.username is None
        assert not re.search(r"\s", address)


def test_the_guideline_itself_is_never_linked() -> None:
    assert "url" not in SOURCES["guideline"]
    assert SOURCES["service-decision"]["kind"] == "opinion"


def cited(node: object) -> Iterator[str]:
    """Every source id that a rule file names under `source` or `sources`, at any depth."""
    if isinstance(node, list):
        for item in node:
            yield from cited(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in {"source", "sources"}:
                for item in value if isinstance(value, list) else [value]:
                    name = item.get("id", item.get("source")) if isinstance(item, dict) else item
                    if isinstance(name, str):
                        yield name
            yield from cited(value)


@pytest.mark.parametrize("path", RULES, ids=[path.stem for path in RULES])
def test_a_rule_cites_sources_and_override_reasons_that_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(cited(yaml.safe_load(text))) - set(SOURCES) == set()
    assert set(re.findall(r"\bOV-\d+\b", text)) - {reason["code"] for reason in REASONS} == set()


# --- override reasons -----------------------------------------------------------------------------

OVERRIDES: dict[str, Any] = load("override_reasons.yaml")
REASONS: list[dict[str, str]] = OVERRIDES["reasons"]


def test_the_override_reasons_keep_their_codes() -> None:
    assert OVERRIDES["system"] == "urn:x-cds-service:override-reason"
    assert [reason["code"] for reason in REASONS] == [f"OV-{n}" for n in range(1, 13)]


def test_an_override_reason_fits_on_a_button() -> None:
    displays = [reason["display"] for reason in REASONS]
    assert len(set(displays)) == len(displays)
    assert all(0 < len(display) <= 40 for display in displays)
