"""Lines that are lost, told twice or out of place end in tables that agree with them, or in one of our errors."""

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.errors import TraceError
from emulator.events import Captured
from emulator.exporting.perfetto import export_perfetto
from emulator.orders import Run, Send
from emulator.tracing.tables import rows

CHANGES = st.lists(
    st.tuples(st.sampled_from(["lose", "repeat", "swap", "orders lost"]), st.integers(0, 10**6), st.integers(0, 10**6)),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def whole(stormy: Any) -> Any:
    return stormy()


def changed(lines: list[Any], changes: list[tuple[str, int, int]]) -> list[Any]:
    """The lines with some of them lost, repeated, swapped, or without their orders."""
    lines = list(lines)
    for how, a, b in changes:
        i, j = a % len(lines), b % len(lines)
        if how == "lose":
            del lines[i]
        elif how == "repeat":
            lines.insert(j, lines[i])
        elif how == "swap":
            lines[i], lines[j] = lines[j], lines[i]
        else:
            lines[i] = (lines[i][0], [])
    return lines


@settings(derandomize=True, deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_what_is_told_agrees_with_the_lines_or_is_refused(whole, held, tmp_path_factory, changes) -> None:
    lines = changed(whole.sim.lines, changes)
    trace = held(SimpleNamespace(core=whole.sim.core, lines=lines, digest=""))
    told: dict[str, list[Any]] = {}
    with suppress(TraceError):
        told = {table: rows(trace, table) for table in ("tasks", "hops", "runs", "facts")}
        export_perfetto(trace, tmp_path_factory.mktemp("fuzz") / "chrome.json")
    if not told:
        with pytest.raises(TraceError, match=r"line \d+ (speaks of|goes back in time)"):
            rows(trace, "tasks")
        return
    orders = [order for _, each in lines for order in each]
    assert len(told["facts"]) == len(lines)
    assert len(told["tasks"]) == sum(isinstance(event, Captured) for event, _ in lines)
    assert len(told["runs"]) == sum(isinstance(order, Run) for order in orders)
    assert len(told["hops"]) == sum(isinstance(order, Send) for order in orders)
