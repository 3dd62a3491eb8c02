"""What stands in a trace beside its log: the header, written first, and the footer, written last.

Version policy: readers pass over fields they do not know, so a schema may grow; its number rises when the meaning of
something changes. The versions in `READS` open; a newer one is refused by name.
"""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from emulator.ledger import BundleCounts, Counts
from emulator.named_files import NamedFile
from emulator.version import core_kind
from nodes.epoch import TT_MINUS_TAI_S, Epoch

SCHEMA = 4  # 2: facts and counts of bundles; 3: how the time of each run is known; 4: blocks, decisions, footer
READS = (3, 4)
LIBRARIES = ("numpy", "scipy", "skyfield", "sgp4", "onnxruntime", "onnx", "pyzmq", "msgspec", "xxhash")
_JUST_AFTER_S = 1e-3  # at the very end of a leap second, Skyfield gives the mean of before and after
SOURCES = {  # how the workload answers to the system; from MLPerf LoadGen's and Schroeder's terms (NSDI 2006)
    "captures": "open-loop: drawn before the run; a slow system does not slow them",
    "workload, open": "open-loop: at the instants of a mission's list; a slow system does not slow them",
    "workload, closed": "closed-loop: each task of a mission's list waits for the end of the one before",
    "bundles": "closed-loop: applications send when they please, and may wait for answers",
}


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What ran, and, in a closed trace, what came out of it."""

    schema: int
    orbitmesh: str
    created_utc: str
    scenario: str
    scenario_sha256: str
    epoch: str  # UTC
    policy: str
    seed: int
    engine: str
    events: int = 0  # filled in when the trace is closed
    digest: str = ""  # filled in when the trace is closed
    world_sha256: str = ""  # of world.json.gz, unpacked
    tai_minus_utc_s: float | None = None  # at the epoch
    scenario_table: dict[str, Any] | None = None  # the scenario in full
    files: list[NamedFile] = []  # that it names; `scenario_sha256` is of its canonical JSON and of their sums
    elements: list[Any] = []  # of every satellite, as they were propagated
    sources: dict[str, str] = {}  # open-loop or closed-loop
    versions: dict[str, str] = {}
    host: dict[str, str] = {}
    notes: list[str] = []  # what was assumed and what is synthetic, as `run` shows it
    replay_of: dict[str, str] = {}  # of a replay on another level than exact: which, of what digest, with what changed
    decisions: int | None = None  # lines of decisions.jsonl.gz; this and what follows is `emulator/tracing/seal.py`'s
    sums: dict[str, str] = {}  # sha256 of summary.json, footer.json and live.json
    header_sha256: str = ""  # of all the fields above as canonical JSON


class LinkBytes(msgspec.Struct, frozen=True, kw_only=True):
    """The account of one directed link: sent = received + lost + in flight."""

    from_node: str
    to_node: str
    sent_bytes: int
    received_bytes: int
    lost_bytes: int


class NodeTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What a node did and holds at the end; `ops` is None where it has no processor."""

    node: str
    ops: int | None
    stored_bytes: int


class Footer(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger, which was checked before it was written, and how long the log is."""

    events: int
    digest: str
    end_s: float
    tasks: Counts
    bundles: BundleCounts
    links: list[LinkBytes]
    nodes: list[NodeTotals]


def tai_minus_utc_s(epoch: str) -> float:
    """Whole seconds by which TAI is ahead of UTC at an epoch (after 1972)."""
    time = Epoch(epoch).skyfield(_JUST_AFTER_S)
    return round(float(time.dut1) - TT_MINUS_TAI_S + float(time.delta_t), 6)


def versions() -> dict[str, str]:
    """Of Python and of what computes; a library that is not installed is left out. `core` is python or compiled."""
    found = {"python": platform.python_version(), "core": core_kind()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def host() -> dict[str, str]:
    """What kind of machine this is; nothing that names it."""
    return {"system": platform.system(), "machine": platform.machine(), "processors": str(os.cpu_count() or "unknown")}
