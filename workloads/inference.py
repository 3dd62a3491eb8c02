"""Real inference: every scene's tile goes through onnxruntime, and what comes out decides what is sent down.

Rules: an answer is computed once for each model and tile content and kept; no clock, no randomness. A model that is
not ours runs one tile at a time, as it was tried: how its memory grows with the batch is its own.
A cloud screener (`workloads/sessions.py` says which models are) answers with a cloud fraction. Any other model is a
load: it runs on the same tiles, and since its answer means nothing here its scenes are all clear with a fixed
product.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Literal

import msgspec

from workloads.errors import ModelError, RefusedModel
from workloads.loading.opening import Limits, OpenModel
from workloads.loading.trial import is_ours, open_tried
from workloads.scenery.scenes import TileBank
from workloads.scenery.shelf import Tiles
from workloads.sessions import Engine
from workloads.tasks import ModelProfile, Outcome


class Products(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a scene once its cloud fraction is known, and how many bytes that has.

    A scene with more cloud than `cloudy_above` is dropped or sent as a summary. A clear one yields
    (`product_bytes` + `product_bytes_per_raw_byte` x raw bytes) x its clear share. The default is 5 % of a
    Sentinel-2 scene of 0.22 GB [guess].
    """

    cloudy: Literal["summary", "drop"] = "summary"
    cloudy_above: float = 0.7
    summary_bytes: int = 1_024
    product_bytes: int = 11_000_000
    product_bytes_per_raw_byte: float = 0.0
    load_product_bytes: int = 4_000  # a thousand class scores of four bytes

    def problems(self) -> list[tuple[str, str]]:
        """(field, message) of everything that cannot be."""
        found = []
        if not 0 <= self.cloudy_above <= 1:
            found.append(("cloudy_above", f"is {self.cloudy_above}; a cloud fraction is 0 to 1"))
        for name in ("summary_bytes", "product_bytes", "load_product_bytes"):
            if not 0 <= getattr(self, name) <= 2**53:
                found.append((name, f"is {getattr(self, name)}; it must be 0 or more bytes, up to 2^53"))
        ratio = self.product_bytes_per_raw_byte
        if not (isfinite(ratio) and 0 <= ratio <= 1000):
            found.append(("product_bytes_per_raw_byte", f"is {ratio}; it must be 0 to 1000"))
        return found

    def of(self, fraction: float | None, raw_bytes: int) -> Outcome:
        """What is sent of a scene once a model has answered: a cloud fraction, or None from a load."""
        return Outcome("clear", 0.0, self.load_product_bytes) if fraction is None else self.outcome(fraction, raw_bytes)

    def outcome(self, cloud_fraction: float, raw_bytes: int) -> Outcome:
        """What is sent of a scene of `raw_bytes` with that `cloud_fraction`, 0..1."""
        if cloud_fraction > self.cloudy_above:
            return Outcome("cloudy", cloud_fraction, self.summary_bytes if self.cloudy == "summary" else 0)
        whole_bytes = self.product_bytes + self.product_bytes_per_raw_byte * raw_bytes
        return Outcome("clear", cloud_fraction, round(whole_bytes * (1 - cloud_fraction)))


class Fresh:
    """Runs a model anew for every scene and remembers nothing: what a node does when its host really works.

    The models are open: whoever opens them answers for their content. Raises ModelError as `Runner` does.
    """

    def __init__(
        self,
        models: Mapping[str, OpenModel],
        tiles: Tiles,
        products: Products,
        *,
        provider: str = "cpu",
        threads: int = 1,
    ) -> None:
        self.tiles, self.products = tiles, products
        self._engines = {name: Engine(name, model, provider, threads, 1) for name, model in models.items()}
        for engine in self._engines.values():
            engine.check_fits(tiles.size_px)

    def outcome(self, task_model: str, tile: int, raw_bytes: int) -> Outcome:
        """What `task_model` says of tile number `tile` now."""
        fraction = self._engines[task_model].fractions([self.tiles.bands(tile)])[0]
        return self.products.of(fraction, raw_bytes)


