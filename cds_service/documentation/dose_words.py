"""The dose of a case in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_UNITS = {
    "h": "hour",
    "d": "day",
    "wk": "week",
    "mo": "month",
    "ug": "µg",
    "ug/d": "µg/day",
    "mg/d": "mg/day",
    "mL/d": "mL/day",
    "[iU]": "IU",
    "[iU]/h": "IU/h",
}
_TIMES = {
    "MORN": "in the morning",
    "NOON": "at noon",
    "AFT": "in the afternoon",
    "EVE": "in the evening",
    "NIGHT": "at night",
    "HS": "at bedtime",
}
_OFTEN = {1: "once", 2: "twice"}


def counted(number: object, unit: str) -> str:
    """``1 day``, ``3 days``; also where the number is a range in words."""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def dose(written: Any) -> str:
    """``10 mg 3 times a day``; phases one after the other; empty where no dose is written."""
    phases = written if isinstance(written, list) else [written] if written else []
    return ", then ".join(_phase(phase) for phase in phases)


def _phase(phase: Mapping[str, Any]) -> str:
    words = [_amount(phase), _timing(phase)]
    if "rate" in phase:
        words.append(f"{phase['rate']} {_unit(phase.get('rate_unit', ''))}")
    if "rate_ratio" in phase:
        words.append(f"at {ratio(phase['rate_ratio'])}")
    if phase.get("prn"):
        words.append("as needed")
    if "max" in phase:
        words.append(f"at most {ratio(phase['max'])}")
    if "for_days" in phase:
        words.append(f"for {counted(phase['for_days'], 'day')}")
    if "text" in phase:
        words.append(f"“{phase['text']}”")
    return " ".join(word for word in words if word)


def _amount(phase: Mapping[str, Any]) -> str:
    unit = _unit(phase.get("unit", ""))
    if "amount" in phase:
        return f"{phase['amount']} {unit}".strip()
    if "low" in phase or "high" in phase:
        return f"{phase.get('low', '?')} to {phase.get('high', '?')} {unit}".strip()
    return ""


def _timing(phase: Mapping[str, Any]) -> str:
    words = []
    if "count" in phase and "frequency" not in phase:
        words.append(_OFTEN.get(phase["count"]) or f"{phase['count']} times in all")
    elif "frequency" in phase or "period" in phase:
        words.append(_frequency(phase))
    if "code" in phase:
        words.append(str(phase["code"]))
    words += [_TIMES.get(each, str(each)) for each in _listed(phase.get("when"))]
    words += [f"at {each}" for each in _listed(phase.get("time_of_day"))]
    if "days_of_week" in phase:
        words.append(
            f"on {', '.join(each.capitalize() for each in _listed(phase['days_of_week']))}"
        )
    return " ".join(words)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _frequency(phase: Mapping[str, Any]) -> str:
    frequency, period = phase.get("frequency", 1), phase.get("period", 1)
    times = _OFTEN.get(frequency) or f"{frequency} times"
    if "frequency_max" in phase:
        times = f"{frequency} to {phase['frequency_max']} times"
    unit = _unit(phase.get("period_unit", "d"))
    if period == 1 and "period_max" not in phase:
        return f"{times} {'an' if unit == 'hour' else 'a'} {unit}"
    span = f"{period} to {phase['period_max']}" if "period_max" in phase else period
    each = f"every {span} {unit}s"
    return each if times == "once" else f"{times} {each}"


def ratio(written: Any) -> str:
    """Two quantities; anything else as it is written."""
    if isinstance(written, list) and len(written) == 4:  # noqa: PLR2004 - a value and a unit, twice
        return f"{written[0]} {_unit(written[1])} in {written[2]} {_unit(written[3])}"
    return str(written)


def _unit(unit: str) -> str:
    return _UNITS.get(unit, unit)
