"""What every test leaves as it found it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from prometheus_client import values

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@pytest.fixture(autouse=True)
def counts_of_one_process() -> Iterator[None]:
    """A server started in this process counts for several; the next test must not."""
    made = values.ValueClass
    yield
    values.ValueClass = made
    os.environ.pop(_FOLDER, None)
