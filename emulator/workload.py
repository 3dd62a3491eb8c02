"""A scenario's `[workload]`: a list of tasks from a mission instead of scenes along the ground track.

[workload]
file = "plan.jsonl"       # written by orbitmesh convert, beside the scenario; or the name of a list that ships
align = "start"           # its first task at the scenario's epoch; "utc": each at its own instant
flown = "each"            # every satellite does all of it; "in-turn": one after the other takes a task
"""

import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from emulator.layers import inside
from nodes.epoch import Epoch
from nodes.errors import NodeError
from workloads.decoder import decoders
from workloads.errors import WorkloadError
from workloads.importing.records import Imported
from workloads.importing.source_file import read_bytes
from workloads.importing.task_file import records_of

if TYPE_CHECKING:
    from emulator.scenario import LoadedScenario, Problem
    from emulator.toml_text import Path as Field

MOST_STAGGER_S = 86_400.0
MOST_THINK_S = 86_400.0
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
LIST = ".jsonl"


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tasks, when, and by whom. With `modes`, only tasks of these; `sha256`: no other content of the file.

    With `each`, satellite n of the scenario starts the list n x `stagger_s` later. Requests to a language model go to
    `decoder`; prompts and answers have `bytes_per_token`.

    `arrivals` are open-loop at the list's instants, or closed-loop: a satellite's first task at its instant, each next
    one `think_s` after the one before has ended. With `stations = "planned"`, raw data that go down at any station go
    to the one that the plan names.
    """

    file: str
    sha256: str = ""
    align: Literal["utc", "start"] = "utc"
    flown: Literal["each", "in-turn"] = "each"
    stagger_s: float = 0.0
    modes: tuple[str, ...] = ()
    decoder: str = "llama-3.1-8b-like"
    bytes_per_token: float = 4.0  # [guess] of English text and code, some four characters a token
    arrivals: Literal["open", "closed"] = "open"
    think_s: float = 0.0  # with closed arrivals: from the end of one task to the next of that satellite
    stations: Literal["any", "planned"] = "any"
    station_names: dict[str, str] = {}  # the plan's name of a station -> the scenario's; equal names need no line

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be."""
        found = []
        if not self.file:
            found.append(("file", "is empty; name a file that orbitmesh convert wrote, or a list that ships"))
        found += sha256_problems(self.sha256)
        if not 0.0 <= self.stagger_s <= MOST_STAGGER_S:
            found.append(("stagger_s", f"is {self.stagger_s}; 0 to {MOST_STAGGER_S} s"))
        if self.stagger_s and self.flown != "each":
            found.append(("stagger_s", f"is {self.stagger_s}; it goes with flown = 'each'"))
        if self.decoder not in decoders():
            found.append(("decoder", f"is {self.decoder[:80]!r}; one of {', '.join(decoders())}"))
        if not 0.0 <= self.think_s <= MOST_THINK_S:
            found.append(("think_s", f"is {self.think_s}; 0 to {MOST_THINK_S} s"))
        if self.think_s and self.arrivals != "closed":
            found.append(("think_s", f"is {self.think_s}; it goes with arrivals = 'closed'"))
        if self.station_names and self.stations != "planned":
            found.append(("station_names", "goes with stations = 'planned'"))
        if not 0.0 < self.bytes_per_token <= 1e6:
            found.append(("bytes_per_token", f"is {self.bytes_per_token}; above 0 and at most 1e6"))
        return found


def sha256_problems(text: str) -> list[tuple[str, str]]:
    """What keeps a text from being a sum, or empty where any content will do."""
    if not text or _SHA256.fullmatch(text):
        return []
    return [("sha256", f"is {text[:80]!r}; 64 hexadecimal digits, as sha256sum prints them")]


def shipped_lists() -> list[str]:
    """Names of the lists of tasks that ship."""
    return sorted(p.name[: -len(LIST)] for p in files("emulator.scenarios").iterdir() if p.name.endswith(LIST))


def workload_problems(loaded: "LoadedScenario") -> list["Problem"]:
    """Lists and measured loads that neither ship nor may be read."""
    found: list[Problem] = []
    workload = loaded.scenario.workload
    if workload is not None and workload.file and workload.file not in shipped_lists():
        more = f". Lists that ship: {', '.join(shipped_lists())}"
        found += _outside(loaded, ("workload", "file"), workload.file, more)
    for number, each in enumerate(loaded.scenario.satellites.loads):
        found += _outside(loaded, ("satellites", "loads", number, "file"), each.file, "")
    return found


def _outside(loaded: "LoadedScenario", field: "Field", name: str, more: str) -> list["Problem"]:
    if loaded.folder is None:
        return [(field, f"is {name[:200]!r}; a shipped scenario cannot name files{more}")]
    if not inside(loaded.folder, name):
        return [(field, f"is {name[:200]!r}, which leads out of the scenario's folder; put the file inside it")]
    return []


def read_workload(loaded: "LoadedScenario", workload: Workload) -> Imported:
    """The list that a scenario names. Raises `ScenarioError` naming the field."""
    return named_records(loaded, ("workload",), workload.file, workload.sha256)


def named_records(loaded: "LoadedScenario", at: "Field", file: str, sha256: str) -> Imported:
    """What a file of tasks or of a load holds, named by the table `at` of a scenario. Raises `ScenarioError`."""
    field = (*at, "file")
    try:
        if at == ("workload",) and file in shipped_lists():
            data = (files("emulator.scenarios") / f"{file}{LIST}").read_bytes()
        else:
            data = read_bytes((loaded.folder or Path()) / file)
        digest = hashlib.sha256(data).hexdigest()
        if sha256 and sha256.lower() != digest:
            field = (*at, "sha256")
            raise WorkloadError(f"is {sha256[:16]}..., but the file's is {digest[:16]}...: it was changed")
        return records_of(data.decode("utf-8"), file[:200])
    except UnicodeDecodeError as error:
        raise loaded.refuse(
            [(field, f"byte {error.start} is no UTF-8: no file that orbitmesh convert wrote")]
        ) from error
    except WorkloadError as error:
        raise loaded.refuse([(field, str(error))]) from error


def offset_s(loaded: "LoadedScenario", at: "Field", align: str, epoch: str | None, first_s: float) -> float:
    """What is added to the `at_s` of a file's records, the first at `first_s`, to make it the scenario's."""
    if align == "start":
        return -first_s
    if epoch is None:
        text = "is 'utc', but the list has relative times only; 'start' puts its first one at the scenario's epoch"
        raise loaded.refuse([((*at, "align"), text)])
    try:
        return Epoch(loaded.scenario.epoch).seconds(epoch)
    except NodeError as error:  # the file's own epoch, which may be any text
        raise loaded.refuse([((*at, "file"), f"its epoch: {error}")]) from error
