"""Every command and line of Python that the docs and `--help` show of traces runs, here on a short run."""

import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from emulator.assemble import assemble
from emulator.cli import main
from emulator.run import run
from emulator.scenario import parse

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("trace-format.md", "export.md")
COMMANDS = ("report", "diff", "trace", "export", "replay")
NOT_HERE = ("run7", "degraded.toml", "live-run", "host.toml", "mesh-run-elsewhere")  # what examples take for granted
SHORT = 'extends = "three-body"\nname = "short"\nduration_s = 3600.0\n[imaging]\ndistinct_tiles = 2\n'


def shown() -> list[str]:
    """The command lines of the pages and of the commands' examples, each once, without remarks."""
    texts = [(DOCS / page).read_text(encoding="utf-8") for page in PAGES]
    texts += [import_module(f"emulator.commands.{name}").EXAMPLES for name in COMMANDS]
    line = re.compile(rf"^(?:\$ |  )?(orbitmesh (?:{'|'.join(COMMANDS)}) .*)", re.M)
    found = [each for text in texts for each in line.findall(text)]
    return list(dict.fromkeys(shlex.join(shlex.split(each, comments=True)) for each in found))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs that the examples speak of."""
    folder = tmp_path_factory.mktemp("docs")
    policies = ["mesh", "onboard"]
    assembled = assemble(parse(SHORT, "short.toml", None), policies)
    for policy in policies:
        run(assembled, policy, folder / f"{policy}-run")
    return folder


@pytest.fixture
def runs(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, in which a command runs."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_examples_of_every_command() -> None:
    lines = shown()
    assert {line.split()[1] for line in lines} == set(COMMANDS)
    assert len(lines) > 15


@pytest.mark.parametrize("line", [line for line in shown() if not any(name in line for name in NOT_HERE)])
def test_a_command_that_is_shown_runs(runs: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = shlex.split(line)[1:]
    out = runs / arguments[arguments.index("--out") + 1] if "--out" in arguments else None
    if out is not None and out.exists():
        shutil.rmtree(out)  # the example makes what another reads
    assert main(arguments) == 0, capsys.readouterr().err
    assert capsys.readouterr().out
    assert out is None or out.exists()


def test_the_python_of_the_docs_runs(runs: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    pytest.importorskip("polars", reason="polars is not installed")
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / "trace-format.md").read_text(encoding="utf-8"), re.M | re.S)
    assert blocks
    for block in blocks:
        told = "\nprint(len(tasks), len(hops), len(minute))\n" if "minute" in block else ""
        done = subprocess.run(
            [sys.executable, "-c", block + told], cwd=runs, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert not told or all(int(count) > 0 for count in done.stdout.split())
