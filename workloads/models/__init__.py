"""The models that come with the emulator, and those that lie in the onnx package, by name.

`cloud-screen` was trained on synthetic scenes by scripts/train_cloud_screen.py; its own properties say how well.
The `light-...` models have the true architecture and constant weights: real work, meaningless answers.
"""

from importlib.util import find_spec
from os.path import isfile
from pathlib import Path

from workloads.errors import ModelError

LIGHT_FOLDER = Path("backend", "test", "data", "light")  # inside the onnx package


def shipped_models() -> dict[str, Path]:
    """Name to path of the models in this folder."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.onnx"))}


def light_models() -> dict[str, Path]:
    """Name to path of the large architectures in the onnx package, as `light-resnet50`; imports nothing."""
    spec = find_spec("onnx")
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in sorted((Path(folder) / LIGHT_FOLDER).glob("light_*.onnx"))]
    return {path.stem.replace("_", "-"): path for path in found}


def find_model(name: str, folder: Path | None = None) -> Path:
    """The path of a model by its name, or `name` itself as the path of an .onnx file, seen from `folder`.

    Raises ModelError, naming what there is, for anything else.
    """
    named = shipped_models() | light_models()
    if name in named:
        return named[name]
    path = (folder or Path()) / name
    if isfile(path):
        return path
    raise ModelError(f"no model {name[:200]!r}: give the path of an .onnx file or one of {', '.join(named)}")
