"""What only a process of its own shows: digests under any hash seed, exit codes, pipes, bars on a terminal."""

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_the_digest_depends_on_nothing_but_the_scenario(process: Command, orbitmesh: Command, tmp_path: Path) -> None:
    text = (files("emulator.scenarios") / "three-body.toml").read_text(encoding="utf-8")
    head, *blocks = text.split("[[satellites.elements]]")
    last, tail = blocks[-1].split("# Ground stations.")
    blocks = [*blocks[:-1], last]
    reordered = (
        head + "".join("[[satellites.elements]]" + block for block in reversed(blocks)) + "# Ground stations." + tail
    )
    few = "distinct_tiles = 8\n"  # the text ends within [imaging]
    (tmp_path / "straight.toml").write_text(text + few)
    (tmp_path / "reordered.toml").write_text(reordered + few)
    command = ("--policy", "mesh", "--duration", "7200", "--json")
    digests = {
        process("run", "straight.toml", *command, PYTHONHASHSEED="1").document["digest"],
        process("run", "straight.toml", *command, PYTHONHASHSEED="4242", OMP_NUM_THREADS="1").document["digest"],
        orbitmesh("run", "straight.toml", *command).document["digest"],
        orbitmesh("run", "reordered.toml", *command).document["digest"],
    }
    assert len(digests) == 1


def test_exit_codes_and_streams(process: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('extends = "three-body"\n[laser]\nmax_range_km = 500\n')
    bad = process("compare", "bad.toml", "--json")
    assert (bad.code, bad.out) == (2, "")
    assert bad.err.startswith("orbitmesh: bad.toml:3: laser.max_range_km: there is no field")
    assert bad.err.count("\n") == 1
    unknown = process("run", "three-body", "--policy", "mehs", "--json")
    assert (unknown.code, unknown.out) == (2, "")
    assert "did you mean mesh?" in unknown.err
    usage = process("run", "three-body")
    assert (usage.code, usage.out) == (2, "")
    assert "--policy" in usage.err
    good = process("inspect", "cloud-screen", "--json")
    assert (good.code, good.err) == (0, "")
    assert good.document["macs"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_a_reader_that_goes_away_early_is_no_failure(how: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "emulator.cli", "processors", *how]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        said = running.communicate(timeout=60)[1]
    assert said == b""
    assert running.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_behind_standard_output_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "emulator.cli", "inspect", "cloud-screen", "--json"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"orbitmesh: the run failed: ")
    assert done.stderr.count(b"\n") == 1


def test_terminating_a_run_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\n\ndef slow(view):\n    print('thinking', flush=True)\n    time.sleep(10)\n"
    )
    command = [sys.executable, "-m", "emulator.cli", "run", "three-body", "--policy", "slow:slow", "--out", "a/kept"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        said = running.stderr.readline()
        assert said == b"thinking\n"
        assert (tmp_path / "a").is_dir()
        running.terminate()
        out, err = running.communicate(timeout=20)
    assert (running.returncode, out) == (130, b"")
    assert err == b"orbitmesh: interrupted\n"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["slow.py"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_terminal_sees_bars_and_they_go_away(options: list[str], tmp_path: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "emulator.cli", "compare", "--duration", "3600", "--no-plots", *options]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
    seen = b""

    def watch() -> None:  # beside the run: a terminal that nobody reads would hold it up
        nonlocal seen
        with suppress(OSError):  # the other end is closed
            while chunk := os.read(master, 65536):
                seen += chunk

    reader = threading.Thread(target=watch)
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=slave, env=environment) as running:
        os.close(slave)
        reader.start()
        out = running.communicate(timeout=60)[0]
    reader.join(timeout=10.0)
    os.close(master)
    assert running.returncode == 0
    for title in ("orbits and contacts", "inference", "bent-pipe", "mesh"):
        assert title in seen.decode()
    assert "━" in seen.decode()
    assert "━" not in out.decode() or not options
