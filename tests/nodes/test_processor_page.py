"""The tables of docs/processors.md are those that the code computes."""

import importlib.util
from pathlib import Path

from nodes.processor import presets

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_what_the_code_computes() -> None:
    spec = importlib.util.spec_from_file_location("processor_tables", ROOT / "scripts" / "processor_tables.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs" / "processors.md").read_text(encoding="utf-8")
    assert script.rewritten(page) == page
    assert all(page.count(f"| `{name}`") >= 2 for name in presets())  # its numbers, and the language model on it
