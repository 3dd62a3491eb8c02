"""The one door to onnxruntime: imported late, with its telemetry off, which writes files and may speak to others.

Rules: every session is made with the options from here, so none differs in how it takes a model's bytes.
"""

import os
from typing import Any


def onnxruntime() -> Any:
    """The module. Telemetry is switched off before the import, which is when it would begin."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as module

    module.set_default_logger_severity(4)  # what goes wrong is raised, with what to do, and not printed as well
    return module


def session_options(threads: int = 1) -> Any:
    """New `SessionOptions` for any session: `threads` within an operator (0: all cores), one between them, quiet.

    The model's bytes are read as ONNX, whatever else they might look like: onnxruntime would take its own format too.
    """
    options = onnxruntime().SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # an idle pool spins a whole core
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4
    return options
