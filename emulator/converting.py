"""Turns what a mission left behind into our own files: which format a source is in, read, checked, written, counted.

The format is told by content and suffix, or said with `--from`. Nothing is written unless all could be read, and never
over a file that is there.
"""

import hashlib
from math import fsum
from pathlib import Path
from typing import Any

import msgspec

from emulator.converting_orbits import ELEMENTS, EPHEMERIDES, Span, convert_orbits, figures, holds_orbits
from emulator.errors import BadInput, ScenarioError
from emulator.folders import there
from emulator.layers import Layer, parsed
from nodes.ephemerides import digest as listing_digest
from nodes.ephemerides.times import ccsds_instant, utc_text
from nodes.epoch import Epoch
from nodes.errors import NodeError
from workloads.errors import WorkloadError
from workloads.importing.columns import ColumnMap, csv_records
from workloads.importing.guarded_xml import text_of
from workloads.importing.instants import NS, iso_utc, utc_ns
from workloads.importing.records import BadRow, Imported, LoadSample, MissionTask
from workloads.importing.request_log import azure_log, burstiness, is_azure
from workloads.importing.sentinel_plan import plan_figures, read_plan
from workloads.importing.source_file import read_bytes, read_text
from workloads.importing.stac import stac_items
from workloads.importing.swf import swf_jobs
from workloads.importing.task_file import read_records, write_records
from workloads.importing.telemetry import Load

ORBITS = "orbits"
FORMS = ("sentinel-plan", "stac", "azure-llm", "swf", "columns", "tasks", ORBITS)
TARGETS = (".jsonl", ".csv")
MOST_MAP_BYTES = 1 << 20
LEAP_S = 0.5  # half a leap second: what spans one differs from its days of 86,400 s by a whole one


class Conversion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wanted: from which source to which file, and how. `form` is empty where the source tells itself."""

    source: str
    target: str
    form: str = ""
    columns: str = ""  # the TOML of a column map
    encoding: str = "utf-8"
    ops_per_s: float | None = None
    skip_bad: bool = False
    to: str = ""  # of orbits: the form, where the target's name does not tell
    span: Span = Span()

    def problems(self) -> list[tuple[str, str]]:
        """Every option that cannot be."""
        found = []
        if self.form and self.form not in FORMS:
            found.append(("--from", f"is {self.form[:40]!r}; one of {', '.join(FORMS)}"))
        if self.to and self.to not in (*ELEMENTS, *EPHEMERIDES):
            found.append(("--to", f"is {self.to[:40]!r}; one of {', '.join((*ELEMENTS, *EPHEMERIDES))}"))
        if self.columns and self.form not in ("", "columns"):
            found.append(("--columns", f"goes with --from columns, not with {self.form}"))
        if self.ops_per_s is not None and not 0.0 < self.ops_per_s < float("inf"):
            found.append(("--ops-per-s", f"is {self.ops_per_s}; a finite number of operations a second, above 0"))
        return found


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, written and left out. `figures` are what the records add up to, by the kind of source."""

    source: str
    form: str
    epoch: str | None
    out: str
    read: int
    written: int
    skipped: tuple[BadRow, ...]
    source_sha256: str
    figures: dict[str, Any]
    attribution: str
    notes: tuple[str, ...]


