"""Make the lists of tasks that ship from the real files: the Sentinel-2A plan, and ten minutes of Azure's log.

    python scripts/make_replay_lists.py ../shared/data/sentinel2a_acquisition_plan_2024-11-28.kml \\
        ../shared/data/azure_llm_code_2023-11.csv emulator/scenarios

Only numbers are kept: of a datatake its id, start, duration, scenes and mode; of a request its arrival and its tokens.
The sources are named in each list's first line.
"""

import argparse
import hashlib
from pathlib import Path

import msgspec

from workloads.importing.records import MissionTask
from workloads.importing.request_log import azure_log
from workloads.importing.sentinel_plan import read_plan
from workloads.importing.task_file import write_records

KEPT = ("id", "at_s", "duration_s", "scenes", "mode", "timeliness")
EXCERPT_S = 600.0  # the first ten minutes of the log: 30 kB
DIGITS = 3  # of a second: arrivals are rounded to milliseconds
EXCERPT = "the first ten minutes of an hour: an excerpt; arrivals rounded to milliseconds"


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("plan", "log", "folder"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    plan = read_plan(given.plan)
    taken = [
        MissionTask(**{name: getattr(each, name) for name in KEPT})
        for each in plan.records
        if isinstance(each, MissionTask)
    ]
    plan = msgspec.structs.replace(plan, records=taken, notes=("at_s is the start of a datatake",))
    write_records(given.folder / "sentinel2a-2024-11-28.jsonl", plan, given.plan.name, digest(given.plan))
    log = azure_log(given.log.read_text(encoding="utf-8"), given.log.name)
    asked = [
        msgspec.structs.replace(each, at_s=round(each.at_s, DIGITS))
        for each in log.records
        if isinstance(each, MissionTask) and each.at_s < EXCERPT_S
    ]
    log = msgspec.structs.replace(log, records=asked, notes=(EXCERPT,))
    write_records(given.folder / "azure-llm-code-2023-11-16.jsonl", log, given.log.name, digest(given.log))


def digest(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
