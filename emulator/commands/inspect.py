"""Count what a model costs and predict its latency on every processor that ships.

Multiply-accumulates of convolutions and matrix products, counted from the graph; one of them is two operations.
Latency is one inference at batch 1 by roofline: the larger of operations over reached rate and bytes over bandwidth,
plus launch overhead."""

import argparse
from typing import NamedTuple

EXAMPLES = """examples:
  orbitmesh inspect cloud-screen
  orbitmesh inspect light-resnet50
  orbitmesh inspect model.onnx --json
"""


class Latency(NamedTuple):
    """One inference on one processor: seconds, what bounds it, and which of the processor's numbers are guesses."""

    name: str
    latency_s: float
    bound: str
    guesses: tuple[str, ...]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="an ONNX file, or the name of a model that ships")
    parser.add_argument("--precision", choices=["int8", "fp16", "fp32"], default="int8", help="as deployed (int8)")


def carry_out(options: argparse.Namespace) -> None:
    """Count it and print it."""
    from emulator import console
    from nodes.processor import Processor, preset, presets
    from workloads.graph import profile
    from workloads.models import find_model

    with console.progress() as bar:
        advance = bar("counting", 1.0)
        counted = profile(find_model(options.model))
        advance(1.0)
    rows = []
    for name in presets():
        processor: Processor = preset(name)
        job = processor.job(counted, 1, 1, options.precision)
        rows.append(Latency(name, job.duration_s, job.bound, processor.guesses))
    if options.json:
        console.print_json(
            {
                "model": counted.name,
                "sha256": counted.sha256,
                "macs": counted.macs,
                "ops": counted.ops,
                "parameters": counted.parameters,
                "weight_bytes": counted.weight_bytes,
                "activation_bytes": counted.activation_bytes,
                "peak_activation_bytes": counted.peak_activation_bytes,
                "input_bytes": counted.input_bytes,
                "precision": options.precision,
                "processors": [row._asdict() for row in rows],
            }
        )
        return
    scaled = console.scaled
    console.out.print(
        f"{counted.name}: {scaled(counted.macs, 'MAC')} = {scaled(counted.ops, 'op')}, "
        f"{scaled(counted.parameters, '')}parameters, weights {scaled(counted.weight_bytes, 'B')}, "
        f"activations at their peak {scaled(counted.peak_activation_bytes, 'B')} (float32, batch 1)"
    )
    table = console.table(
        f"one inference, batch 1, {options.precision}", ["processor", "bound by", "guesses"], ["latency"]
    )
    for row in rows:
        guesses = f"{len(row.guesses)} fields" if row.guesses else ""
        table.add_row(row.name, row.bound, guesses, console.seconds(row.latency_s))
    console.show(table)
