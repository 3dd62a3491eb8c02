"""What a node computes with: peak rates, and the time, memory and operations of a job by roofline.

The core calls `job` on every decision, so here are only plain IEEE sums, products and quotients: the same
answer on every machine. Numbers of the shipped processors live in `processors.toml`, each with its source.
Roofline: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.
"""

import tomllib
from difflib import get_close_matches
from importlib.resources import files
from typing import Any, Literal

import msgspec

from nodes.errors import NodeError
from workloads.tasks import ModelProfile

Bound = Literal["compute", "memory", "launch"]

FLOAT32_SHARES: dict[str, int] = {"int8": 4, "fp16": 2, "fp32": 1}  # how many of these fill the four bytes of a float32


class Job(msgspec.Struct, frozen=True):
    """What a job costs: its time in seconds, what that time is spent on most, and its operations."""

    duration_s: float
    bound: Bound
    ops: int


class Processor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A processor: what it does at best, how much of that it reaches, and what it draws.

    `efficiency` is the share of the peak that real work reaches, 0 to 1. `traffic_share` is the share of a
    model's activation bytes that reaches memory, fused operators and caches keeping the rest. `launch_s` is
    what a job costs beyond the roofline. `guesses` names the fields that nobody published.
    """

    name: str
    peak_ops_per_s: dict[str, float]
    efficiency: float = 0.19  # MLPerf v3.0, Jetson AGX Orin: `embedded` of processors.toml
    memory_bytes_per_s: float
    memory_bytes: float
    traffic_share: float = 0.25  # [guess] bounded by MLPerf's L4 row: processors.toml
    launch_s: float = 0.0
    idle_power_w: float
    busy_power_w: float
    source: str = ""
    guesses: tuple[str, ...] = ()

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message); empty if the processor can be."""
        found = []
        if not self.peak_ops_per_s:
            found.append(("peak_ops_per_s", "is empty; give at least one rate, such as int8 = 744e12"))
        for precision, ops_per_s in self.peak_ops_per_s.items():
            if precision not in FLOAT32_SHARES:
                found.append(
                    ("peak_ops_per_s", f"has {precision!r}; a precision is one of {', '.join(FLOAT32_SHARES)}")
                )
            found += _outside(f"peak_ops_per_s.{precision}", ops_per_s, above=0.0)
        found += _outside("efficiency", self.efficiency, above=0.0, most=1.0)
        found += _outside("memory_bytes_per_s", self.memory_bytes_per_s, above=0.0)
        found += _outside("memory_bytes", self.memory_bytes, above=0.0)
        found += _outside("traffic_share", self.traffic_share, least=0.0, most=1.0)
        found += _outside("launch_s", self.launch_s, least=0.0)
        found += _outside("idle_power_w", self.idle_power_w, least=0.0)
        found += _outside("busy_power_w", self.busy_power_w, least=0.0)
        if self.busy_power_w < self.idle_power_w:
            found.append(("busy_power_w", f"is {self.busy_power_w}, below idle_power_w {self.idle_power_w}; swap them"))
        unknown = [name for name in self.guesses if name.split(".")[0] not in self.__struct_fields__]
        return found + [("guesses", f"names {name!r}, which is no field of a processor") for name in unknown]

    def peak(self, precision: str) -> float:
        """Operations per second at best, in this precision: the budget that `OpsLedger` guards.

        Raises NodeError for a precision that the processor has no rate for.
        """
        if precision in self.peak_ops_per_s:
            return self.peak_ops_per_s[precision]
        raise NodeError(
            f"processor {self.name!r} has no rate for {precision!r}; it has {', '.join(self.peak_ops_per_s)}"
        )

    def job(self, profile: ModelProfile, inferences: int, batch: int = 1, precision: str = "int8") -> Job:
        """The time of `inferences` runs of a model in batches of at most `batch`.

        The larger of operations over reached ops/s and bytes over bandwidth, plus `launch_s` once: batches are
        launched while the one before still runs, as in MLPerf's Offline rates, from which `efficiency` comes and
        which contain all launches but the first. Weights are read once a batch, activations once an inference;
        the profile counts float32, int8 is a quarter.
        More inferences never take less time. Raises NodeError for counts below one or an unknown precision.
        """
        if inferences < 1 or batch < 1:
            raise NodeError(f"a job of {inferences} inferences in batches of {batch} cannot be; both start at 1")
        batches = -(-inferences // batch)
        ops = profile.ops * inferences
        compute_s = ops / (self.peak(precision) * self.efficiency)
        activation_bytes = self.traffic_share * (profile.activation_bytes * inferences)
        moved_bytes = (profile.weight_bytes * batches + activation_bytes) / _shares(precision)
        memory_s = moved_bytes / self.memory_bytes_per_s
        roofline_s = max(compute_s, memory_s)
        bound: Bound = "memory" if memory_s > compute_s else "compute"
        return Job(roofline_s + self.launch_s, "launch" if self.launch_s > roofline_s else bound, ops)

    def memory_bytes_needed(self, profile: ModelProfile, batch: int = 1, precision: str = "int8") -> int:
        """Bytes of memory that one batch holds: the weights, and each inference's activations at their peak."""
        return -(-(profile.weight_bytes + profile.peak_activation_bytes * batch) // _shares(precision))


def preset(name: str, efficiency: str | None = None) -> Processor:
    """A shipped processor by name, with its own efficiency or the named one (`peak`, `embedded`, `datacenter`).

    Raises NodeError for a name that is not shipped, listing those that are. Source: `processors.toml`.
    """
    shipped = _shipped()
    table = {"name": name, **_pick("processor", name, shipped["processors"])}
    if efficiency is not None:
        table["efficiency"] = _pick("efficiency", efficiency, shipped["efficiency"])
        table["guesses"] = [field for field in table["guesses"] if field != "efficiency"]
    return msgspec.convert(table, Processor)


def presets() -> tuple[str, ...]:
    """Names of the shipped processors, satellites' first."""
    return tuple(_shipped()["processors"])


def _shipped() -> dict[str, Any]:
    return tomllib.loads(files("nodes").joinpath("processors.toml").read_text("utf-8"))


def _pick(kind: str, name: str, table: dict[str, Any]) -> Any:
    if name in table:
        return table[name]
    close = get_close_matches(name, table, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise NodeError(f"there is no {kind} {name!r}: {hint}the shipped ones are {', '.join(table)}")


def _shares(precision: str) -> int:
    if precision in FLOAT32_SHARES:
        return FLOAT32_SHARES[precision]
    raise NodeError(f"there is no precision {precision!r}; take one of {', '.join(FLOAT32_SHARES)}")


def _outside(
    field: str, value: float, *, above: float | None = None, least: float | None = None, most: float = float("inf")
) -> list[tuple[str, str]]:
    """The problem of a number that is not finite or not in its range; NaN is in no range."""
    low = value > above if above is not None else least is None or value >= least
    if low and value <= most and value < float("inf"):
        return []
    floor = f"above {above}" if above is not None else f"at least {least}"
    ceiling = "" if most == float("inf") else f" and at most {most}"
    return [(field, f"is {value}; it must be a finite number {floor}{ceiling}")]
