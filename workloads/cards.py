"""What is known of each model that ships or can be generated: role, cost, accuracy, and what it was trained on.

Costs are counted from the graph, accuracy is read from the model's own properties, where its training script wrote
what the very file reached. Nothing is run and nothing generated: an architecture is told from what is published.
"""

from pathlib import Path

import msgspec

from workloads.counting.graph import profile
from workloads.generated.architectures import PUBLISHED, UNTRAINED
from workloads.loading.opening import open_model
from workloads.models import shipped_models

ROLE = "orbitmesh.role"
HELD_OUT, BASELINE = "held_out_", "baseline_"  # the start of a property that holds an accuracy
Axes = tuple[int | str, ...]


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """One model. Accuracies are 0..1, the first is the headline; `trained` says on what, or that it is not.

    `size_bytes` and `sha256` are None of an architecture, which is generated when it is first used.
    """

    name: str
    role: str
    inputs: dict[str, Axes]
    outputs: dict[str, Axes]
    parameters: int
    macs: int
    precision: str
    trained: str
    size_bytes: int | None = None
    sha256: str | None = None
    accuracy: dict[str, float] = {}
    baseline: dict[str, float] = {}
    baseline_method: str = ""
    held_out_scenes: int = 0


def card(name: str, path: Path) -> ModelCard:
    """What the file at `path` says of itself. Raises ModelError as `workloads.loading.opening.open_model` does."""
    model, counted = open_model(path), profile(path, name)
    graph, said = model.proto.graph, model.properties
    return ModelCard(
        name=name,
        role=said.get(ROLE, "load"),
        inputs={value.name: axes(value) for value in graph.input if value.name in model.inputs},
        outputs={value.name: axes(value) for value in graph.output},
        parameters=counted.parameters,
        macs=counted.macs,
        precision=counted.precision,
        trained=said.get("trained", "not said"),
        size_bytes=path.stat().st_size,
        sha256=model.sha256,
        accuracy=scores(said, HELD_OUT),
        baseline=scores(said, BASELINE),
        baseline_method=said.get("baseline", ""),
        held_out_scenes=int(said.get("held_out_scenes", "0")),
    )


def cards() -> list[ModelCard]:
    """All models that ship, then the architectures that can be generated."""
    made = [card(name, path) for name, path in shipped_models().items()]
    for name, published in PUBLISHED.items():
        made.append(
            ModelCard(
                name=name,
                role="load",
                inputs={"image": ("batch", *published.image)},
                outputs={"scores": ("batch", *published.scores)},
                parameters=published.parameters,
                macs=published.macs,
                precision="fp32",
                trained=UNTRAINED,
            )
        )
    return made


def axes(value: object) -> Axes:
    """The axes of an onnx input or output: a size, or the name of a free one."""
    dims = value.type.tensor_type.shape.dim  # type: ignore[attr-defined]  # onnx carries no types
    return tuple(dim.dim_value or dim.dim_param or "?" for dim in dims)


def scores(properties: dict[str, str], start: str) -> dict[str, float]:
    """The properties that begin with `start` and hold a share, by the rest of their name."""
    found = {key.removeprefix(start): value for key, value in properties.items() if key.startswith(start)}
    return {name: float(value) for name, value in found.items() if name != "scenes"}
