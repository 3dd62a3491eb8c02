"""The schedulers that ship do what their documentation says, and one's own is found by name or taken as it is."""

from collections import Counter

import pytest

from emulator.decisions import Assign
from emulator.errors import SchedulerError
from emulator.orders import Send
from emulator.schedulers import SHIPPED, load
from emulator.schedulers.spread import Random

PAIRS = ["AB", "AC", "BC"]


def shipped(name, uniform=lambda: 0.0):
    return load(name, uniform)


@pytest.fixture
def mesh_of_three(lab):
    return [lab.laser(a, b) for a, b in PAIRS] + [lab.radio(name, "G", 20.0) for name in "ABC"]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_scheduler_that_ships_ends_every_task(lab, mesh_of_three, name) -> None:
    tasks = [lab.task(f"{n:02d}", 0.375 * n, "ABC"[n % 3]) for n in range(12)]
    sim = lab.go(shipped(name), tasks, mesh_of_three)
    assert Counter(how for how, *_ in sim.fates().values()) == {"done": 12}
    assert sim.core.consultation.rejections == {}


def test_bent_pipe_sends_everything_down_raw_by_the_satellites_own_radio(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.radio("A", "H", 9.0), lab.radio("B")]
    sim = lab.go(shipped("bent-pipe"), [lab.task()], contacts)
    assert sim.sends() == [("A", "H", "t", "raw", 9.0)]
    assert sim.runs() == [("H", "t", 10.125)]


def test_onboard_infers_where_the_scene_was_taken_and_waits_for_its_own_radio(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.radio("A", "H", 9.0), lab.radio("B")]
    sim = lab.go(shipped("onboard"), [lab.task()], contacts)
    assert sim.runs() == [("A", "t", 0.0)]
    assert sim.sends() == [("A", "H", "t", "result", 9.0)]


def test_mesh_stays_where_nothing_is_won(lab, mesh_of_three) -> None:
    sim = lab.go(shipped("mesh"), [lab.task(name, at_s) for name, at_s in (("t", 0.0), ("u", 5.0))], mesh_of_three)
    assert [node for node, *_ in sim.runs()] == ["A", "A"]


def test_mesh_goes_where_transfer_and_queue_end_first(lab, mesh_of_three) -> None:
    tasks = [lab.task("t", work_s=9.0), lab.task("u", 0.25), lab.task("v", 0.5)]
    sim = lab.go(shipped("mesh"), tasks, mesh_of_three)
    # u: B and C would end it at once, so by name. v: the laser to B is taken for 0.75 s more, the one to C is free.
    assert sim.runs() == [("A", "t", 0.0), ("B", "u", 1.5), ("C", "v", 1.75)]


def test_mesh_sends_the_result_to_the_first_radio_down(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.radio("A", "G", 50.0), lab.radio("B", "H", 9.0)]
    sim = lab.go(shipped("mesh"), [lab.task()], contacts)
    assert [(s.node, s.to) for s in sim.orders(Send)] == [("A", "B"), ("B", "H")]


def test_least_loaded_goes_where_least_waits(lab, mesh_of_three) -> None:
    tasks = [lab.task("t", 0.0), lab.task("u", 0.25, work_s=5.0), lab.task("v", 3.0, node="B")]
    sim = lab.go(shipped("least-loaded"), tasks, mesh_of_three)
    # t: all idle, it stays. u: A works, B by name. v at 3 s: B has u, A and C are idle: A by name.
    assert sim.runs() == [("A", "t", 0.0), ("B", "u", 1.5), ("A", "v", 4.25)]


def test_round_robin_goes_round(lab, mesh_of_three) -> None:
    tasks = [lab.task(str(n), 0.25 + 5.0 * n) for n in range(6)]
    sim = lab.go(shipped("round-robin"), tasks, mesh_of_three)
    assert [node for node, *_ in sim.runs()] == list("ABCABC")


def test_spreading_leaves_out_what_no_open_contact_leads_to(lab) -> None:
    sim = lab.go(shipped("round-robin"), [lab.task(str(n), 5.0 * n) for n in range(4)], [lab.laser("A", "C")])
    assert [node for node, *_ in sim.runs()] == list("ACAC")


