"""The output that README shows is what the command prints: same lines, same counts, quantities within two per cent."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).resolve().parents[3] / "README.md"
TWO_PER_CENT = 0.02  # Skyfield's table of the Earth's rotation differs between versions, and moves passes a little


def rows(text: str) -> dict[str, list[str]]:
    """Cells of a table by their row's title."""
    cut = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in text.splitlines() if line.startswith("│")]
    return {cells[0]: cells[1:] for cells in cut}


def test_the_readme_shows_what_compare_prints(orbitmesh: Callable[..., Any]) -> None:
    block = re.search(r"<!-- output of orbitmesh compare -->\n```text\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert block is not None
    done = orbitmesh("compare", "--no-plots")
    assert (done.code, done.err) == (0, "")
    shown, printed = rows(block.group(1)), rows(done.out)
    assert list(shown) == list(printed)
    assert len(shown) > 15
    for title, cells in shown.items():
        for old, new in zip(cells, printed[title], strict=True):
            numbers = [float(re.split(r"[ %]", cell.replace(",", ""))[0]) for cell in (old, new) if cell != "-"]
            assert old.split(" ")[1:] == new.split(" ")[1:], title
            assert numbers == [] or numbers[0] == pytest.approx(numbers[1], rel=TWO_PER_CENT), title
    told = [line for line in done.out.splitlines() if line.startswith("At the start")]
    assert told
    assert told[0].rstrip() in block.group(1)


def test_the_readme_shows_where_the_crossover_lies(orbitmesh: Callable[..., Any]) -> None:
    text = README.read_text("utf-8")
    block = re.search(r"<!-- output of compare with a calibration -->\n```text\n(.*?)```", text, re.DOTALL)
    assert block is not None
    measured = README.parent / "benchmarks/results/calibration-amd-epyc-cpu-2.toml"
    done = orbitmesh("compare", "three-body", "--no-plots", "--ground", str(measured))
    assert (done.code, done.err) == (0, "")
    shown, printed = rows(block.group(1)), rows(done.out)
    assert len(shown) == 3
    for title, cells in shown.items():
        for old, new in zip(cells, printed[title], strict=True):
            assert [re.sub(r"[\d.,]", "", cell) for cell in (old,)] == [re.sub(r"[\d.,]", "", cell) for cell in (new,)]
            figures = [[float(n.replace(",", "")) for n in re.findall(r"\d[\d.,]*", cell)] for cell in (old, new)]
            assert figures[0] == pytest.approx(figures[1], rel=TWO_PER_CENT), title
    page = rows(
        re.sub(r"^\|", "│", (README.parent / "docs/crossover.md").read_text("utf-8"), flags=re.M).replace("|", "│")
    )
    answered = page["`bent-pipe`, CPU, scenes answered (of 38,657)"][1]
    figures = [float(each.replace(",", "")) for each in (answered, printed["answered on the ground"][0])]
    assert figures[0] == pytest.approx(figures[1], rel=TWO_PER_CENT)


def test_the_readme_shows_what_trace_tells_of_a_scene(orbitmesh: Callable[..., Any]) -> None:
    text = README.read_text("utf-8")
    commands = re.search(r"<!-- a trace -->\n```sh\n(.*?)```", text, re.DOTALL)
    shown = re.search(r"<!-- output of trace -->\n```text\n(.*?)```", text, re.DOTALL)
    assert commands is not None
    assert shown is not None
    outputs = []
    for line in commands.group(1).splitlines():
        done = orbitmesh(*shlex.split(line, comments=True)[1:])
        assert done.code == 0, line
        outputs.append(done.out)
    lines = [[line for line in each.splitlines() if line.startswith("│")] for each in (shown.group(1), outputs[1])]
    assert len(lines[0]) == len(lines[1]) == 8
    for old, new in zip(*lines, strict=True):
        words, figures = zip(*(split(line) for line in (old, new)), strict=True)
        assert words[0] == words[1]
        assert figures[0] == pytest.approx(figures[1], rel=TWO_PER_CENT)


def split(line: str) -> tuple[str, list[float]]:
    """The words of a line without its figures, and the figures."""
    number = r"\d[\d.,]*"
    return re.sub(rf"{number}|\s+", " ", line), [
        float(n.rstrip(".,").replace(",", "")) for n in re.findall(number, line)
    ]
