"""A closed trace is sealed: its header sums up every file beside the log, and itself, so that none changes unseen.

Sums are sha256 in hexadecimal. The log has its digest, and its blocks check themselves; that no whole block is gone is
seen by counting lines. Traces from before there were seals (schema 3 and early schema 4) open unsealed.
"""

import hashlib
from typing import Any

import msgspec

from emulator.tracing.header import Header

SEAL = "header_sha256"
_SEALED = {SEAL, "sums", "decisions"}  # a header that has one of them has all


def sum_of(data: bytes) -> str:
    """The sha256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sealed(header: Header, sums: dict[str, str], decisions: int) -> Header:
    """The header with the sums of the files beside the log, how many lines of decisions there are, and its own sum."""
    header = msgspec.structs.replace(header, sums=sums, decisions=decisions, header_sha256="")
    table = msgspec.json.decode(msgspec.json.encode(header))
    return msgspec.structs.replace(header, header_sha256=_own_sum(table))


def broken(table: dict[str, Any]) -> str:
    """What is wrong with a header's own seal, empty if nothing: over the fields as they lie there, known or not."""
    if not table.get("digest") or not _SEALED & set(table):
        return ""  # never closed, or of a time before there were seals
    if table.get(SEAL) == _own_sum(table):
        return ""
    return f"it is not what the run wrote: its sha256 is {_own_sum(table)}, its {SEAL} {str(table.get(SEAL))[:64]!r}"


def _own_sum(table: dict[str, Any]) -> str:
    return sum_of(msgspec.json.encode({name: each for name, each in table.items() if name != SEAL}, order="sorted"))
