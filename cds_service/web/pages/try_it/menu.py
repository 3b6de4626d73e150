"""What the page offers, read from ``try_it.yaml``: orders to choose from, and the stories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from cds_service.fhir.terminology import ICD10_PCS, RXNORM, SNOMED_CT
from cds_service.web.pages.try_it.patient_bundle import PatientBundle, brought_to, read_bundle

Json = dict[str, Any]

_SYSTEMS = {"rxnorm": RXNORM, "snomed": SNOMED_CT, "icd10pcs": ICD10_PCS}


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be ordered. ``units`` are those of a dose; none for what is no drug."""

    key: str
    label: str
    coding: Json
    route: str | None
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """A patient and what is ordered for them; ``rules`` are the findings, in any order."""

    id: str
    title: str
    about: str
    see: str
    rules: tuple[str, ...]
    draft: Sequence[Json]
    file: Path

    def content(self, today: date) -> bytes:
        """The patient's Bundle, as if the story happened today."""
        return brought_to(self.file.read_bytes(), today)

    def chart(self, today: date) -> PatientBundle:
        """The same, opened."""
        return read_bundle(self.content(today), "The Bundle of the story")


@dataclass(frozen=True, slots=True)
class Menu:
    """Everything that can be chosen."""

    groups: Mapping[str, Sequence[Item]]
    routes: Mapping[str, Json]
    stories: Mapping[str, Story]

    def item(self, key: str) -> Item | None:
        """The order of that key."""
        every = (item for items in self.groups.values() for item in items)
        return next((item for item in every if item.key == key), None)


def read_menu(folder: Path) -> Menu:
    """The menu in a folder; it ships with the service, and tests see to it that it is sound."""
    content = yaml.safe_load((folder / "try_it.yaml").read_text(encoding="utf-8"))
    return Menu(
        groups={
            each["group"]: [_item(item) for item in each["items"]] for each in content["orders"]
        },
        routes={name: _coding(each) for name, each in content["routes"].items()},
        stories={
            each["id"]: Story(
                **{**each, "rules": tuple(each["rules"])},
                file=folder / f"{each['id']}.patient.json",
            )
            for each in content["stories"]
        },
    )


def _item(content: Json) -> Item:
    return Item(
        key=content["key"],
        label=content["label"],
        coding=_coding(content),
        route=content.get("route"),
        units=tuple(content.get("units", ())),
    )


def _coding(content: Json) -> Json:
    (system,) = _SYSTEMS.keys() & content.keys()
    return {"system": _SYSTEMS[system], "code": content[system], "display": content["display"]}
