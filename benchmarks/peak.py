"""Runs the command line in this process, then says on standard error how much memory the process held at most.

    python -m benchmarks.peak run three-body --policy mesh --json

Where Linux tells it, the figure is of this program alone; elsewhere a parent's size may be in it.
"""

import re
import resource
import sys
from pathlib import Path

from emulator.cli import main


def peak_bytes() -> int:
    """The most physical memory this process held so far."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
        if found:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    print(f"peak_bytes {peak_bytes()}", file=sys.stderr)
    sys.exit(code)
