"""Where an export goes: a new file or a new folder, whole or not at all, and never over what is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from emulator.errors import BadInput
from emulator.folders import made, there
from workloads.whole_file import whole


def refuse_taken(path: Path) -> None:
    """Raise `BadInput` unless nothing has this name: an export overwrites nothing."""
    if there(path, "--out") or not path.name:
        raise BadInput(f"--out {str(path)[:200]} is there already; name a new one, or remove it")


@contextmanager
def new_file(path: Path) -> Iterator[IO[str]]:
    """A text file, UTF-8 with line feeds, that gets its name when all is written. Raises `BadInput`, OSError."""
    refuse_taken(path)
    with made(path.parent), whole(path) as partial:
        with partial.open("w", encoding="utf-8", newline="\n", buffering=1 << 20) as stream:
            yield stream
        refuse_taken(path)  # another may have come meanwhile


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder that gets its name when all is written. Raises `BadInput`, OSError."""
    refuse_taken(path)
    with made(path.parent), whole(path) as partial:
        partial.mkdir()
        yield partial
        refuse_taken(path)