class Runner:
    """Runs models on the tiles of a bank, and remembers.

    `distinct_runs` counts tiles that went through a model, `cached_hits` answers that were already there; `profiles`
    are the costs of the very contents that run.
    A model that is not ours is first opened and run apart (`workloads/loading/trial.py`), and then runs at batch 1
    whatever `batch` says; `sha256` is what a model must have. Raises RefusedModel, with its name, if a model is
    refused, cannot be counted, cannot run on `provider` ("cpu", "cuda", "tensorrt") or does not fit the tiles;
    ModelError if it answers what is no probability.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        bank: TileBank,
        products: Products | None = None,
        *,
        provider: str = "cpu",
        threads: int = 1,
        batch: int = 1,
        limits: Limits | None = None,
        sha256: Mapping[str, str] | None = None,
    ) -> None:
        from workloads.counting.graph import profile_of  # imports onnx, 0.5 s: nodes have no use for it at their start

        if batch < 1 or threads < 1:
            raise ModelError(f"batch {batch} on {threads} threads cannot be: give 1 or more of each")
        self.bank, self.products, self.paths = bank, products or Products(), dict(models)
        self.distinct_runs = self.cached_hits = 0
        self._engines: dict[str, Engine] = {}
        self.profiles: dict[str, ModelProfile] = {}
        for name, path in models.items():
            try:
                model = open_tried(path, limits, sha256=(sha256 or {}).get(name, ""))
                self.profiles[name] = profile_of(model, name)
                most = _batch(model, batch, limits or Limits())
                self._engines[name] = Engine(name, model, provider, threads, most)
                self._engines[name].check_fits(bank.size_px)
            except ModelError as error:
                raise RefusedModel(name, str(error)) from error
        self._contents: dict[int, str] = {}
        self._fractions: dict[tuple[str, str], float | None] = {}

    def outcome(self, task_model: str, tile: int, raw_bytes: int = 0) -> Outcome:
        """What `task_model` says of tile number `tile`; `raw_bytes` is the scene's, for products that scale with it."""
        engine = self._engine(task_model)
        if not self._known(engine, tile):
            self._run(engine, [tile])
        else:
            self.cached_hits += 1
        return self.products.of(self._fractions[engine.sha256, self._contents[tile]], raw_bytes)

    def warm(
        self,
        tiles: Iterable[int],
        models: Iterable[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Answer for all `tiles` beforehand, in batches; `progress` hears (done, of how many) after each."""
        engines = [self._engine(name) for name in (self._engines if models is None else models)]
        wanted = list(dict.fromkeys(tiles))
        done, total = 0, len(wanted) * len(engines)
        for engine in engines:
            rest = iter(wanted)
            while part := list(islice(rest, engine.batch)):
                missing = [tile for tile in part if not self._known(engine, tile)]
                if missing:
                    self._run(engine, missing)
                done += len(part)
                if progress is not None:
                    progress(done, total)

    def is_screen(self, model: str) -> bool:
        """Whether the model's answer is a cloud fraction."""
        return self._engine(model).screens

    def _engine(self, name: str) -> Engine:
        if name not in self._engines:
            raise ModelError(f"no model {name!r} in this run: there is {', '.join(self._engines) or 'none'}")
        return self._engines[name]

    def _known(self, engine: Engine, tile: int) -> bool:
        return tile in self._contents and (engine.sha256, self._contents[tile]) in self._fractions

    def _run(self, engine: Engine, numbers: Sequence[int]) -> None:
        tiles = [self.bank.tile(number) for number in numbers]
        answers = engine.fractions([tile.bands for tile in tiles])
        self.distinct_runs += len(tiles)
        for number, tile, answer in zip(numbers, tiles, answers, strict=True):
            self._contents[number] = tile.sha256
            self._fractions[engine.sha256, tile.sha256] = answer


def _batch(model: OpenModel, wanted: int, limits: Limits) -> int:
    """The batch to run with: of a model that is not ours the one that was tried, of ours what memory allows.

    The memory that ours ask for is linear in the batch, so that `wanted` times that of one is more than enough.
    """
    if not is_ours(model):
        return 1
    return min(wanted, max(1, limits.memory_bytes // max(1, model.asked_bytes)))
