"""Record the cards afresh: ``python -m tests.snapshots``. Then read the diff."""

from __future__ import annotations

import sys

from tests.snapshots.recording import CARDS, files, recorded


def main() -> None:
    """Write what changed, remove what no rule leads any more."""
    now, before = files(), recorded()
    CARDS.mkdir(exist_ok=True)
    for name in before.keys() - now.keys():
        (CARDS / name).unlink()
    changed = [name for name, text in now.items() if before.get(name) != text]
    for name in changed:
        (CARDS / name).write_text(now[name], "utf-8")
    removed = len(before.keys() - now.keys())
    sys.stdout.write(f"{len(changed)} files written, {removed} removed, of {len(now)}\n")


if __name__ == "__main__":
    main()
