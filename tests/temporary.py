"""Settings of a trial whose store is in a temporary folder, not in the working directory."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from cds_service.settings import Settings, load_settings


def temporary_settings() -> Settings:
    """The defaults, with a database and a secret of their own; gone when the process ends."""
    folder = Path(tempfile.mkdtemp(dir=_folder().name))
    settings = load_settings()
    feedback = replace(
        settings.feedback,
        database_url=f"sqlite:///{folder}/feedback.db",
        secret_file=folder / "feedback.key",
    )
    return replace(settings, feedback=feedback)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cds-service-")
