"""What `orbitmesh upset` found, as tables for people and one document for programs."""

from collections.abc import Sequence
from typing import Any

import msgspec

from emulator import console
from emulator.radiation.trials import HARMLESS, Costs, Plan, Row, Study
from workloads.radiation.scrubbing import PAGE_BYTES, STORAGE_BYTES_PER_S

MOST_ROWS = 16  # of a table; of more, those where nothing happened are only counted


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one call of the command measured and computed."""

    by_flips: list[Row]
    by_bit: list[Row]
    by_layer: list[Row]
    costs: Costs
    satellite_scrub_s: float  # modelled: the bytes over the memory's rate of the satellites' preset
    one_flip_loss: float | None
    plans: list[Plan]


def document(study: Study, found: Found) -> dict[str, Any]:
    """For `--json`."""
    made: dict[str, Any] = {
        "model": study.model.path.stem,
        "sha256": study.model.sha256,
        "role": study.course.role,
        "weight_bits": study.weights.bits,
        "scenes": study.course.scenes,
        "scenes_seed": study.course.seed,
        "seed": study.seed,
        "trials": study.trials,
        "headline": study.course.headline,
        "before": msgspec.to_builtins(study.before),
    }
    made |= msgspec.to_builtins(found)
    for plan in made["plans"]:
        del plan["curve"]  # for the plot only
    made["notes"] = notes(study, found)
    return made


def notes(study: Study, found: Found) -> list[str]:
    """What is assumed, and what is a guess."""
    texts = [
        f"scenes are synthetic and held out: seed {study.course.seed}, which no scenario uses; answers are "
        "onnxruntime's with the flipped weights",
        "a score counts answers that are NaN or infinite, and models that no longer load, as wrong",
        f"pages of {PAGE_BYTES} bytes with a CRC-32 each: one, two or three flips in a page are always found",
    ]
    if found.plans:
        rates = ", ".join(plan.rate.name for plan in found.plans if plan.rate.mark == "guess")
        texts += [
            "a scrub and a cold start were measured on this host; reading the model back at "
            f"{STORAGE_BYTES_PER_S:.3g} byte/s is a [guess]",
            f"each rate is of one memory in one orbit; nobody published the constellation's; {rates}: [guess]",
        ]
    return texts


def show(study: Study, found: Found) -> None:
    """Print the tables."""
    scores = ", ".join(f"{name} {value:.4f}" for name, value in study.before.scores.items())
    console.out.print(
        f"{study.model.path.stem}: {console.scaled(study.weights.bits, 'bit')} of weights in "
        f"{len(study.weights.blocks)} tensors; before: {scores} on {study.course.scenes} scenes"
    )
    for title, rows in (
        ("flips anywhere", found.by_flips), ("by position of the bit", found.by_bit), ("by layer", found.by_layer)
    ):  # fmt: skip
        if rows:
            _rows(f"{title}: {study.course.headline.replace('_', ' ')} of {study.trials} trials", rows)
    spent = found.costs
    rate = spent.size_bytes / spent.scrub_s / 1e9 if spent.scrub_s else 0.0
    console.out.print(
        f"scrub of {console.scaled(spent.size_bytes, 'B')}: {console.seconds(spent.scrub_s)} here ({rate:.2g} GB/s), "
        f"{console.seconds(found.satellite_scrub_s)} at the satellites' memory rate; reload "
        f"{console.seconds(spent.reload_s)} (cold start {console.seconds(spent.cold_start_s)})"
    )
    if found.plans:
        _plans(found.plans, study.before.headline)
    console.notes(notes(study, found))


def _rows(title: str, rows: Sequence[Row]) -> None:
    table = console.table(title, [""], ["flips", "mean", "worst", "harmless", "NaN scenes", "did not run"])
    shown = [row for row in rows if len(rows) <= MOST_ROWS or row.harmless < 1.0]
    for row in shown:
        table.add_row(
            row.what, f"{row.flips:.6g}", f"{row.mean:.4f}", f"{row.worst:.4f}", f"{100 * row.harmless:.0f} %",
            f"{100 * row.broken:.1f} %", f"{100 * row.refused:.0f} %",
        )  # fmt: skip
    console.show(table)
    if len(shown) < len(rows):
        console.out.print(f"in the other {len(rows) - len(shown)} rows no trial lost {HARMLESS} or more")


def _plans(plans: Sequence[Plan], before: float) -> None:
    table = console.table(
        "scrubbing",
        ["rate", "known by", "every"],
        ["flips a day", "answers harmed", "no answers", "until whole", "score lost"],
    )
    for plan in plans:
        for kept in (*plan.kept, plan.best):
            best = kept is plan.best
            table.add_row(
                f"{plan.rate.name} {plan.rate.per_bit_day:.3g}" if kept is plan.kept[0] else "",
                plan.rate.mark if kept is plan.kept[0] else "",
                f"{console.seconds(kept.interval_s)}{' (best)' if best else ''}",
                f"{plan.flips_per_day:.3g}" if kept is plan.kept[0] else "",
                f"{100 * kept.corrupted_share:.3g} %",
                f"{100 * kept.down_share:.2g} %",
                console.seconds(kept.mean_corrupted_s),
                f"{before - kept.score:.2g}",
            )
        table.add_section()
    console.show(table)
