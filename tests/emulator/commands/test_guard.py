"""A file of the user's that hides one of our packages is named, with what to rename."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.guard import stranger


def test_nothing_stands_in_the_way_here() -> None:
    assert stranger() == ""


@pytest.mark.parametrize("name", ["nodes", "links", "workloads"])
def test_a_file_in_the_current_folder(name: str, process: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("raise RuntimeError('imported')\n")
    done = process("compare", "--json")
    assert (done.code, done.out) == (2, "")
    expected = (
        f"orbitmesh: {tmp_path / name}.py hides its package '{name}'; rename {name}.py, or run from another folder\n"
    )
    assert done.err == expected
    assert list(tmp_path.iterdir()) == [tmp_path / f"{name}.py"]


def test_a_package_in_the_current_folder(process: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "__init__.py").write_text("")
    done = process("--version")
    assert (done.code, done.out) == (2, "")
    assert f"{tmp_path / 'links'} hides its package 'links'; rename links, or run from another folder" in done.err
