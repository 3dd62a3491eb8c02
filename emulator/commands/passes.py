"""List the passes of satellites over ground stations: rise, culmination and set in UTC, and the highest elevation."""

import argparse

EXAMPLES = """examples:
  orbitmesh passes three-body
  orbitmesh passes --tle stations.tle --site 40.45,116.86,90 --min-elevation 10 \\
      --start 2025-10-03T16:00:00Z --stop 2025-10-04T16:00:00Z --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("scenario", metavar="SCENARIO", nargs="?", help="a TOML file, or the name of one that ships")
    parser.add_argument(
        "--tle", metavar="FILE", help="elements (TLE, OMM) or an ephemeris (OEM, STK .e) instead of a scenario"
    )
    parser.add_argument("--site", metavar="LAT,LON,ALT_M", help="the station: degrees, degrees, metres (WGS84)")
    parser.add_argument("--min-elevation", type=float, metavar="DEG", help="elevation mask in degrees (10)")
    parser.add_argument("--start", metavar="UTC", help="ISO 8601")
    parser.add_argument("--stop", metavar="UTC", help="ISO 8601")


def carry_out(options: argparse.Namespace) -> None:
    """Find the passes and print them."""
    from emulator import console
    from emulator.errors import BadInput
    from emulator.passes_report import of_elements, of_scenario

    if (options.scenario is None) == (options.tle is None):
        raise BadInput("passes needs a SCENARIO, or --tle FILE with --site, --start and --stop; not both")
    if options.scenario is not None and options.site is not None:
        raise BadInput("--site goes with --tle; a scenario has its own stations")
    missing = [f"--{n}" for n in ("site", "start", "stop") if getattr(options, n) is None]
    if options.tle is not None and missing:
        raise BadInput(f"--tle needs {', '.join(missing)} too")
    with console.progress() as bar:
        advance = bar("passes", 1.0)
        if options.scenario is not None:
            report = of_scenario(options.scenario, options.min_elevation, options.start, options.stop)
        else:
            mask_deg = 10.0 if options.min_elevation is None else options.min_elevation
            report = of_elements(options.tle, options.site, mask_deg, options.start, options.stop)
        advance(1.0)
    if options.json:
        console.print_json(report)
        return
    columns = ["satellite", "station", "rise (UTC)", "culminate", "set"]
    table = console.table(f"{len(report.passes)} passes", columns, ["highest"])
    for one in report.passes:
        table.add_row(
            one.satellite,
            one.station,
            one.rise or "before start",
            one.culminate[11:],
            one.set[11:] if one.set else "after stop",
            f"{one.max_elevation_deg:.2f}°",
        )
    console.show(table)
    console.notes(report.notes)
