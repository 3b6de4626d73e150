"""The site's settings: one TOML file, every key typed, every key with a default for a trial.

An unknown key, a wrong type or a value that cannot work stops the start, and the message names
key and file: a misspelt safety setting must not be silently without effect.
"""

from __future__ import annotations

from cds_service.settings.reading import CONFIG_VARIABLE, load_settings
from cds_service.settings.sections import Client, Rules, Settings

__all__ = ["CONFIG_VARIABLE", "Client", "Rules", "Settings", "load_settings"]
