"""Replay a trace on one of four levels: what is recorded is kept, the rest is computed anew.

exact: every fact as recorded, and every order must be the recorded one; neither orbits nor models are computed, so the
digest is the same on any machine. decisions: what the scheduler decided is forced, physics are computed anew. inputs:
captures, contacts and faults as recorded, under --policy or --processor. measured: as inputs, and every run takes the
time that it took, here, in --measured or by the calibrations of --processor, at the power that was measured there.
A trace of a scheduler of your own needs --policy: nothing that a trace names is imported."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.rerun_measured import Rerun
    from emulator.trace import Trace
    from emulator.tracing.differences import Difference

EXAMPLES = """examples:
  orbitmesh replay mesh-run
  orbitmesh replay run7 --policy my_scheduler:Nearest --json
  orbitmesh replay mesh-run --from 3600 --to 7200
  orbitmesh replay mesh-run --level inputs --policy onboard --out onboard-run
  orbitmesh replay mesh-run --level inputs --processor orin
  orbitmesh replay mesh-run --level decisions --scenario degraded.toml
  orbitmesh replay mesh-run --level measured --measured live-run
  orbitmesh replay mesh-run --level measured --processor host.toml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="a folder that `run --out` left")
    levels = ["exact", "decisions", "inputs", "measured"]
    parser.add_argument("--level", choices=levels, default="exact", help="what is kept (default: exact)")
    parser.add_argument("--policy", help="with this scheduler; needed for module:Name")
    text = "satellites compute with this preset or processor file (inputs, measured, decisions)"
    parser.add_argument("--processor", metavar="P", help=text)
    text = "orbits, contacts, captures and faults of this scenario instead of the recorded ones (decisions)"
    parser.add_argument("--scenario", metavar="SCENARIO", help=text)
    text = "take the times of runs from this trace instead (measured)"
    parser.add_argument("--measured", metavar="DIR", type=Path, help=text)
    text = "exact: compare from here on; else: only what is captured from here on"
    parser.add_argument("--from", dest="from_s", metavar="S", type=float, help=text)
    parser.add_argument("--to", dest="to_s", metavar="S", type=float, help="end here, in seconds after the epoch")
    text = "keep the trace of the replay in this new folder (decisions, inputs, measured)"
    parser.add_argument("--out", metavar="DIR", type=Path, help=text)


def carry_out(options: argparse.Namespace) -> None:
    """Replay it."""
    from emulator.errors import BadInput, TraceError
    from emulator.trace import Trace

    _check(options)
    trace = Trace(options.folder)
    if options.from_s is not None and options.from_s > trace.world.settings.duration_s:
        raise BadInput(f"--from {options.from_s} is after the end of the run, {trace.world.settings.duration_s} s")
    policy = options.policy or trace.header.policy
    forced = trace.header.replay_of.get("level") == "decisions" and options.level == "exact"  # decided by a log, not it
    if ":" in policy and options.policy is None and options.level != "decisions" and not forced:
        raise TraceError(
            f"{options.folder} was run with a scheduler of its author's own, {policy}; nothing that a trace names is "
            f"imported: give it yourself with --policy {policy}"
        )
    if options.level == "exact":
        _exact(options, trace, "" if forced and options.policy is None else policy)
    else:
        _again(options, trace, policy)