def test_random_draws_from_the_numbers_it_is_given_and_from_nothing_else(lab, mesh_of_three) -> None:
    drawn = iter([0.0, 0.34, 0.999, 0.5])
    sim = lab.go(Random(lambda: next(drawn)), [lab.task(str(n), 5.0 * n) for n in range(4)], mesh_of_three)
    assert [node for node, *_ in sim.runs()] == list("ABCB")


@pytest.mark.parametrize("name", SHIPPED)
def test_two_runs_of_one_scheduler_share_nothing(lab, mesh_of_three, name) -> None:
    tasks = [lab.task(f"{n:02d}", 0.375 * n, "ABC"[n % 3]) for n in range(10)]
    assert lab.go(shipped(name), tasks, mesh_of_three).digest == lab.go(shipped(name), tasks, mesh_of_three).digest


class Here:
    def decide(self, view):
        for task in view.waiting:
            yield Assign(task.id, task.at)


def here(view):
    return [Assign(task.id, task.at) for task in view.waiting]


def nothing(view):
    return None


@pytest.mark.parametrize(
    "scheduler", [Here(), Here().decide, here, lambda view: (Assign(t.id, t.at) for t in view.waiting)]
)
def test_a_class_a_method_a_function_and_a_lambda_will_do(lab, scheduler) -> None:
    assert lab.go(scheduler, [lab.task()], [lab.radio("A")]).fate() == ("done", "clear", 1.625)


def test_a_scheduler_need_not_decide(lab) -> None:
    assert lab.go(nothing, [lab.task()]).stage() == "waiting"


OWN = """
from emulator.decisions import Assign

def here(view):
    for task in view.waiting:
        yield Assign(task.id, task.at)

class Here:
    decide = staticmethod(here)

class Drawn:
    def __init__(self, uniform):
        self.first = uniform()
    decide = staticmethod(here)

class Broken:
    def __init__(self):
        raise RuntimeError("no luck")

class Demanding:
    def __init__(self, budget):
        pass

ready = Here()
number = 7

class NoDecide:
    decide = 5
"""


@pytest.fixture
def own(tmp_path, monkeypatch, request) -> str:
    """A module of one's own in the current folder; its name."""
    name = f"own_{abs(hash(request.node.name)) % 10**9}"
    (tmp_path / f"{name}.py").write_text(OWN)
    (tmp_path / f"{name}_bad.py").write_text("import no_such_module_at_all")
    (tmp_path / f"{name}_typo.py").write_text("def here(view)\n")
    (tmp_path / f"{name}_exits.py").write_text("raise SystemExit('bye')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("attribute", ["here", "Here", "Drawn", "ready"])
def test_ones_own_is_found_in_the_current_folder(lab, own, attribute) -> None:
    scheduler = load(f"{own}:{attribute}", lambda: 0.25)
    assert lab.go(scheduler, [lab.task()], [lab.radio("A")]).fate()[0] == "done"


def test_a_class_that_asks_for_uniform_gets_the_runs_own_stream(own) -> None:
    assert load(f"{own}:Drawn", lambda: 0.25).first == 0.25


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("messh", r"no scheduler 'messh'; did you mean mesh\? Shipped: bent-pipe, onboard, mesh, .*module:Name"),
        ("xyzzy", "no scheduler 'xyzzy'. Shipped"),
        ("", "no scheduler ''"),
        ("{own}:there", "has no 'there'"),
        ("{own}:", "has no ''"),
        (":here", "module ''"),
        ("{own}_none:here", "module 'own_.*_none': ModuleNotFoundError"),
        ("./{own}.py:here", r"; name the module, not its file: own_\w+:here, from the folder"),
        ("{own}.py:here", r"; name the module, not its file: own_\w+:here, from the folder"),
        ("{own}_bad:here", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("{own}_typo:here", "SyntaxError"),
        ("{own}_exits:here", "SystemExit: bye"),
        ("{own}:Broken", "cannot be made: RuntimeError: no luck"),
        ("{own}:Demanding", "cannot be made: TypeError: .*budget"),
        ("{own}:number", "int: neither a function of the view nor has it decide"),
        ("{own}:NoDecide", "NoDecide: neither a function of the view nor has it decide"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_the_reason(own, name, text) -> None:
    with pytest.raises(SchedulerError, match=text):
        load(name.format(own=own), lambda: 0.0)
