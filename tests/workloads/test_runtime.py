"""onnxruntime is imported without its telemetry: nothing is written into the user's home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workloads.models import find_model
from workloads.runtime import onnxruntime, session_options

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
from workloads.inference import Runner
from workloads.models import find_model
from workloads.scenery.scenes import TileBank
print(Runner({"m": find_model("cloud-screen")}, TileBank(2)).outcome("m", 0).label)
"""


def test_inference_leaves_nothing_in_the_home(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() in ("clear", "cloudy")
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_bytes_in_the_runtime_s_own_format_are_no_model(tmp_path: Path) -> None:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "m.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    cpu = {"providers": ["CPUExecutionProvider"]}
    ort.InferenceSession(find_model("cloud-screen").read_bytes(), options, **cpu)
    data = (tmp_path / "m.ort").read_bytes()
    assert ort.InferenceSession(data, **cpu).get_inputs()  # onnxruntime takes it, if it may
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.InvalidProtobuf):
        ort.InferenceSession(data, session_options(), **cpu)
