"""How often each finding is shown, counted from the pinned table into REVIEW.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.real_inputs.tables import ALWAYS, FRESH_ONLY, TODAY_ONLY, Entry

REVIEW = Path(__file__).with_name("REVIEW.md")
_BEGIN, _END = "<!-- rates: begin -->\n", "<!-- rates: end -->\n"
_ABOUT_THE_PATIENT = ("patient", "problems", "takes")
_ORDER = ("critical", "warning", "info")
_DATA = {
    "known code": "drug",
    "birth date": "age",
    "weight": "weight",
    "creatinine": "creatinine",
    "INR": "INR",
}
"""Words in the reason of a missing datum -> the datum."""


def review_with(drafted: Mapping[str, Entry]) -> str:
    """REVIEW.md with the table of rates made afresh; all else as it is."""
    before, _, rest = REVIEW.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{_table(drafted)}\n{_END}{after}"


def _table(drafted: Mapping[str, Entry]) -> str:
    names = dict.fromkeys(
        name for entry in drafted.values() for name in entry if name not in _ABOUT_THE_PATIENT
    )
    lines = ["| draft | finding | today | fresh |", "| --- | --- | ---: | ---: |"]
    for name in names:
        entries = [entry[name] for entry in drafted.values() if name in entry]
        lines += _lines(f"{name} ({len(entries)} patients)", entries)
    return "".join(f"{line}\n" for line in lines)


def _lines(draft: str, entries: list[list[list[str]]]) -> list[str]:
    """A line for each rule and indicator: patients with such a finding, of 100."""
    today = _count(entries, (TODAY_ONLY, ALWAYS))
    fresh = _count(entries, (FRESH_ONLY, ALWAYS))
    kinds = sorted({*today, *fresh}, key=lambda kind: (_ORDER.index(kind[0]), kind[1]))
    share = 100 / len(entries)
    lines = []
    for kind in kinds:
        rates = f"{today[kind] * share:.0f} | {fresh[kind] * share:.0f}"
        lines.append(f"| {draft} | {' '.join(kind)} | {rates} |")
    return lines or [f"| {draft} | nothing | | |"]


def _count(entries: list[list[list[str]]], days: tuple[str, ...]) -> Counter[tuple[str, str]]:
    return Counter(
        kind for rows in entries for kind in {_kind(row) for row in rows if row[2] in days}
    )


def _kind(row: list[str]) -> tuple[str, str]:
    """Indicator and rule; of missing data each datum apart."""
    indicator, rule, _, reason = row
    if rule == "missing-data":
        datum = next((name for words, name in _DATA.items() if words in reason), "other")
        rule = f"{rule}: {datum}"
    return indicator, rule