def convert(wanted: Conversion) -> Converted:
    """Convert one file. Raises `BadInput` or `WorkloadError`, OSError for a full disk; then there is no new file."""
    problems = wanted.problems()
    if problems:
        raise BadInput("\n".join(f"{option} {message}" for option, message in problems))
    source, target = Path(wanted.source), Path(wanted.target)
    if there(target, "OUT"):
        raise BadInput(f"OUT {wanted.target[:200]}: is there already; take another name, or remove it first")
    if not target.parent.is_dir():
        raise BadInput(f"OUT {wanted.target[:200]}: its folder is not there; make it first")
    data = b"" if source.is_dir() else read_bytes(source)
    digest = hashlib.sha256(data).hexdigest() if data else listing_digest(source)
    start = _start(data)
    if wanted.form == ORBITS or (not wanted.form and not wanted.columns and holds_orbits(source, start)):
        return _orbits(wanted, digest)
    if target.suffix.lower() not in TARGETS or wanted.to:
        said = f"OUT is {wanted.target[:200]!r}; of tasks and loads its name ends in one of {', '.join(TARGETS)}"
        raise BadInput(said if not wanted.to else "--to is for orbits; what tasks become is told by OUT's name")
    if wanted.span != Span():
        raise BadInput("--start, --stop and --step are for orbits; tasks and loads have their own times")
    imported = _read(source, wanted)
    if wanted.ops_per_s is not None and imported.form != "swf":
        raise BadInput(f"--ops-per-s is of a batch log's machine (swf), and this is {imported.form}")
    imported = _in_utc(imported, source)
    try:
        write_records(target, imported, source.name, digest)
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        raise BadInput(f"OUT {wanted.target[:200]}: cannot be written: {error.strerror}") from error
    return Converted(
        source=wanted.source,
        form=imported.form,
        epoch=imported.epoch,
        out=wanted.target,
        read=imported.read,
        written=len(imported.records),
        skipped=imported.skipped,
        source_sha256=digest,
        figures=_figures(imported),
        attribution=imported.attribution,
        notes=imported.notes,
    )


def _orbits(wanted: Conversion, digest: str) -> Converted:
    try:
        report = convert_orbits(
            Path(wanted.source), Path(wanted.target), wanted.to, wanted.span, skip_bad=wanted.skip_bad
        )
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        raise BadInput(f"OUT {wanted.target[:200]}: cannot be written: {error.strerror}") from error
    return Converted(
        source=wanted.source,
        form=report.form,
        epoch=None,
        out=wanted.target,
        read=report.read,
        written=report.written,
        skipped=report.skipped,
        source_sha256=digest,
        figures=figures(report),
        attribution="",
        notes=report.notes,
    )


def _start(data: bytes) -> str:
    try:
        return text_of(data[:4096], "replace").lstrip("\ufeff \t\r\n")
    except LookupError:  # its own reader names it
        return data[:4096].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")


def form_of(path: Path, text: str) -> str:
    """The format of a source by its content, then its suffix; empty if neither tells."""
    start, suffix = text[:4096].lstrip("\ufeff \t\r\n"), path.suffix.lower()
    if start.startswith('{"schema":"orbitmesh-'):
        return "tasks"
    if suffix == ".kml" or (start.startswith("<") and "<kml" in start):
        return "sentinel-plan"
    if suffix in (".geojson", ".json", ".ndjson") or start.startswith("{"):
        return "stac"
    if suffix == ".swf" or (start.startswith(";") and "Version:" in start):
        return "swf"
    return "azure-llm" if is_azure(start) else ""


def _read(source: Path, wanted: Conversion) -> Imported:
    form = wanted.form or ("columns" if wanted.columns else "")
    if form == "sentinel-plan" or (not form and source.suffix.lower() == ".kml"):
        return read_plan(source, skip_bad=wanted.skip_bad)  # XML says its encoding itself
    if form == "tasks":
        return read_records(source)
    text, name, skip_bad = read_text(source, wanted.encoding), source.name[:200], wanted.skip_bad
    form = form or form_of(source, text)
    if form == "sentinel-plan":
        return read_plan(source, skip_bad=skip_bad)
    if form == "tasks":
        return read_records(source)
    if form == "stac":
        return stac_items(text, name, skip_bad=skip_bad)
    if form == "swf":
        return swf_jobs(text, name, skip_bad=skip_bad, ops_per_s=wanted.ops_per_s)
    if form == "azure-llm":
        return azure_log(text, name, skip_bad=skip_bad)
    if not wanted.columns:
        said = f"{name}: is in no format that tells itself; say --from {{{','.join(FORMS)}}}"
        raise BadInput(f"{said}, or what its columns are with --columns MAP.toml")
    return csv_records(text, name, column_map(Path(wanted.columns)), skip_bad=skip_bad)


