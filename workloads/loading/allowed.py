"""The operators and opsets that a model may ask for: an allow-list, and what of it shall not run here.

Rules: an operator is allowed if its domain is known and onnx or this onnxruntime has it in the opset imported. A model
that is only counted may hold any other: it is listed there as not counted. Opsets have to be known in both cases.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from workloads.errors import ModelError
from workloads.runtime import onnxruntime as load_onnxruntime
from workloads.runtime import session_options

MOST_OPSETS = 16  # domains that a file imports; there are three that onnxruntime knows
_RUNTIME_LIMIT = re.compile(r"support for domain \S+ is till opset \d+|max supported IR version: \d+")  # its words
# Operators of known domains that shall not run here, and why
FORBIDDEN = {
    "EPContext": "it runs compiled code that comes with the model",
    "Snpe": "it runs compiled code that comes with the model",
    "StringConcat": "the length of its texts has no bound",
} | dict.fromkeys(
    ("SplitToSequence", "SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceErase", "SequenceAt",
     "SequenceLength", "ConcatFromSequence", "Optional"),
    "how many tensors a sequence or an optional value holds is known only while it runs",
)  # fmt: skip


def check_operators(model: Any, nodes: Iterable[Any], *, to_run: bool) -> None:
    """Raise ModelError for opsets that the runtime does not take; of a model `to_run` also for the first node that is
    not allowed, is control flow, or reads an input of the graph that is no tensor.
    """
    from workloads.counting.tensors import has_graph

    opsets = _opsets(model)
    if not to_run:
        return
    for node in nodes:
        domain, name = "" if node.domain == "ai.onnx" else node.domain, node.name
        if node.op_type in FORBIDDEN:
            raise ModelError(f"node {name!r} is a {node.op_type}: {FORBIDDEN[node.op_type]}")
        if has_graph(node):
            raise ModelError(f"node {name!r} is control flow ({node.op_type}): what it costs depends on the data")
        if not _is_known(node.op_type, domain, opsets):
            raise ModelError(
                f"node {name!r} asks for operator {node.op_type!r} of domain {domain or 'ai.onnx'!r}, opset "
                f"{opsets.get(domain)}: not a known operator; export the model with standard ones"
            )
    for value in model.graph.input:
        kind = value.type.WhichOneof("value")
        if kind not in (None, "tensor_type"):
            raise ModelError(f"input {value.name!r} is no tensor ({kind}): only tensors are fed here")


def _opsets(model: Any) -> dict[str, int]:
    """The version of each domain that the model imports. Raises ModelError for those that the runtime does not take."""
    imports = [("" if entry.domain == "ai.onnx" else entry.domain, entry.version) for entry in model.opset_import]
    opsets = dict(imports)
    if len(imports) > MOST_OPSETS or len(opsets) < len(imports):
        raise ModelError(f"imports {len(imports)} opsets of {len(opsets)} domains: {MOST_OPSETS} at most, each once")
    reason = _runtime_refuses(int(model.ir_version), tuple(sorted(opsets.items())))
    if reason:
        raise ModelError(f"opsets {opsets}, IR version {model.ir_version}: onnxruntime does not take them ({reason})")
    return opsets


def _is_known(kind: str, domain: str, opsets: Mapping[str, int]) -> bool:
    import onnx

    from workloads.counting.operators import KNOWN_DOMAINS
    from workloads.counting.tensors import RUNTIME_STANDARD

    if domain not in opsets or domain not in KNOWN_DOMAINS:
        return False
    if domain == "com.microsoft":
        ours = _runtime_operators()
        return not ours or kind in ours
    return onnx.defs.has(kind, opsets[domain], domain) or kind in RUNTIME_STANDARD


@lru_cache(maxsize=64)
def _runtime_refuses(ir_version: int, opsets: tuple[tuple[str, int], ...]) -> str:
    """Why the installed onnxruntime takes no model of these versions, found with one of a single Identity."""
    from onnx import helper

    ends = [helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", ends[:1], ends[1:])
    try:
        imports = [helper.make_opsetid(*opset) for opset in opsets]
        probe = helper.make_model(graph, opset_imports=imports, ir_version=ir_version)
        load_onnxruntime().InferenceSession(
            probe.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors share no base of their own
        text = str(error).splitlines()[0]
        limit = _RUNTIME_LIMIT.search(text)
        return limit.group() + "; export the model with an older one" if limit else text[-200:]
    return ""


@lru_cache(maxsize=1)
def _runtime_operators() -> frozenset[str]:
    """Names of onnxruntime's own operators; empty where this build does not list them (the session then decides)."""
    state = load_onnxruntime().capi.onnxruntime_pybind11_state
    listed: list[Any] = getattr(state, "get_all_operator_schema", list)()
    return frozenset(schema.name for schema in listed if schema.domain == "com.microsoft")
