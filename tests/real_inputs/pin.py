"""Write what the service answers now to the pinned tables: ``python -m tests.real_inputs.pin``.

The rates in REVIEW.md are counted again too; its verdicts are a person's work.

Read the difference before it is committed: every changed line is a card that a patient's
prescriber would see or no longer see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.real_inputs.asking import service
from tests.real_inputs.calls import answers_to, request_names
from tests.real_inputs.inputs import charts, files
from tests.real_inputs.rates import REVIEW, review_with
from tests.real_inputs.single import answers_beside
from tests.real_inputs.tables import Entry, as_yaml, drafted

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Table:
    """A pinned file, and how each of its sections is made."""

    file: str
    heading: str
    names: Callable[[], list[str]]
    make: Callable[[str], Entry]

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return _HERE / self.file

    def pinned(self) -> dict[str, Entry]:
        """What it held when it was last reviewed."""
        found: dict[str, Entry] = yaml.safe_load(self.path.read_text("utf-8"))
        return found

    def written(self) -> str:
        """What it should hold now."""
        entries = {name: self.make(name) for name in self.names()}
        return as_yaml(self.heading, entries)


DRAFTED = Table(
    "drafted.yaml",
    """
What the service says about the patients in data/bundles when their chart is opened, and when
one of our drugs is drafted into it. Each line of a draft is one finding:
[indicator, rule, when, reason].

The same record is looked at on two days: *today* (24 November 2026, when most of it is old)
and on the day after its last entry, when it was *fresh*; *always* is both.
"problems" and "takes" are printed from the data, without the service: they are there to judge
by. The verdicts are in REVIEW.md. Written by: python -m tests.real_inputs.pin
""",
    lambda: list(charts()),
    lambda name: drafted(charts()[name]),
)
REQUESTS = Table(
    "requests.yaml",
    """
What the service answers to the calls in data/requests and data/malformed: as they were sent
(to the service of their hook, or to order-select where no service has it; what is malformed,
to all four), completed (calls.py) for all four services, and completed with baclofen
5 mg three times daily among the orders. Findings are [indicator, rule, reason].
Written by: python -m tests.real_inputs.pin
""",
    request_names,
    answers_to,
)
RESOURCES = Table(
    "resources.yaml",
    """
What the single resources in data/resources add to the findings about a woman born in 1950 of
whom nothing else is known, with baclofen 5 mg three times daily, tizanidine 4 mg three times
daily and a pump implantation drafted, on the day after the date in the resource; and, for
requests, what the service says to the request itself as a draft. Findings are
[indicator, rule, reason].
Written by: python -m tests.real_inputs.pin
""",
    lambda: files("resources"),
    answers_beside,
)
TABLES = (DRAFTED, REQUESTS, RESOURCES)


def main() -> None:
    """Write every table; fails where an answer was unsound, which no table shows."""
    for table in TABLES:
        text = table.written()
        is_new = not table.path.exists() or table.path.read_text("utf-8") != text
        table.path.write_text(text, "utf-8")
        sys.stdout.write(f"{table.file}: {'changed' if is_new else 'as it was'}\n")
    REVIEW.write_text(review_with(DRAFTED.pinned()), "utf-8")
    problems = dict.fromkeys(service().problems)
    if problems:
        sys.exit("\n".join(["unsound answers:", *problems]))


if __name__ == "__main__":
    main()
