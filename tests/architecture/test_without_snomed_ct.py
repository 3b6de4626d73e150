"""Without SNOMED CT, for which a site may have no licence, the rulebook still serves."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cds_service.app import rulebook_directory
from cds_service.rules.rulebook import Rulebook, load_rulebook
from tests.temporary import temporary_settings
from tests.vignettes.cases import load_cases
from tests.vignettes.conversation import Conversation
from tests.vignettes.service_client import ServiceClient, client_of

SNOMED_CT = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("site") / "spasticity"
    shutil.copytree(rulebook_directory(), copy)
    shutil.rmtree(copy / "codes" / "snomed-ct")
    return copy


@pytest.fixture(scope="module")
def rulebook(folder: Path) -> Rulebook:
    return load_rulebook(folder)


def test_all_rules_are_there_and_no_code_of_it_is(rulebook: Rulebook) -> None:
    assert set(rulebook.rules) == set(load_rulebook(rulebook_directory()).rules)
    assert SNOMED_CT not in {row.system for row in rulebook.vocabulary.terminology.rows}


@pytest.fixture(scope="module")
def client(folder: Path) -> ServiceClient:
    settings = temporary_settings()
    return client_of(replace(settings, rules=replace(settings.rules, directory=folder)))


@pytest.mark.parametrize("case", ["C01", "I01"])
def test_what_other_systems_code_is_answered_as_ever(client: ServiceClient, case: str) -> None:
    conversation = Conversation(load_cases()[case], client)
    assert conversation.play() == []
