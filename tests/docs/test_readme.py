"""Every command of the README works, and its answer is what the service says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.docs.readme import DAY, README, ROOT, answer, comparable, with_blocks

_COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    """Every command in a shell block, one string each."""
    found: list[str] = []
    for block in _COMMANDS.findall(README.read_text(encoding="utf-8")):
        joined = block.replace("\\\n", " ")
        found += [line.split("  #")[0].strip() for line in joined.splitlines() if line.strip()]
    return found


def test_the_answer_in_the_readme_is_the_answer_of_the_service() -> None:
    """Run ``python -m tests.docs.readme`` after a change of words."""
    text = README.read_text(encoding="utf-8")

    assert comparable(with_blocks(text)) == comparable(text)


def test_the_story_gives_two_cards_the_critical_one_first() -> None:
    """Comparable systems stay silent on this request."""
    cards = answer()["cards"]

    assert [
        (finding["rule"], finding["indicator"])
        for card in cards
        for finding in card["extension"]["org.cds-service.findings"]
    ] == [
        ("tizanidine-strong-cyp1a2-inhibitor", "critical"),
        ("tizanidine-low-creatinine-clearance", "warning"),
    ]
    assert len(cards) == 2


@pytest.mark.parametrize("command", [each for each in commands() if ".venv/bin/" in each])
def test_commands_of_the_readme_run(command: str) -> None:
    """Each command of the service works as it is printed."""
    words = shlex.split(command)
    words[0] = str(Path(sys.executable).parent / Path(words[0]).name)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    if "evaluate" in words:
        assert len(json.loads(done.stdout)["cards"]) == 2


def test_the_readme_names_no_other_commands() -> None:
    """``make serve``, ``make test`` and the request are tried elsewhere and by hand."""
    others = [each.split()[0] for each in commands() if ".venv/bin/" not in each]

    assert {"make", "curl"} == set(others)
    assert DAY.year == 2026
