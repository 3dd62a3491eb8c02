"""The tree of errors, and which of them are the user's to mend.

    OrbitmeshError
    ├── BadInput                   you asked for something that cannot be: exit 2, nothing is written
    │   ├── ScenarioError          a scenario file: file, line, field, value, what would be right
    │   ├── ProcessorError         a processor file: file, line, field, value, what would be right
    │   ├── SchedulerError         an unknown scheduler, or one that raises, loops or yields what is no decision
    │   ├── TraceError             a trace folder that is not one, is damaged, or is of another schema
    │   └── MeasuredError          a measured time that a node's budget of operations does not allow
    └── RunFailed                  the run itself went wrong: exit 1
        ├── LedgerMismatch         tasks, bytes or operations that do not add up
        ├── TimeReversed           a fact older than one already handled
        └── ReplayMismatch         the replayed orders part from the recorded ones, at a line

The folders below import nothing from here, so their families are ValueErrors of their own:
`links.errors.LinkError`, `nodes.errors.NodeError` (`ElementsError`), `workloads.errors.WorkloadError`
(`ModelError`). All of them are bad input; `BAD_INPUT` names them together for the command line.
"""

from links.errors import LinkError
from nodes.errors import NodeError
from workloads.errors import WorkloadError


class OrbitmeshError(Exception):
    """Any error of ours; the message says what, with which values, where, and what to do."""


class BadInput(OrbitmeshError):
    """You asked for something that cannot be."""


class ScenarioError(BadInput):
    """A scenario that cannot be; lists every problem found, one a line."""


class ProcessorError(BadInput):
    """A processor file that cannot be; lists every problem found, one a line."""


class SchedulerError(BadInput):
    """A scheduler that is unknown, raises, loops, or yields what is no decision."""


class TraceError(BadInput):
    """A trace folder that cannot be read."""


class MeasuredError(BadInput):
    """A measured time that the budget of the node it is to be of does not allow."""


class RunFailed(OrbitmeshError):
    """The run itself went wrong."""


class LedgerMismatch(RunFailed):
    """Tasks, bytes or operations that do not add up."""


class TimeReversed(RunFailed):
    """A fact arrived that is older than one already handled."""


class ReplayMismatch(RunFailed):
    """The replayed orders part from the recorded ones."""


BAD_INPUT = (BadInput, LinkError, NodeError, WorkloadError)
