"""What a scheduler answered, kept while it runs, and forced again in a replay.

Recording keeps what the core has taken of each answer, and changes nothing. Forcing gives a scheduler's
place to the record: as long as the run asks the same questions at the same instants it gets the same answers; once it
asks others, each task gets what was decided for it, not before the instant at which it was.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from emulator.consult import Decider
from emulator.decisions import Assign, Decision, Downlink, Drop, Preempt, WakeAt, plain_text
from emulator.state import ENDED, StageState, TaskState
from emulator.tracing.blocks import MOST_BLOCK_BYTES
from emulator.view import View

if TYPE_CHECKING:
    from emulator.core import Core

DECISIONS_LOG = "decisions.jsonl.gz"
KINDS: dict[str, type] = {"assign": Assign, "downlink": Downlink, "drop": Drop, "preempt": Preempt, "wake": WakeAt}
_NAMES = {kind: name for name, kind in KINDS.items()}
_AT_ONCE = frozenset((Assign, Downlink, Drop, Preempt))  # what msgspec writes as it is, nearly always
_NEVER_S = 1e300  # an instant that JSON can hold, for one that it cannot: no run lasts so long
FULL_BYTES = MOST_BLOCK_BYTES >> 2  # what a block holds unpacked, unless a single line is longer: 64 MiB

Answer = tuple[float, str, list[Any]]  # instant, trigger, decisions as they are written


class DecisionLog:
    """The answers of one scheduler. `watched(scheduler)` takes its place; `flush` writes what came since."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, str, list[Any]]] = []
        self._encoded: list[tuple[bytes, int, float, float]] = []  # lines, how many, first and last instant
        self._encode_lines = msgspec.json.Encoder().encode_lines

    def watched(self, scheduler: Decider) -> "Watched":
        """The same scheduler, whose answers are kept."""
        return Watched(scheduler, self._keep)

    def _keep(self, at_s: float, trigger: str, decisions: list[Any]) -> None:
        for decision in decisions:
            if type(decision) not in _AT_ONCE:
                decisions = [each if type(each) in _AT_ONCE else written(each) for each in decisions]
                break
        self._kept.append((at_s, trigger, decisions))

    def encode(self) -> None:
        """Make bytes of what was answered since, empty answers too: they are answers."""
        kept = self._kept
        if not kept:
            return
        try:
            chunk = self._encode_lines(kept)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):  # something that JSON cannot hold
            kept = [(at_s, trigger, [_once(each) for each in decisions]) for at_s, trigger, decisions in kept]
            chunk = self._encode_lines(kept)
        if len(chunk) <= FULL_BYTES:
            self._encoded.append((chunk, len(kept), kept[0][0], kept[-1][0]))
        else:
            self._encoded += [(self._encode_lines([each]), 1, each[0], each[0]) for each in kept]
        self._kept.clear()

    def flush(self, write: Callable[..., object]) -> None:
        """Write the answers, if there are any, as one block, or as many as they fill."""
        self.encode()
        block: list[tuple[bytes, int, float, float]] = []
        block_bytes = 0
        for each in self._encoded:
            if block and block_bytes + len(each[0]) > FULL_BYTES:
                _write(block, write)
                block, block_bytes = [], 0
            block.append(each)
            block_bytes += len(each[0])
        if block:
            _write(block, write)
        self._encoded = []


def _write(block: list[tuple[bytes, int, float, float]], write: Callable[..., object]) -> None:
    chunk, lines = b"".join(each[0] for each in block), sum(each[1] for each in block)
    write(chunk, lines, block[0][2], block[-1][3], DECISIONS_LOG)


class Watched:
    """A scheduler whose answers `keep_answer` is given: the instant, the trigger, and the decisions that were taken."""

    __slots__ = ("__name__", "decide", "keep_answer")

    def __init__(self, scheduler: Decider, keep: Callable[[float, str, list[Any]], None]) -> None:
        self.__name__ = getattr(scheduler, "__name__", type(scheduler).__name__)
        decide: Any = getattr(scheduler, "decide", scheduler)
        self.decide: Callable[[View], Iterable[Decision] | None] = decide
        self.keep_answer = keep


def written(decision: object) -> list[Any]:
    """A decision as a list that begins with its kind; of what is none, or holds what JSON cannot, `?`, its type's name
    and its task."""
    kind = type(decision)
    name = _NAMES.get(kind)
    if name is None:
        return _stand_in(decision)
    values: tuple[Any, ...] = msgspec.structs.astuple(decision)  # type: ignore[arg-type]  # it is one of ours
    if kind is WakeAt and isinstance(values[0], float | int):
        at_s = float(values[0]) if abs(values[0]) < _NEVER_S else (_NEVER_S if values[0] > 0 else -_NEVER_S)
        return [name, at_s]
    values = tuple(plain_text(value) if isinstance(value, str) else value for value in values)
    try:
        if tuple(msgspec.json.decode(msgspec.json.encode(values))) == values:
            return [name, *values]  # of wrong types perhaps: then it was rejected with a code, and will be again
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return _stand_in(decision)
    return _stand_in(decision)


