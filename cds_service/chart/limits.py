"""How old a datum may be before it counts as missing: site parameters, limits inclusive."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataAges:
    """Ages in days. The values are content of the rulebook (rule ``missing-data``)."""

    creatinine_outpatient_days: int
    creatinine_inpatient_days: int
    creatinine_healthy_kidney_days: int
    """Under 65, with an eGFR of 60 or more by that creatinine and no kidney disease coded."""
    weight_adult_days: int
    weight_child_days: int
    height_child_days: int
    inr_days: int
    inr_on_vitamin_k_antagonist_days: int
    platelets_days: int
    vitals_outpatient_days: int
    vitals_inpatient_days: int
