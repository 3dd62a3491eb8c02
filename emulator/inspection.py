"""What a model costs, and what every processor would make of it: one inference, and one batch.

Rules: computes from a counted graph and processors, prints nothing. Counts are those of one inference, or of the
sizes given to free axes; a batch of n is n such inferences that share one reading of the weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from emulator.errors import BadInput
from nodes.job_time import roofline
from nodes.processor import Processor
from workloads.counting.graph import GraphCount
from workloads.counting.tensors import Tensors
from workloads.tasks import ModelProfile

LARGEST_AXIS = 2**31 - 1  # onnxruntime's kernels index an axis with 32 bits in many places


class Operating(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a roofline: operations per byte moved, the operations per second reached there and those possible.

    `roof_ops_per_s` is what this mix of operators reaches if memory is no limit.
    """

    ops_per_byte: float
    ops_per_s: float
    roof_ops_per_s: float


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One processor: seconds of one inference and of one batch, what bounds each, and inferences per second.

    `bound` is compute, memory or launch by roofline, or `measured` where the model itself was calibrated; `basis` says
    which. `measured_in` is the precision of the calibration used, "" where there is none. `fits` is whether weights and
    one batch's activations fit into its memory.
    """

    name: str
    precision: str
    latency_s: float
    bound: str
    throughput_per_s: float
    batch: int
    batch_latency_s: float
    batch_bound: str
    batch_throughput_per_s: float
    basis: str
    measured_in: str
    fits: bool
    guesses: tuple[str, ...]


def deployed(counted: GraphCount, precision: str) -> ModelProfile:
    """What is predicted where `precision` is wanted: a file with narrow weights alone stays as wide as it computes.

    Its bytes are those of the file, since what is wanted is what it runs in.
    """
    found = counted.profile()
    alone = counted.precision == "int8" and counted.computes == precision
    return msgspec.structs.replace(found, precision=precision) if alone else found


def predict(processor: Processor, profile: ModelProfile, batch: int, precision: str) -> Prediction:
    """What `processor` makes of one inference and of a batch. Raises NodeError for a precision that it cannot run."""
    single = processor.job(profile, 1, 1, precision)
    many = processor.job(profile, batch, batch, precision)
    return Prediction(
        name=processor.name,
        precision=single.precision,
        latency_s=single.duration_s,
        bound=single.bound,
        throughput_per_s=_rate(1, single.duration_s),
        batch=batch,
        batch_latency_s=many.duration_s,
        batch_bound=many.bound,
        batch_throughput_per_s=_rate(batch, many.duration_s),
        basis=single.basis,
        measured_in=single.measured_in,
        fits=processor.memory_bytes_needed(profile, batch, precision) <= processor.memory_bytes,
        guesses=processor.guesses,
    )


def operating(processor: Processor, profile: ModelProfile, batch: int, precision: str) -> Operating | None:
    """Where one batch lies on the processor's roofline; None for a model that computes or moves nothing."""
    job = processor.job(profile, batch, batch, precision)
    compute_s, memory_s = roofline(processor, profile, batch, batch, job.precision)
    if not (compute_s > 0.0 and memory_s > 0.0 and job.duration_s > 0.0):
        return None
    return Operating(
        ops_per_byte=job.ops / (memory_s * processor.memory_bytes_per_s),
        ops_per_s=job.ops / job.duration_s,
        roof_ops_per_s=job.ops / compute_s,
    )


def document(counted: GraphCount, tensors: Tensors, given: Mapping[str, int]) -> dict[str, Any]:
    """All that was counted, as `--json` shows it."""
    chosen = given_places(tensors, given)
    return {
        "model": counted.name,
        "sha256": counted.sha256,
        "macs": counted.macs,
        "ops": counted.ops,
        "complete": not counted.uncounted,
        "uncounted": counted.uncounted,
        "by_type": by_type(counted),
        "by_precision": {name: {"macs": macs, "ops": 2 * macs} for name, macs in counted.by_precision.items()},
        "stored_precision": counted.precision,
        "computes_in": counted.computes,
        "parameters": counted.parameters,
        "weight_bytes": counted.weight_bytes,
        "activation_bytes": counted.activation_bytes,
        "peak_activation_bytes": counted.peak_activation_bytes,
        "input_bytes": counted.input_bytes,
        "output_bytes": counted.output_bytes,
        "ops_per_byte": counted.ops_per_byte,
        "assumed": {place: size for place, size in counted.assumed.items() if place not in chosen},
        "given": {place: size for place, size in counted.assumed.items() if place in chosen},
        "axis_names": {place: name for place, name in tensors.free.items() if name},
        "unsized": counted.unsized,
    }


def by_type(counted: GraphCount) -> dict[str, Any]:
    """Each operator type: nodes, how many of them are uncounted, and what the others compute."""
    found: dict[str, Any] = {}
    kinds = [row.operator for row in counted.operators] + [each.operator for each in counted.uncounted]
    for kind in kinds:
        found[kind] = {"nodes": 0, "uncounted": 0, "macs": 0, "ops": 0, "by_precision": {}}
    for row in counted.operators:
        entry = found[row.operator]
        entry["nodes"] += row.nodes
        entry["macs"] += row.macs
        entry["ops"] += 2 * row.macs
        if row.macs:
            entry["by_precision"][row.precision] = {"macs": row.macs, "ops": 2 * row.macs}
    for each in counted.uncounted:
        found[each.operator]["nodes"] += 1
        found[each.operator]["uncounted"] += 1
    return found


def given_places(tensors: Tensors, given: Mapping[str, int]) -> set[str]:
    """The free axes ("input[0]") whose size was given, by place or by name."""
    return {place for place, name in tensors.free.items() if place in given or name in given}


def dims(texts: Sequence[str]) -> dict[str, int]:
    """The sizes of free axes from `NAME=SIZE` texts. Raises `BadInput` for one that is no such text."""
    sizes: dict[str, int] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        digits = value.strip()
        good = bool(equals and name.strip() and digits.isascii() and digits.isdecimal() and len(digits) <= 10)
        if not good or not 1 <= int(digits) <= LARGEST_AXIS:
            raise BadInput(
                f"--dim {text[:200]}: give NAME=SIZE, such as batch=8 or input[2]=224; a size is 1 to {LARGEST_AXIS}"
            )
        if name.strip() in sizes:
            raise BadInput(f"--dim {text[:200]}: {name.strip()} is given twice; once is enough")
        sizes[name.strip()] = int(digits)
    return sizes


def check_dims(given: Mapping[str, int], tensors: Tensors, model: str) -> None:
    """Raises `BadInput` for a size given to an axis that the model's inputs do not have free."""
    known = {*tensors.free, *tensors.free.values()} - {""}
    for name in given:
        if name not in known:
            free = ", ".join(sorted(known)) or "none: all its inputs have fixed sizes"
            raise BadInput(f"--dim {name}={given[name]}: {model} has no free axis of that name; it has {free}")


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0.0 else 0.0
