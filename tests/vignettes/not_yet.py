"""Print (or with ``--write`` store) the list of cases that have to wait, with reasons."""

from __future__ import annotations

import argparse
import sys

from tests.vignettes.cases import HERE, load_cases, reason_not_to_run
from tests.vignettes.service_client import takes_feedback

HEADER = "# Cases that do not run yet, each with its reason. Made by: python -m tests.vignettes.not_yet\n"


def listing() -> str:
    """The content that ``not_yet.yaml`` should have now."""
    lines = [
        f"- {{id: {case.id}, reason: '{reason}'}}\n"
        for case in load_cases().values()
        if (reason := reason_not_to_run(case, feedback=takes_feedback())) is not None
    ]
    return HEADER + ("".join(lines) or "[]\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.vignettes.not_yet")
    parser.add_argument("--write", action="store_true", help="store it in not_yet.yaml")
    if parser.parse_args().write:
        (HERE / "not_yet.yaml").write_text(listing(), "utf-8")
    else:
        sys.stdout.write(listing())


if __name__ == "__main__":
    main()
