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
from workloads.decoder import decoders
from workloads.errors import WorkloadError
from workloads.importing.records import Imported
from workloads.importing.source_file import read_bytes
from workloads.importing.task_file import records_of

if TYPE_CHECKING:
    from emulator.scenario import LoadedScenario, Problem

MOST_STAGGER_S = 86_400.0
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_LIST = ".jsonl"


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tasks, when, and by whom. With `modes`, only tasks of these; `sha256`: no other content of the file.

    With `each`, satellite n of the scenario starts the list n x `stagger_s` later. Requests to a language model go to
    `decoder`; prompts and answers have `bytes_per_token`.
    """

    file: str
    sha256: str = ""
    align: Literal["utc", "start"] = "utc"
    flown: Literal["each", "in-turn"] = "each"
    stagger_s: float = 0.0
    modes: tuple[str, ...] = ()
    decoder: str = "llama-3.1-8b-like"
    bytes_per_token: float = 4.0  # [guess] of English text and code, some four characters a token

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be."""
        found = []
        if not self.file:
            found.append(("file", "is empty; name a file that orbitmesh convert wrote, or a list that ships"))
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            found.append(("sha256", f"is {self.sha256[:80]!r}; 64 hexadecimal digits, as sha256sum prints them"))
        if not 0.0 <= self.stagger_s <= MOST_STAGGER_S:
            found.append(("stagger_s", f"is {self.stagger_s}; 0 to {MOST_STAGGER_S} s"))
        if self.stagger_s and self.flown != "each":
            found.append(("stagger_s", f"is {self.stagger_s}; it goes with flown = 'each'"))
        if self.decoder not in decoders():
            found.append(("decoder", f"is {self.decoder[:80]!r}; one of {', '.join(decoders())}"))
        if not 0.0 < self.bytes_per_token <= 1e6:
            found.append(("bytes_per_token", f"is {self.bytes_per_token}; above 0 and at most 1e6"))
        return found


def shipped_lists() -> list[str]:
    """Names of the lists of tasks that ship."""
    return sorted(p.name[: -len(_LIST)] for p in files("emulator.scenarios").iterdir() if p.name.endswith(_LIST))


def workload_problems(loaded: "LoadedScenario") -> list["Problem"]:
    """A list that neither ships nor may be read."""
    workload = loaded.scenario.workload
    if workload is None or not workload.file or workload.file in shipped_lists():
        return []
    if loaded.folder is None:
        text = f"is {workload.file[:200]!r}; a shipped scenario cannot name files. Lists that ship: "
        return [(("workload", "file"), text + ", ".join(shipped_lists()))]
    if not inside(loaded.folder, workload.file):
        text = f"is {workload.file[:200]!r}, which leads out of the scenario's folder; put the file inside it"
        return [(("workload", "file"), text)]
    return []


def read_workload(loaded: "LoadedScenario", workload: Workload) -> Imported:
    """The list that a scenario names. Raises `ScenarioError` naming the field."""
    field = ("workload", "file")
    try:
        if workload.file in shipped_lists():
            data = (files("emulator.scenarios") / f"{workload.file}{_LIST}").read_bytes()
        else:
            data = read_bytes((loaded.folder or Path()) / workload.file)
        digest = hashlib.sha256(data).hexdigest()
        if workload.sha256 and workload.sha256.lower() != digest:
            field = ("workload", "sha256")
            raise WorkloadError(f"is {workload.sha256[:16]}..., but the file's is {digest[:16]}...: it was changed")
        return records_of(data.decode("utf-8"), workload.file[:200])
    except UnicodeDecodeError as error:
        raise loaded.refuse(
            [(field, f"byte {error.start} is no UTF-8: no file that orbitmesh convert wrote")]
        ) from error
    except WorkloadError as error:
        raise loaded.refuse([(field, str(error))]) from error
