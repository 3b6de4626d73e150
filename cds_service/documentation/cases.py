"""Cases as rows of a table: what each shows, and what must be found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.documentation.markdown import code, plain, table
from cds_service.documentation.material import CaseRow, Material, Written


def case_table(cases: Sequence[CaseRow], rule: str, material: Material) -> list[str]:
    """Cases with their expected findings, those of the rule itself first."""
    return table(
        ["case", "what it shows", "who", "record", "orders", "must be found"],
        [
            [
                plain(case.id),
                plain(case.title),
                plain(case.who),
                plain(case.record),
                plain(case.orders),
                _expected(case, rule, material),
            ]
            for case in cases
        ],
    )


def _expected(case: CaseRow, rule: str, material: Material) -> str:
    calls = ["; ".join(_findings(expect, rule, material)) or "nothing" for expect in case.calls]
    if len(calls) == 1:
        return calls[0]
    return "; ".join(f"call {position}: {text}" for position, text in enumerate(calls, start=1))


def _findings(expect: Written, rule: str, material: Material) -> Iterator[str]:
    found = sorted(expect.get("findings") or (), key=lambda each: bool(each["rule"] != rule))
    for finding in found:
        planned = "" if finding["rule"] in material.rulebook.rules else " (planned)"
        yield f"{code(finding['rule'])} {finding['indicator']}{planned}"
    for allowed in expect.get("optional") or ():
        name = allowed["rule"] if isinstance(allowed, dict) else allowed
        yield f"perhaps {code(name)}"
    for name in expect.get("absent") or ():
        yield f"not {code(name)}"
