"""What is written is there whole, and on the disk, or not at all: a file, or a folder of files."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what shall stand at `path`: beside it, renamed over it at the end, removed on an error inside.

    The name cannot be foreseen, so nobody can have laid a link there, and two runs never write into, or remove, each
    other's. Files are synced to the disk first: a name never leads to less than was written. A folder takes the place
    of nothing but an empty one. Raises OSError.
    """
    partial = path.with_name(f".orbitmesh-{secrets.token_hex(8)}.partial")
    try:
        yield partial
        for file in partial.rglob("*") if partial.is_dir() else (partial,):
            if file.is_file():
                _sync(file)
        partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def _sync(file: Path) -> None:
    with file.open("r+b") as stream:  # not every system syncs what is open for reading only
        os.fsync(stream.fileno())
