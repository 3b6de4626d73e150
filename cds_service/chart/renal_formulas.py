"""Formulas of renal function, nothing but arithmetic.

Creatinine in mg/dL, weight in kg, height in cm, age in completed years. 1 mg/dL of
creatinine is 88.4 umol/L everywhere: one constant decides boundary cases.

Sources: Cockcroft DW, Gault MH. Nephron 1976;16:31-41. Inker LA et al. N Engl J Med
2021;385:1737-1749 (CKD-EPI 2021, race-free). Schwartz GJ et al. J Am Soc Nephrol
2009;20:629-637 (bedside). Devine BJ. Drug Intell Clin Pharm 1974;8:650-655 (ideal weight).
"""

from __future__ import annotations

from decimal import Decimal

UMOL_PER_MG = Decimal("88.4")

_GUARD = Decimal("0.000001")


def guard(value: Decimal) -> Decimal:
    """Round to 1e-6, so that arithmetic noise never decides which side of a limit it is."""
    return value.quantize(_GUARD)


def cockcroft_gault(age: int, weight: Decimal, creatinine: Decimal, sex: str) -> Decimal:
    """Creatinine clearance in mL/min, not indexed to body surface."""
    clearance = Decimal(140 - age) * weight / (Decimal(72) * creatinine)
    return guard(clearance * Decimal("0.85") if sex == "female" else clearance)


def ckd_epi_2021(age: int, creatinine: Decimal, sex: str) -> Decimal:
    """eGFR in mL/min/1.73 m2, adults."""
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    ratio = float(creatinine) / kappa
    value = 142 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.2 * 0.9938**age * factor
    return guard(Decimal(value))


def bedside_schwartz(height: Decimal, creatinine: Decimal) -> Decimal:
    """eGFR in mL/min/1.73 m2, ages 1 to 17, enzymatic creatinine."""
    return guard(Decimal("0.413") * height / creatinine)


def body_mass_index(weight: Decimal, height: Decimal) -> Decimal:
    """kg/m2."""
    return weight / (height / 100) ** 2


def ideal_weight(height: Decimal, sex: str) -> Decimal:
    """Devine's ideal body weight in kg."""
    base = Decimal("45.5") if sex == "female" else Decimal(50)
    return base + Decimal("2.3") * (height / Decimal("2.54") - 60)


def adjusted_weight(weight: Decimal, height: Decimal, sex: str) -> Decimal:
    """Ideal weight plus 0.4 of the excess, in kg."""
    ideal = ideal_weight(height, sex)
    return ideal + Decimal("0.4") * (weight - ideal)


def body_surface_mosteller(weight: Decimal, height: Decimal) -> Decimal:
    """m2."""
    return (height * weight / 3600).sqrt()


def not_indexed(egfr: Decimal, surface: Decimal) -> Decimal:
    """An eGFR in mL/min for the patient's own body surface in m2."""
    return egfr * surface / Decimal("1.73")


def shown_beside(value: Decimal, limit: Decimal) -> str:
    """A value with one decimal, or with as many more as show on which side of a limit it is."""
    for places in range(1, 7):
        rounded = round(value, places)
        if (rounded < limit) == (value < limit) and (rounded == limit) == (value == limit):
            return f"{rounded:.{places}f}"
    return f"{value:f}"
