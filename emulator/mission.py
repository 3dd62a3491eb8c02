"""Turns a mission's list into the core's tasks: which satellite does each, when, and what it asks of a processor.

A datatake becomes one task for each of its scenes, captured as the scene ends. A request to a language model becomes
its prompt, worked on once, and one inference for each token of its answer. Everything is drawn before the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import ceil, inf

from emulator.planned_stations import planned_note, planned_stations
from emulator.scenario import LoadedScenario, Scenario
from emulator.token_work import PROMPT_STEP, padded, token_profile
from emulator.workload import Workload, offset_s, read_workload
from workloads.arrivals import UNIT_WORK
from workloads.decoder import decoders
from workloads.errors import WorkloadError
from workloads.imaging import NORMAL, TICKS_PER_S, URGENT
from workloads.importing.instants import NS, iso_utc, utc_ns
from workloads.importing.records import MissionTask
from workloads.streams import choices, stream
from workloads.tasks import ModelProfile, Outcome, Task

MOST_TASKS = 20_000_000  # each that is captured costs about a kilobyte [guess]
URGENT_TIMELINESS = ("NRT", "RT")  # near real time, real time: the plan's own classes


@dataclass
class Mission:
    """The tasks, and what they ask: `models` those that no file runs, `answer_bytes` as `answered` has them."""

    tasks: list[Task] = field(default_factory=list)
    models: dict[str, ModelProfile] = field(default_factory=dict)
    answer_bytes: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    later: list[Task] = field(default_factory=list)  # of closed-loop arrivals: what waits for a task before it
    think_s: float = 0.0
    planned: dict[str, tuple[str, ...]] = field(default_factory=dict)  # stations of the plan, by satellite and task

    @property
    def images(self) -> bool:
        """Whether any task is a scene, for a model from a file."""
        return any(task.model not in self.models for task in self.tasks)

    def answer(self, task: Task) -> Outcome:
        """What comes of a task of one of `models`."""
        return answered(task, self.answer_bytes[task.model])


def answered(task: Task, answer_bytes: float) -> Outcome:
    """What comes of a request, `answer_bytes` for each token, or of a batch job, `answer_bytes` in all."""
    units = 1 if task.model == UNIT_WORK.name else task.inferences
    return Outcome("answered", 0.0, round(units * answer_bytes))


class Asks:
    """What each kind of task asks of a processor; costs that no model file has go into the mission."""

    def __init__(
        self, model: str, workload: Workload, kept: Sequence[MissionTask], mission: Mission, job_bytes: float
    ) -> None:
        self.model = model
        self.prompts: dict[int, str] = {}  # padded prompt -> name of its cost
        outputs: dict[int, list[int]] = {}
        for each in kept:
            if each.scenes is None and each.prompt_tokens is not None and each.output_tokens is not None:
                outputs.setdefault(padded(each.prompt_tokens), []).append(each.output_tokens)
            elif each.scenes is None:
                mission.models[UNIT_WORK.name] = UNIT_WORK
                mission.answer_bytes[UNIT_WORK.name] = job_bytes
        for prompt, answers in sorted(outputs.items()):
            profile = token_profile(decoders()[workload.decoder], prompt, sum(answers) / len(answers))
            self.prompts[prompt] = profile.name
            mission.models[profile.name] = profile
            mission.answer_bytes[profile.name] = workload.bytes_per_token

    def of(self, each: MissionTask, workload: Workload, scenario: Scenario) -> tuple[str, int, int]:
        """Model, inferences and raw bytes of a task, of a datatake those of one of its scenes."""
        if each.scenes is not None:
            shared = each.raw_bytes // max(1, each.scenes) if each.raw_bytes else scenario.imaging.raw_bytes
            return self.model, scenario.imaging.inferences, max(1, shared)
        if each.prompt_tokens is not None and each.output_tokens is not None:
            asked, count = self.prompts[padded(each.prompt_tokens)], max(1, each.output_tokens)
            raw_bytes = ceil(each.prompt_tokens * workload.bytes_per_token)
        else:
            asked, count, raw_bytes = UNIT_WORK.name, max(1, round((each.ops or 0.0) / UNIT_WORK.ops)), 0
        return asked, count, raw_bytes if each.raw_bytes is None else each.raw_bytes


def mission_tasks(loaded: LoadedScenario, workload: Workload, satellites: Sequence[str], model: str) -> Mission:
    """The list as `satellites` do it; scenes run `model`. Raises `ScenarioError` naming the field."""
    scenario = loaded.scenario
    imported = read_workload(loaded, workload)
    records = [each for each in imported.records if isinstance(each, MissionTask)]
    if len(records) < len(imported.records) or not records:
        raise loaded.refuse([(("workload", "file"), "holds no tasks: a measured load cannot be done by satellites")])
    shift_s = offset_s(loaded, ("workload",), workload.align, imported.epoch, records[0].at_s)
    kept = [each for each in records if not workload.modes or each.mode in workload.modes]
    _refuse(loaded, workload, kept, len(satellites))
    mission = Mission(think_s=workload.think_s)
    job_bytes = float(scenario.products.load_product_bytes)
    asks = Asks(model, workload, kept, mission, job_bytes)
    planned = planned_stations(loaded, workload, kept)
    outside = 0
    for number, satellite in enumerate(satellites):
        if workload.flown == "each":
            own, own_shift_s = kept, shift_s + number * workload.stagger_s
        else:
            own, own_shift_s = kept[number :: len(satellites)], shift_s
        if workload.arrivals == "closed":
            tasks, later, left_out = _closed(satellite, own, own_shift_s, scenario, workload, asks)
            mission.later += later
        else:
            tasks, left_out = _done_by(satellite, own, own_shift_s, scenario, workload, asks)
        mission.tasks += tasks
        mission.planned |= {f"{satellite}/{each.id}": planned[each.id] for each in own if each.id in planned}
        outside += left_out
    if not mission.tasks:
        text = f"has {outside:,} {_kind(kept, 'scenes')}, {_span(imported.epoch, kept)}, and none within the run, "
        text += f"{scenario.duration_s:g} s from {scenario.epoch}; "
        text += "a longer duration_s" if workload.align == "start" else "align = 'start' puts the first at the epoch"
        raise loaded.refuse([(("workload", "file"), text)])
    _refuse_twice(loaded, mission)
    mission.notes = _notes(
        workload, imported.attribution, kept, records, outside, len(mission.tasks), bool(asks.prompts)
    )
    mission.notes.append(_arrivals_note(workload, len(mission.later)))
    if planned:
        mission.notes.append(planned_note(planned, kept))
    if UNIT_WORK.name in mission.models:
        mission.notes.append(f"a batch job answers {job_bytes:g} bytes (products.load_product_bytes) [guess]")
    return mission


def _refuse(loaded: LoadedScenario, workload: Workload, kept: Sequence[MissionTask], satellites: int) -> None:
    """Raise `ScenarioError` for tasks that no satellite could be asked to do, or too many of them."""
    scenario, at = loaded.scenario, ("workload", "file")
    if not kept:
        raise loaded.refuse([(("workload", "modes"), f"leaves none of the list's tasks: {', '.join(workload.modes)}")])
    for each in kept:
        asks = each.scenes is not None or None not in (each.prompt_tokens, each.output_tokens) or each.ops is not None
        if not asks:
            text = f"task {each.id[:80]!r} says nothing of its work: neither scenes, nor prompt_tokens and "
            raise loaded.refuse([(at, text + "output_tokens, nor ops (a batch log needs convert --ops-per-s)")])
    count = sum(each.scenes or 1 for each in kept) * (satellites if workload.flown == "each" else 1)
    if count > MOST_TASKS:
        raise loaded.refuse([(at, f"makes {count} tasks; {MOST_TASKS} at most: a shorter list, or flown = 'in-turn'")])
    if workload.arrivals == "closed" and any(each.scenes is not None for each in kept):
        text = "is 'closed', but the list has scenes, which are taken where the orbit is and wait for no answer"
        raise loaded.refuse([(("workload", "arrivals"), text)])
    if all(each.scenes is not None for each in kept):
        return
    if scenario.pipeline is not None:
        raise loaded.refuse([(("pipeline",), "is for scenes; requests and batch jobs have no stages")])
    if any(each.prompt_tokens is not None for each in kept) and (
        scenario.satellites.batch != 1 or scenario.satellites.batch_across
    ):
        text = f"is {scenario.satellites.batch}; 1 and no batch_across: tokens of one answer come one after the other"
        raise loaded.refuse([(("satellites", "batch"), text)])


def _refuse_twice(loaded: LoadedScenario, mission: Mission) -> None:
    """Raise `ScenarioError` for tasks of one name: `A/0000` is the first scene of `A`, and may be a task's own id."""
    names: set[str] = set()
    for task in chain(mission.tasks, mission.later):
        if task.id in names:
            text = f"makes two tasks {task.id[:160]!r} of {task.node[:80]!r}: scenes are named ID/0000, ID/0001, ...; "
            raise loaded.refuse([(("workload", "file"), text + "give the task, or the satellite, another name")])
        names.add(task.id)


