"""How models come to the nodes of a live run: by path and sha256 on the coordinator's host, as bytes to any other.

Rules: a node runs no content but the one that it was told. What its own host's coordinator has tried it opens by that
sha256; what came from another host it tries itself, and a path that comes from there it does not open at all.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from emulator.errors import BadInput
from emulator.live import control as say
from workloads.inference import Runner
from workloads.loading.opening import OpenModel, open_model
from workloads.loading.trial import open_tried


def by_path(runner: Runner) -> list[say.Model]:
    """The runner's models for nodes of this host."""
    return [say.Model(name, runner.profiles[name].sha256, path=str(path)) for name, path in runner.paths.items()]


def by_wire(runner: Runner) -> list[say.Model]:
    """The runner's models for nodes of other hosts, each whole: weights in files beside it are in it.

    Raises BadInput for more bytes than may travel, ModelError for a file that has changed since it was tried.
    """
    found, size_bytes, most = [], 0, say.MOST_WELCOME_BYTES // 2
    for name, path in runner.paths.items():
        data = open_model(path, sha256=runner.profiles[name].sha256).data
        found.append(say.Model(name, hashlib.sha256(data).hexdigest(), data=data))
        size_bytes += len(data)
    if size_bytes > most:
        raise BadInput(f"the models have {size_bytes} bytes; {most} at most are sent to other hosts")
    return found


def refuse_paths(welcome: say.Welcome) -> None:
    """For a node on another host than the coordinator. Raises BadInput for a welcome that names files."""
    named = [repr(model.path) for model in welcome.models if model.path or not model.data]
    if welcome.tiles_path:
        named.append(repr(welcome.tiles_path))
    if welcome.powercap:
        named.append(repr(welcome.powercap))
    if named:
        raise BadInput(
            f"the coordinator names files for this host to open ({', '.join(named)[:200]}): models come to other hosts "
            "as bytes, tiles are made and counters found there; do not join it"
        )


def opened(models: Sequence[say.Model], folder: Path) -> dict[str, OpenModel]:
    """A node's models by name, ready to run; bytes are written to `folder`. Raises ModelError for another content."""
    found = {}
    for number, model in enumerate(models):
        if model.data:  # from another host: nobody has tried it on this one
            own = folder / f"model-{number}.onnx"
            own.write_bytes(model.data)
            found[model.name] = open_tried(own, sha256=model.sha256)
        else:
            found[model.name] = open_model(model.path, sha256=model.sha256)
    return found
