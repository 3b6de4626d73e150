"""Patients of the stories as FHIR Bundles, from the facts in charts.yaml.

``python -m tests.stories`` writes fixtures/fhir/*.patient.json again.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import yaml

from tests.vignettes.cases import Case
from tests.vignettes.fhir_json import Json, reference_to
from tests.vignettes.moment import Moment
from tests.vignettes.rendering import render

FOLDER = Path(__file__).parents[2] / "fixtures" / "fhir"
DAY = Moment(datetime(2026, 11, 24, 12, tzinfo=UTC))
_SERVER = "https://ehr.example.org/fhir"
_FACTS = Path(__file__).with_name("charts.yaml")


def charts() -> dict[str, str]:
    """File name -> its text."""
    facts = yaml.safe_load(_FACTS.read_text("utf-8"))
    return {f"{each['id']}.patient.json": _text(_bundle(each)) for each in facts}


def _bundle(facts: Json) -> Json:
    """A collection; its timestamp is the day that the dates in it belong to."""
    chart = render(Case(facts, _FACTS.name), DAY).chart
    given, family = facts["title"].split()
    chart[0]["name"] = [{"family": family, "given": [given]}]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": DAY.instant(0, hours_ago=0),
        "entry": [
            {"fullUrl": f"{_SERVER}/{reference_to(each)}", "resource": each} for each in chart
        ],
    }


def _text(bundle: Json) -> str:
    return json.dumps(bundle, indent=1, ensure_ascii=False) + "\n"
