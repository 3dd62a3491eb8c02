"""Count what a model costs and predict its latency on every processor that ships.

Multiply-accumulates of convolutions and matrix products, counted from the graph; one of them is two operations.
Latency is one inference at batch 1 by roofline: the larger of operations over reached rate and bytes over bandwidth,
plus launch overhead."""

import argparse

EXAMPLES = """examples:
  orbitmesh inspect cloud-screen
  orbitmesh inspect light-resnet50
  orbitmesh inspect model.onnx --json
"""


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

    counted = profile(find_model(options.model))
    rows = []
    for name in presets():
        processor: Processor = preset(name)
        job = processor.job(counted, 1, 1, options.precision)
        rows.append({"name": name, "latency_s": job.duration_s, "bound": job.bound, "guesses": list(processor.guesses)})
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
                "processors": rows,
            }
        )
        return
    from rich.table import Table

    scaled = console.scaled
    console.out.print(
        f"{counted.name}: {scaled(counted.macs, 'MAC')} = {scaled(counted.ops, 'op')}, "
        f"{scaled(counted.parameters, '')}parameters, weights {scaled(counted.weight_bytes, 'B')}, "
        f"activations at their peak {scaled(counted.peak_activation_bytes, 'B')} (float32, batch 1)",
        highlight=False,
    )
    table = Table(title=f"one inference, batch 1, {options.precision}")
    for title, justify in (("processor", "left"), ("latency", "right"), ("bound by", "left"), ("guesses", "left")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        guesses = row["guesses"]
        latency = console.seconds(float(row["latency_s"]))  # type: ignore[arg-type]
        table.add_row(str(row["name"]), latency, str(row["bound"]), f"{len(guesses)} fields" if guesses else "")  # type: ignore[arg-type]
    console.out.print(table)
