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
