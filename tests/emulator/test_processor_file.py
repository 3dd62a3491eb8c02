"""A processor file reads back as it was written; what cannot be is refused with file, line and field, all at once."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import ProcessorError
from emulator.processor_file import MOST_BYTES, MOST_CALIBRATIONS, MOST_TEXT, MOST_TIMINGS, named, read, text, write
from nodes.errors import NodeError
from nodes.processor import Processor, preset, presets
from workloads.calibration import Calibration, LoadResults, Timing
from workloads.tasks import ModelProfile

PROFILE = ModelProfile(
    name="m", sha256="ab" * 32, macs=500, ops=1000, parameters=3, weight_bytes=12, activation_bytes=100,
    peak_activation_bytes=10, input_bytes=4,
)  # fmt: skip
CALIBRATION = Calibration(
    profile=PROFILE, precision="fp32", provider="CPUExecutionProvider", threads=2,
    timings=(Timing(batch=1, batch_s=0.01, samples=100), Timing(batch=8, batch_s=0.025, samples=50)),
    load=LoadResults(single_stream_p90_s=0.0101, offline_samples_per_s=300.0), power_w=11.5,
    joules_per_inference=0.04, measured="2026-11-21T12:00:00Z", valid=False,
)  # fmt: skip
HOST = Processor(
    name="this host", peak_ops_per_s={"fp32": 1e6}, efficiency=0.5, memory_bytes_per_s=1e10, memory_bytes=8e9,
    calibrations=(CALIBRATION,), source="measured",
)  # fmt: skip

GOOD = """[processor]
name = "x"
peak_ops_per_s = {fp32 = 1e12}
memory_bytes_per_s = 1e10
memory_bytes = 8e9
"""
MEASURED = """
[[processor.calibrations]]
precision = "fp32"
provider = "CPU"
threads = 1
timings = [
  {batch = 1, batch_s = 1e-3, samples = 10},
]
[processor.calibrations.profile]
name = "m"
sha256 = "m"
macs = 5
ops = 10
parameters = 0
weight_bytes = 0
activation_bytes = 0
peak_activation_bytes = 0
input_bytes = 0
"""


@pytest.mark.parametrize("processor", [HOST, *map(preset, presets())], ids=lambda each: each.name)
def test_what_is_written_reads_back(processor: Processor, tmp_path: Path) -> None:
    write(processor, tmp_path / "p.toml")
    assert read(tmp_path / "p.toml") == processor
    assert [path.name for path in tmp_path.iterdir()] == ["p.toml"]


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(str.strip)
rates = st.floats(1e3, 1e18)


@settings(derandomize=True, deadline=None)
@given(words, words, rates, rates, st.none() | st.floats(0.0, 11.5), st.floats(1e-9, 1e9))
def test_whatever_it_says_reads_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, source: str, ops: float, traffic: float, idle: float | None,
    seconds: float,
) -> None:  # fmt: skip
    timed = msgspec.structs.replace(
        CALIBRATION, provider=source, timings=(Timing(batch=1, batch_s=seconds, samples=1),)
    )
    made = msgspec.structs.replace(
        HOST, name=name, source=source, peak_ops_per_s={"fp32": ops + 2000.0 / seconds, "int8": ops},
        memory_bytes_per_s=traffic, idle_power_w=idle, calibrations=(timed,),
    )  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text(made), encoding="utf-8")
    assert read(path) == made


def test_a_file_written_by_hand_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(GOOD + MEASURED)
    made = read(tmp_path / "p.toml")
    assert (made.idle_power_w, made.working_power_w) == (None, None)
    assert made.calibrations[0].timings == (Timing(batch=1, batch_s=1e-3, samples=10),)


# what is changed, into what, the line it stands on, and what is said
REFUSED = [
    ('"x"', "5", 2, "processor.name: is 5; it must be text, in quotes"),
    ('"x"', '"x"\ncolour = "red"', 3, "processor.colour: there is no field 'colour' here"),
    ("memory_bytes = 8e9", "", 1, "processor.memory_bytes: is missing"),
    ("memory_bytes = 8e9", "memory_bytes = nan", 5, "processor.memory_bytes: is nan; it must be a finite number"),
    ("{fp32 = 1e12}", "{fp64 = 1e12}", 3, "processor.peak_ops_per_s: has 'fp64'; a precision is one of"),
    ("{fp32 = 1e12}", "{fp32 = 1e3}", 11, "processor.calibrations[1].timings[1].batch_s: is 0.001 s for 1 inferences"),
    ("batch = 1", "batch = 0", 11, "processor.calibrations[1].timings[1]: is Timing(batch=0"),
    ("ops = 10", "ops = -10", 18, "processor.calibrations[1].profile.ops: is -10; 0 or more"),
    ('"fp32"\n', '"int8"\n', 8, "processor.calibrations[1].precision: is 'int8', in which peak_ops_per_s has no rate"),
    ("threads = 1", "threads = 1\npower_w = -1", 11, "processor.calibrations[1].power_w: is -1"),
    ("[processor]", "[processors]", 1, "processors: there is no field 'processors' here; did you mean 'processor'?"),
    ("= 8e9", "=", None, "is not TOML"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), REFUSED)
def test_what_cannot_be_is_refused_with_file_line_and_field(
    tmp_path: Path, old: str, new: str, line: int | None, said: str
) -> None:
    path = tmp_path / "p.toml"
    assert old in GOOD + MEASURED
    path.write_text((GOOD + MEASURED).replace(old, new, 1))
    with pytest.raises(ProcessorError) as refused:
        read(path)
    place = str(path) if line is None else f"{path}:{line}"
    assert str(refused.value).startswith(f"{place}: {said}")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD.replace("8e9", "-1").replace("1e10", "0") + "efficiency = 2\n")
    with pytest.raises(ProcessorError) as refused:
        read(path)
    told = str(refused.value).splitlines()
    assert [each.split(": ")[1] for each in told] == [
        "processor.efficiency", "processor.memory_bytes_per_s", "processor.memory_bytes",
    ]  # fmt: skip


def test_sizes_and_counts_have_limits(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD + "#" * MOST_BYTES)
    with pytest.raises(ProcessorError, match=f"more than {MOST_BYTES} bytes"):
        read(path)
    path.write_text(GOOD.replace('"x"', f'"{"x" * (MOST_TEXT + 1)}"'))
    with pytest.raises(ProcessorError, match=f"is a text of {MOST_TEXT + 1} characters"):
        read(path)
    many = tuple(Timing(batch=n, batch_s=float(n), samples=1) for n in range(1, MOST_TIMINGS + 2))
    slow = msgspec.structs.replace(CALIBRATION, timings=many)
    with pytest.raises(ProcessorError, match=f"timings has {MOST_TIMINGS + 1} entries"):
        text(msgspec.structs.replace(HOST, calibrations=(slow,)))
    with pytest.raises(ProcessorError, match=f"calibrations has {MOST_CALIBRATIONS + 1} entries"):
        text(msgspec.structs.replace(HOST, calibrations=(CALIBRATION,) * (MOST_CALIBRATIONS + 1)))


def test_what_is_no_file_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    for name, words in (("none.toml", "cannot be read: No such file"), ("bytes.toml", "is no UTF-8 text: byte 0"),
                        ("", "is a folder, a pipe or a device"), ("a\0b.toml", "cannot be read")):  # fmt: skip
        with pytest.raises(ProcessorError, match=words):
            read(tmp_path / name)


def test_a_processor_that_cannot_be_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ProcessorError, match=r"cannot be written:\n  efficiency is 7\.0"):
        write(msgspec.structs.replace(HOST, efficiency=7.0), tmp_path / "p.toml")
    assert list(tmp_path.iterdir()) == []


def test_a_name_means_a_preset_or_a_file_within_the_folder(tmp_path: Path) -> None:
    write(HOST, tmp_path / "host.toml")
    (tmp_path / "inner").mkdir()
    assert named("orin", None) == preset("orin")
    assert named("host.toml", tmp_path) == HOST
    with pytest.raises(ProcessorError, match="a shipped scenario cannot name files"):
        named("host.toml", None)
    with pytest.raises(ProcessorError, match="leads out of the scenario's folder"):
        named("../host.toml", tmp_path / "inner")
    with pytest.raises(NodeError, match="there is no processor 'orni': did you mean 'orin'"):
        named("orni", tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    for name in ("pipe.toml", "folder.toml"):
        with pytest.raises(ProcessorError, match=f"{name}: is a folder, a pipe or a device"):
            named(name, tmp_path)


def test_a_key_of_thousands_of_names_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(GOOD + "a." * 200_000 + "a = 1\n")  # tomllib would take hours
    with pytest.raises(ProcessorError, match=r"p\.toml:6: is nested too deeply"):
        read(tmp_path / "p.toml")
