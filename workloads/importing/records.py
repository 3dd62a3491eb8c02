"""What importers hand back: tasks or measured loads with units in their names, and which rows were left out and why.

Missing is missing: a field that the source does not have is None, never 0. A bad row stops the import, unless it was
asked to skip such rows; then each is counted and listed with its line.
"""

from collections.abc import Sequence

import msgspec

from workloads.errors import WorkloadError

MOST_ID = 256  # characters
MOST_PRIORITY = 9
MOST_SKIPPED = 1_000_000  # each is kept with its reason, some 300 bytes
MOST_MEASURED = 1e12  # watts, amperes, volts: beyond any power station, and sums over a run stay finite
MOST_AT_S = 4e9  # 126 years: instants of orbits lie between 1957 and 2056


class MissionTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that was asked for: a datatake, a capture, a request, a batch job. `at_s` counts from the list's epoch.

    `scenes` makes it imaging (`duration_s` long), `prompt_tokens` and `output_tokens` a request to a language model,
    `ops` plain work. `station_names` are the planned ones, `node` who did it; larger `priority` is more urgent.
    """

    id: str
    at_s: float
    duration_s: float | None = None
    scenes: int | None = None
    mode: str | None = None
    timeliness: str | None = None
    station_names: tuple[str, ...] | None = None
    orbit_absolute: int | None = None
    orbit_relative: int | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    cloud_cover_ratio: float | None = None  # 0 to 1, as the source's own processing found
    raw_bytes: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    ops: float | None = None
    processors: int | None = None
    run_s: float | None = None  # that the source measured, on its own processors
    wait_s: float | None = None
    node: str | None = None
    priority: int | None = None
    deadline_s: float | None = None  # after `at_s`

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message)."""
        named = self.id.strip() and self.id.isprintable() and len(self.id) <= MOST_ID
        found = [] if named else [("id", f"is {self.id[:60]!r}; 1 to {MOST_ID} characters that can be printed")]
        if self.priority is not None and not 0 <= self.priority <= MOST_PRIORITY:
            found.append(("priority", f"is {self.priority}; 0 to {MOST_PRIORITY}, larger is more urgent"))
        texts = [(name, getattr(self, name)) for name in ("mode", "timeliness", "node")]
        texts += [("station_names", station) for station in self.station_names or ()]
        for name, text in texts:
            if text is not None and not (text.isprintable() and len(text) <= MOST_ID):
                found.append((name, f"is {text[:60]!r}; at most {MOST_ID} characters that can be printed"))
        for name in ("at_s", "duration_s", "ops", "run_s", "wait_s", "deadline_s"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < float("inf"):
                found.append((name, f"is {value}; finite, and 0 or more"))
        if self.at_s > MOST_AT_S:
            found.append(("at_s", f"is {self.at_s}; at most {MOST_AT_S:g} s after the epoch"))
        for name in ("scenes", "raw_bytes", "prompt_tokens", "output_tokens", "processors"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1 << 53:
                found.append((name, f"is {value}; a whole number from 0 to 2^53"))
        for name, most in (("latitude_deg", 90.0), ("longitude_deg", 180.0)):
            value = getattr(self, name)
            if value is not None and not -most <= value <= most:
                found.append((name, f"is {value}; -{most:g} to {most:g} degrees"))
        if self.cloud_cover_ratio is not None and not 0.0 <= self.cloud_cover_ratio <= 1.0:
            found.append(("cloud_cover_ratio", f"is {self.cloud_cover_ratio}; 0 to 1"))
        return found


class LoadSample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One sample of telemetry, `at_s` after the epoch. `power_w` is measured, or volts times amperes."""

    at_s: float
    power_w: float | None = None
    current_a: float | None = None
    voltage_v: float | None = None
    temperature_k: float | None = None
    mode: str | None = None

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message)."""
        found = []
        for name in ("at_s", "power_w", "current_a", "voltage_v", "temperature_k"):
            value = getattr(self, name)
            if value is not None and not abs(value) <= MOST_MEASURED:
                found.append((name, f"is {value}; a finite number, within {MOST_MEASURED:g} of 0"))
        if abs(self.at_s) > MOST_AT_S:
            found.append(("at_s", f"is {self.at_s}; at most {MOST_AT_S:g} s from the epoch"))
        if self.mode is not None and not (self.mode.isprintable() and len(self.mode) <= MOST_ID):
            found.append(("mode", f"is {self.mode[:60]!r}; at most {MOST_ID} characters that can be printed"))
        if self.temperature_k is not None and self.temperature_k < 0.0:
            found.append(("temperature_k", f"is {self.temperature_k}; absolute zero is 0 K"))
        return found


Record = MissionTask | LoadSample


class BadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was left out: its line in the source, from 1, and why."""

    line: int
    reason: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What a source held, in order of time. `epoch` is in `scale`, None where the source has relative times only."""

    form: str  # "sentinel-plan", "stac", "azure-llm", "swf", "columns"
    epoch: str | None
    records: Sequence[Record]
    read: int  # rows, datatakes, items: good and bad
    skipped: tuple[BadRow, ...] = ()
    attribution: str = ""
    notes: tuple[str, ...] = ()
    scale: str = "UTC"  # "GPS", "TAI", "TT" until the leap seconds are taken in (`emulator/converting.py`)


class Rows:
    """Counts the rows of one source, and deals with the bad ones; `source` is what messages call it."""

    def __init__(self, source: str, skip_bad: bool) -> None:
        self.source, self.skip_bad = source, skip_bad
        self.read = 0
        self.skipped: list[BadRow] = []
        self._ids: dict[str, int] = {}
        self._last: float | None = None

    def bad(self, line: int, reason: str) -> None:
        """Leave a row out if that was asked for; else raise WorkloadError with its line."""
        if not self.skip_bad:
            raise WorkloadError(f"{self.source}:{line}: {reason}; mend it, or leave bad rows out with --skip-bad")
        if len(self.skipped) >= MOST_SKIPPED:
            raise WorkloadError(f"{self.source}:{line}: more than {MOST_SKIPPED} bad rows; it is of another format")
        self.skipped.append(BadRow(line=line, reason=reason))

    def check(self, line: int, record: Record, rising: bool) -> bool:
        """Whether a record is good: its values, its id, and with `rising` its place in time. Raises as `bad`."""
        reason = ""
        if rising and self._last is not None and record.at_s < self._last:
            reason = f"time goes backwards, by {self._last - record.at_s:.6g} s"
        reason = reason or "; ".join(f"{field} {message}" for field, message in record.problems())
        name = record.id if isinstance(record, MissionTask) else None
        if not reason and name is not None and name in self._ids:
            reason = f"id {name[:80]!r} was there before, on line {self._ids[name]}"
        if reason:
            self.bad(line, reason)
            return False
        if name is not None:
            self._ids[name] = line
        self._last = record.at_s
        return True