def _done_by(
    satellite: str, own: Sequence[MissionTask], shift_s: float, scenario: Scenario, workload: Workload, asks: Asks
) -> tuple[list[Task], int]:
    """The tasks of one satellite within the run, and how many lie outside; what is drawn does not depend on the run."""
    scenes = sum(each.scenes or 0 for each in own)
    tiles = choices(stream(scenario.seed, "workload-tile", satellite), scenes, scenario.imaging.distinct_tiles).tolist()
    made: list[Task] = []
    drawn = outside = 0
    for each in own:
        start_s, name = each.at_s + shift_s, f"{satellite}/{each.id}"
        deadline_s, priority = _urgency(each, scenario)
        count = 1 if each.scenes is None else each.scenes
        took_s = 0.0 if each.scenes is None or each.duration_s is None else each.duration_s
        model, inferences, raw_bytes = asks.of(each, workload, scenario)
        for k in range(count):
            at_s = round((start_s + took_s * (k + 1) / count) * TICKS_PER_S) / TICKS_PER_S
            tile = 0 if each.scenes is None else tiles[drawn + k]
            if 0.0 <= at_s < scenario.duration_s:
                own_name = name if each.scenes is None else f"{name}/{k:04d}"
                task = Task(own_name, at_s, satellite, raw_bytes, model, inferences, tile, at_s + deadline_s, priority)
                made.append(task)
            else:
                outside += 1
        drawn += each.scenes or 0
    return made, outside


