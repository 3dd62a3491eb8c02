"""Writes a trace's orbits for flight-dynamics tools: CCSDS OEM (where satellites were), OMM or TLE (their elements).

An OEM is on the grid that the run itself used, its cubic Hermite stated, so `[satellites] file` flies it again.
"""

from os import PathLike
from pathlib import Path
from typing import Literal

import msgspec

from emulator.errors import BadInput, TraceError
from emulator.exporting.frames import FRAMES
from emulator.exporting.orbits import Orbits
from emulator.trace import Trace
from nodes.element_files import Form, write_elements
from nodes.elements import Elements
from nodes.ephemerides import tabulate, write_oem

NOTE = "as flown in an emulation: modelled orbits, synthetic, not measured"
FORMS: dict[str, Form] = {".csv": "csv", ".json": "json", ".xml": "xml", ".tle": "tle"}


def export_oem(out: str | PathLike[str], orbits: Orbits, frame: str) -> dict[str, int]:
    """Write one OEM (`.xml`: in XML), or for several satellites a new folder of them; returns what was written."""
    out = Path(out)
    tables = tabulate(orbits.ephemeris, orbits.epoch, frame=FRAMES[frame], note=NOTE)
    notation: Literal["kvn", "xml"] = "xml" if out.suffix.lower() == ".xml" else "kvn"
    states = write_oem(out, tables, created=orbits.epoch.utc, form=notation)
    return {"satellites": len(tables), "states": states}


def export_omm(trace: Trace, out: str | PathLike[str]) -> dict[str, int]:
    """Write the elements that a trace ran with, in the form that the suffix names. Raises `BadInput` if it has none."""
    out = Path(out)
    form = FORMS.get(out.suffix.lower())
    if form is None:
        raise BadInput(f"--out {out}: its name must end in {', '.join(FORMS)}, which says the form")
    if not trace.header.elements:
        raise BadInput(f"{trace.folder}: holds no elements (orbits from an ephemeris, or an older trace); --to oem")
    try:
        elements = msgspec.convert(trace.header.elements, list[Elements])
    except msgspec.ValidationError as error:
        raise TraceError(f"{trace.folder}: header.json: elements that cannot be: {error}") from error
    return {"satellites": write_elements(out, elements, form).written}
