"""Write the patients of the stories again: ``python -m tests.stories``."""

from __future__ import annotations

from tests.stories.charts import FOLDER, charts

for name, text in charts().items():
    (FOLDER / name).write_text(text, encoding="utf-8")