def _check(options: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    from emulator.errors import BadInput

    fit = {
        "--processor": (options.processor, ("decisions", "inputs", "measured")),
        "--scenario": (options.scenario, ("decisions",)),
        "--measured": (options.measured, ("measured",)),
        "--out": (options.out, ("decisions", "inputs", "measured")),
        "--policy": (options.policy, ("exact", "inputs", "measured")),
    }
    for option, (value, levels) in fit.items():
        if value is not None and options.level not in levels:
            raise BadInput(f"{option} is for --level {' or '.join(levels)}, not {options.level}")
    for option, value_s in (("--from", options.from_s), ("--to", options.to_s)):
        if value_s is not None and not 0.0 <= value_s < float("inf"):
            raise BadInput(f"{option} is {value_s}; seconds after the epoch, 0 or more")
    if options.from_s is not None and options.to_s is not None and options.from_s > options.to_s:
        raise BadInput(f"--from {options.from_s} is after --to {options.to_s}")


def _exact(options: argparse.Namespace, trace: "Trace", policy: str) -> None:
    """With a scheduler, or without a name of one by what its own log has it decide."""
    from emulator import console
    from emulator.decision_log import Forced
    from emulator.errors import ReplayMismatch
    from emulator.replay import Replay, replay
    from emulator.run import uniform_source
    from emulator.schedulers import load

    header = trace.header
    scheduler = load(policy, uniform_source(header.seed, policy)) if policy else Forced(trace.decisions())
    with console.progress() as bar:
        advance = bar("replay", float(min(header.events, 1 << 53)))
        try:
            found, _ = replay(trace, scheduler, advance, options.from_s, options.to_s)
        except ReplayMismatch as error:
            found = Replay(
                matches=False, digest="", recorded_digest=header.digest, events=header.events, mismatch=str(error)
            )
    if options.json:
        console.print_json(found)
    elif found.matches:
        console.out.print(f"matches: {found.events:,} facts, digest {found.digest}")
        console.notes([found.missing] if found.missing else [])
    if not found.matches:
        raise ReplayMismatch(found.mismatch)


def _again(options: argparse.Namespace, trace: "Trace", policy: str) -> None:
    from tempfile import TemporaryDirectory

    from msgspec import to_builtins
    from msgspec.structs import replace

    from emulator import console
    from emulator.cells import instant
    from emulator.trace import Trace, refuse_taken
    from emulator.tracing.differences import difference
    from emulator.tracing.part_differences import part_difference

    if options.out is not None:
        refuse_taken(options.out)
    with TemporaryDirectory(prefix="orbitmesh-") as spare:
        out = options.out if options.out is not None else Path(spare) / "replay"
        found = _rerun(options, trace, policy, out)
        part, differ = _part(options, trace), None
        if part is not None:
            fared = part_difference(trace, Trace(out), *part)
            found, differ = replace(found, matches=fared.same), fared
        elif not found.matches:
            differ = difference(trace, Trace(out))
    if options.json:
        document: dict[str, Any] = to_builtins(found) | {"part_s": part}
        document["differences"] = to_builtins(differ)
        document["trace"] = None if options.out is None else str(options.out)
        console.print_json(document)
        return
    _show_difference(found, differ, part)
    if found.parted_s is not None and part is None:  # a part is asked otherwise from its begin on
        console.out.print(f"the scheduler would have been asked otherwise from {instant(found.parted_s)} on")
        some = ", ".join(found.left)
        of = f": of {some}{' and others' if sum(found.left.values()) < found.decisions_left else ''}" if some else ""
        console.out.print(f"{found.decisions_left:,} decisions were never asked for again{of}")
    for code, count in found.row.rejected.items():
        console.out.print(f"{count:,} decisions were rejected: {code}")
    if found.level == "measured":
        console.out.print(f"times of runs: {found.times_from}")
        console.out.print(f"power: {found.power_from}")
    console.notes(found.notes)
    console.out.print(f"digest {found.digest}")


def _part(options: argparse.Namespace, trace: "Trace") -> tuple[float, float] | None:
    """From when to when, s, where it is less than the whole run."""
    whole_s = trace.world.settings.duration_s
    from_s, to_s = options.from_s or 0.0, whole_s if options.to_s is None else min(options.to_s, whole_s)
    return None if from_s == 0.0 and to_s == whole_s else (from_s, to_s)


def _show_difference(found: "Rerun", differ: "Difference | None", part: tuple[float, float] | None) -> None:
    from emulator import console
    from emulator.cells import cells, instant

    if part is not None and differ is not None:
        fared = f"{found.row.tasks.captured:,} tasks were captured, {differ.tasks_changed:,} fared differently by then"
        console.out.print(f"level {found.level}, from {instant(part[0])} to {instant(part[1])}: {fared}")
        console.notes(differ.notes)
        return
    console.out.print(f"level {found.level}: {'the same run' if found.matches else 'another run'}")
    if differ is not None and differ.first is not None:
        at = "" if differ.first.at_s is None else f", at {instant(differ.first.at_s)}"
        console.out.print(f"first difference: line {differ.first.line}{at}: {differ.first.what}", soft_wrap=True)
        console.out.print(f"{differ.tasks_changed:,} tasks fared differently")
        made = console.table("figures", [""], ["recorded", "replayed"])
        for each in differ.figures:
            made.add_row(each.field, *cells(each.field, each.left, each.right))
        console.show(made)


def _rerun(options: argparse.Namespace, trace: "Trace", policy: str, out: Path) -> Any:
    from emulator import console
    from emulator.assemble import assemble
    from emulator.processor_file import named
    from emulator.rerun import rerun
    from emulator.rerun_inputs import Inputs
    from emulator.run import uniform_source
    from emulator.scenario import load as load_scenario
    from emulator.schedulers import load
    from emulator.trace import Trace, TraceWriter
    from emulator.tracing.parts import header_of

    forced = options.level == "decisions"
    scheduler = None if forced else load(policy, uniform_source(trace.header.seed, policy))
    processor = None if options.processor is None else named(options.processor, Path.cwd())
    inputs, header = Inputs(trace), None
    with console.progress() as bar:
        if options.scenario is not None:
            loaded = load_scenario(
                options.scenario, seed=trace.header.seed, duration_s=inputs.world.settings.duration_s
            )
            workload = loaded.scenario.workload
            if workload is not None and workload.arrivals == "closed":
                text = "is 'closed', but a replay has decisions for captures at known instants; 'open' has them"
                raise loaded.refuse([(("workload", "arrivals"), text)])
            assembled = assemble(loaded, [], bar, infer=False)
            inputs = Inputs(trace, assembled.infer)
            inputs.world, inputs.facts = assembled.world, assembled.facts
            header = header_of(assembled, trace.header.policy, "virtual")
        with TraceWriter(out) as writer:
            return rerun(
                trace, writer, options.level, scheduler, policy=policy, processor=processor, inputs=inputs,
                header=header, measured=None if options.measured is None else Trace(options.measured),
                from_s=options.from_s or 0.0, to_s=options.to_s, bar=bar,
            )  # fmt: skip
