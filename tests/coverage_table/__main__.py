"""Write ``docs/coverage.md``; with ``--holes`` print the holes that have no reason yet."""

from __future__ import annotations

import argparse
import sys

from tests.coverage_table.page import COMMAND, PAGE, page, problems_of_holes


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--holes", action="store_true", help="print what lacks a case or a reason")
    if parser.parse_args().holes:
        sys.stdout.write("".join(f"{problem}\n" for problem in problems_of_holes()))
        return
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE.name} written, {len(problems_of_holes())} holes to look at\n")


if __name__ == "__main__":
    main()
