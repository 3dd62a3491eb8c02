"""The bytes and the text of a file from outside: bounded, unpacked by nobody, in an encoding that is said.

A compressed file is refused by its first bytes: what it would become cannot be bounded beforehand.
"""

import codecs
import os
from pathlib import Path

from workloads.errors import WorkloadError

MOST_BYTES = 256 << 20  # of one source, which is held in memory; a log of a day has 10 to 100 MB [guess]
_PACKED = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The whole file. Raises WorkloadError if it is missing, no file, larger than `most_bytes`, empty or compressed."""
    name = path.name[:200]
    try:
        if not path.is_file():  # not a folder, not a pipe that never ends
            raise WorkloadError(f"{name}: there is no such file")
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size > most_bytes:
                raise WorkloadError(f"{name}: has more than {most_bytes} bytes; split it")
            data = stream.read(most_bytes + 1)
    except OSError as error:
        raise WorkloadError(f"{name}: cannot be read: {error.strerror}") from error
    if len(data) > most_bytes:
        raise WorkloadError(f"{name}: has more than {most_bytes} bytes; split it")
    if not data.strip():
        raise WorkloadError(f"{name}: is empty")
    for magic, kind in _PACKED.items():
        if data.startswith(magic):
            raise WorkloadError(f"{name}: is a {kind} archive; unpack it first, and give what was inside")
    return data


def read_text(path: Path, encoding: str = "utf-8", most_bytes: int = MOST_BYTES) -> str:
    """The file as text, a byte-order mark taken off. Raises WorkloadError as `read_bytes`, and for another encoding."""
    data = read_bytes(path, most_bytes)
    name = path.name[:200]
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise WorkloadError(f"{name}: is UTF-16; give --encoding utf-16")
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except LookupError as error:
        raise WorkloadError(f"--encoding {encoding[:40]!r} is unknown; such as utf-8, latin-1, utf-16") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        text = f"byte {error.start} is {data[error.start]:#04x}, no {encoding.removesuffix('-sig')}"
        raise WorkloadError(f"{name}:{line}: {text}; say which it is, such as --encoding latin-1") from error
    except UnicodeError as error:  # of codecs that are no encodings of text files, such as idna
        raise WorkloadError(f"{name}: cannot be read as --encoding {encoding[:40]!r}: {error}") from error
