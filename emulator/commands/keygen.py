"""Make the key file of a live run over several hosts. Copy it to each of them, and give it there with --key FILE.

Who holds the file can join the run, and nobody else. It is readable by you only, and no file is written over."""

import argparse

EXAMPLES = """examples:
  orbitmesh keygen
  orbitmesh keygen --out run.key --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--out", default="orbitmesh.key", metavar="FILE", help="a new file (orbitmesh.key)")


def carry_out(options: argparse.Namespace) -> None:
    """Make it; print the public halves only."""
    from emulator import console
    from links.keys import generate, save

    keys = generate()
    save(keys, options.out)
    if options.json:
        console.print_json(
            {"path": options.out, "server_public": keys.server_public, "client_public": keys.client_public}
        )
        return
    console.out.print(f"keys in {options.out}: copy it to every host of the run by a safe way, such as scp -p")
