"""Count what a model costs and predict its latency and throughput on every processor that ships.

Multiply-accumulates of convolutions, matrix products, recurrent layers and attention, counted from the graph without
running it; one of them is two operations. What cannot be counted is listed, and totals are then a lower bound.
Latency is one inference by roofline: the larger of operations over reached rate and bytes over bandwidth, plus launch
overhead; or a calibration's, where the processor file has one of this model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.inspection import Prediction
    from nodes.processor import Processor
    from workloads.counting.graph import GraphCount
    from workloads.loading.opening import OpenModel
    from workloads.tasks import ModelProfile

EXAMPLES = """examples:
  orbitmesh inspect cloud-screen
  orbitmesh inspect light-resnet50 --batch 64 --plot plots
  orbitmesh inspect decoder.onnx --dim sequence=512 --precision fp16
  orbitmesh inspect model.onnx --processor this-host.toml --json
"""
BATCH = 32  # with it the launch is a small part of the time on every processor that ships
MOST_BATCH = 1_000_000
MOST_LISTED = 20  # rows of a table; --json has them all


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="an ONNX file, or the name of a model that ships")
    parser.add_argument("--precision", choices=["int8", "fp16", "fp32"], default="int8", help="as deployed (int8)")
    text = "also the latency and throughput of batches of N (%(default)s); the counts stay those of one inference"
    parser.add_argument("--batch", type=int, metavar="N", default=BATCH, help=text)
    text = "size of a free axis, by its name or as input[axis]; may be repeated"
    parser.add_argument("--dim", metavar="NAME=SIZE", action="append", default=[], help=text)
    text = "a processor file (TOML), shown beside those that ship; may be repeated"
    parser.add_argument("--processor", metavar="FILE", action="append", default=[], help=text)
    limits.arguments(parser)
    parser.add_argument("--plot", type=Path, metavar="DIR", help="write a roofline plot (PNG and SVG) into this folder")


def carry_out(options: argparse.Namespace) -> None:
    """Count it and print it."""
    from emulator import console, inspection
    from emulator.errors import BadInput
    from workloads.counting.graph import count
    from workloads.loading.trial import open_tried
    from workloads.models import find_model, model_names

    if not 1 <= options.batch <= MOST_BATCH:
        raise BadInput(f"--batch {options.batch}: a batch is 1 to {MOST_BATCH}")
    given = inspection.dims(options.dim)
    allowed = limits.limits(options)
    processors = _processors(options.processor)
    with console.progress() as bar:
        advance = bar("counting", 1.0)
        model = open_tried(find_model(options.model), allowed, given, to_run=False)
        inspection.check_dims(given, model.tensors, options.model)
        counted = count(model, options.model if options.model in model_names() else "")
        advance(1.0)
    profile = inspection.deployed(counted, options.precision)
    rows = [inspection.predict(each, profile, options.batch, options.precision) for each in processors]
    plots = _plots(options, counted, profile, processors)
    told = inspection.document(counted, model.tensors, given)
    if options.json:
        console.print_json(
            told | {"precision": options.precision, "batch": options.batch, "processors": rows, "plots": plots}
        )
        return
    _print_counts(counted)
    _print_processors(rows, options.batch, bool(counted.uncounted))
    console.notes(_precisions(rows, counted) + _notes(told, model, options.batch))
    if options.plot is not None and not counted.ops:
        console.notes(["no roofline: the model multiplies nothing"])
    console.notes([f"plot: {path}" for path in plots])


def _processors(names: "Sequence[str]") -> "list[Processor]":
    """All that ship, and those of the files."""
    from emulator import processor_file
    from nodes.processor import preset, presets

    return [*[preset(name) for name in presets()], *[processor_file.read(Path(name)) for name in names]]


def _plots(
    options: argparse.Namespace, counted: "GraphCount", profile: "ModelProfile", processors: "Sequence[Processor]"
) -> list[str]:
    """The files of the roofline plot, if one is asked for."""
    if options.plot is None or not counted.ops:
        return []
    from emulator.plots import placed
    from emulator.roofline import draw

    remark = "a lower bound: not all operators could be counted" if counted.uncounted else ""
    with placed(options.plot) as folder:
        if folder is None:
            return []
        drawn = draw(folder, profile, processors, options.batch, options.precision, remark)
    return [str(path) for path in drawn]


def _print_counts(counted: "GraphCount") -> None:
    from emulator import console

    scaled = console.scaled
    least = "at least " if counted.uncounted else ""
    console.out.print(
        f"{counted.name}: {least}{scaled(counted.macs, 'MAC')} = {scaled(counted.ops, 'op')} an inference, "
        f"{scaled(counted.parameters, '')}parameters, {counted.ops_per_byte:.3g} op/B"
    )
    console.out.print(
        f"bytes as stored: weights {scaled(counted.weight_bytes, 'B')} ({counted.precision}), "
        f"activations at their peak {scaled(counted.peak_activation_bytes, 'B')}, "
        f"moved unfused {scaled(counted.activation_bytes, 'B')}, "
        f"input {scaled(counted.input_bytes, 'B')}, output {scaled(counted.output_bytes, 'B')}"
    )
    table = console.table("operations by operator and precision", ["operator", "precision"], ["nodes", "op", "share"])
    working = [row for row in counted.operators if row.macs]
    for row in working[:MOST_LISTED]:
        share = console.percent(row.macs / counted.macs)
        table.add_row(row.operator, row.precision, str(row.nodes), scaled(2 * row.macs, "op"), share)
    idle = [row for row in counted.operators if not row.macs]
    if idle:
        kinds = "other kinds" if working else "kinds"
        table.add_row(f"{len(idle)} {kinds}", "-", str(sum(row.nodes for row in idle)), "0", "")
    console.show(table)
    if counted.uncounted:
        _print_uncounted(counted)


def _print_uncounted(counted: "GraphCount") -> None:
    """Each operator that is not counted once with each reason, its first node, and how often it occurs."""
    from emulator import console

    groups: dict[tuple[str, str], list[str]] = {}
    for each in counted.uncounted:
        groups.setdefault((each.operator, each.why), []).append(each.name)
    missing = console.table("NOT counted: the totals are a lower bound", ["operator", "first node", "why"], ["nodes"])
    for (operator, why), names in list(groups.items())[:MOST_LISTED]:
        missing.add_row(operator[:60], names[0][:60], why, str(len(names)))
    console.show(missing)
    if len(groups) > MOST_LISTED:
        console.notes([f"{len(groups) - MOST_LISTED} more rows are not counted; --json lists all nodes"])


def _print_processors(rows: "Sequence[Prediction]", batch: int, lower_bound: bool) -> None:
    from emulator import console

    title = "predicted" + (" at best, since not everything is counted" if lower_bound else "")
    left = ["processor", "runs in", "basis", "guesses"]
    right = ["latency", "bound by", "per s", f"batch {batch}", "bound by", "per s"]
    table = console.table(title, left, right)
    for row in rows:
        guesses = f"{len(row.guesses)} field{'s' if len(row.guesses) > 1 else ''}" if row.guesses else ""
        name = row.name if row.fits else f"{row.name} (does not fit)"
        table.add_row(
            name,
            row.precision,
            f"{row.basis} from {row.measured_in} [guess]" if _across(row) else row.basis,
            guesses,
            console.seconds(row.latency_s),
            row.bound,
            console.scaled(row.throughput_per_s, "").strip(),
            console.seconds(row.batch_latency_s),
            row.batch_bound,
            console.scaled(row.batch_throughput_per_s, "").strip(),
        )
    console.show(table)


def _across(row: "Prediction") -> bool:
    """Whether the time comes from a calibration in another precision than the one that runs."""
    return row.measured_in not in ("", row.precision)


def _precisions(rows: "Sequence[Prediction]", counted: "GraphCount") -> list[str]:
    """In what the model is taken to run, where that is not what the file holds or what was measured."""
    from nodes.precision import narrower

    lines, stored = [], counted.precision
    if counted.computes != stored:
        as_if = {row.precision for row in rows} - {counted.computes}
        told = f"; predicted in {' or '.join(sorted(as_if))} as if all were [guess]" if as_if else ""
        told += f"; --precision {counted.computes} predicts it as it is" if as_if else ""
        lines.append(f"only weights are stored {stored}: the file computes in {counted.computes}{told}")
    narrowed = list(dict.fromkeys(row.precision for row in rows if narrower(row.precision, stored)))
    if narrowed:
        as_stored = f"; --precision {stored} predicts it as it is" if stored != "int4" else ""
        lines.append(f"stored {stored}, predicted as quantised to {' or '.join(narrowed)}{as_stored}")
    for row in rows:
        if _across(row):
            lines.append(
                f"{row.name}: scaled from another precision: {row.measured_in} was measured, no gain assumed for "
                f"{row.precision} [guess]"
            )
    return lines


def _notes(told: dict[str, Any], model: "OpenModel", batch: int) -> list[str]:
    """What was assumed, what is not known, and what an inference is where that is not a whole answer."""
    from workloads.scenery import captions
    from workloads.sessions import ROLE

    free = model.tensors.free

    def axes(sizes: dict[str, int]) -> str:
        return ", ".join(f"{place}{f' ({free[place]})' if free.get(place) else ''} = {sizes[place]}" for place in sizes)

    lines = [captions.ONE_BYTE] if model.properties.get(ROLE) == captions.ROLE else []
    if told["assumed"]:
        lines.append(f"free axes, assumed: {axes(told['assumed'])}; set them with --dim")
    if told["given"]:
        lines.append(f"free axes, given: {axes(told['given'])}")
    if any(place.endswith("[0]") and size > 1 for place, size in told["given"].items()):
        lines.append("an inference here is a whole run of that batch, and so are rates; --batch compares batches")
    if not any(place.endswith("[0]") for place in free) and batch > 1:
        lines.append(f"the first axis is fixed in this file: batch {batch} is as if it were exported with a free one")
    if told["unsized"]:
        names = ", ".join(told["unsized"][:5])
        lines.append(f"{len(told['unsized'])} tensors of unknown size count no bytes: {names}")
    return lines
