"""Schedulers of a user's own that are not there, raise, loop, exit, print or yield garbage."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator import watchdog

MODULE = """
import sys
from emulator.decisions import Assign, Drop, WakeAt

def raises(view):
    raise RuntimeError("out of fuel")

def divides(view):
    for task in view.waiting:
        yield Assign(task.id, task.at)
        1 / 0

def leaves(view):
    sys.exit(0)

def number(view):
    return 5

def endless(view):
    while True:
        yield Drop(view.waiting[0].id, "no")

def loops(view):
    while True:
        try:
            pass
        except Exception:
            pass

def stubborn(view):
    while True:
        try:
            while True:
                pass
        except Exception:
            continue

def circles(view):
    yield WakeAt(view.now_s + 1e-9)

def garbage(view):
    yield 5
    yield None
    yield "Assign"
    yield Assign("nobody", "SCS-01 A")
    yield Assign(view.waiting[0].id, "nobody")
    yield Assign([], {})
    yield WakeAt(float("nan"))
    yield WakeAt("soon")

def prints(view):
    print("thinking aloud")
    return [Assign(task.id, task.at) for task in view.waiting]

class Needs:
    def __init__(self, fuel):
        pass

class Leaves:
    def __init__(self):
        sys.exit(3)

class Loops:
    def __init__(self):
        while True:
            pass

class Nothing:
    pass

wrong = 5
"""


@pytest.fixture
def mine(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("name", "parts"),
    {
        "onbord": ("no scheduler 'onbord'; did you mean onboard? Shipped: bent-pipe, onboard",),
        "": ("no scheduler ''. Shipped: ",),
        "gone:X": ("scheduler gone:X: module 'gone': ModuleNotFoundError",),
        ":X": ("module ''",),
        "mine:gone": ("scheduler mine:gone: module mine has no 'gone'; it has ", "raises"),
        "mine:wrong": ("scheduler mine:wrong is a int: neither a function of the view nor has it decide(view)",),
        "mine:Nothing": ("scheduler mine:Nothing is a Nothing: neither a function",),
        "mine:Needs": ("scheduler mine:Needs cannot be made: TypeError: ", "fuel"),
        "mine:Leaves": ("scheduler mine:Leaves cannot be made: SystemExit: 3",),
        "mine:raises": ("scheduler raises raised RuntimeError: out of fuel (mine.py, line 6; at ", "'captured'"),
        "mine:divides": ("raised ZeroDivisionError: division by zero (mine.py, line 11",),
        "mine:leaves": ("raised SystemExit: 0 (mine.py, line 14",),
        "mine:number": ("raised TypeError: 'int' object is not iterable",),
        "mine:endless": ("scheduler endless yielded more than ", "it loops"),
        "mine:circles": ("scheduler circles woke itself more than ", "it loops"),
    }.items(),
)
def test_a_scheduler_that_cannot_be(name: str, parts: tuple[str, ...], refused: Callable[..., str], quick: str) -> None:
    said = refused("run", quick, "--policy", name, "--out", "kept", "--json")
    for part in parts:
        assert part in said


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("name", ["mine:loops", "mine:stubborn", "mine:Loops"])
def test_a_scheduler_that_never_answers(
    name: str, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, quick: str
) -> None:
    monkeypatch.setattr(watchdog, "TICK_S", 0.1)
    monkeypatch.setattr(watchdog, "LIMIT_S", 0.3)
    said = refused("run", quick, "--policy", name, "--out", "kept")
    assert f"scheduler {name} has not answered for 0.3 s of wall time" in said


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1 +", "SyntaxError"),
        ("raise RuntimeError('no')", "RuntimeError: no"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("\0", "module 'broken': "),
    ],
)
def test_a_module_that_cannot_be_imported(
    text: str, part: str, refused: Callable[..., str], tmp_path: Path, quick: str
) -> None:
    (tmp_path / "broken.py").write_text(text)
    said = refused("run", quick, "--policy", "broken:X")
    assert "scheduler broken:X: module 'broken'" in said
    assert part in said


@pytest.mark.usefixtures("mine")
def test_a_bad_scheduler_is_refused_before_compare_makes_anything(refused: Callable[..., str], quick: str) -> None:
    said = refused("compare", quick, "--policies", "mesh,mine:gone")
    assert "--policies mesh,mine:gone: scheduler mine:gone" in said
    assert "out of fuel" in refused("compare", quick, "--policies", "onboard,mine:raises")


def test_a_bad_scheduler_of_the_scenario_is_named_with_its_line(
    refused: Callable[..., str], scenario: Callable[..., str]
) -> None:
    said = refused("compare", scenario('policies = ["mesh", "onbord"]\n'))
    assert "mine.toml:4: policies[2]: no scheduler 'onbord'; did you mean onboard?" in said


@pytest.mark.usefixtures("mine")
def test_garbage_comes_back_as_rejections_and_the_run_goes_on(orbitmesh: Callable[..., object], quick: str) -> None:
    done = orbitmesh("run", quick, "--policy", "mine:garbage", "--out", "kept", "--json")
    document = done.document
    assert done.code == 0
    assert set(document["rejected"]) == {"bad_decision", "unknown_task", "unknown_node", "in_the_past"}
    assert document["tasks"]["pending"] == document["tasks"]["captured"] > 0
    replayed = orbitmesh("replay", "kept", "--policy", "mine:garbage", "--json")
    assert replayed.document["digest"] == document["digest"]


@pytest.mark.usefixtures("mine")
def test_what_a_scheduler_prints_does_not_reach_standard_output(orbitmesh: Callable[..., object], quick: str) -> None:
    done = orbitmesh("run", quick, "--policy", "mine:prints", "--json")
    assert done.code == 0
    assert done.document["name"] == "mine:prints"
    assert "thinking aloud" in done.err


@pytest.mark.usefixtures("mine")
def test_a_trace_imports_nothing_by_itself(
    orbitmesh: Callable[..., object], refused: Callable[..., str], quick: str
) -> None:
    orbitmesh("run", quick, "--policy", "mine:prints", "--out", "kept")
    assert "nothing that a trace names is imported: give it yourself with --policy mine:prints" in refused(
        "replay", "kept"
    )
