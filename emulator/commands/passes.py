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
    parser.add_argument("--tle", metavar="FILE", help="elements (TLE or OMM) instead of a scenario")
    parser.add_argument("--site", metavar="LAT,LON,ALT_M", help="the station: degrees, degrees, metres (WGS84)")
    parser.add_argument("--min-elevation", type=float, metavar="DEG", help="elevation mask in degrees (10)")
    parser.add_argument("--start", metavar="UTC", help="ISO 8601")
    parser.add_argument("--stop", metavar="UTC", help="ISO 8601")
