"""Where an export goes: a new file or a new folder, whole or not at all, and never over what is there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from emulator.errors import BadInput
from emulator.folders import made


def refuse_taken(path: Path) -> None:
    """Raise `BadInput` unless nothing has this name: an export overwrites nothing."""
    try:
        taken = os.path.lexists(path) or not path.name
    except (OSError, ValueError) as error:
        raise BadInput(f"--out {str(path)[:200]}: cannot be written: {error}") from error
    if taken:
        raise BadInput(f"--out {str(path)[:200]} is there already; name a new one, or remove it")


@contextmanager
def new_file(path: Path) -> Iterator[IO[str]]:
    """A text file, UTF-8 with line feeds, that gets its name when all is written. Raises `BadInput`, OSError."""
    refuse_taken(path)
    with made(path.parent):
        number, name = tempfile.mkstemp(prefix=".orbitmesh-", suffix=".partial", dir=path.parent)
        try:
            with open(number, "w", encoding="utf-8", newline="\n", buffering=1 << 20) as stream:
                yield stream
            os.chmod(name, 0o666 & ~_umask())  # mkstemp lets nobody else read it
            refuse_taken(path)  # another may have come meanwhile
            os.rename(name, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder that gets its name when all is written. Raises `BadInput`, OSError."""
    refuse_taken(path)
    with (
        made(path.parent),
        tempfile.TemporaryDirectory(prefix=".orbitmesh-", suffix=".partial", dir=path.parent) as beside,
    ):
        inside = Path(beside) / "export"
        inside.mkdir()
        yield inside
        refuse_taken(path)
        inside.rename(path)


def _umask() -> int:
    """The mask of new files; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
