"""A run that this host cannot hold is refused before a process is started."""

import os

import pytest

from emulator.errors import BadInput
from emulator.live.host_room import make_room


def test_more_nodes_than_memory_are_refused_wherever_they_would_have_to_run_here() -> None:
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    many = memory_bytes // (25 << 20)  # 20 MB each would fit, 35 MB with a model would not
    with pytest.raises(BadInput, match=f"{many} nodes are as many processes of 35 MB or more, and this host has "):
        make_room(3, many, infers=True)
    make_room(3, many, infers=False)
    make_room(3, 0, infers=True)
    with pytest.raises(BadInput, match="of 20 MB or more"):
        make_room(3, 2 * many, infers=False)
