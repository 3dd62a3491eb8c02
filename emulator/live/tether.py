"""Becomes a program that ends when who started it does, however that went: `tether.py STARTER DESCRIPTOR PROGRAM...`.

Run by path with the standard library alone (`python -I -S`), for Linux. A program that cannot be is told through the
descriptor, which closes when it has begun.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; kept over exec, and not given on to the program's own children


def main(starter: int, descriptor: int, command: list[str]) -> None:
    """Take the program's place; comes back only if that cannot be."""
    os.set_inheritable(descriptor, False)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != starter:
        return  # it went meanwhile
    try:
        os.execvp(command[0], command)
    except (OSError, ValueError) as error:
        os.write(descriptor, str(error).encode(errors="replace"))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
