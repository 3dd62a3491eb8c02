"""Writes the tables of docs/processors.md from the code: run it after a change of nodes/processors.toml.

Only what stands between the two marks of a table is replaced. A test compares both.
"""

import sys
from pathlib import Path

from nodes.decoding import Request, decode
from nodes.processor import preset, presets
from nodes.validation import validation
from workloads.decoder import decoders

PAGE = Path(__file__).resolve().parent.parent / "docs" / "processors.md"
DECODER = "llama-3.1-8b-like"


def tables() -> dict[str, str]:
    """Each generated table by its name, as Markdown."""
    return {"presets": _presets(), "modes": _modes(), "validation": _validation(), "decoder": _decoder()}


def rewritten(page: str) -> str:
    """The page with the tables as they are now."""
    for name, table in tables().items():
        start, end = f"<!-- table {name} -->\n", f"<!-- end {name} -->"
        head, _, rest = page.partition(start)
        _, found, tail = rest.partition(end)
        if not found:
            raise SystemExit(f"{PAGE.name} has no table {name}: {start!r} and {end!r}")
        page = head + start + table + found + tail
    return page


def _lines(*rows: tuple[str, ...]) -> str:
    head = rows[0]
    ruled = ["---" if place < 1 else "---:" for place, _ in enumerate(head)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, tuple(ruled), *rows[1:]))


def _presets() -> str:
    rows = [("preset", "int8, Top/s", "fp16", "fp32", "reached", "GB", "GB/s", "idle, W", "busy, W", "guesses")]
    for name in presets():
        each = preset(name)
        rates = [f"{each.peak_ops_per_s[kind] / 1e12:g}" for kind in ("int8", "fp16", "fp32")]
        memory = [f"{each.memory_bytes / 1e9:g}", f"{each.memory_bytes_per_s / 1e9:g}"]
        watts = [f"{each.idle_power_w:g}", f"{each.working_power_w:g}"]
        guesses = ", ".join(f"`{field}`" for field in each.guesses)
        rows.append((f"`{name}`", *rates, f"{each.efficiency:g}", *memory, *watts, guesses))
    return _lines(*rows)


def _modes() -> str:
    rows = [("preset, mode", "reached, Top/s", "W", "Gop/J", "source")]
    for name in presets():
        for mode in preset(name).power_modes:
            numbers = (f"{mode.ops_per_s / 1e12:.1f}", f"{mode.power_w:g}", f"{mode.ops_per_j / 1e9:.0f}")
            rows.append((f"`{name}`, {mode.name}", *numbers, mode.source))
    return _lines(*rows)


def _validation() -> str:
    rows = [("preset, model", "predicted", "measured", "error", "one efficiency", "", "source")]
    for row in validation():
        plain = "-" if row.plain_error is None else f"{100 * row.plain_error:+.0f} %"
        numbers = (f"{row.predicted_per_s:,.1f}", f"{row.measured_per_s:,.1f} {row.unit}", f"{100 * row.error:+.1f} %")
        rows.append((f"`{row.processor}`, {row.model}", *numbers, plain, row.kind, row.source))
    return _lines(*rows)


def _decoder() -> str:
    model, asked = decoders()[DECODER], Request(prompt=1024, output=128)
    rows = [("preset", "first token, ms", "a step, ms", "tokens/s", "bound", "sequences that fit")]
    for name in presets():
        found = decode(preset(name), model, asked)
        times = (f"{1e3 * found.first_token_s:.1f}", f"{1e3 * found.step_s:.2f}", f"{found.decode_tokens_per_s:,.1f}")
        rows.append((f"`{name}`", *times, found.bound, f"{found.most_batch:,}"))
    return _lines(*rows)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"wrote the tables of {PAGE.name}\n")
