"""Writes orbital elements as TLE or as OMM in CSV, JSON or XML; what a form cannot hold is skipped, never bent.

OMM keeps every bit: numbers are written so that they read back the same. A TLE rounds to its columns: elements that
came from one are unchanged; others move by metres (angles by up to 5e-5 deg, 6 m at 500 km, the epoch by up to 432 us,
3 m). A revolution number nobody stated is 0, an element set number 999, as catalogues write them: SGP4 uses neither.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from math import floor, log10
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape

import msgspec
from sgp4.alpha5 import to_alpha5

from nodes.elements import LAST_ALPHA5, Elements
from nodes.epoch import DAY_S, MJD_ORDINAL, utc_day_and_seconds
from nodes.errors import ElementsError
from nodes.tle import checksum, read_tle
from workloads.importing.records import BadRow
from workloads.whole_file import whole

Form = Literal["tle", "csv", "json", "xml"]

_DESIGNATOR = re.compile(r"(?:19[5-9]\d|20[0-5]\d)-\d{3}[A-Z]{1,3}", re.ASCII)
EXACT = (
    "mean_motion_rev_per_day", "eccentricity", "inclination_deg", "raan_deg", "arg_of_perigee_deg", "mean_anomaly_deg",
    "bstar",
)  # fmt: skip


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """How many satellites were written, which were left out (by their place in the list, from 1), and notes."""

    written: int
    skipped: tuple[BadRow, ...] = ()
    notes: tuple[str, ...] = ()


def write_elements(path: Path | str, elements: Sequence[Elements], form: Form, *, skip_bad: bool = False) -> Written:
    """Write satellites in a form, the file whole or not at all.

    Raises ElementsError for a satellite the form cannot hold (with `skip_bad` it is left out and listed), and where
    none is left.
    """
    text, report = elements_text(elements, form, skip_bad=skip_bad)
    with whole(Path(path)) as partial:
        partial.write_text(text, encoding="utf-8", newline="")
    return report


def elements_text(elements: Sequence[Elements], form: Form, *, skip_bad: bool = False) -> tuple[str, Written]:
    """The text of `write_elements` and its report."""
    skipped: list[BadRow] = []
    kept: list[Elements] = []
    seen: set[int] = set()
    rounded = 0
    for place, each in enumerate(elements, 1):
        reason = _reason(each, form, seen)
        if reason and not skip_bad:
            raise ElementsError(f"{each.name[:80]!r}: {reason}")
        if reason:
            skipped.append(BadRow(line=place, reason=f"{each.name[:80]!r}: {reason}"))
            continue
        seen.add(each.norad_cat_id)
        kept.append(each)
        rounded += form == "tle" and _moved(each)
    if not kept:
        raise ElementsError("there is no satellite to write")
    notes = []
    if rounded:
        notes.append(f"{rounded} of {len(kept)} satellites were rounded to a TLE's digits, by metres; OMM keeps them")
    if any(each.plane is not None or each.slot is not None for each in kept):
        notes.append("plane and slot have no place in the form and were left out")
    make: dict[str, Callable[[Sequence[Elements]], str]] = {"tle": _tle, "csv": _csv, "json": _json, "xml": _xml}
    return make[form](kept), Written(written=len(kept), skipped=tuple(skipped), notes=tuple(notes))


def _reason(each: Elements, form: Form, seen: set[int]) -> str:
    """Why a form cannot hold a satellite; empty if it can."""
    problems = [f"{name} {text}" for name, text in each.problems()]
    if problems:
        return "; ".join(problems)
    if not each.name.isprintable() or each.name != each.name.strip() or not each.object_id.isprintable():
        return "the name or object_id holds what no line can, or blanks at an end"
    if each.gravity != "wgs72":
        return f"gravity is {each.gravity}, and whoever reads the file takes wgs72"
    if each.norad_cat_id in seen and (each.norad_cat_id or form == "tle"):
        return f"norad_cat_id {each.norad_cat_id} is that of another satellite; give each its own"
    if form != "tle":
        return ""
    if each.norad_cat_id > LAST_ALPHA5:
        return f"norad_cat_id {each.norad_cat_id} is more than the {LAST_ALPHA5} of five characters; write OMM"
    if each.object_id and not _DESIGNATOR.fullmatch(each.object_id):
        return f"object_id {each.object_id[:40]!r} is no international designator such as 2025-100A; write OMM"
    if utc_day_and_seconds(each.epoch)[1] >= DAY_S:
        return f"epoch {each.epoch} lies in a leap second, which the form cannot say; write OMM"
    for field, most in (("bstar", 0.999995e9), ("mean_motion_ddot", 0.999995e9), ("mean_motion_dot", 0.999999994)):
        if abs(getattr(each, field)) >= most:
            return f"{field} {getattr(each, field)} has no place in the columns; write OMM"
    return ""


def _moved(each: Elements) -> bool:
    (back,) = read_tle(_tle([each]), each.name)
    return back.epoch != _epoch(each) + "Z" or any(getattr(back, name) != getattr(each, name) for name in EXACT)


def _tle(elements: Sequence[Elements]) -> str:
    return "".join(f"{line}\n" for each in elements for line in _lines(each))


def _lines(each: Elements) -> tuple[str, str, str]:
    number = to_alpha5(each.norad_cat_id)
    mjd, seconds = utc_day_and_seconds(each.epoch)
    days, steps = divmod(round(seconds / DAY_S * 1e8), 100_000_000)
    day = date.fromordinal(mjd + days + MJD_ORDINAL)
    designator = each.object_id[2:4] + each.object_id[5:]
    epoch = f"{day.year % 100:02d}{(day - date(day.year, 1, 1)) // timedelta(days=1) + 1:03d}.{steps:08d}"
    first = (
        f"1 {number}U {designator:<8} {epoch} {_fraction(each.mean_motion_dot)} "
        f"{_with_exponent(each.mean_motion_ddot)} {_with_exponent(each.bstar)} 0  999"
    )
    angles = [_angle(a) for a in (each.raan_deg, each.arg_of_perigee_deg, each.mean_anomaly_deg)]
    eccentricity = min(round(each.eccentricity * 1e7), 9_999_999)
    second = (
        f"2 {number} {each.inclination_deg:8.4f} {angles[0]} {eccentricity:07d} {angles[1]} {angles[2]} "
        f"{each.mean_motion_rev_per_day:11.8f}    0"
    )
    name = f"0 {each.name}" if each.name.startswith(("0 ", "1 ", "2 ", "#")) else each.name
    return name, f"{first}{checksum(first + ' ')}", f"{second}{checksum(second + ' ')}"


def _angle(angle_deg: float) -> str:
    return f"{round(angle_deg % 360.0, 4) % 360.0:8.4f}"


def _fraction(value: float) -> str:
    return f"{'-' if value < 0.0 else ' '}{f'{abs(value):.8f}'[1:]}"


def _with_exponent(value: float) -> str:
    """0.12345e-6 as ` 12345-6`."""
    if value == 0.0:
        return " 00000+0"
    exponent = floor(log10(abs(value))) + 1
    digits = round(abs(value) / 10.0 ** (exponent - 5))
    if digits >= 100_000:  # rounding carried
        digits, exponent = 10_000, exponent + 1
    if exponent < -9:  # too small for the columns but as a fraction of 1e-9
        digits, exponent = round(abs(value) * 1e14), -9
    return f"{'-' if value < 0.0 else ' '}{digits:05d}{'-' if exponent < 0 else '+'}{abs(exponent)}"


def _epoch(each: Elements) -> str:
    """The epoch as CCSDS and SGP4's readers want it: with a T, seconds, microseconds and no zone."""
    text = each.epoch.strip().replace(" ", "T").removesuffix("Z").removesuffix("+00:00")
    text += ":00" if text.count(":") == 1 else ""
    whole, _, digits = text.partition(".")
    return f"{whole}.{digits.ljust(6, '0')}"


