"""The `--json` documents of compare, run, inspect and replay: one each, with the promised fields, adding up."""

import re
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

ROW = {  # of the command table in the design, and the type of each
    "name": str, "tasks": dict, "response_s": dict, "deadline_miss_ratio": (float, type(None)), "downlink_bytes": int,
    "raw_bytes": int, "isl_bytes": int, "energy_j": float, "joules_per_inference": (float, type(None)), "ops": int,
    "utilisation": float,
}  # fmt: skip
DIGEST = re.compile(r"[0-9a-f]{64}")


def check_row(row: dict[str, Any]) -> None:
    """Types, ranges and sums of one scheduler's figures."""
    for name, kind in ROW.items():
        assert isinstance(row[name], kind), name
    tasks = row["tasks"]
    assert set(tasks) == {"captured", "done", "dropped", "lost", "pending"}
    assert all(isinstance(count, int) and count >= 0 for count in tasks.values())
    assert tasks["captured"] == tasks["done"] + tasks["dropped"] + tasks["lost"] + tasks["pending"]
    assert sum(row["reasons"].values()) == tasks["captured"]
    response = row["response_s"]
    assert {"p50", "p95", "p99"} <= set(response)
    if tasks["done"]:
        assert 0.0 <= response["p50"] <= response["p95"] <= response["p99"] <= response["max"]
    else:
        assert set(response.values()) == {None}
    assert 0.0 <= row["utilisation"] <= 1.0
    assert row["deadline_miss_ratio"] is None or 0.0 <= row["deadline_miss_ratio"] <= 1.0
    assert row["energy_j"] == pytest.approx(sum(v for k, v in row["energy"].items() if k != "idle_j"))
    assert DIGEST.fullmatch(row["digest"])


def numbers(value: Any) -> list[float]:
    """Every number in a document."""
    if isinstance(value, dict):
        return [each for part in value.values() for each in numbers(part)]
    if isinstance(value, list):
        return [each for part in value for each in numbers(part)]
    return [value] if isinstance(value, int | float) else []


def test_compare(orbitmesh: Command, tmp_path: Path) -> None:
    done = orbitmesh("compare", "three-body", "--duration", "3600", "--no-plots", "--json")
    assert (done.code, done.err) == (0, "")
    document = done.document
    assert document["scenario"] == "three-body"
    assert document["seeds"] == [1]
    assert [row["name"] for row in document["policies"]] == ["bent-pipe", "onboard", "mesh"]
    for row in document["policies"]:
        check_row(row)
    captured = {(row["tasks"]["captured"], row["raw_bytes"]) for row in document["policies"]}
    assert len(captured) == 1  # the same scenes for every scheduler
    count, raw_bytes = captured.pop()
    assert raw_bytes == count * 221_112_500  # 490 Mbit/s x 3.61 s / 8: Sentinel-2's instrument and plan
    bent, onboard, mesh = document["policies"]
    assert bent["isl_bytes"] == onboard["isl_bytes"] == 0 < mesh["isl_bytes"]
    assert bent["utilisation"] == 0.0 < onboard["utilisation"]
    assert bent["ops"] < onboard["ops"]
    assert len(document["links"]["seen"]) == 32
    assert document["plots"] == []
    assert any("[guess]" in note for note in document["notes"])
    assert any("synthetic" in note for note in document["notes"])
    assert all(isfinite(number) for number in numbers(document))
    assert list(tmp_path.iterdir()) == []


def test_run_and_replay(orbitmesh: Command, quick: str, tmp_path: Path) -> None:
    done = orbitmesh(
        "run", quick, "--policy", "mesh", "--seed", "5", "--duration", "3600", "--out", "a/b/kept", "--json"
    )
    assert (done.code, done.err) == (0, "")
    row = done.document
    check_row(row)
    assert (row["scenario"], row["seed"], row["name"], row["trace"]) == ("short", 5, "mesh", "a/b/kept")
    assert sorted(path.name for path in (tmp_path / "a/b").iterdir()) == ["kept"]
    kept = sorted(path.name for path in (tmp_path / "a/b/kept").iterdir())
    logs = ["decisions.jsonl.gz", "events.jsonl.gz"]
    assert kept == [*logs, "footer.json", "header.json", "summary.json", "world.json.gz"]
    again = orbitmesh("replay", "a/b/kept", "--json")
    assert (again.code, again.err) == (0, "")
    assert again.document["matches"] is True
    assert again.document["digest"] == again.document["recorded_digest"] == row["digest"]
    assert again.document["events"] == row["events"]


