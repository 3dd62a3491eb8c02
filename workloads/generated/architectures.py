"""Published architectures, exact in every layer, with seeded random weights: UNTRAINED, for timing and counting only.

`resnet50` is version 1.5 (the stride in the 3x3 convolution), `mobilenet-v2` has width 1.0, `vit-b-16` takes 224 x 224
in patches of 16: parameters and multiply-accumulates are torchvision's. Normalisation over the batch stays a node of
its own, as published parameter counts have its scale and shift. `u-net` is Ronneberger et al. 2015, figure 1: 572 x 572
of one channel in, no padding, 388 x 388 of two classes out.
Rules: no clock; the same name and seed give the same bytes on every host; the batch axis is free.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from workloads.errors import ModelError
from workloads.whole_file import whole

VERSION = 1  # of the generators: to be raised when any of them makes other bytes, so that cached files are made anew
UNTRAINED = "untrained: seeded random weights, for timing only"


IMAGE, CLASSES = (3, 224, 224), (1000,)  # of ImageNet models


class Published(NamedTuple):
    """What is published: parameters, multiply-accumulates at batch 1, the axes behind the batch, and where.

    `sha256` is of the file that `write` makes with seed 0: a generated model is known by it.
    """

    parameters: int
    macs: int
    image: tuple[int, ...]
    scores: tuple[int, ...]
    source: str
    sha256: str


# torchvision 0.20, "Table of all available classification weights": parameters, GFLOPS (there: multiply-accumulates)
PUBLISHED: Mapping[str, Published] = {
    "resnet50": Published(
        25_557_032,
        4_090_000_000,
        IMAGE,
        CLASSES,
        "He et al. 2016, v1.5; torchvision",
        "e336930d19825376d2fd80069fa0aa07d104311fcac43304e874795d34d1e428",
    ),
    "mobilenet-v2": Published(
        3_504_872,
        300_000_000,
        IMAGE,
        CLASSES,
        "Sandler et al. 2018; torchvision",
        "e313dd46ac6cbb494468966c2fa7067cfca893c50cb2ec0135fd72c040115712",
    ),
    # 23 convolutions of figure 1, each outputs x kernel x channels: worked out again in the tests
    "u-net": Published(
        31_030_658,
        150_428_424_448,
        (1, 572, 572),
        (2, 388, 388),
        "Ronneberger et al. 2015, figure 1",
        "9cc9e0ae2a830c3dc4ccfb68b6415b14f52ea2e89c135d8505204e77e945f14e",
    ),
    "vit-b-16": Published(
        86_567_656,
        17_560_000_000,
        IMAGE,
        CLASSES,
        "Dosovitskiy et al. 2021; torchvision",
        "527622394397639fa65b15cb1907ad09dac8c5994250269f23f9a6826736e486",
    ),
}


def generate(name: str, seed: int = 0) -> Any:
    """The architecture `name` as an onnx ModelProto, its weights drawn from `seed`.

    Raises ModelError for a name that is none of PUBLISHED, WorkloadError for a seed that cannot be.
    """
    from workloads.generated.convolutional import mobilenet_v2, resnet50, u_net
    from workloads.generated.vision_transformer import vit_b_16

    makers = {"resnet50": resnet50, "mobilenet-v2": mobilenet_v2, "u-net": u_net, "vit-b-16": vit_b_16}
    if name not in makers:
        raise ModelError(f"no architecture {name[:200]!r}: one of {', '.join(makers)}")
    published = PUBLISHED[name]
    properties = {"trained": UNTRAINED, "seed": str(seed), "architecture": published.source}
    return makers[name](seed).model({"scores": ["batch", *published.scores]}, properties)


def write(name: str, target: Path, seed: int = 0) -> Path:
    """Write the architecture as the file `target`, whole or not at all; returns `target`.

    Raises ModelError where it cannot be written, and as `generate` does.
    """
    data = generate(name, seed).SerializeToString(deterministic=True)
    try:
        with whole(target) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise ModelError(f"{str(target)[:200]}: cannot be written: {error.strerror}; name another place") from error
    return target


def cache_folder() -> Path:
    """Where generated models are kept: `orbitmesh/models` in XDG_CACHE_HOME, or in .cache of the user's home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if given and Path(given).is_absolute() else Path.home() / ".cache"  # XDG Base Directory 0.8
    return base / "orbitmesh" / "models"


def cached(name: str) -> Path:
    """The file of the architecture `name` with seed 0, generated at its first use, and again if it is another's.

    A file counts by its sha256, not by its name; a link in its place is replaced, and what it leads to stays.
    Raises ModelError where the cache folder cannot be written, saying how to choose another.
    """
    target = cache_folder() / f"v{VERSION}" / f"{name}.onnx"  # the version apart: a model is shown by its file's name
    if _is_published(target, PUBLISHED[name].sha256):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"{name} is generated into {target.parent}, which cannot be made: {error.strerror}; set XDG_CACHE_HOME, "
            f"or write it yourself: orbitmesh models --write {name} --out {name}.onnx"
        ) from error
    return write(name, target)


def _is_published(path: Path, sha256: str) -> bool:
    try:
        if path.is_symlink() or not path.is_file():
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
    except OSError:  # it cannot be read, so it is made anew, and that says what is wrong
        return False
