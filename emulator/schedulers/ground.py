"""Everything goes down raw and is processed on the ground."""

from collections.abc import Iterator

from emulator.decisions import Decision, Downlink
from emulator.view import View


def bent_pipe(view: View) -> Iterator[Decision]:
    """Send every scene down raw by the radio of the satellite that took it, to the first station it sees.

    Of a pipeline, all that waits for the same scene goes along, and what comes after runs at that station.
    """
    for task in view.waiting:
        yield Downlink(task.id)
