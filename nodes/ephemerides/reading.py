"""Reads a file of ephemerides, or a folder of them: CCSDS OEM (keyword-value notation or XML), STK `.e`.

The content decides, not the file's name.
"""

import re
from hashlib import sha256
from pathlib import Path

from nodes.ephemerides.interpolation import Interpolation
from nodes.ephemerides.oem import read_oem
from nodes.ephemerides.oem_xml import read_oem_xml
from nodes.ephemerides.stk import read_stk
from nodes.ephemerides.tables import TabulatedOrbit
from nodes.errors import EphemerisError
from workloads.importing.guarded_xml import text_of

MAX_BYTES = 64_000_000  # 64 MB: one satellite every 10 s for two months
MAX_FILES = 5000  # of a folder; more satellites than that are another tool's work [guess]
MAX_FOLDER_BYTES = 4_000_000_000  # 5,000 satellites every minute for four days; 56 of 140 bytes a state are held
SUFFIXES = (".oem", ".xml", ".e")
START = 4096  # of a file, bytes or characters, in which it says what it is
_COMBINED = re.compile(r"<(?:[\w.-]+:)?ndm[\s>]")
_OEM = re.compile(r"<(?:[\w.-]+:)?oem[\s>]")


def is_ephemeris(path: Path | str) -> bool:
    """Whether a file begins as an ephemeris does, or is a folder; False where it cannot be read."""
    file = Path(path)
    try:
        if not file.is_file():  # not a pipe, which would be waited for without end
            return file.is_dir()
        with file.open("rb") as stream:
            data = stream.read(START)
            if _COMBINED.search(text_of(data, "replace")):  # an OEM may come after other messages
                data += stream.read(MAX_BYTES)
            return _form(text_of(data, "replace")) != ""
    except (OSError, LookupError):
        return False


def read(path: Path | str, assume: Interpolation | None = None) -> list[TabulatedOrbit]:
    """The orbits of a file, or of all `.oem`, `.xml` and `.e` files of a folder by name, in their order.

    `assume` is the interpolation of files that state none: without it they are refused. Raises EphemerisError where a
    file cannot be read, is larger than 64 MB or no UTF-8 text, is no ephemeris, or as its form's reader does, and for
    a folder of none, of more than 5,000 files, or of more than 4 GB.
    """
    given = Path(path)
    if not given.is_dir():
        return _read_file(given, assume)
    return [orbit for file in _files(given) for orbit in _read_file(file, assume)]


def digest(path: Path | str) -> str:
    """The sha256 of a file, or of `sha256  name` lines of the files that `read` takes from a folder.

    Raises EphemerisError where one cannot be read, and for a folder that `read` refuses.
    """
    given = Path(path)
    try:
        if not given.is_dir():
            return sha256(_bytes(given)).hexdigest()
        lines = [f"{sha256(_bytes(each)).hexdigest()}  {each.name}\n" for each in _files(given)]
    except OSError as error:
        raise EphemerisError(f"{given}: cannot be read: {error.strerror or error}") from None
    return sha256("".join(lines).encode()).hexdigest()


def parse(text: str, source: str, name: str, assume: Interpolation | None = None) -> list[TabulatedOrbit]:
    """The orbits of a text, its form told from its beginning; `name` is for a satellite without one."""
    match _form(text):
        case "stk":
            return read_stk(text, source, name, assume)
        case "xml":
            return read_oem_xml(text.lstrip("\ufeff \t\r\n"), source, assume)
        case "kvn":
            return read_oem(text.lstrip("\ufeff"), source, assume)
        case _:
            raise EphemerisError(
                f"{source}: no ephemeris; begins neither with CCSDS_OEM_VERS, nor with <oem>, nor with stk.v."
            )


def _files(folder: Path) -> list[Path]:
    """The ephemerides of a folder by name; raises EphemerisError for none, too many, or too much."""
    try:
        found = sorted(each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES and each.is_file())
        size_bytes = sum(each.stat().st_size for each in found)
    except OSError as error:
        raise EphemerisError(f"{folder}: cannot be read: {error.strerror or error}") from None
    if not 0 < len(found) <= MAX_FILES:
        raise EphemerisError(f"{folder}: {len(found)} files of {', '.join(SUFFIXES)}; must be 1 to {MAX_FILES}")
    if size_bytes > MAX_FOLDER_BYTES:
        text = f"{len(found)} ephemerides of {size_bytes} bytes together; at most {MAX_FOLDER_BYTES} are read: thin out"
        raise EphemerisError(f"{folder}: {text} their states, or split the folder")
    return found


def _bytes(file: Path) -> bytes:
    """The whole file, bounded; raises EphemerisError for a pipe, which would be waited for without end, OSError."""
    if not file.is_file():
        raise EphemerisError(f"{file}: no such file")
    if file.stat().st_size > MAX_BYTES:
        raise EphemerisError(f"{file}: {file.stat().st_size} bytes; at most {MAX_BYTES} are read")
    return file.read_bytes()


def _read_file(file: Path, assume: Interpolation | None) -> list[TabulatedOrbit]:
    try:
        text = text_of(_bytes(file))
    except OSError as error:
        raise EphemerisError(f"{file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is {error.object[error.start]:#04x}"
        raise EphemerisError(f"{file}: no {error.encoding.upper()} text: {where}") from None
    except LookupError as error:
        raise EphemerisError(f"{file}: {error}; write it as UTF-8") from None
    return parse(text, str(file), file.stem, assume)


def _form(start: str) -> str:
    text = start[:START].lstrip("\ufeff \t\r\n")
    if text.startswith("CCSDS_OEM_VERS"):
        return "kvn"
    if text.startswith("<"):
        return "xml" if _OEM.search(start if _COMBINED.search(text) else text) else ""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            return "stk" if line.strip().lower().startswith("stk.v.") else ""
    return ""
