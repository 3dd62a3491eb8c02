"""The scheduler that README shows: under twenty lines, and it runs as it stands."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_scheduler_of_the_readme_runs(orbitmesh: Callable[..., Any], quick: str, tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    block = re.search(r"<!-- a scheduler -->\n```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    named = re.search(r"Save it as `(\w+\.py)` and run `orbitmesh compare --policies ([\w:,-]+)`", text)
    assert named is not None
    assert len(block.group(1).splitlines()) < 20
    (tmp_path / named.group(1)).write_text(block.group(1))
    done = orbitmesh("compare", quick, "--duration", "3600", "--no-plots", "--policies", named.group(2), "--json")
    assert (done.code, done.err) == (0, "")
    rows = {row["name"]: row for row in done.document["policies"]}
    assert list(rows) == named.group(2).split(",")
    own = rows[next(name for name in rows if ":" in name)]
    assert own["rejected"] == {}
    assert own["tasks"]["captured"] > 0
    assert not any(reason.startswith("pending: waiting") for reason in own["reasons"])