def column_map(path: Path) -> ColumnMap:
    """The map that a TOML file holds. Raises `BadInput` naming the field."""
    try:
        layer = Layer(path.name[:200], read_text(path, most_bytes=MOST_MAP_BYTES))
        using = msgspec.convert(parsed(layer), ColumnMap)
    except ScenarioError as error:
        raise BadInput(f"--columns {error}; docs/formats-workloads.md shows one") from error
    except msgspec.ValidationError as error:
        raise BadInput(f"--columns {path.name[:200]}: {error}; docs/formats-workloads.md shows one") from error
    except WorkloadError as error:
        raise BadInput(f"--columns {error}") from error
    problems = using.problems()
    if problems:
        raise BadInput("\n".join(f"--columns {path.name[:200]}: {field} {message}" for field, message in problems))
    return using


def _in_utc(imported: Imported, source: Path) -> Imported:
    """The same with its epoch in UTC. Raises `BadInput` as `_refuse_leap`."""
    if imported.scale == "UTC" or imported.epoch is None:
        _refuse_leap(imported, source)
        return imported
    try:
        zero = utc_text(ccsds_instant(imported.epoch, imported.scale))
    except NodeError as error:
        raise BadInput(f"{source.name[:200]}: its first instant: {error}; is the zero of its times right?") from error
    epoch, note = zero.rstrip("0").rstrip(".") + "Z", f"{imported.scale} became UTC by the table of leap seconds"
    return msgspec.structs.replace(imported, scale="UTC", epoch=epoch, notes=(*imported.notes, note))


def _refuse_leap(imported: Imported, source: Path) -> None:
    """Raise `BadInput` where days of 86,400 s are not what elapsed, or the epoch is none that orbits can have."""
    if imported.epoch is None or not imported.records:
        return
    try:
        epoch = Epoch(imported.epoch)
        last_s = max(record.at_s for record in imported.records)
        elapsed_s = epoch.seconds(_later(imported.epoch, last_s))
    except NodeError as error:
        raise BadInput(f"{source.name[:200]}: its instant {error}; is the zero of its times right?") from error
    if abs(elapsed_s - last_s) > LEAP_S:
        text = f"a leap second lies between {imported.epoch} and its last row"
        if imported.records[0].at_s == 0.0:
            raise BadInput(f"{source.name[:200]}: {text}; split it there")
        counted = "and nothing says whether the numbers count it; name their time.scale, such as GPS, in the map, or"
        raise BadInput(f"{source.name[:200]}: {text}, {counted} count from an epoch after it: 2017-01-01T00:00:00Z")


def _later(epoch: str, after_s: float) -> str:
    return iso_utc(utc_ns(epoch)[0] + round(after_s * NS))


def _figures(imported: Imported) -> dict[str, Any]:
    """What the records add up to."""
    loads = [record for record in imported.records if isinstance(record, LoadSample)]
    tasks = [record for record in imported.records if isinstance(record, MissionTask)]
    if loads:
        return dict(msgspec.to_builtins(Load(loads).figures()))
    figures: dict[str, Any] = {"tasks": len(tasks)}
    if imported.form == "sentinel-plan":
        figures |= msgspec.to_builtins(plan_figures(tasks))
    figures["span_s"] = figures.get("span_s", max(task.at_s for task in tasks) - min(task.at_s for task in tasks))
    for name in ("prompt_tokens", "output_tokens", "raw_bytes", "ops"):
        known = [getattr(task, name) for task in tasks if getattr(task, name) is not None]
        if known:
            figures[name] = fsum(known) if name == "ops" else sum(known)
    if imported.form == "azure-llm" and len(tasks) > 2 and figures["span_s"] > 0.0:
        figures["interarrival_cv"] = burstiness(tasks)
    return figures
