"""Flip bits in a model's weights and measure what its answers are worth afterwards, and what scrubbing would save.

The flipped bytes are loaded and run by onnxruntime on held-out synthetic scenes, before and after: by number of flips,
by position of the bit, by layer, or by a rate of upsets. CRC scrubbing and reloading are measured on this host."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.radiation.effort import SCENES, TRIALS

if TYPE_CHECKING:
    from emulator.radiation.effort import Effort
    from emulator.radiation.report import Found
    from emulator.radiation.trials import Row, Study
    from workloads.loading.opening import OpenModel

EXAMPLES = """examples:
  orbitmesh upset cloud-screen
  orbitmesh upset cloud-screen --flips 10 --bits exponent --plot plots
  orbitmesh upset cloud-screen --layer head.out --bits 23-30 --trials 20
  orbitmesh upset model.onnx --rate 4.04e-7 --days 30 --json
"""
MOST_TRIALS, MOST_SCENES, MOST_FLIPS = 1000, 1000, 10_000_000  # hours of a core
LAYER_FLIPS = 10  # of a layer, where no number is asked for: one flip shows in few trials


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="an ONNX file, or the name of a model that ships")
    number = parser.add_mutually_exclusive_group()
    number.add_argument("--flips", type=int, metavar="N", help="flips at once (1 to 1000 in steps)")
    text = "upsets for each bit and day; the flips of --days are drawn from it"
    number.add_argument("--rate", type=float, metavar="PER_BIT_DAY", help=text)
    parser.add_argument("--days", type=float, metavar="D", default=1.0, help="without scrubbing, for --rate (1)")
    parser.add_argument(
        "--bits", default="", metavar="WHICH", help="bits 0 to 31, as 30 or 23-30; or exponent, mantissa, sign (all)"
    )
    parser.add_argument("--layer", default="", metavar="NAME", help="only weights of this layer or tensor")
    parser.add_argument("--trials", type=int, metavar="N", help=f"of each kind ({TRIALS}; fewer of a large model)")
    text = f"synthetic scenes of each trial ({SCENES}; fewer for a large model)"
    parser.add_argument("--scenes", type=int, metavar="N", help=text)
    parser.add_argument("--seed", type=int, default=1, help="of the flips (1)")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw what was found into this folder, PNG and SVG")


def carry_out(options: argparse.Namespace) -> None:
    """Flip, run, show."""
    from emulator import console
    from emulator.clock import wall_s
    from emulator.plots import placed
    from emulator.radiation import plot as upset_plot
    from emulator.radiation import report as upset_report
    from emulator.radiation.effort import Counter
    from emulator.radiation.trials import Study
    from workloads.loading.trial import open_tried
    from workloads.models import find_model

    _refuse(options)
    drawn: list[Path] = []
    with placed(options.plot) as folder, console.progress() as bar:
        opened = bar("opening", 1.0)
        model = open_tried(find_model(options.model))
        opened(1.0)
        work = _effort(options, model)
        done = Counter(wall_s, lambda left_s: console.err.print(_estimate(work, left_s)))
        study = Study(model, work.scenes, options.seed, work.trials, done)
        done.begin(work.total, bar("trials", float(work.total)))
        found = _found(options, study)
        if folder is not None:
            title = f"bit flips in {model.path.stem}: {study.course.headline.replace('_', ' ')}"
            drawn = upset_plot.draw(
                folder, title, study.before.headline, found.by_flips, found.by_bit, found.by_layer, found.plans
            )
    if options.json:
        told = upset_report.document(study, found)
        console.print_json(told | {"notes": [*told["notes"], *work.notes()], "plots": [str(path) for path in drawn]})
    else:
        upset_report.show(study, found)
        console.notes(work.notes() + [f"plot: {path}" for path in drawn])


def _estimate(work: "Effort", left_s: float) -> str:
    from emulator import console

    return (
        f"about {console.seconds(left_s)} for {work.total} trials on {work.scenes} scenes each; --trials, --scenes, "
        "--flips, --bits and --layer make it less"
    )


def _refuse(options: argparse.Namespace) -> None:
    from emulator.errors import BadInput

    for name, value, least, most in (
        ("--trials", TRIALS if options.trials is None else options.trials, 1, MOST_TRIALS),
        ("--scenes", SCENES if options.scenes is None else options.scenes, 1, MOST_SCENES),
        ("--flips", 1 if options.flips is None else options.flips, 0, MOST_FLIPS),
        ("--rate", 0.0 if options.rate is None else options.rate, 0.0, 1.0),
        ("--days", options.days, 0.0, 36500.0),
    ):
        if not least <= value <= most:
            raise BadInput(f"{name} {value} cannot be: {least} to {most}")


def _effort(options: argparse.Namespace, model: "OpenModel") -> "Effort":
    """How many trials of how many kinds on how many scenes."""
    from emulator.radiation.effort import effort
    from emulator.radiation.trials import MANY_FLIPS
    from workloads.counting.graph import count
    from workloads.radiation.upsets import chosen, weights

    kinds = 1
    if options.rate is None:
        blocks = weights(model).blocks
        where = chosen(blocks, options.bits, options.layer)
        there = sum(blocks[number].elements * len(each) for number, each in where)
        numbers = sum(each <= there for each in MANY_FLIPS) if options.flips is None else 1
        layers = () if options.layer else {blocks[number].layer for number, _ in where}
        kinds = numbers + len({place for _, each in where for place in each}) + len(layers)
    return effort(count(model).ops, kinds, options.trials, options.scenes)


def _found(options: argparse.Namespace, study: "Study") -> "Found":
    from emulator.clock import wall_s
    from emulator.radiation.report import Found
    from emulator.radiation.trials import costs, one_flip_loss, plans
    from nodes.processor import preset

    by_flips, by_bit, by_layer = _studies(options, study)
    spent = costs(study, wall_s)
    single = one_flip_loss(study, by_bit) if by_bit and options.flips in (None, 1) else None
    whole = single is not None and not (options.bits or options.layer)  # else it says nothing of all weights
    return Found(
        by_flips=by_flips,
        by_bit=by_bit,
        by_layer=by_layer,
        costs=spent,
        satellite_scrub_s=spent.size_bytes / preset("tbc-744").memory_bytes_per_s,
        one_flip_loss=single,
        plans=plans(study, spent, single, by_flips) if single is not None and whole else [],
    )


def _studies(options: argparse.Namespace, study: "Study") -> "tuple[list[Row], list[Row], list[Row]]":
    from emulator.radiation.trials import MANY_FLIPS
    from workloads.radiation.upsets import chosen

    bits, layer, flips = options.bits, options.layer, options.flips
    where = chosen(study.weights.blocks, bits, layer)
    there = sum(study.weights.blocks[number].elements * len(places) for number, places in where)
    if options.rate is not None:
        what = f"{options.rate:g} per bit and day, {options.days:g} d"
        expected = options.rate * there * options.days
        return [study.row(what, None, bits=bits, layer=layer, expected=expected)], [], []
    numbers = [flips] if flips is not None else [count for count in MANY_FLIPS if count <= there]
    by_flips = [
        study.row(f"{count} flips", count, bits=bits, layer=layer, title="1 flip" if count == 1 else "")
        for count in numbers
    ]
    by_bit = study.by_bit(1 if flips is None else flips, bits, layer)
    by_layer = [] if layer else study.by_layer(LAYER_FLIPS if flips is None else flips, bits)
    return by_flips, by_bit, by_layer
