"""A model made ready to be measured: opened, counted, loaded on its provider, run once, and its batches timed.

Rules: whatever can be refused is refused here, before anything is measured. No clock here: it comes as an argument.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import median

import msgspec

from workloads.calibration import Timing
from workloads.counting.graph import count
from workloads.errors import MemoryOut, ModelError
from workloads.loading.opening import Limits, OpenModel, asked_bytes
from workloads.loading.trial import is_ours, open_tried, trial
from workloads.measuring.bound import Bound, largest_batch
from workloads.measuring.narrowing import narrowed
from workloads.models import find_model
from workloads.providers import NVIDIA, RECORDS, open_session, placement
from workloads.scenery.scenes import Bands
from workloads.tasks import ModelProfile

MOST_BATCH = {"cpu": 32}  # a CPU's throughput hardly rises beyond; a GPU's does
GPU_MOST_BATCH = 1024
STREAM_BATCH = 8  # MultiStream's queries have as many samples
LEAST_CALLS = 3  # of which the median is taken
WARM_CALLS = 2  # after the first: caches, clocks, and the kernels that a GPU's library tries out
LEAST_GAIN = 1.02  # a larger batch that gives less than this more is as good as the last


class Prepared:
    """A model that ran once on its provider and answered with numbers.

    `ran` is the precision in which most of its operations run here, `nodes` how many of its nodes each provider got,
    `batches` those asked for (none: as many as make sense), `notes` what to beware of.
    """

    def __init__(self, name: str, model: OpenModel, profile: ModelProfile, bound: Bound, ran: str) -> None:
        self.name, self.model, self.profile, self.bound, self.ran = name, model, profile, bound, ran
        self.nodes = placement(bound.session)
        self.ours = is_ours(model)
        self.batches: tuple[int, ...] = ()
        self.notes: list[str] = []


class How(msgspec.Struct, frozen=True, kw_only=True):
    """How models are to run: on which provider, in which precision ("": as stored), with how many threads."""

    provider: str = "cpu"
    precision: str = ""
    threads: int = 1
    batches: tuple[int, ...] = ()
    dims: dict[str, int] = {}
    limits: Limits = Limits()


def prepare(name: str, how: How, tiles: Sequence[Bands]) -> Prepared:
    """Open, count, load and run the model once. Raises ModelError for whatever makes it impossible."""
    model = open_tried(find_model(name), how.limits, how.dims)
    counted = count(model, model.path.stem if name.endswith(".onnx") else name)
    if counted.uncounted:
        listed = "; ".join(f"{each.operator} {each.name}: {each.why}" for each in counted.uncounted[:5])
        raise ModelError(f"{name}: the operations of {len(counted.uncounted)} nodes cannot be counted: {listed}")
    profile = counted.profile()
    computes = counted.computes
    if profile.precision != computes and how.precision not in ("", computes):
        raise ModelError(f"{name} is stored in {profile.precision} and computes in {computes}, not in {how.precision}")
    ran = runs_in(name, computes, how)
    runs = model if ran in (profile.precision, computes) or how.precision == "" else narrowed(name, model, ran, tiles)
    session = open_session(runs, how.provider, how.threads, RECORDS)
    made = Prepared(name, model, profile, Bound(name, model, session, how.provider, tiles), ran)
    made.bound.prepare(1)
    if profile.precision == "fp16" and ran == "fp32":
        made.notes.append(f"{name} is stored in fp16, but onnxruntime's CPU kernels compute it in fp32")
    if how.batches:
        made.batches = tuple(sorted({1, *how.batches}))
        _check_batches(made, how)
    return made


def free_axes(model: OpenModel) -> frozenset[str]:
    """Names of the free axes of the inputs, as the file calls them and as "input[place]"."""
    found = set()
    for value in model.proto.graph.input:
        for place, axis in enumerate(value.type.tensor_type.shape.dim):
            if value.name in model.inputs and not axis.HasField("dim_value"):
                found |= {axis.dim_param, f"{value.name}[{place}]"}
    return frozenset(found - {""})


def batch_axes(model: OpenModel) -> frozenset[str]:
    """Names of the free first axes of the inputs: batches run along them, one inference being one place."""
    free = model.tensors.free
    return frozenset(name for key in free if key.endswith("[0]") for name in (key, free[key]))


def runs_in(name: str, stored: str, how: How) -> str:
    """The precision that runs: as asked for, which may be narrower than a float32 file, else as stored.

    Raises ModelError for one that is wider than the file, or that the provider does not compute in.
    """
    if how.provider == "cpu" and "fp16" in (how.precision, stored):
        if how.precision == "fp16":
            raise ModelError(
                "--precision fp16: onnxruntime's CPU kernels compute float16 in float32; take a GPU, or fp32"
            )
        return "fp32"
    if how.precision and how.precision != stored and stored != "fp32":
        raise ModelError(f"{name} is stored in {stored} and runs in it, not in {how.precision}; give a file in that")
    return how.precision or stored


def check_batch(made: Prepared, how: How, batch: int) -> None:
    """Refuse a batch that asks for too much; that of a model which is not ours is tried apart before it is run here.

    Its memory is counted at that batch: from one to the next it may grow as any power. On a GPU, whose memory the
    trial does not see, it is opened there and not run.
    Raises MemoryOut where memory is the reason, ModelError for any other.
    """
    dims: Mapping[str, int] = {**how.dims, **{f"{each}[0]": batch for each in made.model.inputs}}
    if not made.ours:
        try:
            trial(made.model.path, how.limits, dims, made.model.sha256, to_run=how.provider not in NVIDIA)
        except ModelError as error:
            kind = MemoryOut if isinstance(error, MemoryOut) else ModelError
            raise kind(f"a batch of {batch}: {error}") from error
    need_bytes, most_bytes = asked_bytes(made.model, dims), how.limits.memory_bytes
    if need_bytes > most_bytes:
        raise MemoryOut(f"{made.name}: a batch of {batch} asks for {need_bytes} bytes of memory; {most_bytes} at most")


def _check_batches(made: Prepared, how: How) -> None:
    """Run every batch that was asked for once. Raises ModelError, with the largest that fits, if one does not."""
    fit = 1
    for batch in made.batches[1:]:
        if not made.bound.free:
            made.bound.prepare(batch)  # which refuses it
        try:
            check_batch(made, how, batch)
        except MemoryOut as error:
            most = largest_batch(lambda size: _passes(made, how, size), fit, batch)
            raise MemoryOut(
                f"{error}; the largest batch that fits is {most} (--memory-bytes raises the limit)"
            ) from error
        try:
            made.bound.prepare(batch)
        except MemoryOut as error:
            most = largest_batch(lambda size: _fits(made.bound, size), fit, batch)
            raise MemoryOut(f"{error}; the largest batch that fits is {most}") from error
        made.bound.forget(batch)
        fit = batch


def _passes(made: Prepared, how: How, batch: int) -> bool:
    try:
        check_batch(made, how, batch)
    except MemoryOut:
        return False
    return True


def _fits(bound: Bound, batch: int) -> bool:
    try:
        bound.prepare(batch)
    except MemoryOut:
        return False
    bound.forget(batch)
    return True


def timings(
    made: Prepared, how: How, least_s: float, clock_s: Callable[[], float], heard: Callable[[float], None]
) -> tuple[Timing, ...]:
    """The median time of a call, batch by batch: those asked for, else 1, 2, 4, ... while it pays and fits.

    `least_s` are the seconds to spend on all of them; each is called three times at least. Of its own choice it stops
    at a call that takes more than a quarter of `least_s`, and beyond 8 when doubling gains under 2 % twice.
    """
    found: list[Timing] = []
    chosen = made.batches or _powers(how.provider if made.bound.free else "")
    flat = 0
    for place, batch in enumerate(chosen):
        if not made.batches and batch > 1 and not _worth(made, how, found, batch, least_s, flat):
            break
        try:
            found.append(time_batch(made.bound, batch, least_s / min(len(chosen), 5), clock_s))
        except MemoryOut as error:
            if made.batches:
                raise
            made.notes.append(f"{error}; the largest batch that was measured is {found[-1].batch}")
            break
        heard((place + 1) / len(chosen))
        if len(found) > 1 and _rate(found[-1]) < LEAST_GAIN * max(map(_rate, found[:-1])):
            flat += 1
    heard(1.0)
    return tuple(found)


def _worth(made: Prepared, how: How, found: list[Timing], batch: int, least_s: float, flat: int) -> bool:
    if 2.0 * found[-1].batch_s > least_s / 4 or (batch > STREAM_BATCH and flat >= 2):
        return False
    try:
        check_batch(made, how, batch)
    except ModelError as error:
        made.notes.append(f"{made.name}: no batch of {batch} was measured: {error}")
        return False
    return True


def time_batch(bound: Bound, batch: int, least_s: float, clock_s: Callable[[], float]) -> Timing:
    """The median of calls with `batch`, warmed up, for `least_s` and three calls at least; the answer is checked."""
    bound.prepare(batch)
    for _ in range(WARM_CALLS):
        bound.run(batch)
    times_s: list[float] = []
    start_s = clock_s()
    while len(times_s) < LEAST_CALLS or clock_s() - start_s < least_s:
        begun_s = clock_s()
        bound.run(batch)
        times_s.append(clock_s() - begun_s)
    bound.check(batch)
    return Timing(batch=batch, batch_s=median(times_s), samples=len(times_s))


def best(found: Sequence[Timing]) -> Timing:
    """The batch with the most samples a second."""
    return max(found, key=_rate)


def serving(found: Sequence[Timing], bound_s: float) -> tuple[int, ...]:
    """Batches for a server: each gives more samples a second than all smaller ones, within half the latency bound."""
    chosen = [found[0]]
    for timing in found[1:]:
        if _rate(timing) > _rate(chosen[-1]) and timing.batch_s <= bound_s / 2:
            chosen.append(timing)
    return tuple(timing.batch for timing in chosen)


def _rate(timing: Timing) -> float:
    return timing.batch / timing.batch_s


def _powers(provider: str) -> tuple[int, ...]:
    """1, 2, 4, ... up to the most for the provider; 1 alone where the first axis is fixed."""
    most = 1 if not provider else MOST_BATCH.get(provider, GPU_MOST_BATCH if provider in NVIDIA else MOST_BATCH["cpu"])
    return tuple(1 << power for power in range(most.bit_length()))
