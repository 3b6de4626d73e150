"""Every test here also fails where the service failed inside or broke the rules of CDS Hooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real_inputs.asking import service


@pytest.fixture(autouse=True)
def sound_answers() -> Iterator[None]:
    """Nothing unsound came of the calls of the test."""
    problems = service().problems
    problems.clear()
    yield
    assert problems == []
