"""Where results go: folders made when needed, and files that are there whole or not at all.

What fails leaves nothing: new folders go again, with their new parents, and so does a file that was begun.
"""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emulator.errors import BadInput


@contextmanager
def made(folder: Path, option: str = "--out") -> Iterator[Path]:
    """Make `folder` and its parents; on an error inside, remove those that were made and are still empty.

    Raises `BadInput`, naming `option`, for a folder that cannot be made or written.
    """
    new: list[Path] = []
    try:
        try:
            for each in reversed((folder, *folder.parents)):
                if not each.exists():
                    each.mkdir()
                    new.append(each)
            with tempfile.TemporaryFile(dir=folder):
                pass  # it is a folder and can be written
        except OSError as error:
            where = str(folder)[:200]
            text = f"{option} {where}: cannot be written: {error.strerror}; name a folder that can be"
            raise BadInput(text) from error
        yield folder
    except BaseException:
        with suppress(OSError):
            for each in reversed(new):
                each.rmdir()
        raise


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what shall stand at `path`: beside it, renamed over it at the end, removed on an error inside.

    The name cannot be foreseen, so two runs never write into, or remove, each other's. Raises OSError.
    """
    partial = path.with_name(f".orbitmesh-{secrets.token_hex(8)}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
