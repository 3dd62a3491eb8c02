"""Stations that a mission's plan names for its tasks, as stations of the scenario: `[workload] stations = "planned"`.

The plan's names become the scenario's by `[workload.station_names]`; equal names need no line. Where data go by them is
decided in `emulator/carry_out.py`.
"""

from collections.abc import Mapping, Sequence

from emulator.scenario import LoadedScenario
from emulator.workload import Workload
from workloads.importing.records import MissionTask

MOST_LISTED = 10


def planned_stations(
    loaded: LoadedScenario, workload: Workload, kept: Sequence[MissionTask]
) -> dict[str, tuple[str, ...]]:
    """Stations of the scenario that the plan names, by task; without those for which the plan names none of them."""
    if workload.stations != "planned":
        return {}
    here = {station.name for station in loaded.scenario.stations}
    wrong = [name for name in workload.station_names.values() if name not in here]
    if wrong:
        text = f"leads to {wrong[0][:80]!r}, which is no station; there are {', '.join(sorted(here)) or 'none'}"
        raise loaded.refuse([(("workload", "station_names"), text)])
    named = {each.id: each.station_names for each in kept if each.station_names}
    table = {name: name for name in here} | workload.station_names
    found = {key: tuple(table[name] for name in names if name in table) for key, names in named.items()}
    found = {key: names for key, names in found.items() if names}
    if not found:
        known = ", ".join(sorted({name for names in named.values() for name in names})[:MOST_LISTED]) or "none"
        text = f"is 'planned', but the list's stations ({known}) are none of the scenario's: map them in station_names"
        raise loaded.refuse([(("workload", "stations"), text)])
    return found


def planned_note(planned: Mapping[str, tuple[str, ...]], kept: Sequence[MissionTask]) -> str:
    """How much of the plan's stations a run can keep to."""
    silent = sum(not each.station_names for each in kept)
    return (
        f"planned stations: raw data of {len(planned)} of {len(kept)} tasks go down at the plan's station, if the "
        f"scheduler leaves that open and the satellite passes over it; of the others {silent} name none, "
        f"{len(kept) - len(planned) - silent} none that is here: theirs, and all that is inferred in orbit, go anywhere"
    )
