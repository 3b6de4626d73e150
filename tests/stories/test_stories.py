"""The stories of the page /: sound FHIR, codes that we hold, and the cards they promise."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app, load_site_rulebook, shipped_stories
from cds_service.fhir.elements import Coding
from cds_service.web.pages.try_it.menu import Menu, Story, read_menu
from tests.contract.support import settings
from tests.stories.charts import FOLDER, charts
from tests.vignettes.resource_validity import problem_of_resource

MENU: Menu = read_menu(FOLDER)
STORIES = list(MENU.stories.values())
NAMES = [story.id for story in STORIES]
LATER = date(2029, 2, 28)


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """The service two years after the stories were written, at night."""
    night = datetime(2029, 2, 28, 0, 20, tzinfo=UTC)
    return create_app(settings(tmp_path), clock=lambda: night).test_client()


def test_the_files_are_what_the_facts_give() -> None:
    """Run ``python -m tests.stories`` after a change of charts.yaml."""
    assert shipped_stories() == FOLDER
    assert {name: (FOLDER / name).read_text("utf-8") for name in charts()} == charts()
    assert {story.file.name for story in STORIES} == set(charts())


@pytest.mark.parametrize("story", STORIES, ids=NAMES)
def test_every_resource_is_valid_r4(story: Story) -> None:
    bundle = json.loads(story.content(LATER))
    assert problem_of_resource(bundle) is None
    assert [problem_of_resource(each["resource"]) for each in bundle["entry"]].count(None) == len(
        bundle["entry"]
    )


def test_every_code_stands_in_the_code_lists(tmp_path: Path) -> None:
    terminology = load_site_rulebook(settings(tmp_path)).vocabulary.terminology
    codings = [item.coding for items in MENU.groups.values() for item in items]
    for coding in [*codings, *MENU.routes.values()]:
        assert terminology.lookup(Coding(system=coding["system"], code=coding["code"])), coding


def test_a_story_happens_today() -> None:
    """A refill that was due three days before the story is due three days before today."""
    content = json.loads(MENU.stories["refill"].content(LATER))
    assert content["timestamp"].startswith(LATER.isoformat())
    refill = next(
        each["resource"]
        for each in content["entry"]
        if each["resource"]["resourceType"] == "ServiceRequest"
    )
    assert refill["occurrenceDateTime"] == (LATER - timedelta(days=3)).isoformat()


@pytest.mark.parametrize("story", STORIES, ids=NAMES)
def test_a_story_gives_its_cards(client: FlaskClient, story: Story) -> None:
    page = client.get(f"/?story={story.id}")
    assert page.status_code == 200
    assert rules_in(page.text) == set(story.rules)


def rules_in(page: str) -> set[str]:
    """The rules of the findings in the response that the page shows."""
    shown = re.search(r'<pre id="response-json"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert shown is not None
    response = json.loads(html.unescape(shown[1]))
    return {
        finding["rule"]
        for card in response["cards"]
        for finding in card["extension"]["org.cds-service.findings"]
    }