def _fields(each: Elements) -> dict[str, str | float | int]:
    """In the order of catalogues; names from CCSDS 502.0-B-3, tables 4-2 and 4-3."""
    return {
        "OBJECT_NAME": each.name,
        "OBJECT_ID": each.object_id,
        "EPOCH": _epoch(each),
        "MEAN_MOTION": each.mean_motion_rev_per_day,
        "ECCENTRICITY": each.eccentricity,
        "INCLINATION": each.inclination_deg,
        "RA_OF_ASC_NODE": each.raan_deg,
        "ARG_OF_PERICENTER": each.arg_of_perigee_deg,
        "MEAN_ANOMALY": each.mean_anomaly_deg,
        "EPHEMERIS_TYPE": 0,
        "CLASSIFICATION_TYPE": "U",
        "NORAD_CAT_ID": each.norad_cat_id,
        "ELEMENT_SET_NO": 999,
        "REV_AT_EPOCH": 0,
        "BSTAR": each.bstar,
        "MEAN_MOTION_DOT": each.mean_motion_dot,
        "MEAN_MOTION_DDOT": each.mean_motion_ddot,
    }


def _csv(elements: Sequence[Elements]) -> str:
    rows = [_fields(each) for each in elements]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _json(elements: Sequence[Elements]) -> str:
    return msgspec.json.format(msgspec.json.encode([_fields(each) for each in elements]), indent=1).decode() + "\n"


_METADATA = {"CENTER_NAME": "EARTH", "REF_FRAME": "TEME", "TIME_SYSTEM": "UTC", "MEAN_ELEMENT_THEORY": "SGP4"}


def _xml(elements: Sequence[Elements]) -> str:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<ndm>"]
    for each in elements:
        fields = [(name, escape(str(value))) for name, value in _fields(each).items()]
        leaves = [f"<{name}>{value}</{name}>" for name, value in fields]
        lines += [
            '<omm id="CCSDS_OMM_VERS" version="2.0">',
            f"<header><CREATION_DATE>{_epoch(each)}</CREATION_DATE><ORIGINATOR>ORBITMESH</ORIGINATOR></header>",
            "<body><segment>",
            f"<metadata>{''.join(leaves[:2])}",
            "".join(f"<{name}>{value}</{name}>" for name, value in _METADATA.items()) + "</metadata>",
            f"<data><meanElements>{''.join(leaves[2:9])}</meanElements>",
            f"<tleParameters>{''.join(leaves[9:])}</tleParameters></data>",
            "</segment></body></omm>",
        ]
    return "\n".join([*lines, "</ndm>"]) + "\n"
