"""Help, version and start-up: quick, with examples, and without the libraries that a command has no need of."""

import importlib.metadata
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from emulator.cli import COMMANDS, parser

HEAVY = ("numpy", "skyfield", "sgp4", "onnx", "onnxruntime", "scipy", "matplotlib", "rich", "zmq")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples_that_parse(command: str, orbitmesh: Callable[..., Any]) -> None:
    code, out, err = orbitmesh(command, "--help")
    assert (code, err) == (0, "")
    assert "examples:" in out
    assert "--json" in out
    text = import_module(f"emulator.commands.{command}").EXAMPLES.replace("\\\n", " ")
    examples = [shlex.split(line) for line in text.splitlines() if line.strip().startswith("orbitmesh ")]
    assert len(examples) >= 2
    for example in examples:
        assert parser().parse_args(example[1:]).command == command


def test_the_commands_help_lists_them_all(orbitmesh: Callable[..., Any]) -> None:
    out = orbitmesh("--help").out
    assert "examples:" in out
    for command, purpose in COMMANDS.items():
        assert re.search(rf"^ +{command}\s", out, re.MULTILINE)
        assert purpose.split(",")[0] in out


def test_version(orbitmesh: Callable[..., Any]) -> None:
    assert orbitmesh("--version").out == f"orbitmesh {importlib.metadata.version('orbitmesh')}\n"


def test_the_entry_point_is_the_main_function() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="orbitmesh")
    assert entry.value == "emulator.cli:main"


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from emulator.cli import main\n"
        "try:\n"
        f"    main({arguments})\n"
        "except SystemExit:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr.strip() == "[]"


def test_passes_and_links_need_no_inference() -> None:
    program = (
        "import sys\n"
        "from emulator.cli import main\n"
        "main(['links', 'three-body', '--at', '2025-10-03T16:00:00Z', '--json'])\n"
        "print([name for name in ('onnx', 'onnxruntime', 'matplotlib') if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr.strip() == "[]"
