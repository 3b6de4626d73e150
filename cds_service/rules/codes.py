"""The code lists: one CSV file for each concept, every field quoted, every code once."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from cds_service.chart.drugs import read_strength
from cds_service.fhir.terminology import SHORTEST_PREFIX, CodeRow, normal_code, normal_system
from cds_service.rules.reading import Problems

_COLUMNS = ["system", "code", "match", "display", "ingredient", "strength", "form", "evidence"]
_HEADER = ",".join(f'"{name}"' for name in _COLUMNS)
_QUOTED = r'"(?:[^"]|"")*"'
_ROW = re.compile(f"{_QUOTED}(?:,{_QUOTED})*")


def read_concepts(folder: Path) -> frozenset[str]:
    """The names of all concepts, of those too whose codes stand in a folder that was left out."""
    return frozenset(file.stem for file in folder.rglob("*.csv"))


def read_codes(folder: Path, problems: Problems) -> tuple[CodeRow, ...]:
    """Every code of every concept; a file's name is its concept."""
    rows: list[CodeRow] = []
    seen: dict[tuple[str, str, str], str] = {}
    for file in sorted(folder.rglob("*.csv")):
        text = problems.text(file)
        if text is None:
            continue
        header, *lines = text.splitlines() or [""]
        if header != _HEADER:
            problems.add(file, "line 1", f"the columns must be {', '.join(_COLUMNS)}, quoted")
            continue
        # A list without rows tells that all codes of the concept stand in a folder below, which
        # a site may leave out for its licence.
        if not lines and file.parent != folder:
            problems.add(file, "", "holds no codes")
        for number, line in enumerate(lines, start=2):
            row = _code_row(line, file, f"line {number}", problems)
            if row is None:
                continue
            here = f"line {number} of {file.relative_to(folder).as_posix()}"
            first = seen.setdefault((row.concept, row.system, row.code), here)
            if first is here:
                rows.append(row)
            else:
                problems.add(
                    file, f"line {number}", f"stands twice, first in {first}: take one away"
                )
    return tuple(rows)


def _code_row(line: str, file: Path, where: str, problems: Problems) -> CodeRow | None:
    if _ROW.fullmatch(line) is None:
        problems.add(file, where, "every field must be quoted, codes above all")
        return None
    values = next(csv.reader([line]))
    if len(values) != len(_COLUMNS):
        problems.add(file, where, f"must have {len(_COLUMNS)} fields")
        return None
    system, code, match, display, ingredient, strength, form, evidence = values
    if not (system and code and display and evidence) or match not in ("exact", "prefix"):
        problems.add(file, where, "needs system, code, display, evidence, and exact or prefix")
        return None
    name = normal_system(system)
    row = CodeRow(
        concept=file.stem,
        system=name,
        code=normal_code(name, code),
        is_prefix=match == "prefix",
        display=display,
        ingredients=tuple(part.strip() for part in ingredient.split("+") if part.strip()),
        strength=strength or None,
        form=form or None,
    )
    if row.is_prefix and len(row.code) < SHORTEST_PREFIX:
        problems.add(file, where, f"a prefix needs {SHORTEST_PREFIX} characters to be looked for")
    if row.strength is not None and read_strength(row.strength) is None:
        problems.add(file, where, "the strength must be written like 10 mg or 2 mg/mL")
    return row
