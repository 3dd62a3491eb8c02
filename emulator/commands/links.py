"""Show who sees whom at an instant, with range, one-way delay and rate, and the reason for every pair that is not
connected: blocked, too_far, below_mask, acquiring, no_free_terminal, not_chosen."""

import argparse

EXAMPLES = """examples:
  orbitmesh links three-body --at 2025-10-03T16:00:00Z
  orbitmesh links three-body-ring --at 2025-10-03T18:30:00Z --json
"""

MOST_ROWS = 120  # of the table for people; --json has them all


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a TOML file, or the name of one that ships")
    parser.add_argument("--at", required=True, metavar="UTC", help="an instant within the scenario, ISO 8601")


def carry_out(options: argparse.Namespace) -> None:
    """Build the contact plan and read the instant off it."""
    from emulator import console
    from emulator.links_report import pairs_at
    from emulator.scenario import load

    loaded = load(options.scenario)
    with console.progress() as bar:
        report = pairs_at(loaded, options.at, bar)
    if options.json:
        console.print_json(report)
        return
    title = f"{loaded.scenario.name} at {report.at}"
    table = console.table(title, ["a", "b", "state"], ["range", "one-way delay", "rate"])
    rows = [*report.links, *report.downlinks]
    for row in rows[:MOST_ROWS]:
        table.add_row(
            row.a,
            row.b,
            "up" if row.up else row.reason,
            f"{row.range_m / 1e3:,.2f} km",
            f"{row.delay_s * 1e3:.4f} ms",
            console.scaled(row.bits_per_s, "bit/s") if row.up else "-",
        )
    console.show(table)
    if len(rows) > MOST_ROWS:
        console.out.print(f"... and {len(rows) - MOST_ROWS} more pairs; --json has them all")
    console.out.print(report.connectivity.sentence(f"At {report.at}"))
    console.notes(report.notes)
