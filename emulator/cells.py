"""How a figure stands in a table's cell: by the unit in its name, as `run` prints it; `--json` has it in full."""

from emulator.console import percent, scaled, seconds

MOST_CHARACTERS = 48
_UNITS = {"bytes": "B", "bits": "bit", "ops": "op", "j": "J", "w": "W", "m": "m"}  # by the end of a name
_SHARES = ("ratio", "utilisation", "duty_cycle", "share")
_PLAIN = ("seed", "schema")  # names of a kind, though they are numbers


def cell(field: str, value: object) -> str:
    """A value for a person. `field` is its dotted name, such as `response_s.p50`: the last part with a unit counts.

    Elements of orbits have every digit: numbers of objects are names, and a last digit of an angle is metres.
    """
    if value is None:
        return "-"
    if field.startswith("elements[") or isinstance(value, bool) or not isinstance(value, int | float):
        return _cut(str(value))
    for part in reversed(field.split(".")):
        told = _by_unit(part.partition("[")[0], value)
        if told:
            return told
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def cells(field: str, left: object, right: object) -> tuple[str, str]:
    """Two values that differ, side by side: where they would look alike, with the digits that tell them apart."""
    told = cell(field, left), cell(field, right)
    if told[0] != told[1] or left == right:
        return told
    if field.startswith("elements[") or not isinstance(left, int | float) or not isinstance(right, int | float):
        return _cut(str(left)), _cut(str(right))
    unit = next((unit for part in reversed(field.split(".")) if (unit := _base_unit(part.partition("[")[0]))), "")
    if isinstance(left, int) and isinstance(right, int):
        return f"{left:,}{unit}", f"{right:,}{unit}"
    for digits in range(6, 18):  # 17 tell any two floats apart
        apart = (f"{left:,.{digits}g}", f"{right:,.{digits}g}")
        if apart[0] != apart[1]:
            return apart[0] + unit, apart[1] + unit
    return str(left), str(right)  # a whole number beyond 2^53 and a float


def instant(at_s: float) -> str:
    """An instant after the epoch: `1,234.567 s`."""
    return f"{at_s:,.3f} s"


def _by_unit(name: str, value: float) -> str:
    """A number in its unit; empty where the name has none."""
    if name in _PLAIN:
        return str(value)
    if name.endswith("_per_s"):
        kind = name.removesuffix("_per_s").rpartition("_")[2]
        return scaled(value, f"{_UNITS[kind]}/s") if kind in _UNITS else ""
    if name.startswith("joules_per_"):
        return scaled(value, "J") if value == 0 or abs(value) >= 1.0 else f"{1e3 * value:.3g} mJ"
    if name.endswith(_SHARES):
        return percent(value)
    end = name.rpartition("_")[2]
    if end == "s" and name != "s":
        return "0 s" if value == 0 else f"-{seconds(-value)}" if value < 0 else seconds(value)
    return scaled(value, _UNITS[end]) if end in _UNITS else ""


def _base_unit(name: str) -> str:
    """The unit that a name ends with, a blank before it; empty where it has none, or is a rate or a price."""
    end = name.rpartition("_")[2]
    if name in _PLAIN or "_per_" in name:
        return ""
    return f" {_UNITS[end]}" if end in _UNITS else " s" if end == "s" else ""


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "\u2026"
