"""Reads a file of orbital elements, whatever its form: TLE, or OMM as CSV, JSON, XML or keyword-value notation.

The content decides, not the file's name.
"""

from pathlib import Path

from nodes.elements import Elements
from nodes.errors import ElementsError
from nodes.omm import read_omm
from nodes.tle import read_tle
from workloads.importing.guarded_xml import text_of
from workloads.importing.records import BadRow

MAX_BYTES = 64_000_000  # a day's whole public catalogue is 5 MB as TLE and 20 MB as JSON


def read_elements(path: Path | str, skipped: list[BadRow] | None = None) -> list[Elements]:
    """The satellites of a file, in its order; with `skipped`, bad element sets are appended there instead of refused.

    Raises ElementsError where the file cannot be read, is larger than 64 MB, is no UTF-8 text nor XML that declares
    another encoding, or as `read_tle` and `read_omm` do.
    """
    file = Path(path)
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for without end
            raise ElementsError(f"{file}: cannot be read: is a folder, a pipe or a device")
        if file.stat().st_size > MAX_BYTES:
            raise ElementsError(f"{file}: {file.stat().st_size} bytes; at most {MAX_BYTES} are read")
        text = text_of(file.read_bytes())
    except OSError as error:
        raise ElementsError(f"{file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is {error.object[error.start]:#04x}"
        raise ElementsError(f"{file}: no {error.encoding.upper()} text: {where}") from None
    except LookupError as error:
        raise ElementsError(f"{file}: {error}; write it as UTF-8") from None
    return parse_elements(text, str(file), skipped)


def parse_elements(text: str, source: str, skipped: list[BadRow] | None = None) -> list[Elements]:
    """The satellites of a text, its form told from its beginning; raises ElementsError as `read_elements` does."""
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("<"):
        return read_omm(start, source, "xml", skipped=skipped)
    if start.startswith(("[", "{")):
        return read_omm(start, source, "json", skipped=skipped)
    header = start.split("\n", 1)[0]
    if start.startswith("CCSDS_OMM_VERS"):
        return read_omm(start, source, "kvn", skipped=skipped)
    if start.startswith("CCSDS_"):
        raise ElementsError(f"{source}: begins with {header[:60].strip()!r}; of CCSDS messages OMM and OEM are read")
    if "MEAN_MOTION" in start[:4096] and "," not in header:
        text = f"{source}: speaks of MEAN_MOTION, but its first line is no header of a CSV with commas"
        raise ElementsError(f"{text}: {header[:60].strip()!r}")
    if "," in header and "MEAN_MOTION" in header:
        return read_omm(start, source, "csv", skipped=skipped)
    return read_tle(text.removeprefix("\ufeff"), source, skipped=skipped)
