"""`orbitmesh processors`, and scenarios whose nodes compute with a processor file of their own."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.processor_file import write
from nodes.processor import Processor, preset, presets
from workloads.calibration import Calibration, Timing
from workloads.counting.graph import profile
from workloads.models import find_model

Command = Callable[..., Any]
TIMINGS = (Timing(batch=1, batch_s=2e-5, samples=9), Timing(batch=64, batch_s=6.4e-4, samples=9))


def host(**more: Any) -> Processor:
    """A processor on which the cloud screen was measured: 64 tiles in 0.64 ms, so 50 us and more for each scene."""
    counted = profile(find_model("cloud-screen"))
    made = Calibration(profile=counted, precision="fp32", provider="CPU", threads=2, timings=TIMINGS)
    given = {"idle_power_w": None, "calibrations": (made,)}
    return Processor(
        name="this host", peak_ops_per_s={"fp32": 1e15}, memory_bytes_per_s=1e12, memory_bytes=1e10, **(given | more)
    )


@pytest.fixture
def mine(tmp_path: Path, quick: str) -> Callable[[str], str]:
    """A scenario with lines of its own, and `host.toml` beside it."""
    write(host(), tmp_path / "host.toml")

    def made(text: str) -> str:
        (tmp_path / "mine.toml").write_text((tmp_path / quick).read_text() + text)
        return "mine.toml"

    return made


ONBOARD = '[satellites]\nprocessor = "host.toml"\nprecision = "fp32"\n'


def test_a_satellite_computes_with_a_file(orbitmesh: Command, mine: Command) -> None:
    done = orbitmesh("run", mine(ONBOARD), "--policy", "onboard", "--json")
    assert done.code == 0, done.err
    row = done.document
    inferred = row["tasks"]["done"] + row["tasks"]["dropped"] + row["reasons"].get("pending: returning", 0)
    assert row["job_basis"] == {"calibrated": inferred}
    assert inferred > 0
    assert (row["energy_j"], row["energy"]["orbit_compute_j"], row["joules_per_inference"]) == (None, None, None)
    assert "processor this host: from host.toml, 1 model measured" in row["notes"]
    assert "processor this host: its power is not known, so neither is energy" in row["notes"]


def test_energy_is_known_where_the_calibration_measured_it(orbitmesh: Command, mine: Command, tmp_path: Path) -> None:
    """One model, all of whose scenes take as long: 30 W less 10 W of idling, for as long as processors are busy."""
    named = mine(ONBOARD)
    (tmp_path / "host.toml").unlink()
    drawn = msgspec.structs.replace(host().calibrations[0], power_w=30.0)
    write(host(idle_power_w=10.0, calibrations=(drawn,)), tmp_path / "host.toml")
    row = orbitmesh("run", named, "--policy", "onboard", "--json").document
    scenes = row["job_basis"]["calibrated"]
    whole, rest = divmod(row["inferences"] // scenes, 64)
    scene_s = whole * 6.4e-4 + (2e-5 + (rest - 1) * (6.4e-4 - 2e-5) / 63 if rest else 0.0)
    assert row["energy"]["orbit_compute_j"] == pytest.approx(20.0 * scene_s * scenes)
    assert row["joules_per_inference"] == pytest.approx(20.0 * scene_s * scenes / row["inferences"])
    assert not [note for note in row["notes"] if "its power is not known" in note]


def test_the_screen_says_how_times_are_known(orbitmesh: Command, mine: Command) -> None:
    done = orbitmesh("run", mine(ONBOARD), "--policy", "onboard")
    assert done.code == 0, done.err
    assert "- times of jobs: all calibrated (calibrated: this model was measured there" in done.out
    assert "from host.toml" in done.out


def test_a_station_without_the_satellites_precision_runs_a_wider_one_and_says_so(
    orbitmesh: Command, mine: Command
) -> None:
    station = '[[stations]]\nname = "Pole"\nlatitude_deg = 80.0\nlongitude_deg = 10.0\nprocessor = "host.toml"\n'
    done = orbitmesh("run", mine(station), "--policy", "bent-pipe", "--json")
    assert done.code == 0, done.err
    assert "processor this host: cloud-screen runs in fp32, not int8" in done.document["notes"]


def test_a_power_mode_is_slower_and_draws_less(orbitmesh: Command, mine: Command) -> None:
    rows = [
        orbitmesh("run", mine(f'[satellites]\npower_mode = "{mode}"\n'), "--policy", "onboard", "--json").document
        for mode in ("low", "full")
    ]
    low, full = rows
    assert low["ops"] == full["ops"] > 0
    assert low["utilisation"] > full["utilisation"]
    assert "satellites reach 0.102984 of their label (low) [guess]" in low["notes"]


def test_a_replay_computes_with_the_trace_s_own_calibrations(orbitmesh: Command, mine: Command, tmp_path: Path) -> None:
    assert orbitmesh("run", mine(ONBOARD), "--policy", "onboard", "--out", "trace").code == 0
    (tmp_path / "host.toml").unlink()
    done = orbitmesh("replay", "trace")
    assert (done.code, done.err) == (0, "")


BAD = [
    ('[satellites]\nprocessor = "none.toml"\n', "satellites.processor: ", "none.toml: cannot be read: No such file"),
    ('[satellites]\nprocessor = "../x.toml"\n', "satellites.processor: ", "leads out of the scenario's folder"),
    ('[satellites]\nprocessor = "host.toml"\n', "satellites.precision: ", "'this host' has no rate for 'int8'"),
    ('[satellites]\npower_mode = "eco"\n', "satellites.power_mode: ", "has no power mode 'eco'; it has low, middle"),
    ('[satellites]\nefficiency = "typical"\n', "satellites.efficiency: ", "the shipped ones are peak, embedded"),
    (
        '[satellites]\nprecision = "fp32"\n[[stations]]\nname = "Pole"\nlatitude_deg = 80.0\nlongitude_deg = 10.0\n'
        'processor = "narrow.toml"\n',
        "stations[1].processor: ",
        "processor 'narrow' cannot run 'cloud-screen' in fp32: there is no rate for 'fp32' nor a wider precision",
    ),
]


@pytest.mark.parametrize(("text", "field", "said"), BAD)
def test_a_processor_that_cannot_be_is_refused(
    refused: Command, mine: Command, tmp_path: Path, text: str, field: str, said: str
) -> None:
    narrow = Processor(name="narrow", peak_ops_per_s={"int8": 1e12}, memory_bytes_per_s=1e10, memory_bytes=1e9)
    write(narrow, tmp_path / "narrow.toml")
    told = refused("run", mine(text), "--policy", "onboard")
    assert field in told
    assert said in told


def test_a_file_s_own_problem_is_told_with_its_line(refused: Command, mine: Command, tmp_path: Path) -> None:
    text = (tmp_path / "host.toml").read_text().replace('name = "this host"', "name = 5")
    name = mine(ONBOARD)
    (tmp_path / "host.toml").write_text(text)
    told = refused("run", name, "--policy", "onboard")
    assert "mine.toml:" in told
    assert "host.toml:4: processor.name: is 5; it must be text, in quotes" in told


def test_processors_are_listed_with_their_validation(orbitmesh: Command, tmp_path: Path) -> None:
    write(host(), tmp_path / "host.toml")
    document = orbitmesh("processors", "host.toml", "--json").document
    assert [each["name"] for each in document["processors"]] == [*presets(), "this host"]
    assert msgspec.convert(document["processors"][0], Processor) == preset("tbc-744")
    assert {row["model"] for row in document["validation"]} == {"ResNet-50", "BERT-Large", "RetinaNet", "GPT-J-6B"}
    shown = orbitmesh("processors", "host.toml").out
    assert "1 model " in shown
    assert "1 models" not in shown
    assert "fitted: a constant of ours comes from this row" in shown
    assert "[guess]" in shown


def test_a_language_model_is_predicted_on_every_processor(orbitmesh: Command, tmp_path: Path) -> None:
    write(host(), tmp_path / "host.toml")
    asked = ("processors", "host.toml", "--decoder", "llama-3.1-8b-like", "--batch", "4")
    found = {each["name"]: each["prediction"] for each in orbitmesh(*asked, "--json").document["processors"]}
    assert set(found) == {*presets(), "this host"}
    assert found["this host"] is None  # it has no rate for fp16
    assert all(each["bound"] == "memory" for name, each in found.items() if name != "this host")
    # 16e9 bytes less 4.27e9 of weights, over 1,152 tokens x 131,072 bytes
    assert (found["orin-nx"]["batch"], found["orin-nx"]["most_batch"]) == (4, 77)
    shown = orbitmesh(*asked).out
    assert "no rate for fp16" in shown
    assert "sequences that fit" in shown
    assert re.search(r"orin-nx\W+memory\W+77\W+4\W", shown)
    assert "- orin-nx: " in shown
    assert "[guess]" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--decoder", "gpt"), "there is no such model; one of llama-3.1-8b-like, gpt-j-6b"),
        (("--decoder", "gpt-j-6b", "--prompt", "0"), "--prompt is 0"),
        (("none.toml",), "none.toml: cannot be read: No such file"),
    ],
)
def test_what_cannot_be_listed_is_refused(refused: Command, arguments: tuple[str, ...], said: str) -> None:
    assert said in refused("processors", *arguments)
