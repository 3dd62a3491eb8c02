"""Where results go: names that can be, and folders made when needed, gone again when what was to fill them fails."""

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


def there(path: Path, what: str) -> bool:
    """Whether anything has this name, be it a link into nothing. Raises `BadInput`, naming `what` was given, for a name
    that nothing can have: too long, with a zero in it, below a file."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or error
        raise BadInput(f"{what} {str(path)[:200]}: cannot be written: {text}; take another name") from error
    return True