def _kind(records: Sequence[MissionTask], imaged: str = "datatakes") -> str:
    """What the records of a list are; `imaged`: what to call those that are imaging."""
    if all(each.scenes is not None for each in records):
        return imaged
    if all(each.scenes is None and each.prompt_tokens is not None for each in records):
        return "requests"
    return "tasks"


def _span(epoch: str | None, kept: Sequence[MissionTask]) -> str:
    """From when to when they begin."""
    first_s, last_s = min(each.at_s for each in kept), max(each.at_s for each in kept)
    try:
        first, last = (iso_utc(utc_ns(epoch or "")[0] + round(at_s * NS)) for at_s in (first_s, last_s))
    except (WorkloadError, ValueError):  # relative instants, or beyond the calendar
        return f"which begin within {last_s - first_s:g} s"
    return f"which begin from {first} to {last}"


def _arrivals_note(workload: Workload, later: int) -> str:
    """Whether a slow system slows its own load."""
    if workload.arrivals == "open":
        return "arrivals are open-loop: at the list's instants, however slow the answers are"
    return (
        f"arrivals are closed-loop: a satellite asks its next task {workload.think_s:g} s after the one before has "
        f"ended, and the list's instants count only for its first; {later:,} tasks wait for one before"
    )


def _closed(
    satellite: str, own: Sequence[MissionTask], shift_s: float, scenario: Scenario, workload: Workload, asks: Asks
) -> tuple[list[Task], list[Task], int]:
    """A satellite's first task within the run, those that wait for it in turn, and how many come before the run."""
    first = next((n for n, each in enumerate(own) if each.at_s + shift_s >= 0.0), len(own))
    if first == len(own) or own[first].at_s + shift_s >= scenario.duration_s:
        return [], [], len(own)
    tasks, _ = _done_by(satellite, own[first : first + 1], shift_s, scenario, workload, asks)
    later = []
    for each in own[first + 1 :]:
        deadline_s, priority = _urgency(each, scenario)
        model, inferences, raw_bytes = asks.of(each, workload, scenario)
        later.append(
            Task(f"{satellite}/{each.id}", inf, satellite, raw_bytes, model, inferences, 0, deadline_s, priority)
        )
    return tasks, later, first


def _urgency(each: MissionTask, scenario: Scenario) -> tuple[float, int]:
    """Seconds until a task's deadline and its priority: its own, else by its timeliness."""
    urgent = each.timeliness in URGENT_TIMELINESS
    deadline_s = scenario.imaging.urgent_deadline_s if urgent else scenario.imaging.deadline_s
    priority = URGENT if urgent else NORMAL
    return (
        deadline_s if each.deadline_s is None else each.deadline_s,
        priority if each.priority is None else each.priority,
    )


def _notes(
    workload: Workload, attribution: str, kept: Sequence[MissionTask], listed: Sequence[MissionTask], outside: int,
    within: int, requests: bool,
) -> list[str]:  # fmt: skip
    """What is assumed of the list, for the screen and the file."""
    how = "each satellite does all of them" if workload.flown == "each" else "satellites take them in turn"
    if workload.stagger_s:
        how += f", each {workload.stagger_s:g} s after the one before"
    when = (
        "moved so that the first is at the scenario's epoch" if workload.align == "start" else "at their own instants"
    )
    of = f"{len(kept):,} of the {len(listed):,} {_kind(listed)} of {workload.file}"
    notes = [f"workload: {of}, {when}; {how} [guess]"]
    notes += [f"source of {workload.file}: {attribution}"] if attribution else []
    if outside:
        of = f"{outside:,} of {outside + within:,} {_kind(kept, 'scenes')}, over all satellites,"
        notes.append(f"{of} lie outside of the run and are left out")
    if requests:
        notes.append(
            f"requests are answered by {workload.decoder}, modelled in closed form and not run: prompts in steps of "
            f"{PROMPT_STEP} tokens, one answer at a time, {workload.bytes_per_token:g} bytes a token [guess]"
        )
    return notes
