"""The one door to onnxruntime: imported late, with its telemetry off, which writes files and may speak to others."""

import os
from typing import Any


def onnxruntime() -> Any:
    """The module. Telemetry is switched off before the import, which is when it would begin."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as module

    module.set_default_logger_severity(4)  # what goes wrong is raised, with what to do, and not printed as well
    return module
