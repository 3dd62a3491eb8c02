"""The shelf of tiles that the nodes of a host read: what is on it, and a disk without room for it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workloads.errors import WorkloadError
from workloads.scenery.scenes import TileBank
from workloads.scenery.shelf import Shelf, fill

FILLED = """
import sys
from pathlib import Path
from workloads.scenery.scenes import TileBank
from workloads.scenery.shelf import fill
try:
    fill(Path(sys.argv[1]) / "tiles", TileBank(2), [0, 1], lambda done: None)
except OSError as error:
    print(error.strerror)
"""


def test_what_was_asked_for_is_on_the_shelf_and_the_rest_is_not(tmp_path: Path) -> None:
    bank, done = TileBank(4), []
    fill(tmp_path / "tiles", bank, [3, 1], done.append)
    shelf = Shelf(tmp_path / "tiles", bank)
    assert done == [1, 2]
    for number in (1, 3):
        assert np.array_equal(shelf.bands(number), bank.tile(number).bands)
    assert not shelf.bands(0).any()
    with pytest.raises(WorkloadError, match="tile 4 is not on a shelf of 4"):
        shelf.bands(4)


@pytest.mark.skipif(sys.platform != "linux", reason="a small disk of one's own: Linux with user namespaces")
def test_a_disk_without_room_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    small = f"mount -t tmpfs -o size=64k none {tmp_path} || exit 77; exec {sys.executable} -c '{FILLED}' {tmp_path}"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", small], capture_output=True, text=True, check=False)
    if done.returncode in (1, 77):
        pytest.skip(f"no user namespaces here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "No space left on device\n", "")
