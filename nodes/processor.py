"""What a node computes with: peak rates, measured operating points, calibrations; and the jobs that follow from them.

Numbers of the shipped processors live in `processors.toml`, each with its source; a processor of your own is a TOML
file (`emulator/processor_file.py`). How a job's time is found stands in `nodes/job_time.py`.
"""

import tomllib
from difflib import get_close_matches
from importlib.resources import files
from math import inf
from typing import Any

import msgspec

from nodes.errors import NodeError
from nodes.job_time import Job, by_roofline, from_table, known
from nodes.power import PowerMode, mode_problems, power_at_w
from nodes.precision import FLOAT32_SHARES, STORED_SHARES, divisor, running
from workloads.calibration import Calibration
from workloads.tasks import ModelProfile

WORK = ("matmul", "grouped")  # classes of work that may have a factor of their own; the rest is dense convolution
NEVER_FASTER = 1.0 + 1e-9  # how much a calibration may exceed the peak by rounding


class Processor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A processor: what it does at best, how much of that it reaches, and what it draws.

    `efficiency` is the share of the peak that dense convolutions reach, 0 to 1; `work_factors` says how much more or
    less of it matrix products (`matmul`) and grouped convolutions (`grouped`) reach. `traffic_share` is the share of
    a model's activation bytes that reaches memory, fused operators and caches keeping the rest. `launch_s` is what a
    job costs beyond the roofline. Powers are in watts, None where nobody knows them: then no energy is reported.
    `power_modes` are measured operating points, `busy_power_w` the power where there are none; `calibrations`
    are measurements of models on this very processor. `guesses` names the fields that nobody published.
    """

    name: str
    peak_ops_per_s: dict[str, float]
    efficiency: float = 0.19  # MLPerf v3.0, Jetson AGX Orin: `embedded` of processors.toml
    work_factors: dict[str, float] = {}
    memory_bytes_per_s: float
    memory_bytes: float
    traffic_share: float = 0.25  # [guess] bounded by MLPerf's L4 row: processors.toml
    launch_s: float = 0.0
    idle_power_w: float | None = None
    busy_power_w: float | None = None
    power_modes: tuple[PowerMode, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    source: str = ""
    guesses: tuple[str, ...] = ()

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message); empty if the processor can be."""
        found = [] if self.name.strip() else [("name", "is empty; name the processor")]
        if not self.peak_ops_per_s:
            found.append(("peak_ops_per_s", "is empty; give at least one rate, such as int8 = 744e12"))
        for precision, ops_per_s in self.peak_ops_per_s.items():
            if precision not in FLOAT32_SHARES:
                found.append(
                    ("peak_ops_per_s", f"has {precision!r}; a precision is one of {', '.join(FLOAT32_SHARES)}")
                )
            found += _outside(f"peak_ops_per_s.{precision}", ops_per_s, above=0.0)
        found += _outside("efficiency", self.efficiency, above=0.0, most=1.0)
        for work, factor in self.work_factors.items():
            if work not in WORK:
                found.append(("work_factors", f"has {work!r}; a class of work is one of {', '.join(WORK)}"))
            found += _outside(f"work_factors.{work}", factor, above=0.0)
        found += _outside("memory_bytes_per_s", self.memory_bytes_per_s, above=0.0)
        found += _outside("memory_bytes", self.memory_bytes, above=0.0)
        found += _outside("traffic_share", self.traffic_share, least=0.0, most=1.0)
        found += _outside("launch_s", self.launch_s, least=0.0)
        found += self._power_problems() + self._calibration_problems()
        unknown = [name for name in self.guesses if name.split(".")[0] not in self.__struct_fields__]
        return found + [("guesses", f"names {name!r}, which is no field of a processor") for name in unknown]

    def _power_problems(self) -> list[tuple[str, str]]:
        found = []
        for field in ("idle_power_w", "busy_power_w"):
            if getattr(self, field) is not None:
                found += _outside(field, getattr(self, field), least=0.0)
        idle_w, busy_w = self.idle_power_w, self.busy_power_w
        if idle_w is not None and busy_w is not None and busy_w < idle_w:
            found.append(("busy_power_w", f"is {busy_w}, below idle_power_w {idle_w}; swap them"))
        drawn = [(f"power_modes[{number}].power_w", mode.power_w) for number, mode in enumerate(self.power_modes)]
        drawn += [(f"calibrations[{number}].power_w", each.power_w) for number, each in enumerate(self.calibrations)
                  if each.power_w is not None]  # fmt: skip
        text = "below idle_power_w {}: work would give energy back; correct one, or leave idle_power_w out"
        found += [(field, f"is {w}, {text.format(idle_w)}") for field, w in drawn if idle_w is not None and w < idle_w]
        return found + mode_problems(self.power_modes, self.peak_ops_per_s)

    def _calibration_problems(self) -> list[tuple[str, str]]:
        """What the calibrations say of themselves, and every batch that went faster than the peak allows."""
        found = []
        for number, each in enumerate(self.calibrations):
            at = f"calibrations[{number}]"
            own = each.problems()
            found += [(f"{at}.{field}", message) for field, message in own]
            if each.profile.precision not in STORED_SHARES:
                text = f"is {each.profile.precision!r}; one of {', '.join(STORED_SHARES)}"
                found.append((f"{at}.profile.precision", text))
            peak = self.peak_ops_per_s.get(each.precision)
            if peak is None:
                text = f"is {each.precision!r}, in which peak_ops_per_s has no rate; it has "
                found.append((f"{at}.precision", text + ", ".join(self.peak_ops_per_s)))
            elif not own:
                found += [(f"{at}.{field}", message) for field, message in _too_fast(each, peak)]
        keys = [(each.profile.sha256, each.precision) for each in self.calibrations if each.profile.sha256]
        if len(set(keys)) < len(keys):
            found.append(("calibrations", "measure one model in one precision twice; keep one of them"))
        return found

    def peak(self, precision: str) -> float:
        """Operations per second at best, in this precision: the budget that `OpsLedger` guards.

        Raises NodeError for a precision that the processor has no rate for.
        """
        if precision in self.peak_ops_per_s:
            return self.peak_ops_per_s[precision]
        raise NodeError(
            f"processor {self.name!r} has no rate for {precision!r}; it has {', '.join(self.peak_ops_per_s)}"
        )

    def share(self, work: str) -> float:
        """The share of its peak that it reaches on a class of work: `convolution`, `matmul` or `grouped`."""
        return min(1.0, self.efficiency * self.work_factors.get(work, 1.0))

    @property
    def working_power_w(self) -> float | None:
        """Watts drawn while it works: by its measured points at the rate convolutions reach, else `busy_power_w`.

        One clock for all work, so an upper bound for work that waits for memory.
        """
        if self.power_modes:
            mode = self.power_modes[0]
            return power_at_w(self.power_modes, self.peak_ops_per_s[mode.precision] * self.efficiency)
        return self.busy_power_w

    @property
    def beyond_modes(self) -> bool:
        """Whether it is to reach more than any of its operating points, so that their power is a lower bound."""
        last = self.power_modes[-1] if self.power_modes else None
        # 1 %: both are rounded, to four digits and to three
        return last is not None and self.peak(last.precision) * self.efficiency > 1.01 * last.ops_per_s

    def at_mode(self, name: str) -> "Processor":
        """This processor held in one of its power modes: its rate there, and with it its power.

        Raises NodeError for a mode that it does not have, and where models were measured on it: those times are of
        one clock, and another's power beside them would be energy that nobody drew.
        """
        mode = next((each for each in self.power_modes if each.name == name), None)
        if mode is None:
            known = ", ".join(each.name for each in self.power_modes) or "none"
            raise NodeError(f"processor {self.name!r} has no power mode {name[:80]!r}; it has {known}")
        if self.calibrations:
            raise NodeError(
                f"processor {self.name!r} holds measured times, which are not those of power mode {name[:80]!r}; "
                "leave the mode out, or calibrate the host in it"
            )
        return msgspec.structs.replace(self, efficiency=mode.ops_per_s / self.peak(mode.precision))

    def precision_of(self, profile: ModelProfile, wanted: str) -> str:
        """The precision that a model runs in here: as wanted, as stored if narrower, or the next wider with a rate.

        A model that was measured here runs in what it was measured in, as wanted if that is among it: the file
        then ran so, whatever else the processor could do. One that was not runs as those did that are stored alike.
        Raises NodeError where it has a rate for none.
        """
        own = [c.precision for c in self.calibrations if profile.sha256 and c.profile.sha256 == profile.sha256]
        alike = [c.precision for c in self.calibrations if c.profile.precision == profile.precision]
        try:
            return running(profile.precision, wanted, own or alike or self.peak_ops_per_s)
        except NodeError as error:
            if own or alike:
                return own[0] if own else running(profile.precision, wanted, self.peak_ops_per_s)
            raise NodeError(f"processor {self.name!r} cannot run {profile.name!r} in {wanted}: {error}") from None

    def job(self, profile: ModelProfile, inferences: int, batch: int = 1, precision: str = "int8") -> Job:
        """The cost of `inferences` runs of a model in batches of at most `batch`, wanted in `precision`.

        From a calibration of the model, else of a similar one, else by roofline plus `launch_s` once: batches are
        launched while the one before still runs, as in MLPerf's Offline rates, from which `efficiency` comes.
        More inferences never take less time, and none are faster than the peak. Raises NodeError for counts below
        one, or a precision that cannot be.
        """
        if inferences < 1 or batch < 1:
            raise NodeError(f"a job of {inferences} inferences in batches of {batch} cannot be; both start at 1")
        runs = self.precision_of(profile, precision)
        basis, table, measured = known(self, profile, runs)
        if measured is None or profile.prompt_ops:  # no calibration tells of a prompt
            return by_roofline(self, profile, inferences, batch, runs)
        power_w = measured.power_w if measured.power_w is not None else self.working_power_w
        duration_s = from_table(table, inferences, batch)
        scaled = basis == "scaled"
        bound = by_roofline(self, profile, inferences, batch, runs).bound if scaled else "measured"
        return Job(duration_s, bound, profile.ops * inferences, runs, basis, power_w, measured.precision)

    def memory_bytes_needed(self, profile: ModelProfile, batch: int = 1, precision: str = "int8") -> int:
        """Bytes of memory that one batch holds: the weights, and each inference's activations at their peak."""
        runs = self.precision_of(profile, precision)
        basis, table, _ = known(self, profile, runs)
        if basis == "calibrated":
            batch = min(batch, table[-1][0])  # it runs no larger batch than was measured
        return -(-(profile.weight_bytes + profile.peak_activation_bytes * batch) // divisor(profile.precision, runs))


def preset(name: str, efficiency: str | None = None) -> Processor:
    """A shipped processor by name, with its own efficiency or the named one (`peak`, `embedded`, `datacenter`).

    Raises NodeError for a name that is not shipped, listing those that are. Source: `processors.toml`.
    """
    shipped = _shipped()
    table = {"name": name, **_pick("processor", name, shipped["processors"])}
    if efficiency is not None:
        table["efficiency"] = _pick("efficiency", efficiency, shipped["efficiency"])
        table["guesses"] = [field for field in table["guesses"] if field != "efficiency"]
        if efficiency == "peak":
            table["work_factors"] = {}  # an upper bound holds for every class of work
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


def _too_fast(measured: Calibration, peak_ops_per_s: float) -> list[tuple[str, str]]:
    found = []
    for number, timing in enumerate(measured.timings):
        ops_per_s = measured.profile.ops * timing.batch / timing.batch_s
        if ops_per_s > peak_ops_per_s * NEVER_FASTER:
            text = (
                f"is {timing.batch_s} s for {timing.batch} inferences of {measured.profile.ops} operations: "
                f"{ops_per_s:.4g} ops/s, above peak_ops_per_s.{measured.precision} = {peak_ops_per_s:.4g}; "
                "one of them is wrong"
            )
            found.append((f"timings[{number}].batch_s", text))
    return found


def _outside(
    field: str, value: float, *, above: float | None = None, least: float | None = None, most: float = inf
) -> list[tuple[str, str]]:
    """The problem of a number that is not finite or not in its range; NaN is in no range."""
    low = value > above if above is not None else least is None or value >= least
    if low and value <= most and value < inf:
        return []
    floor = f"above {above}" if above is not None else f"at least {least}"
    ceiling = "" if most == inf else f" and at most {most}"
    return [(field, f"is {value}; it must be a finite number {floor}{ceiling}")]
