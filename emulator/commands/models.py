"""List every model that ships or can be generated: role, cost, accuracy, and what it was trained on.

Accuracy is what the very file reached on held-out synthetic scenes when it was made, beside a plain method on the same
scenes. Published architectures have seeded random weights: they are for timing, their answers mean nothing."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  orbitmesh models
  orbitmesh models --json
  orbitmesh models --write vit-b-16 --out vit.onnx
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--write", metavar="NAME", help="write this model as a file instead")
    parser.add_argument("--out", metavar="FILE", help="with --write: the file (NAME.onnx)")
    parser.add_argument("--seed", type=int, help="with --write, of an architecture: the seed of its weights (0)")


def carry_out(options: argparse.Namespace) -> None:
    """List them, or write one."""
    from emulator.errors import BadInput

    if options.write is not None:
        _write(options)
        return
    if options.out is not None or options.seed is not None:
        raise BadInput("--out and --seed go with --write NAME, which says what is to be written")
    _list(as_json=options.json)


def _write(options: argparse.Namespace) -> None:
    from emulator import console
    from emulator.errors import BadInput
    from workloads.cards import card
    from workloads.generated.architectures import PUBLISHED, write
    from workloads.models import find_model, model_names

    name = options.write
    if name not in model_names():
        raise BadInput(f"--write {name[:200]}: no such model; one of {', '.join(model_names())}")
    if options.seed is not None and name not in PUBLISHED:
        raise BadInput(f"--seed {options.seed}: {name} has no seed to choose; those that have: {', '.join(PUBLISHED)}")
    target = Path(options.out or f"{name}.onnx")
    if target.exists():
        raise BadInput(f"--out {str(target)[:200]} is there already: name a new file")
    with console.progress() as bar:
        advance = bar(f"writing {name}", 1.0)
        if name in PUBLISHED:
            write(name, target, options.seed or 0)
        else:
            _copy(find_model(name), target)
        advance(1.0)
    made = card(name, target)
    if options.json:
        console.print_json({"name": name, "path": str(target), "size_bytes": made.size_bytes, "sha256": made.sha256})
        return
    console.out.print(f"{target}: {name}, {console.scaled(made.size_bytes, 'B')}, sha256 {made.sha256}")
    console.out.print(f"trained: {made.trained}")


def _copy(source: Path, target: Path) -> None:
    from emulator.errors import BadInput
    from workloads.whole_file import whole

    try:
        with whole(target) as partial:
            partial.write_bytes(source.read_bytes())
    except OSError as error:
        raise BadInput(f"--out {str(target)[:200]}: cannot be written: {error.strerror}; name another place") from error


def _list(*, as_json: bool) -> None:
    from emulator import console
    from workloads.cards import cards
    from workloads.models import light_models
    from workloads.scenery import captions

    found = cards()
    if as_json:
        console.print_json({"models": found, "others": list(light_models())})
        return
    words = ["model", "role", "input", "precision", "accuracy", "plain method"]
    table = console.table("models", words, ["parameters", "MACs", "file"])
    for each in found:
        inputs = " + ".join("x".join(map(str, axes[1:])) for axes in each.inputs.values())
        table.add_row(
            each.name, each.role, inputs, each.precision, _headline(each.accuracy), _headline(each.baseline),
            console.scaled(each.parameters, ""), console.scaled(each.macs, ""), console.scaled(each.size_bytes, "B"),
        )  # fmt: skip
    console.show(table)
    console.notes([
        "Accuracy: the first figure of each, on held-out SYNTHETIC scenes; --json and docs/models.md have the others.",
        f"MACs are of one inference. In {captions.ROLE}, {captions.ONE_BYTE}.",
        "Where there is none, the model is untrained: seeded random weights, for timing; its file is made when used.",
        f"The onnx package holds more, with constant weights, for timing: {', '.join(light_models()) or 'none'}",
    ])  # fmt: skip


def _headline(scores: dict[str, float]) -> str:
    """The first score with its name, as `0.941 pixel accuracy`."""
    return next((f"{score:.3f} {name.replace('_', ' ')}" for name, score in scores.items()), "-")
