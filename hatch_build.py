"""The cases travel with the wheel: the pages show them beside each rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CasesHook(BuildHookInterface):
    """Adds the YAML files of tests/vignettes as cds_service/cases, without the code beside them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files; an editable installation reads them where they are."""
        folder = Path(self.root) / "tests" / "vignettes"
        if version == "editable":
            return
        for file in sorted([*folder.glob("*.yaml"), *folder.glob("public/*.yaml")]):
            name = file.relative_to(folder).as_posix()
            build_data["force_include"][str(file)] = f"cds_service/cases/{name}"
