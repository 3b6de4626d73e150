"""The cases: YAML files of this folder and of ``public/``, checked and selected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.vignettes.fhir_json import Json
from tests.vignettes.schema import problems_of

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "hooks" / "spasticity" / "rules"
NOT_CASES = {"concepts.yaml", "concepts-own.yaml", "not_yet.yaml"}

SERVICE_OF_HOOK = {
    hook: f"spasticity-{hook}"
    for hook in ("order-select", "order-sign", "patient-view", "medication-prescribe")
}


@dataclass(frozen=True, slots=True)
class Case:
    """One vignette; ``data`` is its YAML map."""

    data: Json
    source: str

    @property
    def id(self) -> str:
        """As written, ``A02``."""
        return str(self.data["id"])

    @property
    def slug(self) -> str:
        """The prefix of every resource id, ``a02``."""
        return self.id.lower().replace("_", "-").replace(" ", "-")

    @property
    def title(self) -> str:
        """One sentence that states the behaviour."""
        return str(self.data["title"])

    @property
    def hook(self) -> str:
        """The hook that is called."""
        return str(self.data.get("hook", "order-select"))

    @property
    def service(self) -> str:
        """The service that is called."""
        return SERVICE_OF_HOOK[self.hook]

    @property
    def version(self) -> str:
        """``R4``, ``STU3`` or ``DSTU2``."""
        return str(self.data.get("fhir", "R4"))

    def get(self, key: str, default: Any = None) -> Any:
        """A field of the case; an empty field counts as absent."""
        value = self.data.get(key)
        return default if value is None else value

    def changed(self, overrides: Json) -> Case:
        """The same case with other fields: maps are merged, all else replaced."""
        return Case(_merged(self.data, overrides), self.source)

    @property
    def steps(self) -> list[Json]:
        """The steps; a case without them is a single call."""
        if "steps" in self.data:
            return list(self.data["steps"])
        return [{"call": {}, "expect": self.data.get("expect", {})}]

    @property
    def needs_feedback(self) -> bool:
        """Whether a step sends feedback."""
        return any("feedback" in step for step in self.steps)

    @property
    def rules_needed(self) -> set[str]:
        """Every rule that the expectations require or allow."""
        needed: set[str] = set()
        for step in self.steps:
            needed |= _rules_in(step.get("expect") or {})
            for kind in ("accept", "feedback"):
                if kind in step:
                    asked = step[kind]
                    needed.add(asked["rule"] if isinstance(asked, dict) else asked)
        return needed


def _merged(base: Json, overrides: Json) -> Json:
    made = dict(base)
    for key, value in overrides.items():
        below = made.get(key)
        is_map = isinstance(below, dict) and isinstance(value, dict)
        made[key] = _merged(made[key], value) if is_map else value
    return made


def _rules_in(expect: Json) -> set[str]:
    rules: set[str] = set()
    for key in ("findings", "optional"):
        for finding in expect.get(key) or []:
            rules.add(finding["rule"] if isinstance(finding, dict) else finding)
    for key in ("merged", "separate"):
        for group in expect.get(key) or []:
            rules.update(group)
    rules.update(expect.get("count") or {})
    rules.update(expect.get("order") or {})
    for check in expect.get("checks") or []:
        if "first_card" in check:
            rules.add(check["first_card"])
        if "first_suggestion" in check:
            rules.add(check["first_suggestion"]["rule"])
    return rules


def case_files() -> Iterator[Path]:
    """Public files first, then our own, each group by name."""
    for folder in (HERE / "public", HERE):
        for path in sorted(folder.glob("*.yaml")):
            if path.name not in NOT_CASES:
                yield path


@cache
def load_cases() -> dict[str, Case]:
    """All cases by id; a misspelt field or an id used twice is an error."""
    cases: dict[str, Case] = {}
    problems: list[str] = []
    for path in case_files():
        source = path.relative_to(HERE).as_posix()
        for data in yaml.safe_load(path.read_text("utf-8")) or []:
            problems += [f"{source}: {problem}" for problem in problems_of(data)]
            case = Case(data, source)
            if case.id in cases:
                problems.append(f"{source}: {case.id} is also in {cases[case.id].source}")
            cases[case.id] = case
    if problems:
        raise ValueError("\n".join(problems))
    return cases


@cache
def shipped_rules() -> frozenset[str]:
    """The rules the rulebook has a file for."""
    return frozenset(path.stem for path in RULES.glob("**/*.yaml"))


def reason_not_to_run(case: Case, *, feedback: bool) -> str | None:
    """Why a case has to wait; ``None`` if it runs. ``feedback``: that endpoint answers."""
    missing = sorted(case.rules_needed - shipped_rules())
    if missing:
        return f"needs rules not shipped yet: {', '.join(missing)}"
    if case.needs_feedback and not feedback:
        return "needs the feedback endpoint, which is not there yet"
    return None


@cache
def listed_as_waiting() -> dict[str, str]:
    """The cases that ``not_yet.yaml`` says have to wait, each with its reason."""
    listed = yaml.safe_load((HERE / "not_yet.yaml").read_text("utf-8")) or []
    return {str(entry["id"]): str(entry["reason"]) for entry in listed}
