"""Runs every benchmark and writes the table of `benchmarks/README.md` and a summary into `benchmarks/results/`.

    python -m benchmarks.report              # run all, then write
    python -m benchmarks.report --from JSON  # only write, from a file of `pytest benchmarks --benchmark-json JSON`

The summary holds no paths and no names of hosts or users. Exits with pytest's code if a benchmark fails; a target
that is missed is said in the table, not hidden.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
RESULTS = HERE / "results"
BEGIN, END = "<!-- table: python -m benchmarks.report -->", "<!-- end of table -->"

Entry = dict[str, Any]


def summary(document: dict[str, Any]) -> dict[str, Any]:
    """What is worth keeping of pytest-benchmark's JSON: machine, date, and one entry per benchmark."""
    cpu = document["machine_info"]["cpu"]
    machine = {
        "cpu": cpu.get("brand_raw", platform.machine()),
        "cores": cpu.get("count"),
        "python": document["machine_info"]["python_version"],
        "system": document["machine_info"]["system"],
    }
    return {
        "date": document["datetime"][:10],
        "machine": machine,
        "benchmarks": [_entry(each) for each in document["benchmarks"]],
    }


def _entry(found: dict[str, Any]) -> Entry:
    """One benchmark: seconds are medians over rounds; `figures` hold what targets may name."""
    extra, stats = found["extra_info"], found["stats"]
    step_s = stats["median"] / extra["steps"]
    figures: dict[str, float] = {"s": step_s}
    figures |= {unit: amount / stats["median"] for unit, amount in extra.get("amounts", {}).items()}
    figures |= extra.get("values", {})
    entry = {
        "name": found["fullname"].removeprefix("benchmarks/"),
        "title": extra["title"],
        "rounds": stats["rounds"],
        "iqr_s": stats["iqr"] / extra["steps"],
        "rates": sorted(extra.get("amounts", {})),
        "values": sorted(extra.get("values", {})),
        "targets": extra["targets"],
        "figures": figures,
    }
    if "baseline" in extra:
        figures["ratio"] = stats["median"] / extra["baseline_s"]
        entry["baseline"] = extra["baseline"]
        entry["baseline_s"] = extra["baseline_s"] / extra["steps"]
    return entry


def table(of: dict[str, Any]) -> str:
    """The summary as Markdown: machine and date, then a line per benchmark."""
    machine = of["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}, {of['date']}.",
        "",
        "| benchmark | median | rate or amount | baseline in the same run | time / baseline | target |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for entry in of["benchmarks"]:
        figures = entry["figures"]
        rates = ", ".join(f"{_number(figures[unit])} {unit}/s" for unit in entry["rates"])
        values = ", ".join(f"{_number(figures[unit])} {unit}" for unit in entry["values"])
        against = f"{entry['baseline']}: {_seconds(entry['baseline_s'])}" if "baseline" in entry else ""
        ratio = f"{figures['ratio']:.2f}" if "ratio" in figures else ""
        targets = "; ".join(_target(entry, *target) for target in entry["targets"])
        cells = (entry["title"], _seconds(figures["s"]), values or rates, against, ratio, targets)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _target(entry: Entry, figure: str, relation: str, limit: float) -> str:
    figures = entry["figures"]
    met = figures[figure] >= limit if relation == ">=" else figures[figure] <= limit
    sign = "≥" if relation == ">=" else "≤"
    if figure == "s":
        text = f"{sign} {_seconds(limit)}"
    elif figure == "ratio":
        text = f"{sign} {limit:g} x baseline"
    elif figure in entry["values"]:
        text = f"{sign} {_number(limit)} {figure}"
    else:
        text = f"{sign} {_number(limit)} {figure}/s"
    return f"{text}: {'met' if met else '**missed**'}"


def _seconds(span_s: float) -> str:
    for least_s, factor, unit in ((1.0, 1.0, "s"), (1e-3, 1e3, "ms")):
        if span_s >= least_s:
            return f"{span_s * factor:.3g} {unit}"
    return f"{span_s * 1e6:.3g} µs"


def _number(value: float) -> str:
    """Three significant digits, thousands with commas."""
    digits = len(str(int(value)))
    return f"{round(value, 3 - digits):,.0f}" if digits >= 3 else f"{value:.3g}"


def write(of: dict[str, Any]) -> None:
    """Keep the summary and put its table into the README."""
    RESULTS.mkdir(exist_ok=True)
    name = f"{of['date']}-{_word(of['machine']['cpu'])}-python{of['machine']['python'].rpartition('.')[0]}.json"
    (RESULTS / name).write_text(json.dumps(of, indent=1) + "\n", encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table(of)}\n{END}{after}", encoding="utf-8")


def _word(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def main() -> int:
    """Run, condense, write; returns the exit code."""
    parser = argparse.ArgumentParser(description="Run the benchmarks and write their table.")
    parser.add_argument("--from", dest="source", type=Path, metavar="JSON", help="use this instead of running them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = options.source or Path(folder) / "benchmarks.json"
        if options.source is None:
            run = [sys.executable, "-m", "pytest", "benchmarks", f"--benchmark-json={source}"]
            code = subprocess.run(run, cwd=HERE.parent, check=False).returncode
            if code:
                return code
        of = summary(json.loads(source.read_text(encoding="utf-8")))
    write(of)
    print(table(of))
    return 0


if __name__ == "__main__":
    sys.exit(main())
