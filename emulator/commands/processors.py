"""List processors: what each can do, what is measured and what is a guess; and how well that predicts MLPerf.

FILE is a processor file, as `orbitmesh calibrate` writes it. With --decoder, a language model is predicted on each:
time to the first token, tokens a second, and how many sequences fit into its memory."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodes.decoding import Decoding, Request
    from nodes.processor import Processor
    from workloads.decoder import Decoder

EXAMPLES = """examples:
  orbitmesh processors
  orbitmesh processors host.toml
  orbitmesh processors --decoder llama-3.1-8b-like --prompt 2048 --output 256 --batch 8
  orbitmesh processors --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="processor files beside those that ship")
    parser.add_argument("--decoder", metavar="NAME", help="a language model: llama-3.1-8b-like, gpt-j-6b")
    parser.add_argument("--prompt", type=int, default=1024, metavar="TOKENS", help="of --decoder (1024)")
    parser.add_argument("--output", type=int, default=128, metavar="TOKENS", help="of --decoder (128)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="sequences of --decoder at once (1)")
    precisions = ["int8", "fp16", "fp32"]
    text = "of the products of --decoder (fp16)"
    parser.add_argument("--precision", choices=precisions, default="fp16", help=text)


def carry_out(options: argparse.Namespace) -> None:
    """Read, predict, print."""
    from emulator import console
    from emulator.processor_file import read
    from nodes.decoding import Request
    from nodes.processor import preset, presets
    from nodes.validation import validation

    processors = [preset(name) for name in presets()] + [read(path) for path in options.files]
    if options.decoder is None:
        rows = validation()
        if options.json:
            console.print_json({"processors": processors, "validation": rows})
        else:
            _show(processors, rows)
        return
    model = _decoder(options.decoder)
    asked = Request(prompt=options.prompt, output=options.output, batch=options.batch, precision=options.precision)
    predicted = _predicted(processors, model, asked)
    if options.json:
        named = [{"name": p.name, "prediction": found} for p, found in predicted]
        console.print_json({"decoder": model, "request": asked, "processors": named})
    else:
        _show_decoder(predicted, model, asked)


def _decoder(name: str) -> "Decoder":
    from emulator.errors import BadInput
    from workloads.decoder import decoders

    shipped = decoders()
    if name not in shipped:
        raise BadInput(f"--decoder {name[:200]!r}: there is no such model; one of {', '.join(shipped)}")
    return shipped[name]


def _predicted(
    processors: "list[Processor]", model: "Decoder", asked: "Request"
) -> "list[tuple[Processor, Decoding | None]]":
    """None where the processor has no rate in the precision asked for."""
    from emulator.errors import BadInput
    from nodes.decoding import decode

    wrong = asked.problems()
    if wrong:
        raise BadInput("; ".join(f"--{field} {text}" for field, text in wrong))
    return [(p, decode(p, model, asked) if asked.precision in p.peak_ops_per_s else None) for p in processors]


def _show(processors: "list[Processor]", rows: "list[Any]") -> None:
    from emulator import console

    scaled, percent = console.scaled, console.percent
    right = ["int8", "fp16", "fp32", "reached", "memory", "bandwidth", "power", "idle", "measured"]
    made = console.table("processors: peaks in operations a second, share reached on convolutions", ["name"], right)
    for each in processors:
        peaks = [scaled(each.peak_ops_per_s.get(name), "op/s") for name in ("int8", "fp16", "fp32")]
        memory = [scaled(each.memory_bytes, "B"), scaled(each.memory_bytes_per_s, "B/s")]
        power = [scaled(each.working_power_w, "W"), scaled(each.idle_power_w, "W")]
        made.add_row(each.name, *peaks, percent(each.efficiency), *memory, *power, _models(each))
    console.show(made)
    for each in processors:
        for mode in each.power_modes:
            rate = f"{scaled(mode.ops_per_s, 'op/s')} at {scaled(mode.power_w, 'W')}"
            console.notes([f"{each.name}, mode {mode.name}: {rate}, {scaled(mode.ops_per_j, 'op/J')}: {mode.source}"])
    console.notes([f"{each.name}: {', '.join(each.guesses)} [guess]" for each in processors if each.guesses])
    checked = console.table(
        "MLPerf Inference, closed, offline", ["processor", "model", ""], ["predicted", "measured", "error", "plain"]
    )
    for row in rows:
        numbers = [f"{row.predicted_per_s:,.1f}", f"{row.measured_per_s:,.1f} {row.unit}", f"{100 * row.error:+.1f} %"]
        plain = "-" if row.plain_error is None else f"{100 * row.plain_error:+.1f} %"
        checked.add_row(row.processor, row.model, row.kind, *numbers, plain)
    console.show(checked)
    console.notes(["fitted: a constant of ours comes from this row; plain: with one efficiency for all work"])


def _models(processor: "Processor") -> str:
    count = len(processor.calibrations)
    return f"{count} model{'' if count == 1 else 's'}"


def _show_decoder(predicted: "list[tuple[Processor, Decoding | None]]", model: "Decoder", asked: "Request") -> None:
    from emulator import console

    console.out.print(
        f"{model.name}: {model.parameters / 1e9:.2f} G parameters, weights {console.scaled(model.weight_bytes, 'B')}, "
        f"{console.scaled(model.bytes_per_step, 'B')} read a step, cache "
        f"{console.scaled(model.cache_bytes_per_token, 'B')} a token"
    )
    title = f"{asked.prompt:g} tokens in, {asked.output:g} out, batch {asked.batch}, products in {asked.precision}"
    right = ["sequences that fit", "batch run", "memory", "first token", "a step", "decode", "with prompts"]
    made = console.table(title, ["processor", "a step is bound by"], right)
    for processor, found in predicted:
        if found is None:
            made.add_row(processor.name, f"no rate for {asked.precision}", *["-"] * len(right))
            continue
        if not found.fits:
            made.add_row(processor.name, "does not fit", "0", "-", console.scaled(found.memory_bytes, "B"), *["-"] * 4)
            continue
        times = [console.seconds(found.first_token_s), console.seconds(found.step_s)]
        rates = [f"{found.decode_tokens_per_s:,.1f} token/s", f"{found.tokens_per_s:,.1f} token/s"]
        counts = [f"{found.most_batch:,}", f"{found.batch:,}", console.scaled(found.memory_bytes, "B")]
        made.add_row(processor.name, found.bound, *counts, *times, *rates)
    console.show(made)
    console.notes([f"{each.name}: {', '.join(each.guesses)} [guess]" for each, _ in predicted if each.guesses])
    console.notes(["analytic: a roofline of prompt and steps, checked against GPT-J in `orbitmesh processors`"])
