"""UTC instants from the command line; an error names the option that held the text."""

from emulator.errors import BadInput
from nodes.epoch import Epoch
from nodes.errors import NodeError


def epoch_of(option: str, utc: str) -> Epoch:
    """The instant as an epoch. Raises `BadInput` naming `option`."""
    try:
        return Epoch(utc)
    except NodeError as error:
        raise BadInput(f"{option} {error}") from error


def instant_s(epoch: Epoch, option: str, utc: str) -> float:
    """Seconds from `epoch` to the instant. Raises `BadInput` naming `option`."""
    return epoch.seconds(epoch_of(option, utc).utc)