def _once(each: object) -> list[Any]:
    """What was not written when it was yielded, written; a list is what was: no scheduler's list comes here."""
    return each if isinstance(each, list) else written(each)


def _stand_in(decision: object) -> list[Any]:
    return ["?", plain_text(type(decision).__name__), plain_text(getattr(decision, "task", ""))]


def read(plain: Any) -> Any:
    """The decision that was written; of what was none, something as bad, that is rejected under the same name."""
    try:
        name, *values = plain
        if name in KINDS and len(values) == len(fields(name)):
            return KINDS[name](*values)
        return type(str(values[0]), (), {"task": str(values[1])})()
    except (TypeError, ValueError, IndexError):
        return None


def fields(name: str) -> tuple[str, ...]:
    """The fields of a kind of decision. Raises KeyError for another name."""
    return tuple(field.name for field in msgspec.structs.fields(KINDS[name]))


class Forced:
    """A scheduler that decides what another one is recorded to have decided.

    `parted_s` is when questions first came otherwise (None: never), `left` what was decided for tasks that never waited
    again. From then on tasks get their decisions in the order in which they first could wait, and what nobody decided
    for costs nothing: only tasks with decisions left are looked at.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._verbatim = deque((at_s, trigger, [read(each) for each in plain]) for at_s, trigger, plain in answers)
        self._by_task: dict[str, deque[tuple[float, Decision]]] = {}
        self._preempts: deque[tuple[float, Decision]] = deque()
        self._met: dict[str, deque[tuple[float, Decision]]] = {}  # of `_by_task`, what is there and has not ended
        self._known = 0  # how many tasks the core had when `_met` was last added to
        self.parted_s: float | None = None  # when the run first asked something else

    def decide(self, view: View) -> Iterator[Any]:
        """The recorded decisions, verbatim while nothing differs."""
        if self.parted_s is None:
            yield from self._as_recorded(view)
        else:
            yield from self._by_name(view)

    def left(self) -> dict[str, int]:
        """Decisions, by task, that were never asked for again."""
        found: dict[str, int] = {}
        for _, _, decisions in self._verbatim:
            for each in decisions:
                if isinstance(each, Assign | Downlink | Drop):
                    found[each.task] = found.get(each.task, 0) + 1
        for task, waiting in self._by_task.items():
            if waiting:
                found[task] = found.get(task, 0) + len(waiting)
        return found

    def _as_recorded(self, view: View) -> Iterator[Any]:
        """The record's next answer, if it was to this question."""
        known = self._verbatim
        if known and known[0][:2] == (view.now_s, view.trigger):
            yield from known.popleft()[2]
        else:
            self._part(view.now_s)
            yield from self._by_name(view)

    def _part(self, now_s: float) -> None:
        self.parted_s = now_s
        for at_s, _, decisions in self._verbatim:
            for each in decisions:
                if isinstance(each, Assign | Downlink | Drop):
                    self._by_task.setdefault(each.task, deque()).append((at_s, each))
                elif isinstance(each, Preempt):
                    self._preempts.append((at_s, each))
        self._verbatim.clear()

    def _by_name(self, view: View) -> Iterator[Any]:
        core = view._core
        next_s: list[float] = []
        while self._preempts and self._preempts[0][0] <= view.now_s:
            yield self._preempts.popleft()[1]
        self._meet(core)
        for task, decided in list(self._met.items()):
            if task in core.waiting and task not in core.consultation.deciding:
                if decided[0][0] <= view.now_s:
                    yield decided.popleft()[1]
                else:
                    next_s.append(decided[0][0])
            if not decided or _over(core.work[task]):
                del self._met[task]
        next_s += [at_s for at_s, _ in list(self._preempts)[:1]]
        if next_s:
            yield WakeAt(min(next_s))

    def _meet(self, core: "Core") -> None:
        """Take up the tasks that have come to the core since it was last asked."""
        new = list(islice(reversed(core.work), len(core.work) - self._known))
        self._met |= {task: self._by_task[task] for task in reversed(new) if self._by_task.get(task)}
        self._known += len(new)


def _over(state: TaskState) -> bool:
    """Whether it can never wait again; a stage's data may be lost and come anew as long as its scene lasts."""
    return (state.scene.stage if isinstance(state, StageState) else state.stage) == ENDED
