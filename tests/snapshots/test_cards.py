"""The words of every card are on record: a change of them is read before it is shown."""

from __future__ import annotations

from difflib import unified_diff

from tests.snapshots.recording import COMMAND, files, recorded

_MOST_LINES = 200


def test_cards_read_as_recorded() -> None:
    """Summary, detail, suggestions and reasons of every card of every case."""
    now, before = files(), recorded()
    difference = [
        line
        for name in sorted(now.keys() | before.keys())
        for line in unified_diff(
            before.get(name, "").splitlines(),
            now.get(name, "").splitlines(),
            f"recorded/{name}",
            f"now/{name}",
            lineterm="",
            n=1,
        )
    ]
    cut = difference[:_MOST_LINES]
    if len(cut) < len(difference):
        cut.append(f"… and {len(difference) - len(cut)} more lines")
    assert not difference, "\n".join([f"cards read differently; `{COMMAND}` records them:", *cut])
