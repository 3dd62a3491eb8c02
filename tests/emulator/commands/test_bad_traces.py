"""Traces that were cut, altered or made up: refused or found not to match, never a crash."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.cli import main

VALUES: list[Any] = [None, True, -1, 0, 1.5, 1e300, 10**30, "", "x", "SCS-01 A", "Kiruna", [], {}, [[]], "captured"]
COMMANDS = (
    ("replay", "DIR"),
    ("replay", "DIR", "--level", "inputs"),
    ("replay", "DIR", "--level", "decisions", "--json"),
    ("replay", "DIR", "--from", "10", "--to", "60"),
    ("report", "DIR"),
    ("diff", "DIR", "DIR"),
    ("trace", "DIR", "--task", "SCS-01 C/00000"),
)
FILES = ("header.json", "world.json.gz", "events.jsonl.gz", "summary.json")


@pytest.fixture
def trace(orbitmesh: Callable[..., Any], quick: str, tmp_path: Path) -> Path:
    """A good trace of a short run."""
    assert orbitmesh("run", quick, "--policy", "mesh", "--duration", "90", "--out", "kept").code == 0
    return tmp_path / "kept"


@pytest.mark.parametrize("name", FILES[:3])
def test_a_file_that_is_gone_empty_cut_or_no_json(name: str, trace: Path, refused: Callable[..., str]) -> None:
    good = (trace / name).read_bytes()
    packed = name.endswith(".gz")
    for bad in (
        None,
        b"",
        good[: len(good) // 2],
        b"\xff" * 100,
        gzip.compress(b"[[" * 50_000) if packed else b"[" * 100_000,
    ):
        (trace / name).unlink(missing_ok=True)
        if bad is not None:
            (trace / name).write_bytes(bad)
        assert "kept" in refused("replay", "kept")


def test_a_line_that_was_altered_is_named(trace: Path, orbitmesh: Callable[..., Any]) -> None:
    lines = gzip.decompress((trace / "events.jsonl.gz").read_bytes()).splitlines(keepends=True)
    number = next(at for at, line in enumerate(lines) if b'"captured"' in line and b'"run"' in line)
    fact, orders = json.loads(lines[number])
    orders[0][-2] = 12345.0  # when it ends; how the time is known comes after it
    lines[number] = json.dumps([fact, orders]).encode() + b"\n"
    (trace / "events.jsonl.gz").write_bytes(gzip.compress(b"".join(lines)))
    done = orbitmesh("replay", "kept", "--json")
    assert done.code == 1
    assert f"line {number + 1}, order 1: recorded " in done.err
    assert done.document["matches"] is False


def test_another_schema_and_another_digest(
    trace: Path, orbitmesh: Callable[..., Any], refused: Callable[..., str]
) -> None:
    header = json.loads((trace / "header.json").read_bytes())
    (trace / "header.json").write_text(json.dumps(header | {"digest": "0" * 64}))
    assert "header.json: it is not what the run wrote" in refused("replay", "kept")
    header = {field: each for field, each in header.items() if field not in ("sums", "decisions", "header_sha256")}
    (trace / "header.json").write_text(json.dumps(header | {"digest": "0" * 64}))  # of before there were seals
    done = orbitmesh("replay", "kept")
    assert (done.code, done.out) == (1, "")
    assert "every order agrees, but the log's digest is" in done.err
    (trace / "header.json").write_text(json.dumps(header | {"schema": 99}))
    assert "schema 99, this version reads 3 to 4; it is newer" in refused("replay", "kept")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything within a JSON value."""
    found = [path] if path else []
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        found += places(part, (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The JSON value with another one at `path`."""
    value = json.loads(json.dumps(value))
    here = value
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = new
    return value


@settings(
    derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_an_altered_trace_ends_in_one_of_our_errors(data: st.DataObject, trace: Path) -> None:
    saved = {name: (trace / name).read_bytes() for name in FILES}
    name = data.draw(st.sampled_from(FILES[:3]))
    text = gzip.decompress(saved[name]) if name.endswith(".gz") else saved[name]
    if name == "events.jsonl.gz":
        lines = text.splitlines()
        at = data.draw(st.integers(0, len(lines) - 1))
        parsed = json.loads(lines[at])
        lines[at] = json.dumps(
            changed(parsed, data.draw(st.sampled_from(places(parsed))), data.draw(st.sampled_from(VALUES)))
        ).encode()
        text = b"\n".join(lines) + b"\n"
    else:
        parsed = json.loads(text)
        text = json.dumps(
            changed(parsed, data.draw(st.sampled_from(places(parsed))), data.draw(st.sampled_from(VALUES)))
        ).encode()
    (trace / name).write_bytes(gzip.compress(text, 1) if name.endswith(".gz") else text)
    try:
        command = data.draw(st.sampled_from(COMMANDS))
        assert main([each.replace("DIR", str(trace)) for each in command]) in (0, 1, 2)
    finally:
        for each, content in saved.items():
            (trace / each).write_bytes(content)
