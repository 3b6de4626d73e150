"""How sure a share of a count is."""

from __future__ import annotations

from math import sqrt

_Z = 1.959963984540054
"""The normal quantile that leaves 2.5 % on each side."""


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of the share ``hits / trials``, both ends between 0 and 1.

    Wilson's score interval (JASA 1927;22:209-212): unlike the plain one it stays within 0 and 1
    and holds for few trials and for shares near the ends. ``trials`` is at least 1.
    """
    share, square = hits / trials, _Z * _Z
    centre = share + square / (2 * trials)
    spread = _Z * sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    scale = 1 + square / trials
    low = 0.0 if hits == 0 else (centre - spread) / scale
    high = 1.0 if hits == trials else (centre + spread) / scale
    return low, high
