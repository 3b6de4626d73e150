"""Named, typed, tested criteria, one module for each clinical topic."""

from __future__ import annotations

import importlib
import pkgutil


def register_all() -> None:
    """Import every module of criteria, which registers what is in it."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
