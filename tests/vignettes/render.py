"""Print the whole hook request of a case: ``python -m tests.vignettes.render A02``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import yaml

from tests.vignettes.cases import SERVICE_OF_HOOK, Case, load_cases
from tests.vignettes.expectations import comparison
from tests.vignettes.fhir_json import Json
from tests.vignettes.hook_request import hook_request
from tests.vignettes.moment import Moment
from tests.vignettes.prefetch import TYPICAL_TEMPLATES
from tests.vignettes.rendering import render
from tests.vignettes.response_checks import read_answer


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.vignettes.render", description=__doc__)
    parser.add_argument("case", help="id of the case, as A02")
    parser.add_argument("--now", help="instant of the call, ISO 8601; default: now")
    parser.add_argument("--hook", choices=sorted(SERVICE_OF_HOOK), help="another hook")
    parser.add_argument("--fhir", choices=["R4", "STU3", "DSTU2"], help="another version")
    parser.add_argument(
        "--typical", action="store_true", help="plain whole lists, not the service's templates"
    )
    parser.add_argument("--with", dest="changes", default="{}", help="fields to change, as YAML")
    parser.add_argument("--answer", action="store_true", help="print the findings instead")
    options = parser.parse_args()

    case = _case(options.case)
    changes = {"hook": options.hook, "fhir": options.fhir, **yaml.safe_load(options.changes)}
    case = case.changed({key: value for key, value in changes.items() if value is not None})
    templates: Mapping[str, str] = TYPICAL_TEMPLATES
    if not options.typical:
        # Only here, so that plain lists can be printed while the service cannot start.
        from tests.vignettes.service_client import service_client  # noqa: PLC0415

        templates = service_client().templates[case.service]
    request = hook_request(render(case, _moment(options.now)), templates)
    if options.answer:
        _print_answer(case, request)
    else:
        json.dump(request, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")


def _print_answer(case: Case, request: Json) -> None:
    """What the service says to the request, beside what the case expects."""
    from tests.vignettes.service_client import service_client  # noqa: PLC0415

    answer = read_answer(service_client().call(case.service, request))
    sys.stdout.write(comparison(answer, case.get("expect", {})) + "\n")


def _case(name: str) -> Case:
    by_name = {case.id.lower(): case for case in load_cases().values()}
    if name.lower() not in by_name:
        sys.exit(f"no case {name!r}; there are: {', '.join(load_cases())}")
    return by_name[name.lower()]


def _moment(text: str | None) -> Moment:
    if text is None:
        return Moment.current()
    now = datetime.fromisoformat(text)
    if now.tzinfo is None:
        now = now.replace(tzinfo=UTC)
    return Moment(now.astimezone(UTC))


if __name__ == "__main__":
    main()
