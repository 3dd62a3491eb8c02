"""The models that come with the emulator, those that it generates, and those that lie in the onnx package, by name.

What ships was trained on SYNTHETIC scenes by the scripts that its properties name, as they name its accuracy; what ends
in `-int8` is the same model quantised. Published architectures are generated when first used, UNTRAINED, for timing.
The `light-...` models have the true architecture and constant weights: real work, meaningless answers.
"""

from importlib.util import find_spec
from os.path import isfile
from pathlib import Path

from workloads.errors import ModelError
from workloads.generated.architectures import PUBLISHED, cached

DEFAULT = "cloud-screen"  # what scenarios run unless they name another: workloads/imaging.py
LIGHT_FOLDER = Path("backend", "test", "data", "light")  # inside the onnx package


def shipped_models() -> dict[str, Path]:
    """Name to path of the models in this folder, the default one first."""
    found = sorted(Path(__file__).parent.glob("*.onnx"), key=lambda path: (path.stem != DEFAULT, path.stem))
    return {path.stem: path for path in found}


def light_models() -> dict[str, Path]:
    """Name to path of the large architectures in the onnx package, as `light-resnet50`; imports nothing."""
    spec = find_spec("onnx")
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in sorted((Path(folder) / LIGHT_FOLDER).glob("light_*.onnx"))]
    return {path.stem.replace("_", "-"): path for path in found}


def model_names() -> list[str]:
    """Every name that `find_model` knows, the default model first."""
    return [*shipped_models(), *PUBLISHED, *light_models()]


def find_model(name: str, folder: Path | None = None) -> Path:
    """The path of a model by its name, or `name` itself as the path of an .onnx file, seen from `folder`.

    An architecture is generated into the cache folder at its first use, which takes seconds.
    Raises ModelError, naming what there is, for anything else.
    """
    named = shipped_models() | light_models()
    if name in named:
        return named[name]
    if name in PUBLISHED:
        return cached(name)
    path = (folder or Path()) / name
    if isfile(path):
        return path
    raise ModelError(f"no model {name[:200]!r}: give the path of an .onnx file or one of {', '.join(model_names())}")
