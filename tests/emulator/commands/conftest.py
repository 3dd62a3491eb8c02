"""Runs the command line in a folder of the test's own, in this process or in one of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from emulator.cli import main

SHORT = """extends = "three-body"
name = "short"
duration_s = 600.0
"""  # what most scenarios here begin with: everything that ships, for ten minutes
QUICK = SHORT + "[imaging]\ndistinct_tiles = 4\n"  # four inferences instead of some hundred


class Outcome(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one strict JSON document that it must be."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


Command = Callable[..., Outcome]


def listing(folder: Path) -> dict[str, bytes]:
    """Everything below a folder: names, and contents of files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


@pytest.fixture
def orbitmesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`orbitmesh("run", "three-body", ...)` in this process, in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def command(*arguments: str) -> Outcome:
        capsys.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as stop:  # argparse
            code = int(stop.code or 0)
        return Outcome(code, *capsys.readouterr())

    return command


@pytest.fixture
def refused(orbitmesh: Command, tmp_path: Path) -> Callable[..., str]:
    """Runs a command that must be refused as bad input, leaving everything as it was; returns what it says."""

    def command(*arguments: str) -> str:
        before = listing(tmp_path)
        code, out, err = orbitmesh(*arguments)
        assert (code, out) == (2, ""), err
        assert err.startswith("orbitmesh: ")
        assert "Traceback" not in err
        assert listing(tmp_path) == before
        return err

    return command


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., str]:
    """`scenario(text)` writes SHORT and `text` as TOML into `tmp_path` and returns the file's name."""

    def write(text: str, name: str = "mine.toml") -> str:
        (tmp_path / name).write_text(SHORT + text, encoding="utf-8")
        return name

    return write


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """The file name of a scenario that runs in a moment."""
    (tmp_path / "quick.toml").write_text(QUICK)
    return "quick.toml"


@pytest.fixture
def process(tmp_path: Path) -> Command:
    """`process("run", ...)`: the same in a process of its own, as a user's shell would."""

    def command(*arguments: str, **environment: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "emulator.cli", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return command
