"""Orders: what the core wants done. An engine carries them out and reports back with facts."""

import msgspec


class Send(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="send"):
    """Put a task's `raw` or `result`, or a `bundle`, on contact number `contact` from `node` to `to`.

    Serialisation runs from `start_s` to `free_s` at the contact's rate; the last bit is due at `deliver_s`,
    one light time later. The engine answers with `Delivered`.
    """

    node: str
    to: str
    task: str
    what: str
    contact: int
    size_bytes: int
    start_s: float
    free_s: float
    deliver_s: float


class Run(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="run"):
    """Infer a task on `node`, which is busy with it until `finish_s`. The engine answers with `Finished`.

    `basis` is how the time is known: `calibrated`, `scaled` or `preset` (`nodes/job_time.py`).
    """

    node: str
    task: str
    run: int
    start_s: float
    finish_s: float
    basis: str = "preset"


class Cancel(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="cancel"):
    """Stop run number `run` of a task on `node`; a `Finished` of it that comes later is stale and refused."""

    node: str
    task: str
    run: int


class Wake(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="wake"):
    """Ring `timer` of `node` at `at_s`."""

    node: str
    timer: str
    at_s: float


class End(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="end"):
    """A task or bundle ends: `how` is `done`, `dropped` (on purpose) or `lost` (not on purpose), with the reason."""

    task: str
    how: str
    reason: str


class Rejected(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="rejected"):
    """A decision was refused, with its code; the scheduler sees it in `view.rejected`."""

    decision: str
    task: str
    code: str


Order = Send | Run | Cancel | Wake | End | Rejected
