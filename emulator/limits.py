"""The limits of a model file as a command's options give them: `--file-bytes 1GiB --memory-bytes 8000000000`."""

import argparse
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.loading.opening import Limits

# IEC 80000-13 and the SI; a bare letter, which different tools read differently, is none of them
UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
         "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}  # fmt: skip
_SIZE = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))? ?([A-Za-z]*)")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add both options."""
    text = "limit of the file and the weights beside it (512MiB; at most 2GiB less a byte, where ONNX files end)"
    parser.add_argument("--file-bytes", type=size_bytes, metavar="SIZE", help=text)
    text = "limit of a model's memory at batch 1 (4GiB)"
    parser.add_argument("--memory-bytes", type=size_bytes, metavar="SIZE", help=text)


def size_bytes(text: str) -> int:
    """The whole bytes of "2147483648", "4GiB" or "1.5 GB". Raises argparse's ArgumentTypeError for any other text."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[3] not in UNITS:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no size: give bytes, or such as 4GiB, 500MB")
    fraction = match[2] or ""
    return int(match[1] + fraction) * UNITS[match[3]] // int(10 ** len(fraction))


def limits(options: argparse.Namespace) -> "Limits":
    """Those given, the others as they are by default. Raises BadInput naming the option that cannot be."""
    from emulator.errors import BadInput
    from workloads.loading.opening import Limits

    given = {name: getattr(options, name) for name in ("file_bytes", "memory_bytes")}
    found = Limits(**{name: value for name, value in given.items() if value is not None})
    problems = found.problems()
    if problems:
        raise BadInput("; ".join(f"--{name.replace('_', '-')} {message}" for name, message in problems))
    return found
