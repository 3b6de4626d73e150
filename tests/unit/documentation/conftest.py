"""The rulebook of this tree and what its pages are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cds_service.documentation.material import Material, read_material
from cds_service.documentation.pages import make_pages
from cds_service.rules.rulebook import Rulebook, load_rulebook

ROOT = Path(__file__).parents[3]
RULEBOOK = ROOT / "hooks" / "spasticity"
CASES = ROOT / "tests" / "vignettes"


@pytest.fixture(scope="session")
def rulebook() -> Rulebook:
    return load_rulebook(RULEBOOK)


@pytest.fixture(scope="session")
def material(rulebook: Rulebook) -> Material:
    return read_material(rulebook, RULEBOOK, CASES)


@pytest.fixture(scope="session")
def pages(material: Material) -> Mapping[str, str]:
    return make_pages(material)
