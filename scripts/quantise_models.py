"""Quantise the shipped models to INT8 with onnxruntime, score the files, write them beside; a development tool.

    python scripts/quantise_models.py                 # all of them, under two minutes on one core
    python scripts/quantise_models.py water-mask

Networks of convolutions: static, QDQ, weights by channel, activations' ranges from synthetic scenes of a seed of their
own. The caption decoder: dynamic, its weights by MatMulInteger. Weights of seven bits (reduce_range): older x86 adds
pairs of products in 16 bits, which eight would overflow (onnxruntime, "Quantize ONNX Models"): all hosts answer alike.
"""

import argparse
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from finish import write
from onnx import helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from training import MODELS

from workloads.loading.opening import open_model
from workloads.scenery import samples
from workloads.scenery.evaluation import parts
from workloads.scenery.samples import CALIBRATION_SEED
from workloads.sessions import open_session

ROLES = {
    "cloud-screen": "cloud-screen",
    "water-mask": "water-mask",
    "vessels": "vessels",
    "change": "change",
    "scene-embedding": "embedding",
    "captions": "captions",
}
SCENES = 64  # that ranges are taken from
INTEGER = ["Conv", "Add", "Concat", "Resize", "Relu"]  # the rest stays float
POOLED = ["Conv", "Relu"]  # of the embedding: what comes behind the pooling is a thousandth of the work


class Scenes(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
    """Hands batches of calibration scenes to onnxruntime, once."""

    def __init__(self, role: str) -> None:
        self.batches = feeds(role)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def feeds(role: str) -> Iterator[dict[str, np.ndarray]]:
    """Batches of what a model of that role is fed with."""
    if role == "change":
        pairs = samples.change_pairs(SCENES, CALIBRATION_SEED)
        sides = {"before": [pair.before for pair in pairs], "after": [pair.after for pair in pairs]}
    elif role == "vessels":
        sides = {"bands": [scene.bands for scene in samples.vessel_scenes(SCENES, CALIBRATION_SEED)]}
    elif role == "embedding":
        sides = {"bands": [tile.bands for tile, _ in samples.reported(SCENES, CALIBRATION_SEED)]}
    else:
        sides = {"bands": [tile.bands for tile in samples.tiles(SCENES, CALIBRATION_SEED)]}
    batched = {name: parts(np.stack(images)) for name, images in sides.items()}
    for number in range(len(next(iter(batched.values())))):
        yield {name: batches[number] for name, batches in batched.items()}


def quantised(source: Path, role: str) -> onnx.ModelProto:
    """The INT8 model of a float one, under our name and with no claims but its own."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        if role == "captions":
            quantize_dynamic(source, target, weight_type=QuantType.QInt8, reduce_range=True, per_channel=False)
        else:
            quantize_static(
                source,
                target,
                Scenes(role),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=POOLED if role == "embedding" else INTEGER,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
            )
        model = onnx.load(target)
    model.producer_name, model.producer_version = "orbitmesh", ""
    del model.graph.value_info[:]
    said = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    kept = {key: said[key] for key in ("orbitmesh.role", "trained", "seed")}
    del model.metadata_props[:]
    helper.set_model_props(
        model, kept | {"quantised": "INT8 by scripts/quantise_models.py", "float_model": source.stem}
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Quantise those that are named, or all."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ROLES)} (all)")
    ask.add_argument("--folder", type=Path, default=MODELS)
    given = ask.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.disable(logging.WARNING)  # onnxruntime asks for shapes that it infers by itself
    for name in given.names or ROLES:
        encoder: Any = None
        if ROLES[name] == "captions":  # from the features that the quantised embedding gives: all in INT8
            encoder = open_session(open_model(given.folder / "scene-embedding-int8.onnx"))
        model = quantised(given.folder / f"{name}.onnx", ROLES[name])
        write(model, given.folder / f"{name}-int8.onnx", ROLES[name], encoder)


if __name__ == "__main__":
    main()
