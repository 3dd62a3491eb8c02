"""What is asked of the constellation: tasks, the cost of their models, and what inference answered.

No arithmetic here beyond checks; times are seconds since the scenario's UTC epoch.
"""

import msgspec


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What one inference of a model costs, counted from its graph (batch 1).

    One multiply-accumulate is two operations. `activation_bytes` is all that is read and written between
    operators; `peak_activation_bytes` is the most that is alive at once.
    """

    name: str
    sha256: str
    macs: int
    ops: int
    parameters: int
    weight_bytes: int
    activation_bytes: int
    peak_activation_bytes: int
    input_bytes: int


class Task(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One captured scene: where, when, how large, what has to be inferred, and until when.

    `inferences` is the number of tiles the scene is cut into, each one run of `model`;
    `tile` names the synthetic tile that stands for the scene's content (`workloads/scenes.py`).
    """

    id: str
    at_s: float
    node: str
    raw_bytes: int
    model: str
    inferences: int
    tile: int
    deadline_s: float  # absolute
    priority: int  # larger is more urgent


class Outcome(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What inference said of a scene, and how many bytes the answer has."""

    label: str  # "clear" or "cloudy"
    cloud_fraction: float  # 0..1, rounded to 1e-3 so that the last bits of a host's kernels do not matter
    product_bytes: int
