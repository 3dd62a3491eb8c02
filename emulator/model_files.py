"""The models that a scenario brings along: each an ONNX file beside it, by itself or with the sha256 of its content.

    [models]
    mine = "mine.onnx"

    [models.other]
    file = "other.onnx"
    sha256 = "5f1c..."

A file's own sha256 is what `sha256sum` says; `orbitmesh inspect --json` says that of a model with weights beside it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workloads.models import find_model

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class ModelFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An ONNX file, relative to the scenario; with `sha256`, no other content of it is taken."""

    file: str
    sha256: str = ""

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be."""
        if not self.sha256 or _SHA256.fullmatch(self.sha256):
            return []
        return [("sha256", f"is {self.sha256[:80]!r}; 64 hexadecimal digits, as sha256sum prints them")]


Models = Mapping[str, str | ModelFile]


def model_file(models: Models, name: str) -> ModelFile:
    """The file of model `name`, in the long form. Raises KeyError for a name that the scenario does not bring."""
    entry = models[name]
    return ModelFile(file=entry) if isinstance(entry, str) else entry


def where(models: Models, folder: Path | None, name: str) -> tuple[Path, str]:
    """Path of a model, the scenario's own or one that ships, and the sha256 that it has to have ("": any).

    Raises ModelError for a name that is neither.
    """
    if name in models and folder is not None:
        own = model_file(models, name)
        return folder / own.file, own.sha256
    return find_model(name), ""
