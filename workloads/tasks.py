"""What is asked of the constellation: tasks, the cost of their models, and what inference answered.

No arithmetic here beyond checks; times are seconds since the scenario's UTC epoch.
"""

import msgspec


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one inference of a model costs, counted from its graph (batch 1).

    One multiply-accumulate is two operations. `activation_bytes` is all that is read and written between
    operators; `peak_activation_bytes` is the most that is alive at once. Bytes are as the file stores them;
    `precision` is that in which most of its operations are stored ("fp32", "fp16", "int8"). Of `ops`, `matmul_ops`
    are those of matrix products and `grouped_ops` those of grouped and depthwise convolutions: hardware reaches
    another share of its peak on them than on dense convolutions, which are the rest. `prompt_ops`, matrix products too,
    come once before a job's first inference, with the weights read once: a language model's prompt. `ops` are without.
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
    precision: str = "fp32"
    output_bytes: int = 0
    matmul_ops: int = 0
    grouped_ops: int = 0
    prompt_ops: int = 0

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message); empty if a model can cost this."""
        counts = [name for name in self.__struct_fields__ if isinstance(getattr(self, name), int)]
        found = [(name, f"is {getattr(self, name)}; 0 or more") for name in counts if getattr(self, name) < 0]
        if self.matmul_ops + self.grouped_ops > self.ops:
            found.append(("matmul_ops", f"and grouped_ops are more than all operations, ops = {self.ops}"))
        return found


class Task(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One captured scene: where, when, how large, what has to be inferred, and until when.

    `inferences` is the number of tiles the scene is cut into, each one run of `model`;
    `tile` names the synthetic tile that stands for the scene's content (`workloads/scenery/scenes.py`).
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
