"""The last step of every training: write the model, score the very file on held-out scenes, write that into it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from workloads.generated.graph_builder import GraphBuilder
from workloads.loading.opening import open_model
from workloads.scenery.baselines import METHODS, baseline
from workloads.scenery.evaluation import HELD_OUT, evaluate
from workloads.sessions import open_session


def finish(
    graph: GraphBuilder,
    outputs: Mapping[str, Sequence[int | str]],
    target: Path,
    *,
    role: str,
    script: str,
    seed: int,
    encoder: Any = None,
) -> None:
    """Write `target` with its accuracy in its properties, and print it."""
    properties = {"orbitmesh.role": role, "trained": f"on synthetic scenes by scripts/{script}", "seed": str(seed)}
    write(graph.model(outputs, properties), target, role, encoder)


def write(model: onnx.ModelProto, target: Path, role: str, encoder: Any = None) -> None:
    """Write `target` whole or not at all; adds what it reached, and what a plain method does, to its properties."""
    partial = target.with_name(target.name + ".partial")
    properties = {entry.key: entry.value for entry in model.metadata_props}
    partial.write_bytes(model.SerializeToString(deterministic=True))
    session = open_session(open_model(partial), threads=1)
    for kind, scores in (("held_out", evaluate(role, session, encoder=encoder)), ("baseline", baseline(role))):
        properties |= {f"{kind}_{name}": f"{score:.4f}" for name, score in scores.items()}
        print(f"{target.stem}, {kind}: " + ", ".join(f"{name} {score:.4f}" for name, score in scores.items()))
    properties |= {"held_out_scenes": str(HELD_OUT[role]), "baseline": METHODS[role]}
    del model.metadata_props[:]
    helper.set_model_props(model, properties)
    partial.write_bytes(model.SerializeToString(deterministic=True))
    partial.rename(target)
    print(f"wrote {target.name}: {target.stat().st_size} bytes")