def test_another_scheduler_against_an_old_trace_does_not_match(orbitmesh: Command, quick: str) -> None:
    orbitmesh("run", quick, "--policy", "mesh", "--out", "kept")
    done = orbitmesh("replay", "kept", "--policy", "bent-pipe", "--json")
    assert done.code == 1
    assert done.document["matches"] is False
    assert re.match(r"line \d+, order 1: recorded ", done.document["mismatch"])
    assert done.err.startswith("orbitmesh: the run failed: ReplayMismatch: line ")
    assert orbitmesh("replay", "kept", "--policy", "bent-pipe").out == ""


def test_the_seed_changes_the_scenes_and_nothing_else_does(orbitmesh: Command, quick: str) -> None:
    def digest(*options: str) -> str:
        return str(orbitmesh("run", quick, "--policy", "random", "--json", *options).document["digest"])

    assert digest() == digest() == digest("--seed", "1") != digest("--seed", "2")


def test_inspect(orbitmesh: Command) -> None:
    # ResNet-50 at 224 x 224: 4.09 G multiply-accumulates (He et al. 2016 count 3.8 without some; torchvision 4.09), 2 %
    done = orbitmesh("inspect", "light-resnet50", "--json")
    assert (done.code, done.err) == (0, "")
    document = done.document
    assert document["macs"] == pytest.approx(4.09e9, rel=0.02)
    assert document["ops"] == 2 * document["macs"]
    assert document["parameters"] == pytest.approx(25.6e6, rel=0.02)  # torchvision: 25,557,032
    assert document["weight_bytes"] == pytest.approx(4 * document["parameters"], rel=0.01)
    assert document["peak_activation_bytes"] > 0
    names = [row["name"] for row in document["processors"]]
    assert names[:2] == ["tbc-744", "tbc-417"]
    assert {"orin", "l4", "a100", "h100"} <= set(names)
    for row in document["processors"]:
        assert 0.0 < row["latency_s"] < 0.1
        assert row["bound"] in {"compute", "memory", "launch"}


@pytest.mark.parametrize("command", ["run", "compare"])
def test_human_output_is_no_json_and_shows_names_and_guesses_as_they_are(
    command: str, orbitmesh: Command, tmp_path: Path
) -> None:
    (tmp_path / "odd.toml").write_text(
        'extends = "three-body"\nname = "odd"\nduration_s = 60.0\npolicies = ["onboard"]\n'
        "[imaging]\ndistinct_tiles = 2\n"
        '[[stations]]\nname = "[red]:smile:[/nothing]"\nlatitude_deg = 40\nlongitude_deg = 110\n'
    )
    extra = ("--policy", "onboard") if command == "run" else ("--no-plots",)
    done = orbitmesh(command, "odd.toml", *extra)
    assert done.code == 0
    assert "scenes captured" in done.out
    assert "of their label (the preset's own) [guess]" in done.out.replace("\n", " ")
    shown = orbitmesh("links", "odd.toml", "--at", "2025-10-03T16:00:00Z")
    assert "[red]:smile:[/nothing]" in shown.out


def test_wide_tables_are_not_cut(orbitmesh: Command, tmp_path: Path) -> None:
    name = "a station whose name takes a whole sixty-four characters to say"
    (tmp_path / "wide.toml").write_text(
        'extends = "three-body"\nname = "wide"\nduration_s = 60.0\n'
        f'[[stations]]\nname = "{name}"\nlatitude_deg = 40\nlongitude_deg = 110\n'
    )
    shown = orbitmesh("links", "wide.toml", "--at", "2025-10-03T16:00:00Z").out
    assert shown.count(f" {name} ") == 12
    assert "…" not in shown
